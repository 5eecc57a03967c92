"""Descriptors of frames: the CPU path, and the choice of device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from nnpcore.descriptors.descriptor_set import DescriptorSet
from nnpcore.descriptors.functions import SymmetryFunctions
from nnpcore.descriptors.kernel_tables import build_tables
from nnpcore.descriptors.neighbors import NeighborPairs, neighbor_pairs
from nnpcore.errors import SettingsError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import default_threads, in_order

_MOST_ATOMS_PER_TASK = 512
_TASKS_PER_THREAD = 8


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
    progress = progress or Progress()
    result = _with_pairs(
        frames, functions, real if derivatives else None, threads, progress.part(0.0, 0.1, "neighbors")
    )
    filling = progress.part(0.1, 1.0, "symmetry functions")
    if device == "cpu":
        _fill(result, threads, filling)
    else:
        from nnpcore.descriptors.torch_backend import fill_descriptors

        fill_descriptors(result, device.removeprefix("torch-"), filling)
    return result


def _with_pairs(
    frames: Sequence[Frame],
    functions: SymmetryFunctions,
    real: np.dtype | None,
    threads: int,
    progress: Progress,
) -> DescriptorSet:
    """A set with its pairs, room for values and, if ``real`` is a type, room for derivatives."""
    labels = [frame.label(i) for i, frame in enumerate(frames)]
    parts = [functions.species_index(f.numbers, where=w) for f, w in zip(frames, labels, strict=True)]
    species = np.concatenate([np.zeros(0, dtype=np.int32), *parts])
    frame_start = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)

    def find(first: int, stop: int) -> list[NeighborPairs]:
        chosen = range(first, stop)
        return [neighbor_pairs(frames[k], functions.cutoff, where=labels[k]) for k in chosen]

    found = [pairs for part in _run_tasks(find, len(frames), 8, threads, progress) for pairs in part]
    neighbors = [p.neighbor + np.int32(first) for p, first in zip(found, frame_start[:-1], strict=True)]
    neighbor = np.concatenate([np.zeros(0, dtype=np.int32), *neighbors])
    n_d = functions.n_descriptors
    return DescriptorSet(
        functions=functions,
        frame_start=frame_start,
        species=species,
        values=np.zeros((len(species), n_d)),
        pair_start=np.cumsum(np.concatenate([[0], *(np.diff(p.start) for p in found)])),
        pair_neighbor=neighbor,
        pair_vector=np.concatenate([np.zeros((0, 3)), *(p.vector for p in found)]),
        derivatives=None if real is None else np.empty((len(neighbor), 3, n_d), dtype=real),
    )


def warm_up() -> None:
    """Compile the CPU kernels, or load them from numba's cache: seconds the first time after installation."""
    positions = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    frame = Frame(np.full(3, 14, dtype=np.int32), positions, np.eye(3), np.zeros(3, dtype=bool))
    compute_descriptors([frame], SymmetryFunctions.preset("26", ["Si"]), n_threads=1)


def _fill(result: DescriptorSet, threads: int, progress: Progress) -> None:
    """Fill values and derivatives by the compiled kernels, in tasks spread over threads."""
    from nnpcore.descriptors.kernels import fill_descriptors

    tables, species = build_tables(result.functions), result.species

    def fill(a: int, b: int) -> None:
        starts = result.pair_start[a : b + 1]
        window = slice(starts[0], starts[-1])
        out = None if result.derivatives is None else result.derivatives[window]
        neighbor_species, vectors = species[result.pair_neighbor[window]], result.pair_vector[window]
        fill_descriptors(tables, species[a:b], starts, neighbor_species, vectors, result.values[a:b], out)

    _run_tasks(fill, len(species), _MOST_ATOMS_PER_TASK, threads, progress)


def _run_tasks(
    task: Callable[[int, int], Any], count: int, most: int, threads: int, progress: Progress
) -> list[Any]:
    """Run ``task(first, stop)`` over ranges of at most ``most`` that cover ``count`` items, on threads.

    Returns the values in order. The first failure, or the user's wish to cancel, ends the work.
    """
    step = max(1, min(most, -(-count // (threads * _TASKS_PER_THREAD))))
    ranges = [(first, min(first + step, count)) for first in range(0, count, step)]
    results = []
    for result in in_order(lambda bounds: task(*bounds), ranges, threads):
        results.append(result)
        progress.report(len(results) / len(ranges))
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
