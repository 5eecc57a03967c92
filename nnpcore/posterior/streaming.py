"""Frames gone over one after the other, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnpcore.descriptors import compute_descriptors
from nnpcore.posterior.basis import FrameRows, SparseBasis
from nnpcore.posterior.moments import Moments, added, labelled_rows
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import in_order, one_blas_thread

_ATOMS_AT_ONCE = 1024


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
) -> dict[str, Moments]:
    """Return the sums over all labels of these kinds that the frames have."""

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
        for done, part in enumerate(in_order(work, parts, n_threads)):
            total = added(total, part)
            if progress is not None:
                progress.report((done + 1) / len(parts), "information of the training frames")
    return total
