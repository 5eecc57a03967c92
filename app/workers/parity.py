"""Predicts the frames a run was trained and validated on; runs on a background thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.documents.parity import ParityAnalysis, ParityGroup
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

CHUNK = 16
"""Frames predicted at once, between which the task can be cancelled."""


@dataclass(frozen=True, eq=False)
class ParitySource:
    """Frames of one data set and role: ``indices`` are their positions in the data set."""

    name: str
    dataset_id: str
    role: str
    color_index: int
    indices: np.ndarray
    frames: tuple[Frame, ...]
    n_available: int


def thinned(indices: np.ndarray, most: int) -> np.ndarray:
    """Return at most ``most`` of the indices, evenly spread."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.int64)]


def parity(
    potential: Potential,
    sources: Sequence[ParitySource],
    epoch: int,
    n_threads: int | None,
    progress: Progress,
) -> ParityAnalysis:
    """Predict all frames of the sources; raises PotentialError for an unknown element."""
    total = max(sum(len(source.frames) for source in sources), 1)
    done, groups = 0, []
    for source in sources:
        parts = []
        for start in range(0, len(source.frames), CHUNK):
            progress.report(done / total, f"Predicting {source.name}")
            frames = source.frames[start : start + CHUNK]
            parts.append(_predict(potential, frames, source.indices[start : start + CHUNK], n_threads))
            done += len(frames)
        groups.append(_joined(source, parts))
    return ParityAnalysis(epoch, tuple(groups))


Part = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _predict(
    potential: Potential, frames: Sequence[Frame], indices: np.ndarray, n_threads: int | None
) -> Part:
    found = potential.predict(frames, stress=False, members=False, n_threads=n_threads)
    with_energy = [k for k, frame in enumerate(frames) if frame.energy is not None]
    energies = np.empty((len(with_energy), 2))
    for row, k in enumerate(with_energy):
        offset, frame = _element_energy(potential, frames[k]), frames[k]
        pair = (frame.energy or 0.0, float(found.energy[k]))
        energies[row] = [(value - offset) / frame.n_atoms for value in pair]
    rows, numbers, forces = [], [], []
    for k, frame in enumerate(frames):
        if frame.forces is not None and found.forces is not None:
            rows.append(np.full(frame.n_atoms, indices[k]))
            numbers.append(np.arange(frame.n_atoms))
            forces.append(np.stack([frame.forces, found.forces[found.atoms_of(k)]], axis=-1))
    empty = np.empty(0, dtype=np.int64)
    return (
        indices[with_energy],
        energies,
        np.concatenate(rows) if rows else empty,
        np.concatenate(numbers) if numbers else empty,
        np.concatenate(forces) if forces else np.empty((0, 3, 2)),
    )


def _element_energy(potential: Potential, frame: Frame) -> float:
    from ase.data import chemical_symbols

    numbers, counts = np.unique(frame.numbers, return_counts=True)
    known = potential.element_energies
    return sum(known[chemical_symbols[z]] * n for z, n in zip(numbers, counts.tolist(), strict=True))


def _joined(source: ParitySource, parts: Sequence[Part]) -> ParityGroup:
    empty = np.empty(0, dtype=np.int64)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    frames, energies, rows, numbers, forces = columns or [
        empty,
        np.empty((0, 2)),
        empty,
        empty,
        np.empty((0, 3, 2)),
    ]
    return ParityGroup(
        source.name,
        source.dataset_id,
        source.role,
        source.color_index,
        frames,
        energies,
        rows,
        numbers,
        forces,
        len(source.frames),
        source.n_available,
    )
