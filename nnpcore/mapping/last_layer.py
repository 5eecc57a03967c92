"""What the last layer of a potential sees: the features in which its atomic energies are linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import AnalysisError

if TYPE_CHECKING:
    from nnpcore.potential import Potential


class LastLayer:
    """Features φ with E_i = φ_i · θ + const: the last hidden layer, a 1, and the inputs of a linear part.

    Each element has a block of its own, zero for atoms of the others.

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
        self._widths = [
            net[-1][0].shape[1] + 1 + (weights.n_inputs if weights.skip is not None else 0)
            for net in weights.layers.values()
        ]
        self.n_members, self.n_features = weights.n_members, sum(self._widths)
        self.theta = np.concatenate([self._theta_of(e) for e in weights.elements], axis=1)

    def _theta_of(self, element: str) -> np.ndarray:
        weights = self.potential.weights
        output, bias = weights.layers[element][-1]
        parts = [output[:, :, 0], bias]
        return np.concatenate(parts if weights.skip is None else [*parts, weights.skip[element]], axis=1)

    def block(self, species: int) -> slice:
        """Return where the features of one element lie."""
        start = sum(self._widths[:species])
        return slice(start, start + self._widths[species])

    def features(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return φ (M, n, P) of atoms from their symmetry functions (n, n_descriptors), before whitening."""
        x = self.potential.whitening.transform(values, species)
        found = np.zeros((self.n_members, len(values), self.n_features))
        for e in range(len(self._widths)):
            chosen = np.flatnonzero(np.asarray(species) == e)
            if len(chosen):
                found[:, chosen, self.block(e)] = self.of_element(e, x[chosen], None)[0]
        return found

    def of_element(
        self, species: int, x: np.ndarray, tangents: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return an element's features, and how they change along tangents of the inputs.

        Parameters
        ----------
        x : (n, n_in) network inputs. tangents : (n, n_rows, n_in) or None.

        Returns
        -------
        (M, n, width), and (M, n, n_rows, width) or None; in the type of ``x``.
        """
        weights = self.potential.weights
        element = weights.elements[species]
        h, slopes = _hidden(weights.layers[element], self._activations[element], x, tangents)
        n = len(x)
        linear = weights.skip is not None
        one = np.ones((self.n_members, n, 1), dtype=x.dtype)
        values = [h, one, np.broadcast_to(x, (self.n_members, *x.shape))]
        found = np.concatenate(values if linear else values[:2], axis=2)
        if tangents is None or slopes is None:
            return found, None
        n_rows = tangents.shape[1]
        zero = np.zeros((self.n_members, n, n_rows, 1), dtype=x.dtype)
        moves = [slopes, zero, np.broadcast_to(tangents, (self.n_members, *tangents.shape))]
        return found, np.concatenate(moves if linear else moves[:2], axis=3)


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
