"""Frames gone over one after the other, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nnpcore.cluster import Executor, Hand, InProcess, Job, Shared
from nnpcore.cluster import in_order as in_jobs
from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.posterior.basis import FrameRows, SparseBasis
from nnpcore.posterior.moments import Moments, added, labelled_rows
from nnpcore.progress import Progress
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.structures.frame import Frame
from nnpcore.threads import in_order, one_blas_thread

_ATOMS_AT_ONCE = 1024
_BATCHES_A_GROUP = 16


def batches(frames: Sequence[Frame]) -> list[range]:
    """Divide frames into runs of at most some thousand atoms."""
    found, first, atoms = [], 0, 0
    for k, frame in enumerate(frames):
        if k > first and atoms + frame.n_atoms > _ATOMS_AT_ONCE:
            found.append(range(first, k))
            first, atoms = k, 0
        atoms += frame.n_atoms
    return [*found, range(first, len(frames))] if frames else []


def each_rows(
    basis: SparseBasis, frames: Sequence[Frame], n_threads: int | None, progress: Progress | None
) -> Iterator[FrameRows]:
    """Yield the rows of every frame in order; a few frames at a time are in memory."""

    def work(chosen: range) -> list[FrameRows]:
        own = [frames[k] for k in chosen]
        d = compute_descriptors(own, basis.functions, n_threads=1)
        return [basis.rows(d.select(k, k + 1), frame.volume) for k, frame in enumerate(own)]

    done = 0
    with one_blas_thread():
        for part in in_order(work, batches(frames), n_threads):
            yield from part
            done += len(part)
            if progress is not None:
                progress.report(done / len(frames), "rows of the training frames")


def summed(
    basis: SparseBasis,
    frames: Sequence[Frame],
    zeros: np.ndarray,
    kinds: tuple[str, ...],
    n_threads: int | None,
    progress: Progress | None,
    executor: Executor | None = None,
) -> dict[str, Moments]:
    """Return the sums over all labels of these kinds that the frames have.

    They are summed in groups of some batches, and the groups' sums in order, whoever computes them:
    ``executor``, by default this process with ``n_threads``.
    """
    executor = executor or InProcess(n_threads)
    shared = Shared({**basis_to_values(basis), "zeros": zeros, "kinds": list(kinds)})
    total: dict[str, Moments] = {}
    for values in in_jobs(executor, [_sum_job(frames, g, shared) for g in _groups(frames)], progress):
        part = {kind: Moments(**moments) for kind, moments in values.items()}
        total = added(total, part)
    return total


def _groups(frames: Sequence[Frame]) -> list[range]:
    """Divide frames into runs of some batches."""
    parts = batches(frames)
    firsts = range(0, len(parts), _BATCHES_A_GROUP)
    return [range(parts[k].start, parts[min(k + _BATCHES_A_GROUP, len(parts)) - 1].stop) for k in firsts]


def _sum_job(frames: Sequence[Frame], group: range, shared: Shared) -> Job:
    def given() -> dict[str, Any]:
        return {"frames": frames_to_values(frames[group.start : group.stop])}

    title = f"information of frames {group.start + 1} to {group.stop}"
    return Job(title, sum_job, given, {"basis": shared}, cost=len(group))


def sum_job(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Sum over some frames as a job: :class:`Moments` by kind, as plain values."""
    shared = given["basis"]
    basis, zeros, kinds = basis_from_values(shared), shared["zeros"], tuple(shared["kinds"])
    frames = frames_from_values(given["frames"])

    def work(chosen: range) -> dict[str, Moments]:
        own = [frames[k] for k in chosen]
        d = compute_descriptors(own, basis.functions, n_threads=1)
        total: dict[str, Moments] = {}
        for k, frame in enumerate(own):
            part = d.select(k, k + 1)
            rows = basis.rows(part, frame.volume)
            found = labelled_rows(rows, frame, float(zeros[part.species].sum()))
            total = added(total, {kind: Moments.of(*found[kind]) for kind in found if kind in kinds})
        return total

    total: dict[str, Moments] = {}
    parts = batches(frames)
    with one_blas_thread():
        for done, part in enumerate(in_order(work, parts, hand.n_threads)):
            total = added(total, part)
            hand.progress.report((done + 1) / len(parts), "information of the training frames")
    return {kind: dict(vars(moments)) for kind, moments in total.items()}


def basis_to_values(basis: SparseBasis) -> dict[str, Any]:
    """Return a basis as plain values."""
    return {"functions": basis.functions.to_dict(), "arrays": basis.to_arrays()}


def basis_from_values(values: Mapping[str, Any]) -> SparseBasis:
    """Return the basis of :func:`basis_to_values`."""
    return SparseBasis.from_arrays(SymmetryFunctions.from_dict(values["functions"]), values["arrays"])
