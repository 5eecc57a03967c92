"""Symmetry functions and their derivatives on the reference workload: time a frame and core, memory.

CPU time, not wall time: what other programs do on the same machine does not count.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from row import Row
from workload import load_workload

from nnpcore.descriptors import SymmetryFunctions, compute_descriptors, neighbor_pairs
from nnpcore.structures.frame import Frame

BLOCK, REPEATS = 50, 7
REFERENCE = "n2p2 15.7 ms, SIMPLE-NN 88 ms"


def fastest(work: Callable[[], Any], frames: int) -> float:
    """Return milliseconds of CPU time a frame in the fastest of some repetitions."""
    best = float("inf")
    for _ in range(REPEATS):
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return 1e3 * best / frames


def whole_set(frames: list[Frame], functions: SymmetryFunctions, threads: int) -> tuple[float, float, float]:
    """Return wall and CPU milliseconds a frame for all frames at once, and MB held beyond the derivatives."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    stored = compute_descriptors(frames, functions, n_threads=threads)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    size = 0.0 if stored.derivatives is None else stored.derivatives.nbytes / 2**20
    return 1e3 * wall / len(frames), 1e3 * cpu / len(frames), added - size


def rows(threads: int = 2) -> list[Row]:
    """Measure one thread on 50 frames, then all 500 frames on ``threads`` threads."""
    train, valid = load_workload()
    functions = SymmetryFunctions.preset("26", ["Si"], 6.0)
    block = train[:BLOCK]

    def compute(derivatives: bool = True, dtype: Any = np.float32) -> Callable[[], Any]:
        return lambda: compute_descriptors(
            block, functions, derivatives=derivatives, dtype=dtype, n_threads=1
        )

    compute()()
    wall, cpu, added = whole_set(train + valid, functions, threads)
    note = "CPU ms a frame, one thread; neighbor search included"
    measured = [
        Row("G and dG/dr", fastest(compute(), BLOCK), "ms", aim=2.0, reference=REFERENCE, note=note),
        Row("G and dG/dr, stored as float64", fastest(compute(dtype=np.float64), BLOCK), "ms"),
        Row("G alone", fastest(compute(derivatives=False), BLOCK), "ms", reference="DScribe 28 ms"),
        Row("neighbor search", fastest(lambda: [neighbor_pairs(f, 6.0) for f in block], BLOCK), "ms"),
    ]
    note = "memory touched for the first time included"
    measured.append(Row("G and dG/dr, 500 frames, wall", wall, "ms", note=note, threads=threads))
    measured.append(Row("G and dG/dr, 500 frames, CPU", cpu, "ms", note=note, threads=threads))
    note = "peak beyond the stored derivatives"
    measured.append(Row("memory of it", added, "MB", aim=150, note=note, threads=threads))
    return measured
