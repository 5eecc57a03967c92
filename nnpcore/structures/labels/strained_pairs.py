"""What a stress is, told by pairs of frames of which one is the other one strained.

Between two neighboring states of the same atoms the energy changes by the work of stress and forces,
ΔE = V σ : ε - Σ F · u, with ε the strain from one cell to the other and u what the atoms move beyond it;
taken in the middle of both it holds to third order. Uniaxial and sheared cells count as well as scaled ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.structures.frame import Frame

_STRAIN = (5e-4, 0.06)
_MAX_MOVE = 0.1  # Å beyond the strain, where forces tell their work
_AFFINE = 2e-3  # Å, without forces
_LEAST_PAIRS = 4


@dataclass(frozen=True)
class StrainedPairs:
    """Pairs of frames.

    Attributes
    ----------
    first, second : (n_pairs,) indices of their frames.
    strain : (n_pairs, 3, 3) symmetric, from the first to the second.
    work : (n_pairs,) eV, the stress's part of the change of the energy.
    """

    first: np.ndarray
    second: np.ndarray
    strain: np.ndarray
    work: np.ndarray

    def misfit(self, stresses: np.ndarray, volumes: np.ndarray) -> float:
        """Relative difference of the work from that of some stresses (n_frames, 3, 3), eV/Å³: medians, since
        single energies of other settings are common in collections.
        """
        virials = stresses * volumes[:, None, None]
        mean = 0.5 * (virials[self.first] + virials[self.second])
        done = np.einsum("pij,pij->p", mean, self.strain)
        return float(np.median(np.abs(done - self.work)) / np.median(np.abs(self.work)))


def strained_pairs(frames: Sequence[Frame], energies: np.ndarray) -> StrainedPairs | None:
    """Find the pairs among frames with energies (n_frames,), eV, NaN where there is none.

    None where there are too few.
    """
    found = [pair for group in _alike(frames, energies) for pair in _pairs_of(frames, energies, group)]
    if len(found) < _LEAST_PAIRS:
        return None
    first, second, strain, work = (np.array(part) for part in zip(*found, strict=True))
    return StrainedPairs(first, second, strain, work) if np.median(np.abs(work)) > 0.0 else None


def _alike(frames: Sequence[Frame], energies: np.ndarray) -> list[list[int]]:
    """Return groups of periodic frames with the same atoms in the same order."""
    groups: dict[bytes, list[int]] = {}
    for k, frame in enumerate(frames):
        if np.isfinite(energies[k]) and frame.pbc.all() and frame.volume > 0.0:
            groups.setdefault(frame.numbers.tobytes(), []).append(k)
    return list(groups.values())


def _pairs_of(
    frames: Sequence[Frame], energies: np.ndarray, group: list[int]
) -> Iterator[tuple[int, int, np.ndarray, float]]:
    cells = np.array([frames[k].cell for k in group])
    scaled = [frames[k].positions @ np.linalg.inv(frames[k].cell) for k in group]
    for a, i in enumerate(group):
        middle = 0.5 * (cells[a] + cells[a + 1 :])
        flat = np.abs(np.linalg.det(middle)) < 0.5 * frames[i].volume  # no neighbors: mirrored, say
        middle[flat] = cells[a]
        gradient = np.linalg.solve(middle, cells[a + 1 :] - cells[a])
        strains = 0.5 * (gradient + gradient.transpose(0, 2, 1))
        size = np.where(flat, np.inf, np.abs(gradient).max(axis=(1, 2), initial=0.0))
        for b in np.flatnonzero((size > _STRAIN[0]) & (size < _STRAIN[1])):
            j = group[a + 1 + b]
            moved = scaled[a + 1 + b] - scaled[a]
            moved -= np.round(moved)
            work = _work(frames[i], frames[j], (moved - moved.mean(axis=0)) @ middle[b])
            if work is not None:
                yield i, j, strains[b], float(energies[j] - energies[i]) + work


def _work(first: Frame, second: Frame, moved: np.ndarray) -> float | None:
    """Return the work against the forces, eV, or None where the frames are too far from each other."""
    largest = np.linalg.norm(moved, axis=1).max(initial=0.0)
    if first.forces is None or second.forces is None:
        return 0.0 if largest < _AFFINE else None
    if largest > _MAX_MOVE:
        return None
    return float((0.5 * (first.forces + second.forces) * moved).sum())
