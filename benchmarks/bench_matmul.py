"""The yardstick: one 1024³ float32 matrix product."""

from __future__ import annotations

import time

import torch
from row import Row

REPEATS = 15


def rows() -> list[Row]:
    """Return the fastest of some repetitions, in seconds."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1024, 1024, generator=generator) for _ in range(2))
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return [Row("1024³ float32 matrix product", best, "s", threads=torch.get_num_threads())]
