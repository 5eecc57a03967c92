"""Sums over frames that the posterior is made of: how labels tell coefficients, kind by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnpcore.posterior.basis import MANDEL, FrameRows
from nnpcore.structures.frame import Frame

ENERGY, FORCES, STRESS = "energy", "forces", "stress"
KINDS = (ENERGY, FORCES, STRESS)


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the rows r (m,) and targets y of one kind of label.

    Attributes
    ----------
    matrix : (m, m) sum of r r^T. vector : (m,) sum of r y. square : sum of y². n : number of rows.
    """

    matrix: np.ndarray
    vector: np.ndarray
    square: float
    n: int

    @classmethod
    def of(cls, rows: np.ndarray, targets: np.ndarray) -> Moments:
        """Return the sums of rows (k, m) and targets (k,)."""
        return cls(rows.T @ rows, targets @ rows, float(targets @ targets), len(rows))

    @classmethod
    def zero(cls, m: int) -> Moments:
        """Return the sums over nothing."""
        return cls(np.zeros((m, m)), np.zeros(m), 0.0, 0)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.matrix + other.matrix,
            self.vector + other.vector,
            self.square + other.square,
            self.n + other.n,
        )

    def residual(self, c: np.ndarray) -> float:
        """Return the sum of squares that coefficients c (m,) leave."""
        return float(self.square - 2 * self.vector @ c + c @ self.matrix @ c)


def labelled_rows(rows: FrameRows, frame: Frame, zero: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return rows (k, m) with targets (k,) for each kind of label that a frame has; ``zero`` off its
    energy.

    A label that counts w times has the noise of its kind over the root of w: both are times this root. One
    that counts not at all is left out.
    """
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if frame.energy is not None:
        found[ENERGY] = rows.energy[None], np.array([(frame.energy - zero) / frame.n_atoms])
    if frame.forces is not None:
        found[FORCES] = rows.forces, frame.forces.ravel()
    if frame.stress is not None and rows.stress is not None:
        found[STRESS] = rows.stress, mandel(frame.stress)
    roots = {kind: w**0.5 for kind, w in zip(KINDS, frame.label_weights, strict=True) if w > 0}
    return {kind: _times(roots[kind], *own) for kind, own in found.items() if kind in roots}


def _times(root: float, rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (rows, targets) if root == 1.0 else (root * rows, root * targets)


def labelled_stress(rows: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rows (6, m) of a frame's stress as they count, with targets (6,); None where it has none."""
    weight = frame.label_weights[KINDS.index(STRESS)]
    if frame.stress is None or weight <= 0:
        return None
    return _times(weight**0.5, rows, mandel(frame.stress))


def mandel(stress: np.ndarray) -> np.ndarray:
    """Return the six components of a stress (3, 3) in the notation of :class:`FrameRows`."""
    return MANDEL * stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def added(one: Mapping[str, Moments], other: Mapping[str, Moments]) -> dict[str, Moments]:
    """Return the sums of both, kind by kind."""
    kinds = [kind for kind in KINDS if kind in one or kind in other]
    return {k: one[k] + other[k] if k in one and k in other else one.get(k) or other[k] for k in kinds}
