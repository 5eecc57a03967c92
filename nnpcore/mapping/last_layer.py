"""What the last layer of a potential sees: the features in which its atomic energies are linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.training.baseline.bases import functions_of

if TYPE_CHECKING:
    from nnpcore.potential import Potential


class LastLayer:
    """Features φ with E_i = φ_i · θ + const: last hidden layer, a 1, and the functions of a baseline.

    Each element has a block of its own, zero for atoms of the others. Functions of a linear part are the
    inputs, of a quadratic one also their products, of a kernel also its Gaussians, turned so that a plain
    ridge is that of the kernel.

    Parameters
    ----------
    potential : an ensemble with a linear output layer.

    Attributes
    ----------
    n_members, n_features : number of members M, and of features P of all elements.
    theta : (M, P) eV, weights of the features.

    Raises
    ------
    AnalysisError : for networks whose output is not linear in the last layer.
    """

    def __init__(self, potential: Potential) -> None:
        self.potential = potential
        weights = potential.weights
        self._activations = weights.activation_functions()
        for element, functions in self._activations.items():
            if functions[-1].name != "identity":
                raise AnalysisError(
                    f"the network of {element} ends in '{functions[-1].name}': its energies are not linear "
                    "in the last layer",
                    fix="Rigidity needs a linear output layer",
                )
        nonlinear = potential.nonlinear_baseline
        self._parts = [nonlinear.arrays[e] if nonlinear else {} for e in weights.elements]
        self._more = [functions_of(part) if part else None for part in self._parts]
        self.n_members = weights.n_members
        parts = [self._theta_of(e) for e in range(len(weights.elements))]
        self._edges = np.cumsum([0, *(part.shape[1] for part in parts)]).tolist()
        self.n_features = self._edges[-1]
        self.theta = np.concatenate(parts, axis=1)

    def _theta_of(self, species: int) -> np.ndarray:
        weights, more, part = self.potential.weights, self._more[species], self._parts[species]
        element = weights.elements[species]
        output, bias = weights.layers[element][-1]
        parts = [output[:, :, 0], bias + float(part.get("offset", 0.0))]
        if weights.skip is not None:
            parts.append(weights.skip[element])
        if more is not None:
            parts.append(np.tile(more.coefficients(part), (weights.n_members, 1)))
        return np.concatenate(parts, axis=1)

    def block(self, species: int) -> slice:
        """Return where the features of one element lie: those of its networks first."""
        return slice(self._edges[species], self._edges[species + 1])

    def features(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return φ (M, n, P) of atoms from their symmetry functions (n, n_descriptors), before whitening."""
        x = self.potential.whitening.transform(values, species)
        found = np.zeros((self.n_members, len(values), self.n_features))
        for e in range(len(self._more)):
            chosen = np.flatnonzero(np.asarray(species) == e)
            if len(chosen):
                own, shared, _ = self.of_element(e, x[chosen], None)
                shared = np.broadcast_to(shared, (self.n_members, *shared.shape))
                found[:, chosen, self.block(e)] = np.concatenate([own, shared], axis=2)
        return found

    def group_features(
        self, values: np.ndarray, species: np.ndarray, groups: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Return the mean φ (M, n_groups, P) of groups of these atoms, given by their indices."""
        features = self.features(values, species)
        return np.stack([features[:, g].mean(axis=1) for g in groups], axis=1)

    def of_element(
        self, species: int, x: np.ndarray, tangents: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
        """Return an element's features, and how they change along tangents of the inputs.

        Parameters
        ----------
        x : (n, n_in) network inputs. tangents : (n, n_rows, n_in) or None.

        Returns
        -------
        The members' own features (M, n, width), those they share (n, width), and the changes of both,
        (M, n, n_rows, width) and (n, n_rows, width), or None; in the type of ``x``.
        """
        weights, more = self.potential.weights, self._more[species]
        element = weights.elements[species]
        own, slopes = _hidden(weights.layers[element], self._activations[element], x, tangents)
        values = [np.ones((len(x), 1), dtype=x.dtype)]
        moves = [] if tangents is None else [np.zeros((*tangents.shape[:2], 1), dtype=x.dtype)]
        if weights.skip is not None:
            values.append(x)
            moves += [] if tangents is None else [tangents]
        if more is not None:
            values.append(more.values(x).astype(x.dtype))
            moves += [] if tangents is None else [more.changes(x, tangents).astype(x.dtype)]
        shared = np.concatenate(values, axis=1)
        if tangents is None or slopes is None:
            return own, shared, None
        return own, shared, (slopes, np.concatenate(moves, axis=2))


def _hidden(
    net: Sequence[Any], activations: Sequence[Any], x: np.ndarray, tangents: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the last hidden layer (M, n, width) and its tangents (M, n, n_rows, width)."""
    n_members, n = len(net[-1][1]), len(x)
    h: np.ndarray = np.broadcast_to(x, (n_members, *x.shape))
    moves = None if tangents is None else tangents.reshape(-1, x.shape[1])
    for (weight, bias), activation in zip(net[:-1], activations, strict=False):
        w, b = weight.astype(x.dtype), bias.astype(x.dtype)
        h, slope = activation.with_derivative(h @ w + b[:, None, :])
        if moves is not None:
            moves = moves @ w
            by_atom = moves.reshape(n_members, n, -1, w.shape[2])
            by_atom *= slope[:, :, None, :]
    return h, None if moves is None else moves.reshape(n_members, n, -1, h.shape[2])
