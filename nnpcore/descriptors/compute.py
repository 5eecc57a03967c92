"""Descriptors of frames: the CPU path, the choice of device, and chunks for large structures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nnpcore.descriptors.descriptor_set import DescriptorSet
from nnpcore.descriptors.functions import SymmetryFunctions
from nnpcore.descriptors.kernel_tables import KernelTables, build_tables
from nnpcore.descriptors.neighbors import NeighborFinder, NeighborPairs, neighbor_pairs
from nnpcore.errors import SettingsError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import default_threads, in_order

_MOST_ATOMS_PER_TASK = 512
_TASKS_PER_THREAD = 8


@dataclass(frozen=True, eq=False)
class DescriptorChunk:
    """Descriptors of consecutive atoms of one frame.

    Attributes
    ----------
    start, stop : the range of central atoms.
    species : (stop - start,) int32, index into ``functions.elements``.
    values : (stop - start, n_descriptors) float64.
    pair_start : (stop - start + 1,) int64, into this chunk's pairs.
    pair_neighbor : (n_pairs,) int32, index of the neighbor in the frame.
    pair_vector : (n_pairs, 3) float64, r_j - r_i, Å.
    derivatives : (n_pairs, 3, n_descriptors) dG_i/dr_j of the image, or None.
    """

    start: int
    stop: int
    species: np.ndarray
    values: np.ndarray
    pair_start: np.ndarray
    pair_neighbor: np.ndarray
    pair_vector: np.ndarray
    derivatives: np.ndarray | None


def compute_descriptors(
    frames: Sequence[Frame],
    functions: SymmetryFunctions,
    *,
    derivatives: bool = True,
    dtype: DTypeLike = np.float32,
    n_threads: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> DescriptorSet:
    """Compute symmetry functions and their derivatives for many frames.

    Parameters
    ----------
    frames : structures of any size and composition.
    functions : the symmetry functions.
    derivatives : whether to compute dG/dr.
    dtype : float32 or float64, of the stored derivatives only (all sums are float64).
    n_threads : threads of the CPU path; default: the physical cores available. The result does not depend on
        it.
    device : "cpu" (compiled kernels), or a torch device such as "cuda" ("torch-cpu" runs the torch path on
        the CPU).
    progress : reported to per task; cancels.

    Returns
    -------
    DescriptorSet with the atoms of all frames in order.

    Raises
    ------
    PotentialError for an element without functions; DataError for a frame that cannot be used (two atoms on
    one spot, no volume); SettingsError for a wrong dtype, device or number of threads.
    """
    real = _checked_dtype(dtype)
    threads = _checked_threads(n_threads)
    result = _with_pairs(frames, functions, real if derivatives else None, threads, progress)
    if device == "cpu":
        tables, span = build_tables(functions), _Span(progress, 0.1, 1.0, "symmetry functions")
        pairs = NeighborPairs(result.pair_start, result.pair_neighbor, result.pair_vector)
        species, values = result.species, result.values
        _run_kernel(tables, species, species, pairs, values, result.derivatives, threads, span)
    else:
        from nnpcore.descriptors.torch_backend import fill_descriptors

        fill_descriptors(result, device.removeprefix("torch-"), progress)
    return result


def _with_pairs(
    frames: Sequence[Frame],
    functions: SymmetryFunctions,
    real: np.dtype | None,
    threads: int,
    progress: Progress | None,
) -> DescriptorSet:
    """A set with its pairs, room for values and, if ``real`` is a type, room for derivatives."""
    labels = [frame.label(i) for i, frame in enumerate(frames)]
    parts = [functions.species_index(f.numbers, where=w) for f, w in zip(frames, labels, strict=True)]
    species = np.concatenate([np.zeros(0, dtype=np.int32), *parts])
    frame_start = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)

    def find(first: int, stop: int) -> NeighborPairs:
        chosen = range(first, stop)
        found = [neighbor_pairs(frames[k], functions.cutoff, where=labels[k]) for k in chosen]
        return _joined(found, [int(frame_start[k]) for k in chosen])

    pairs = _joined(_run_tasks(find, len(frames), 8, threads, _Span(progress, 0.0, 0.1, "neighbors")))
    n_d = functions.n_descriptors
    return DescriptorSet(
        functions=functions,
        frame_start=frame_start,
        species=species,
        values=np.zeros((len(species), n_d)),
        pair_start=pairs.start,
        pair_neighbor=pairs.neighbor,
        pair_vector=pairs.vector,
        derivatives=None if real is None else np.empty((len(pairs.neighbor), 3, n_d), dtype=real),
    )


def warm_up() -> None:
    """Compile the CPU kernels, or load them from numba's cache: seconds the first time after installation."""
    positions = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    frame = Frame(np.full(3, 14, dtype=np.int32), positions, np.eye(3), np.zeros(3, dtype=bool))
    compute_descriptors([frame], SymmetryFunctions.preset("26", ["Si"]), n_threads=1)


