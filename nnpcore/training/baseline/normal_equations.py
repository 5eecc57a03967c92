"""Normal equations of functions that are linear in their coefficients, on energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.potential.pair_forces import add_sums
from nnpcore.training.baseline.bases import Basis
from nnpcore.training.data import FitSet
from nnpcore.training.engines.rows import LossWeights
from nnpcore.training.windows import PairArrays

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
    energy, forces, virial = frame_rows(data, frame, bases, virial=bool(wanted[2]))
    atoms = slice(*data.descriptors.frame_start[frame : frame + 2])
    n_atoms, volume = int(t.n_atoms[frame]), t.volume[frame]
    parts = (
        (wanted[0], energy[None] / n_atoms, np.array([t.energy[frame] / n_atoms])),
        (wanted[1], forces, t.forces[atoms].ravel()),
        (wanted[2], virial / volume, t.stress[frame].ravel()),
    )
    used = [(np.sqrt(w) * rows, np.sqrt(w) * target) for w, rows, target in parts if w]
    return np.concatenate([rows for rows, _ in used]), np.concatenate([target for _, target in used])


def frame_rows(
    data: FitSet, frame: int, bases: Sequence[Basis], virial: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the derivatives by the n coefficients of a frame's energy (n,), forces (3 n_atoms, n) and
    virial (9, n), zeros where that is not wanted."""
    d = data.descriptors.select(frame, frame + 1)
    atoms = slice(*data.descriptors.frame_start[frame : frame + 2])
    inputs, pairs = data.inputs[atoms].astype(np.float64), PairArrays.of(d)
    width = sum(basis.size for basis in bases)
    energy, forces, virials = np.zeros(width), np.zeros((d.n_atoms, 3, width)), np.zeros((3, 3, width))
    column = 0
    for element, basis in enumerate(bases):
        own = np.flatnonzero(d.species == element)
        if len(own):
            part, x, matrix = slice(column, column + basis.size), inputs[own], data.matrix[element]
            energy[part] = basis.features(x).sum(axis=0)
            slopes = basis.slopes(x)
            if slopes is None:
                sums = descriptor_sums(pairs, d.pair_start, own, virial=virial)
                forces[:, :, part], virials[..., part] = (s @ matrix.astype(np.float64) for s in sums)
            else:
                moves = np.empty((len(pairs.derivatives), 3, basis.size), dtype=np.float32)
                for atom, slope in zip(own.tolist(), slopes, strict=True):
                    near = slice(int(d.pair_start[atom]), int(d.pair_start[atom + 1]))
                    moves[near] = pairs.derivatives[near] @ (matrix @ slope.astype(np.float32))
                turned = pairs._replace(derivatives=moves)
                forces[:, :, part], virials[..., part] = descriptor_sums(
                    turned, d.pair_start, own, virial=virial
                )
        column += basis.size
    virials = 0.5 * (virials + virials.swapaxes(0, 1))
    return energy, forces.reshape(-1, width), virials.reshape(9, width)


def descriptor_sums(
    pairs: PairArrays, start: np.ndarray, centers: np.ndarray, *, virial: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return forces (n_atoms, 3, n) and virial (3, 3, n), zeros where not wanted, of the sum over some
    ``centers`` of each of the n functions whose derivatives ``pairs`` hold; ``start`` (n_atoms + 1,)."""
    shape = pairs.derivatives.shape[1:]
    forces, found = np.zeros((len(start) - 1, *shape)), np.zeros((3, *shape))
    add_sums(pairs.derivatives, pairs.vector, start, pairs.neighbor, centers, forces, found[: 3 * virial])
    return forces, found
