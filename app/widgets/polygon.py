"""Points inside a loop drawn by hand; numpy only, shared by the plots' lasso and the viewer's."""

from __future__ import annotations

import numpy as np


def inside_polygon(x: np.ndarray, y: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Return which points (n,) lie inside a closed polygon (m, 2), by the even-odd rule; NaN never does."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    result = np.zeros(len(x), dtype=bool)
    if len(polygon) < 3:
        return result
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    px, py = x[near], y[near]
    crossings = np.zeros(len(near), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        spans = (y0 > py) != (y1 > py)
        if spans.any():
            crossings[spans] ^= px[spans] < (x1 - x0) * (py[spans] - y0) / (y1 - y0) + x0
    result[near] = crossings
    return result
