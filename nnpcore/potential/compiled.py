"""An ensemble's networks arranged for :mod:`nnpcore.potential.network_kernels`, whitening included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.network_kernels import (
    ATOMS,
    CODES,
    ROOM,
    Contraction,
    Packed,
    contract_pairs,
    evaluate_networks,
)


@dataclass(frozen=True, eq=False)
class Slopes:
    """Atomic energies (n_members, n), and what the compiled contraction needs of dE/dG.

    ``gradients`` (n, n_descriptors, lanes) float64, the members in lanes, padded to eights.
    """

    energies: np.ndarray
    gradients: np.ndarray


@dataclass(frozen=True, eq=False)
class PairGradients:
    """dE/dr of consecutive centres.

    ``pairs`` (n_pairs, 3, n_members) f_p of every pair, ``own`` (n, 3, n_members) their sums over a centre's
    pairs, ``virials`` (n, 3, 3, n_members) those of r_p (outer) f_p, or of no centre where not wanted.
    """

    pairs: np.ndarray
    own: np.ndarray
    virials: np.ndarray


class CompiledNetworks:
    """Copies the numbers of an ensemble once; see :meth:`fits` for which networks.

    The whitening is multiplied into the first layer: ``x @ W = (G - mean) @ (matrix @ W)``. What is said of
    an atom does not depend on the atoms asked about with it.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        weights = ensemble.weights
        self._ensemble = ensemble
        self._sizes = np.array([ensemble.functions.n_descriptors, *weights.hidden, 1], dtype=np.int64)
        self._row = _padded(max(int(n) for n in self._sizes))
        mean = ensemble.whitening.mean
        self._mean = np.zeros((len(mean), self._row))
        self._mean[:, : mean.shape[1]] = mean
        self._energies = ensemble.element_energy_of(np.arange(len(mean)))
        networks = [
            _packed(ensemble, element, matrix, m)
            for element, matrix in zip(weights.elements, ensemble.whitening.matrix, strict=True)
            for m in range(weights.n_members)
        ]
        self._numbers = np.stack(networks)
        self._code = CODES[weights.activation] if weights.hidden else 0

    @staticmethod
    def fits(ensemble: Ensemble) -> bool:
        """Whether all elements' networks have the same layers, with one activation that is compiled here."""
        weights = ensemble.weights
        shapes = {tuple(w.shape for w, _ in net) for net in weights.layers.values()}
        known = weights.activations is None and (weights.activation in CODES or not weights.hidden)
        return known and len(shapes) == 1

    def slopes(self, values: np.ndarray, species: np.ndarray) -> Slopes:
        """Evaluate descriptors ``values`` (n, n_descriptors) of atoms of ``species`` (n,)."""
        ensemble, n = self._ensemble, len(values)
        n_members = ensemble.n_members
        energies = np.empty((n_members, n))
        gradients = np.zeros((n, values.shape[1], -(-n_members // 8) * 8))
        work = np.zeros(2 * ATOMS * self._row * len(self._sizes))
        packed = Packed(
            self._numbers.ctypes.data, self._code, n_members, self._numbers.shape[1],
            self._mean.ctypes.data, work.ctypes.data, self._row, ATOMS,
        )  # fmt: skip
        order = np.argsort(species, kind="stable")
        places = values.ctypes.data, gradients.ctypes.data
        evaluate_networks(packed, self._sizes, species, order, places[0], energies, places[1])
        if ensemble.nonlinear_baseline is not None:
            x = ensemble.whitening.transform(values, species)
            more, own = ensemble.nonlinear_baseline.energies_and_gradient(x, species)
            energies += more
            for e, matrix in enumerate(ensemble.whitening.matrix):
                chosen = np.flatnonzero(species == e)
                gradients[chosen, :, :n_members] += (own[chosen] @ matrix.T)[:, :, None]
        energies += self._energies[species]
        return Slopes(energies, gradients)


def slopes_of(ensemble: Ensemble, values: np.ndarray, species: np.ndarray) -> Slopes:
    """The same by arrays, for any networks."""
    energies, gradients = ensemble.gradients_of(values, species)
    n_members, n, n_d = gradients.shape
    padded = np.zeros((n, n_d, -(-n_members // 8) * 8))
    padded[:, :, :n_members] = gradients.transpose(1, 2, 0)
    return Slopes(energies, padded)


def contracted(
    slopes: Slopes, start: np.ndarray, vectors: np.ndarray, derivatives: np.ndarray, virials: bool
) -> PairGradients:
    """Contract dE/dG with dG/dr ``derivatives`` (n_pairs, 3, n_descriptors), float64, of the same centres.

    ``start`` (n + 1,) their pairs, ``vectors`` (n_pairs, 3) float64.
    """
    n_members, n = slopes.energies.shape
    found = PairGradients(
        np.empty((len(vectors), 3, n_members)),
        np.empty((n, 3, n_members)),
        np.empty((n if virials else 0, 3, 3, n_members)),
    )
    arrays = slopes.gradients, derivatives, vectors, found.pairs, found.own
    addresses = [*(a.ctypes.data for a in arrays), found.virials.ctypes.data if virials else 0]
    contract_pairs(Contraction._make([n_members, derivatives.shape[2], *addresses]), start)
    return found


def _padded(n: int) -> int:
    return -(-n // ROOM) * ROOM


def _rows(first: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A row and those of a matrix, with zeros up to their padded width."""
    rows = np.zeros((len(matrix) + 1, _padded(matrix.shape[1])))
    rows[0, : len(first)], rows[1:, : matrix.shape[1]] = first, matrix
    return rows.ravel()


def _packed(ensemble: Ensemble, element: str, matrix: np.ndarray, member: int) -> np.ndarray:
    """The numbers of one network in the order in which the kernel reads them."""
    weights = ensemble.weights
    net = [(w[member], b[member]) for w, b in weights.layers[element]]
    net[0] = (matrix @ net[0][0], net[0][1])
    skip = np.zeros((1, len(matrix)))
    if weights.skip is not None:
        skip = (matrix @ weights.skip[element][member])[None]
    last, bias = net[-1]
    forward = [_rows(b, w) for w, b in net[:-1]]
    output = [_rows(last[:, 0], np.zeros((0, len(last)))), np.array([bias[0], *[0.0] * 7])]
    backward = [_rows(np.zeros(len(w)), w.T) for w, _ in reversed(net[:-1])]
    return np.concatenate([*forward, *output, *backward, _rows(skip[0], np.zeros((0, len(matrix))))])
