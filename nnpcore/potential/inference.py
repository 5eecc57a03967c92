"""Energies, forces and stresses on the CPU: tasks of some dozen atoms, spread over threads, joined in order.

A task finds the neighbors of its atoms, computes their descriptors, evaluates the networks and contracts the
derivatives, so that dG/dr is never held for more than the tasks in flight. What tasks return is added in the
order of the atoms: the result does not depend on the number of threads. Compiled networks say the same of an
atom whatever the task; others (matrix products of arrays) are given the same tasks for any number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors import NeighborFinder, NeighborPairs
from nnpcore.descriptors.kernel_tables import KernelTables, build_tables
from nnpcore.descriptors.kernels import fill_descriptors
from nnpcore.potential.compiled import CompiledNetworks, PairGradients, contracted, slopes_of
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.network_kernels import add_ordered
from nnpcore.potential.prediction import Prediction, frame_starts
from nnpcore.threads import default_threads, in_order

if TYPE_CHECKING:
    from nnpcore.descriptors.skin import SkinList
    from nnpcore.potential.short_range import ClosePairs
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_FEWEST_ATOMS, _MOST_ATOMS = 16, 96


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
        mean, spread = _mean_and_spread(self.forces) if wanted.forces else (None, None)
        return Prediction(
            frame_start=self.frame_start,
            atomic_energies_members=self.energies,
            forces=mean,
            forces_std=spread,
            forces_members=self.forces.swapaxes(0, 1) if wanted.forces and wanted.members else None,
            stress_members=stress,
        )


def _mean_and_spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population deviation (n, 3) of ``values`` (n, n_members, 3), faster than numpy's."""
    n = values.shape[1]
    mean = sum(values[:, m] for m in range(n)) / n
    return mean, np.sqrt(sum((values[:, m] - mean) ** 2 for m in range(n)) / n)


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

    finder: NeighborFinder | SkinList
    species: np.ndarray
    frame: int
    offset: int
    first: int
    stop: int


@dataclass(frozen=True)
class _Evaluated:
    """What a task returns: energies (M, n) of its atoms, and dE/dr of their pairs."""

    energies: np.ndarray
    found: NeighborPairs
    gradients: PairGradients | None = None


class _Thread(threading.local):
    """Memory for dG/dr that a thread keeps for its next range: fresh pages cost more than the contraction."""

    kept: np.ndarray | None = None

    def room(self, n_pairs: int, n_d: int) -> np.ndarray:
        """Return (n_pairs, 3, n_d) that holds anything."""
        size = 3 * n_pairs * n_d
        if self.kept is None or len(self.kept) < size:
            self.kept = np.empty(size + size // 8)
        return self.kept[:size].reshape(n_pairs, 3, n_d)


_thread = _Thread()


def compiled_networks(potential: Ensemble) -> CompiledNetworks | None:
    """The ensemble's networks for the kernels, or None for networks that only arrays can evaluate."""
    return CompiledNetworks(potential) if CompiledNetworks.fits(potential) else None


def predict_cpu(
    potential: Ensemble,
    frames: Sequence[Frame],
    wanted: Wanted,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict with the compiled kernels; see :meth:`Potential.predict`."""
    networks = compiled_networks(potential) if wanted.derivatives else None
    finders = (NeighborFinder(f, potential.cutoff, where=f.label(k)) for k, f in enumerate(frames))
    return predict_with(potential, networks, finders, frames, wanted, n_threads, progress)


def predict_with(
    potential: Ensemble,
    networks: CompiledNetworks | None,
    finders: Iterable[NeighborFinder | SkinList],
    frames: Sequence[Frame],
    wanted: Wanted,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict with networks that are compiled already and whatever finds each frame's neighbors."""
    total = Accumulator(frames, potential.n_members, wanted)
    forces = np.zeros((len(total.forces), 3, potential.n_members))
    virials = np.zeros((len(frames), 3, 3, potential.n_members))
    threads = default_threads() if n_threads is None else n_threads
    size = _MOST_ATOMS
    if networks is None or threads > 1:
        size = int(np.clip(total.frame_start[-1] // 16, _FEWEST_ATOMS, _MOST_ATOMS))

    tables = build_tables(potential.functions)

    def work(task: _Range) -> tuple[_Range, _Evaluated]:
        return task, _evaluate_range(potential, networks, tables, task, wanted)

    n_atoms = max(int(total.frame_start[-1]), 1)
    for task, part in in_order(work, _ranges(potential, finders, frames, total.frame_start, size), threads):
        window = slice(task.offset + task.first, task.offset + task.stop)
        total.energies[:, window] = part.energies
        if part.gradients is not None:
            g, around = part.gradients, (part.found.start, part.found.neighbor)
            of_frame = forces[task.offset :], virials[task.frame]
            add_ordered(g.pairs, g.own, g.virials, task.first, *around, *of_frame)
        if progress is not None:
            progress.report(window.stop / n_atoms, "energies and forces")
    total.forces = forces.swapaxes(1, 2)
    total.virials = virials.transpose(0, 3, 1, 2)
    return total.prediction()


def _ranges(
    potential: Ensemble,
    finders: Iterable[NeighborFinder | SkinList],
    frames: Sequence[Frame],
    frame_start: np.ndarray,
    size: int,
) -> Iterator[_Range]:
    for k, (frame, finder) in enumerate(zip(frames, finders, strict=True)):
        species = potential.functions.species_index(frame.numbers, where=frame.label(k))
        for first in range(0, frame.n_atoms, size):
            stop = min(first + size, frame.n_atoms)
            yield _Range(finder, species, k, int(frame_start[k]), first, stop)


def _evaluate_range(
    potential: Ensemble,
    networks: CompiledNetworks | None,
    tables: KernelTables,
    task: _Range,
    wanted: Wanted,
) -> _Evaluated:
    """Describe and evaluate one range on the calling thread alone."""
    found = task.finder.pairs(task.first, task.stop)
    n, n_d = task.stop - task.first, potential.functions.n_descriptors
    values = np.empty((n, n_d))
    derivatives = _thread.room(len(found.neighbor), n_d) if wanted.derivatives else None
    centers, neighbors = task.species[task.first : task.stop], task.species[found.neighbor]
    fill_descriptors(tables, centers, found.start, neighbors, found.vector, values, derivatives)
    close = None
    if (below := potential.short_range) is not None:
        close = below.close_pairs(potential.elements, centers, found.start, neighbors, found.vector)
    if derivatives is None:
        energies = potential.atomic_energies_of(values, centers)
        if close is not None:
            np.add.at(energies.T, close.center, close.energies[:, None])
        return _Evaluated(energies, found)
    slopes = slopes_of(potential, values, centers) if networks is None else networks.slopes(values, centers)
    gradients = contracted(slopes, found.start, found.vector, derivatives, wanted.stress)
    if close is not None:
        np.add.at(slopes.energies.T, close.center, close.energies[:, None])
        _add_close(gradients, close, found.vector)
    return _Evaluated(slopes.energies, found, gradients)


def _add_close(gradients: PairGradients, close: ClosePairs, vectors: np.ndarray) -> None:
    """Add the short range, the same for all members, to what networks say."""
    more = close.gradients[:, :, None]
    gradients.pairs[close.pair] += more
    np.add.at(gradients.own, close.center, more)
    if len(gradients.virials):
        np.add.at(gradients.virials, close.center, vectors[close.pair][:, :, None, None] * more[:, None])
