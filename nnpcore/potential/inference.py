"""Energies, forces and stresses on the CPU: tasks of some dozen atoms, spread over threads, joined in order.

A task finds the neighbors of its atoms, computes their descriptors, evaluates the networks and contracts the
derivatives, so that dG/dr is never held for more than the tasks in flight. What tasks return is added in the
order of the atoms: the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors import NeighborFinder, NeighborPairs
from nnpcore.descriptors.kernel_tables import build_tables
from nnpcore.descriptors.kernels import fill_descriptors
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.pair_forces import add_forces, add_virials, pair_gradients
from nnpcore.potential.prediction import Prediction, frame_starts
from nnpcore.threads import in_order

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_FEWEST_ATOMS, _MOST_ATOMS = 16, 64


@dataclass(frozen=True)
class Wanted:
    """What a prediction shall hold besides energies: forces, stress, every member's forces."""

    forces: bool
    stress: bool
    members: bool

    @property
    def derivatives(self) -> bool:
        """Whether dG/dr is needed."""
        return self.forces or self.stress


class Accumulator:
    """Gathers the parts of a prediction for frames laid end to end.

    Attributes
    ----------
    frame_start : (n_frames + 1,) int64.
    energies : (n_members, n_atoms) eV.
    forces : (n_atoms, n_members, 3) eV/Å; of no atoms where forces are not wanted.
    virials : (n_frames, n_members, 3, 3) eV, dE/d(strain); of no frames where stress is not wanted.
    """

    def __init__(self, frames: Sequence[Frame], n_members: int, wanted: Wanted) -> None:
        self.frame_start = frame_starts(frames)
        self.wanted = wanted
        n_atoms = int(self.frame_start[-1])
        self.energies = np.zeros((n_members, n_atoms))
        self.forces = np.zeros((n_atoms if wanted.forces else 0, n_members, 3))
        self.virials = np.zeros((len(frames) if wanted.stress else 0, n_members, 3, 3))
        self._volumes = stress_volumes(frames)

    def prediction(self) -> Prediction:
        """Return the finished prediction."""
        wanted, stress = self.wanted, None
        if wanted.stress:
            stress = self.virials.swapaxes(0, 1) / self._volumes[:, None, None]
            stress = 0.5 * (stress + stress.swapaxes(2, 3))
        return Prediction(
            frame_start=self.frame_start,
            atomic_energies_members=self.energies,
            forces=self.forces.mean(axis=1) if wanted.forces else None,
            forces_std=self.forces.std(axis=1) if wanted.forces else None,
            forces_members=self.forces.swapaxes(0, 1) if wanted.forces and wanted.members else None,
            stress_members=stress,
        )


def stress_volumes(frames: Sequence[Frame]) -> np.ndarray:
    """Return each frame's volume (n_frames,), Å³, NaN unless periodic in all three directions."""
    volumes = np.array([f.volume if np.all(f.pbc) else 0.0 for f in frames])
    return np.where(volumes > 0, volumes, np.nan)


def uses_kernels(device: str) -> bool:
    """Whether ``device`` means the compiled CPU kernels ("auto" takes them where there is no GPU)."""
    if device == "auto":
        import torch

        return not torch.cuda.is_available()
    return device == "cpu"


@dataclass(frozen=True)
class _Range:
    """Atoms ``first`` to ``stop`` of a frame whose atoms begin at ``offset``."""

    finder: NeighborFinder
    species: np.ndarray
    frame: int
    offset: int
    first: int
    stop: int


@dataclass(frozen=True)
class _Evaluated:
    """What a task returns: energies (M, n), f_p (n_pairs, M, 3) and the virial (1, M, 3, 3) of its range."""

    energies: np.ndarray
    found: NeighborPairs
    pairs: np.ndarray | None = None
    virial: np.ndarray | None = None


def predict_cpu(
    potential: Ensemble,
    frames: Sequence[Frame],
    wanted: Wanted,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict with the compiled kernels; see :meth:`Potential.predict`."""
    total = Accumulator(frames, potential.n_members, wanted)

    def work(task: _Range) -> tuple[_Range, _Evaluated]:
        return task, _evaluate_range(potential, task, wanted)

    n_atoms = max(int(total.frame_start[-1]), 1)
    for task, part in in_order(work, _ranges(potential, frames, total.frame_start), n_threads):
        window = slice(task.offset + task.first, task.offset + task.stop)
        total.energies[:, window] = part.energies
        if wanted.forces and part.pairs is not None:
            forces = total.forces[task.offset :]
            add_forces(part.pairs, task.first, part.found.start, part.found.neighbor, forces)
        if part.virial is not None:
            total.virials[task.frame] += part.virial[0]
        if progress is not None:
            progress.report(window.stop / n_atoms, "energies and forces")
    return total.prediction()


def _ranges(potential: Ensemble, frames: Sequence[Frame], frame_start: np.ndarray) -> Iterator[_Range]:
    size = int(np.clip(frame_start[-1] // 16, _FEWEST_ATOMS, _MOST_ATOMS))
    for k, frame in enumerate(frames):
        where = frame.label(k)
        species = potential.functions.species_index(frame.numbers, where=where)
        finder = NeighborFinder(frame, potential.cutoff, where=where)
        for first in range(0, frame.n_atoms, size):
            stop = min(first + size, frame.n_atoms)
            yield _Range(finder, species, k, int(frame_start[k]), first, stop)


def _evaluate_range(potential: Ensemble, task: _Range, wanted: Wanted) -> _Evaluated:
    """Describe and evaluate one range on the calling thread alone."""
    found = task.finder.pairs(task.first, task.stop)
    n, n_d = task.stop - task.first, potential.functions.n_descriptors
    values = np.empty((n, n_d))
    slopes = np.empty((len(found.neighbor), 3, n_d)) if wanted.derivatives else None
    centers, neighbors = task.species[task.first : task.stop], task.species[found.neighbor]
    tables = build_tables(potential.functions)
    fill_descriptors(tables, centers, found.start, neighbors, found.vector, values, slopes)
    if slopes is None:
        return _Evaluated(potential.atomic_energies_of(values, centers), found)
    energies, gradients = potential.gradients_of(values, centers)
    pairs = pair_gradients(np.ascontiguousarray(gradients.swapaxes(0, 1)), found.start, slopes)
    virial = None
    if wanted.stress:
        virial = np.zeros((1, potential.n_members, 3, 3))
        add_virials(pairs, found.vector, found.start, np.zeros(n, dtype=np.int64), virial)
    return _Evaluated(energies, found, pairs, virial)
