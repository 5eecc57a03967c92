"""Whitening of descriptors: standardise, rotate to principal components, scale towards unit variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors.functions import SymmetryFunctions
from nnpcore.errors import DataError

FLOOR = 0.5
"""The usual smallest deviation of a direction that is stretched to 1, relative to the largest."""

_CONSTANT_RATIO = 1e-9


@dataclass(frozen=True, eq=False)
class Whitening:
    """Per-element linear map of descriptors to network inputs, ``x = (G - mean[e]) @ matrix[e]``.

    Functions are standardised over the atoms of their element, turned to principal components and divided
    by their deviations, where these are above a floor: a part of the largest deviation by which all smaller
    ones are divided. At a small floor directions of hardly any variance speak as loudly as the rest; at 1 the
    inputs are the standardised functions, turned. Functions that are constant over the data, padding columns
    and elements without atoms contribute exactly zero.

    Attributes
    ----------
    mean : (n_elements, n_descriptors) float64.
    matrix : (n_elements, n_descriptors, n_descriptors) float64, rows are functions, columns inputs in the
        order of falling variance.
    """

    mean: np.ndarray
    matrix: np.ndarray

    @classmethod
    def fit(
        cls, values: np.ndarray, species: np.ndarray, functions: SymmetryFunctions, floor: float = FLOOR
    ) -> Whitening:
        """Learn the map from descriptors.

        Parameters
        ----------
        values : (n_atoms, n_descriptors) descriptors.
        species : (n_atoms,) index into ``functions.elements``.
        floor : smallest deviation that is stretched to 1, relative to the largest.
        """
        n_d = functions.n_descriptors
        if values.ndim != 2 or values.shape[1] != n_d:
            raise DataError(f"descriptors have shape {values.shape}, expected (n_atoms, {n_d})")
        if not np.isfinite(values).all():
            raise DataError("descriptors are not finite", fix="Check the structures for overlapping atoms")
        mean = np.zeros((len(functions.elements), n_d))
        matrix = np.zeros((len(functions.elements), n_d, n_d))
        for e, element in enumerate(functions.elements):
            rows = values[species == e, : functions.count(element)]
            if len(rows) and rows.shape[1]:
                n_f = rows.shape[1]
                mean[e, :n_f], matrix[e, :n_f, :n_f] = _whiten(rows, floor)
        return cls(mean, matrix)

    def transform(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Map descriptors (n_atoms, n_descriptors) to network inputs of the same shape."""
        result = np.empty((len(values), self.mean.shape[1]))
        for e in range(len(self.mean)):
            rows = np.asarray(species) == e
            result[rows] = (values[rows] - self.mean[e]) @ self.matrix[e]
        return result

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays that describe the map, by name."""
        return {"mean": self.mean, "matrix": self.matrix}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Whitening:
        """Rebuild from :meth:`to_arrays`; raises :class:`DataError` if arrays are missing or do not fit
        together."""
        missing = [name for name in ("mean", "matrix") if name not in arrays]
        if missing:
            raise DataError(f"the whitening lacks {' and '.join(missing)}")
        mean = np.array(arrays["mean"], dtype=np.float64)
        matrix = np.array(arrays["matrix"], dtype=np.float64)
        if mean.ndim != 2 or matrix.shape != (*mean.shape, mean.shape[1]):
            raise DataError(f"the whitening's shapes {mean.shape} and {matrix.shape} do not fit together")
        return cls(mean, matrix)


def _whiten(rows: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean (n_f,) and matrix (n_f, n_f) for the atoms of one element."""
    mean = rows.mean(axis=0)
    std = rows.std(axis=0)
    active = np.flatnonzero(std > _CONSTANT_RATIO * np.abs(rows).max(axis=0))
    matrix = np.zeros((rows.shape[1], rows.shape[1]))
    if len(active):
        standard = (rows[:, active] - mean[active]) / std[active]
        variance, vectors = np.linalg.eigh(standard.T @ standard / len(rows))
        variance, vectors = variance[::-1], vectors[:, ::-1]
        deviation = np.sqrt(np.clip(variance, 0.0, None))
        deviation = np.maximum(deviation, floor * deviation[0])
        largest = np.abs(vectors).argmax(axis=0)
        vectors = vectors * np.sign(vectors[largest, np.arange(len(active))])
        matrix[active, : len(active)] = vectors / (std[active][:, None] * deviation)
    return mean, matrix
