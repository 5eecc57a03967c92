"""Normal equations of functions that are linear in their coefficients, on energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.potential.pair_forces import add_forces, add_virials
from nnpcore.training.baseline.bases import Basis
from nnpcore.training.data import FitSet
from nnpcore.training.engines.rows import LossWeights

_FRAMES_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """``loss(c) = c . matrix c - 2 right . c + constant`` for coefficients c of all elements' functions.

    Attributes
    ----------
    matrix : (n, n), n the sum of the bases' sizes.
    right : (n,).
    constant : the loss of c = 0.
    n_frames : how many frames have anything that counts.
    """

    matrix: np.ndarray
    right: np.ndarray
    constant: float
    n_frames: int

    @classmethod
    def of(cls, data: FitSet, weights: LossWeights, bases: Sequence[Basis]) -> NormalEquations:
        """Collect them frame by frame; ``bases`` one per element."""
        n = sum(basis.size for basis in bases)
        matrix, right = np.zeros((n, n)), np.zeros(n)
        constant, used = 0.0, 0
        held: list[tuple[np.ndarray, np.ndarray]] = []
        for frame in range(data.n_frames):
            window, (place,) = data.window(np.array([frame]))
            part = _weighted_rows(window, int(place), weights, bases)
            used += part is not None
            held += [] if part is None else [part]
            if held and (len(held) == _FRAMES_AT_ONCE or frame == data.n_frames - 1):
                rows, targets = map(np.concatenate, zip(*held, strict=True))
                matrix += rows.T @ rows
                right += targets @ rows
                constant += float(targets @ targets)
                held = []
        return cls(matrix, right, constant, used)

    def solve(self, ridge: np.ndarray) -> np.ndarray:
        """Return the coefficients that minimise the loss plus ``sum(ridge * c²)``; ``ridge`` (n,) > 0."""
        return np.linalg.solve(self.matrix + np.diag(ridge), self.right)

    def loss(self, coefficients: np.ndarray) -> float:
        """Return the loss without ridge, at least a 1e-12th of that of zero coefficients."""
        c = coefficients
        value = float(c @ self.matrix @ c - 2 * self.right @ c) + self.constant
        return max(value, 1e-12 * self.constant)


def _weighted_rows(
    data: FitSet, frame: int, weights: LossWeights, bases: Sequence[Basis]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows (k, n) and targets (k,) of a frame, times the roots of their weights; None without any."""
    t = data.targets
    times = t.weights[frame].tolist()
    wanted = (
        times[0] * weights.energy * t.has_energy[frame],
        times[1] * weights.force * t.has_forces[frame],
        times[2] * weights.stress * t.has_stress[frame],
    )
    if not any(wanted):
        return None
    energy, forces, virial = frame_rows(data, frame, bases)
    atoms = slice(*data.descriptors.frame_start[frame : frame + 2])
    n_atoms, volume = int(t.n_atoms[frame]), t.volume[frame]
    parts = (
        (wanted[0], energy[None] / n_atoms, np.array([t.energy[frame] / n_atoms])),
        (wanted[1], forces, t.forces[atoms].ravel()),
        (wanted[2], virial / volume, t.stress[frame].ravel()),
    )
    used = [(np.sqrt(w) * rows, np.sqrt(w) * target) for w, rows, target in parts if w]
    return np.concatenate([rows for rows, _ in used]), np.concatenate([target for _, target in used])


def frame_rows(data: FitSet, frame: int, bases: Sequence[Basis]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the derivatives by the n coefficients of a frame's energy (n,), forces (3 n_atoms, n) and
    virial (9, n)."""
    d = data.descriptors
    assert d.derivatives is not None
    first, end = (int(v) for v in d.frame_start[frame : frame + 2])
    n, width = end - first, sum(basis.size for basis in bases)
    energy, forces, virial = np.zeros(width), np.zeros((n, width, 3)), np.zeros((width, 3, 3))
    column, only = 0, np.zeros(1, dtype=np.int64)
    for element, basis in enumerate(bases):
        own = first + np.flatnonzero(d.species[first:end] == element)
        if len(own):
            x = data.inputs[own].astype(np.float64)
            part = slice(column, column + basis.size)
            energy[part] = basis.features(x).sum(axis=0)
            slopes = basis.slopes(x)
            for k, atom in enumerate(own.tolist()):
                pairs = slice(int(d.pair_start[atom]), int(d.pair_start[atom + 1]))
                matrix = data.matrix[element]
                if slopes is not None:
                    matrix = matrix @ slopes[k].astype(np.float32)
                moves = (d.derivatives[pairs].reshape(-1, len(matrix)) @ matrix).reshape(-1, 3, basis.size)
                moves, bounds = moves.swapaxes(1, 2), np.array([0, len(moves)])
                add_forces(moves, atom - first, bounds, d.pair_neighbor[pairs] - first, forces[:, part])
                add_virials(moves, d.pair_vector[pairs], bounds, only, virial[None, part])
        column += basis.size
    virial = 0.5 * (virial + virial.swapaxes(1, 2))
    return energy, forces.swapaxes(1, 2).reshape(3 * n, width), virial.reshape(width, 9).T
