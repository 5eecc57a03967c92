"""How far atoms feel each other: a usual number of neighbors, or farther where that tells forces much better.

Forces are linear in the derivatives of symmetry functions for energies that are; a least-squares fit of few
functions takes a tenth of a second. For several cutoffs such fits are made on two thirds of some frames and
judged by the rest. Where atoms feel each other far away, as ions do, a larger cutoff leaves a fraction of
what the usual one leaves; smaller differences come from what a linear function cannot tell and say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnpcore.descriptors.compute import compute_descriptors
from nnpcore.descriptors.functions import SymmetryFunctions
from nnpcore.descriptors.pool import LARGEST_CUTOFF, Distances, few_candidates
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

STEPS = (1.0, 1.15, 1.3, 1.5)
"""Cutoffs in units of the usual one."""

MUCH_BETTER = 0.5
"""A larger cutoff is taken where the best leaves so much of what the usual one leaves,"""

ENOUGH = 1.25
"""the smallest of those that leave so much of what the best leaves."""

_RIDGES = (1e-7, 1e-5, 1e-3)
_FOLDS = 3
_FEWEST_FRAMES = 6


def best_cutoff(
    frames: Sequence[Frame], distances: Distances, n_threads: int | None, progress: Progress
) -> float:
    """Return the cutoff for some frames, Å; ``distances`` are theirs.

    Raises
    ------
    DataError : no atom has a neighbor.
    """
    usual = distances.cutoff()
    known = [f for f in frames if f.forces is not None and np.any(f.forces)]
    if len(known) < _FEWEST_FRAMES:
        return usual
    cutoffs = [min(round(step * usual, 1), LARGEST_CUTOFF) for step in STEPS]
    errors = []
    for cutoff, part in zip(cutoffs, progress.split(len(cutoffs)), strict=True):
        part.report(0.0, f"cutoff {cutoff:g} Å")
        functions = SymmetryFunctions(few_candidates(distances, cutoff))
        errors.append(_part_left(known, functions, n_threads))
    least = min(errors)
    if least > MUCH_BETTER * errors[0]:
        return usual
    return next(cutoff for cutoff, error in zip(cutoffs, errors, strict=True) if error <= ENOUGH * least)


def _part_left(frames: Sequence[Frame], functions: SymmetryFunctions, n_threads: int | None) -> float:
    """Return the root mean square of forces that fits leave, relative to that of the forces."""
    folds = [_Sums.of(frames[k::_FOLDS], functions, n_threads) for k in range(_FOLDS)]
    whole = _Sums(*(np.sum(part, axis=0) for part in zip(*(vars(f).values() for f in folds), strict=True)))
    left = [sum(fold.left(whole.without(fold).solution(ridge)) for fold in folds) for ridge in _RIDGES]
    return float(np.sqrt(max(min(left), 0.0) / whole.squares))


class _Sums:
    """Sums of a least-squares fit: products of rows, rows times forces, squares of forces."""

    def __init__(self, products: np.ndarray, overlap: np.ndarray, squares: float) -> None:
        self.products, self.overlap, self.squares = products, overlap, squares

    @classmethod
    def of(cls, frames: Sequence[Frame], functions: SymmetryFunctions, n_threads: int | None) -> _Sums:
        """Add up the force rows of frames."""
        size = len(functions.elements) * functions.n_descriptors
        found = cls(np.zeros((size, size)), np.zeros(size), 0.0)
        for frame in frames:
            assert frame.forces is not None
            rows, forces = force_rows(frame, functions, n_threads), frame.forces.ravel()
            found.products += rows.T @ rows
            found.overlap += rows.T @ forces
            found.squares += float(forces @ forces)
        return found

    def without(self, other: _Sums) -> _Sums:
        """Return these less others."""
        return _Sums(
            self.products - other.products, self.overlap - other.overlap, self.squares - other.squares
        )

    def solution(self, ridge: float) -> np.ndarray:
        """Return the coefficients, with a ridge relative to each row's own square."""
        own = np.sqrt(np.diag(self.products))
        scale = np.where(own > 0, 1.0 / np.where(own > 0, own, 1.0), 0.0)
        matrix = self.products * np.outer(scale, scale) + ridge * np.eye(len(own))
        return scale * np.linalg.solve(matrix, scale * self.overlap)

    def left(self, coefficients: np.ndarray) -> float:
        """Return the sum of squares that coefficients leave."""
        fitted = coefficients @ self.products @ coefficients - 2.0 * coefficients @ self.overlap
        return float(self.squares + fitted)


def force_rows(frame: Frame, functions: SymmetryFunctions, n_threads: int | None) -> np.ndarray:
    """Return forces by the coefficients of a linear energy, (3 n_atoms, n_elements * n_descriptors)."""
    found = compute_descriptors([frame], functions, n_threads=n_threads)
    assert found.derivatives is not None
    n, n_e, n_d = frame.n_atoms, len(functions.elements), functions.n_descriptors
    center = np.repeat(np.arange(n), np.diff(found.pair_start))
    kinds, slopes = found.species[center], found.derivatives.astype(np.float64)
    rows = np.zeros((n, n_e, 3, n_d))
    np.add.at(rows, (center, kinds), slopes)
    np.add.at(rows, (found.pair_neighbor, kinds), -slopes)
    return rows.transpose(0, 2, 1, 3).reshape(3 * n, n_e * n_d)