def iter_descriptor_chunks(
    frame: Frame,
    functions: SymmetryFunctions,
    chunk_atoms: int = 1024,
    *,
    derivatives: bool = True,
    dtype: DTypeLike = np.float64,
    n_threads: int | None = None,
) -> Iterator[DescriptorChunk]:
    """Yield the descriptors of one frame range by range, so that memory stays bounded by the chunk.

    Neighbors are searched per chunk too: nothing but a few numbers per atom is held for the whole frame. Each
    chunk owns its arrays. Errors as in :func:`compute_descriptors`.
    """
    real = _checked_dtype(dtype)
    threads = _checked_threads(n_threads)
    label = frame.label(0)
    species = functions.species_index(frame.numbers, where=label)
    tables = build_tables(functions)
    finder = NeighborFinder(frame, functions.cutoff, where=label)
    for first in range(0, frame.n_atoms, chunk_atoms):
        stop = min(first + chunk_atoms, frame.n_atoms)

        def find(a: int, b: int, first: int = first) -> NeighborPairs:
            return finder.pairs(first + a, first + b)

        pairs = _joined(_run_tasks(find, stop - first, chunk_atoms, threads))
        values = np.empty((stop - first, functions.n_descriptors))
        shape = (len(pairs.neighbor), 3, functions.n_descriptors)
        slopes = np.empty(shape, real) if derivatives else None
        _run_kernel(tables, species[first:stop], species, pairs, values, slopes, threads)
        yield DescriptorChunk(
            first, stop, species[first:stop], values, pairs.start, pairs.neighbor, pairs.vector, slopes
        )


def _joined(parts: list[NeighborPairs], shifts: list[int] | None = None) -> NeighborPairs:
    """Pairs of consecutive ranges as one, with a number added to the neighbors of each range."""
    counts = [np.zeros(1, dtype=np.int64), *(np.diff(p.start) for p in parts)]
    neighbors = [np.zeros(0, dtype=np.int32), *(p.neighbor for p in parts)]
    if shifts is not None:
        neighbors[1:] = [p.neighbor + np.int32(shift) for p, shift in zip(parts, shifts, strict=True)]
    vectors = [np.zeros((0, 3)), *(p.vector for p in parts)]
    return NeighborPairs(
        np.cumsum(np.concatenate(counts)), np.concatenate(neighbors), np.concatenate(vectors)
    )


def _run_kernel(
    tables: KernelTables,
    center_species: np.ndarray,
    species: np.ndarray,
    pairs: NeighborPairs,
    values: np.ndarray,
    derivatives: np.ndarray | None,
    threads: int,
    span: _Span | None = None,
) -> None:
    """Fill values and derivatives of all centres, in tasks spread over threads."""
    from nnpcore.descriptors.kernels import fill_descriptors

    def fill(a: int, b: int) -> None:
        window = slice(pairs.start[a], pairs.start[b])
        out = None if derivatives is None else derivatives[window]
        neighbor_species = species[pairs.neighbor[window]]
        starts, vectors = pairs.start[a : b + 1], pairs.vector[window]
        fill_descriptors(tables, center_species[a:b], starts, neighbor_species, vectors, values[a:b], out)

    _run_tasks(fill, len(center_species), _MOST_ATOMS_PER_TASK, threads, span)


@dataclass(frozen=True)
class _Span:
    """The part of a progress bar that belongs to one step."""

    progress: Progress | None
    low: float
    high: float
    text: str

    def report(self, fraction: float) -> None:
        """Report how much of the step is done."""
        if self.progress is not None:
            self.progress.report(self.low + (self.high - self.low) * fraction, self.text)


def _run_tasks(
    task: Callable[[int, int], Any], count: int, most: int, threads: int, span: _Span | None = None
) -> list[Any]:
    """Run ``task(first, stop)`` over ranges of at most ``most`` that cover ``count`` items, on threads.

    Returns the values in order. The first failure, or the user's wish to cancel, ends the work.
    """
    step = max(1, min(most, -(-count // (threads * _TASKS_PER_THREAD))))
    ranges = [(first, min(first + step, count)) for first in range(0, count, step)]
    results = []
    for result in in_order(lambda bounds: task(*bounds), ranges, threads):
        results.append(result)
        if span is not None:
            span.report(len(results) / len(ranges))
    return results


def _checked_dtype(dtype: DTypeLike) -> np.dtype:
    real = np.dtype(dtype)
    if real not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise SettingsError(f"derivatives can be float32 or float64, not {real}", where="dtype")
    return real


def _checked_threads(n_threads: int | None) -> int:
    if n_threads is None:
        return default_threads()
    if n_threads < 1:
        raise SettingsError(f"the number of threads must be at least 1, not {n_threads}", where="n_threads")
    return int(n_threads)
