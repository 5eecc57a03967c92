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
from numpy.typing import DTypeLike

from nnpcore.descriptors import DescriptorChunk, NeighborFinder
from nnpcore.descriptors.kernel_tables import build_tables
from nnpcore.descriptors.kernels import fill_descriptors
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.pair_forces import add_forces, add_virials, pair_gradients
from nnpcore.potential.prediction import Prediction
from nnpcore.threads import in_order

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_FEWEST_ATOMS, _MOST_ATOMS = 16, 64
_STORED_ATOMS = 256


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

    def __init__(self, frame_start: np.ndarray, n_members: int, wanted: Wanted) -> None:
        self.frame_start = np.asarray(frame_start, dtype=np.int64)
        self.wanted = wanted
        n_atoms, n_frames = int(self.frame_start[-1]), len(self.frame_start) - 1
        self.energies = np.zeros((n_members, n_atoms))
        self.forces = np.zeros((n_atoms if wanted.forces else 0, n_members, 3))
        self.virials = np.zeros((n_frames if wanted.stress else 0, n_members, 3, 3))

    def prediction(self, volumes: np.ndarray | None) -> Prediction:
        """Return the finished prediction; ``volumes`` (n_frames,) Å³, NaN where there is no stress."""
        stress = None
        if self.wanted.stress and volumes is not None:
            stress = self.virials.swapaxes(0, 1) / np.asarray(volumes, dtype=np.float64)[:, None, None]
            stress = 0.5 * (stress + stress.swapaxes(2, 3))
        wanted = self.wanted
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


def starts(frames: Sequence[Frame]) -> np.ndarray:
    """Return where each frame's atoms begin, (n_frames + 1,) int64."""
    return np.concatenate([[0], np.cumsum([f.n_atoms for f in frames])]).astype(np.int64)


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
    chunk: DescriptorChunk
    pairs: np.ndarray | None
    virial: np.ndarray | None


def predict_cpu(
    potential: Ensemble,
    frames: Sequence[Frame],
    wanted: Wanted,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict with the compiled kernels; see :meth:`Potential.predict`."""
    total = Accumulator(starts(frames), potential.n_members, wanted)

    def work(task: _Range) -> tuple[_Range, _Evaluated]:
        return task, _evaluate_range(potential, task, wanted)

    n_atoms = max(int(total.frame_start[-1]), 1)
    for task, part in in_order(work, _ranges(potential, frames, total.frame_start), n_threads):
        window = slice(task.offset + task.first, task.offset + task.stop)
        total.energies[:, window] = part.energies
        if wanted.forces and part.pairs is not None:
            chunk = part.chunk
            forces = total.forces[task.offset :]
            add_forces(part.pairs, task.first, chunk.pair_start, chunk.pair_neighbor, forces)
        if part.virial is not None:
            total.virials[task.frame] += part.virial[0]
        if progress is not None:
            progress.report(window.stop / n_atoms, "energies and forces")
    return total.prediction(stress_volumes(frames))


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
    chunk = _describe(potential, task, wanted.derivatives)
    if chunk.derivatives is None:
        return _Evaluated(potential.atomic_energies_of(chunk.values, chunk.species), chunk, None, None)
    energies, gradients = potential.gradients_of(chunk.values, chunk.species)
    pairs = pair_gradients(_by_atom(gradients, np.float64), chunk.pair_start, chunk.derivatives)
    virial = None
    if wanted.stress:
        virial = np.zeros((1, potential.n_members, 3, 3))
        frames = np.zeros(task.stop - task.first, dtype=np.int64)
        add_virials(pairs, chunk.pair_vector, chunk.pair_start, frames, virial)
    return _Evaluated(energies, chunk, pairs, virial)


def _describe(potential: Ensemble, task: _Range, derivatives: bool) -> DescriptorChunk:
    """Descriptors of one range, computed on the calling thread alone."""
    pairs = task.finder.pairs(task.first, task.stop)
    n_d = potential.functions.n_descriptors
    values = np.empty((task.stop - task.first, n_d))
    slopes = np.empty((len(pairs.neighbor), 3, n_d)) if derivatives else None
    centers, neighbors = task.species[task.first : task.stop], task.species[pairs.neighbor]
    tables = build_tables(potential.functions)
    fill_descriptors(tables, centers, pairs.start, neighbors, pairs.vector, values, slopes)
    return DescriptorChunk(
        task.first, task.stop, centers, values, pairs.start, pairs.neighbor, pairs.vector, slopes
    )


def _by_atom(gradients: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """(n_members, n, n_d) as (n, n_members, n_d), contiguous, in the type the kernel wants."""
    return np.ascontiguousarray(gradients.swapaxes(0, 1), dtype=dtype)


def predict_stored(
    potential: Ensemble,
    stored: DescriptorSet,
    volumes: np.ndarray | None,
    wanted: Wanted,
    n_threads: int | None = None,
) -> Prediction:
    """Predict from stored descriptors and derivatives; see :meth:`Potential.evaluate_set`."""
    total = Accumulator(stored.frame_start, potential.n_members, wanted)
    frames = stored.frames_of_atoms

    def work(block: tuple[int, int]) -> None:
        a, b = block
        values, species = stored.values[a:b], stored.species[a:b]
        if stored.derivatives is None or not wanted.derivatives:
            total.energies[:, a:b] = potential.atomic_energies_of(values, species)
            return
        total.energies[:, a:b], gradients = potential.gradients_of(values, species)
        start = stored.pair_start[a : b + 1] - stored.pair_start[a]
        window = slice(int(stored.pair_start[a]), int(stored.pair_start[b]))
        derivatives = stored.derivatives[window]
        pairs = pair_gradients(_by_atom(gradients, derivatives.dtype), start, derivatives)
        if wanted.forces:
            add_forces(pairs, a, start, stored.pair_neighbor[window], total.forces)
        if wanted.stress:
            add_virials(pairs, stored.pair_vector[window], start, frames[a:b], total.virials)

    for _ in in_order(work, _frame_blocks(stored.frame_start), n_threads):
        pass
    return total.prediction(volumes)


def _frame_blocks(frame_start: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of atoms that hold whole frames, so that no two of them touch the same forces."""
    begin = int(frame_start[0])
    for stop in frame_start[1:].tolist():
        if stop - begin >= _STORED_ATOMS or stop == frame_start[-1]:
            if stop > begin:
                yield begin, stop
            begin = stop
