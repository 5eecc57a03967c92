"""Thinning of many points, the same way every time."""

from __future__ import annotations

import numpy as np


def subsample(count: int, limit: int, seed: int = 0) -> np.ndarray:
    """Sorted indices of at most ``limit`` of ``count`` points, drawn at random with a fixed seed; int64."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))
