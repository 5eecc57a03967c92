"""Prim's algorithm, compiled: the interpreter lock is free while it runs, so a window stays alive."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def grow_tree(
    x: np.ndarray,
    core2: np.ndarray,
    outside: np.ndarray,
    best: np.ndarray,
    parent: np.ndarray,
    edges: np.ndarray,
    lengths: np.ndarray,
    current: int,
    start: int,
    stop: int,
) -> int:
    """Add edges ``start`` to ``stop`` of the tree under the squared mutual-reachability distance.

    Parameters
    ----------
    x : (n, d) points.
    core2 : (n,) squared core distances.
    outside, best, parent : (n,) state: not yet in the tree; shortest squared reach so far, and from where.
    edges, lengths : (n - 1, 2) and (n - 1,), filled from ``start``; squared lengths.
    current : the point added last.

    Returns
    -------
    The point added last.
    """
    n, d = x.shape
    for step in range(start, stop):
        outside[current] = False
        nearest, shortest = -1, np.inf
        for i in range(n):
            if not outside[i]:
                continue
            reach = 0.0
            for k in range(d):
                delta = x[i, k] - x[current, k]
                reach += delta * delta
            reach = max(reach, core2[i], core2[current])
            if reach < best[i]:
                best[i], parent[i] = reach, current
            if best[i] < shortest:
                nearest, shortest = i, best[i]
        edges[step, 0], edges[step, 1], lengths[step] = parent[nearest], nearest, shortest
        current = nearest
    return current
