"""Compiled search of the neighbor list; called by :mod:`nnpcore.descriptors.neighbors` only."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

from nnpcore.descriptors.simd import INLINE, OPTIONS, fma, get, get_int, load, put, put_int, store

Grid = namedtuple("Grid", "n x y z atom place bin_start bx by bz rx ry rz px py pz")
"""Bins of atoms. Addresses: coordinates and number of the n atoms by bin, each atom's place among them, first
place of each bin. Numbers: bins per direction, bins to search to each side, whether periodic."""

Search = namedtuple("Search", "cutoff2 most found distances")
"""Square of the cutoff, most neighbors of an atom, addresses of scratch memory for places and distances²."""

_SELF = 1e30


@njit(**OPTIONS)
def scale(
    positions: np.ndarray, inverse: np.ndarray, periodic: np.ndarray, scaled: np.ndarray, turns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions in units of the basis, wrapped into [0, 1) where periodic, and the whole turns taken off.

    Returns the lowest coordinate and the extent in each direction (0 and 1 where periodic).
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for i in range(len(positions)):
        for d in range(3):
            s = 0.0
            for e in range(3):
                s += positions[i, e] * inverse[e, d]
            turns[i, d] = math.floor(s) if periodic[d] else 0.0
            scaled[i, d] = s - turns[i, d]
            low[d], high[d] = min(low[d], s), max(high[d], s)
    extent = np.maximum(high - low, 1e-9)
    for d in range(3):
        if periodic[d]:
            low[d], extent[d] = 0.0, 1.0
    return low, extent


@njit(**OPTIONS)
def bin_atoms(
    positions: np.ndarray,
    basis: np.ndarray,
    scaled: np.ndarray,
    turns: np.ndarray,
    low: np.ndarray,
    extent: np.ndarray,
    bins: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    atom: np.ndarray,
    place: np.ndarray,
    bin_start: np.ndarray,
) -> None:
    """Sort the atoms, moved into the cell, by bin."""
    bin_start[:] = 0
    for i in range(len(positions)):
        flat = 0
        for d in range(3):
            index = int((scaled[i, d] - low[d]) / extent[d] * bins[d])
            flat = flat * bins[d] + min(max(index, 0), bins[d] - 1)
        place[i] = flat
        bin_start[flat + 1] += 1
    for b in range(1, len(bin_start)):
        bin_start[b] += bin_start[b - 1]
    for i in range(len(positions)):
        flat = place[i]
        p = bin_start[flat]
        bin_start[flat] = p + 1
        atom[p], place[i] = i, p
        x[p], y[p], z[p] = positions[i]
        for d in range(3):
            x[p] -= turns[i, d] * basis[d, 0]
            y[p] -= turns[i, d] * basis[d, 1]
            z[p] -= turns[i, d] * basis[d, 2]
    for b in range(len(bin_start) - 1, 0, -1):
        bin_start[b] = bin_start[b - 1]
    bin_start[0] = 0


@njit(**INLINE)
def _run(
    g: Grid, s: Search, mine: int, home: bool, first: int, stop: int, x: float, y: float, z: float
) -> int:
    """List the places from ``first`` to ``stop`` within the cutoff of a point; return their number."""
    for c in range(first, stop, 8):
        dx, dy, dz = load(g.x, c) - x, load(g.y, c) - y, load(g.z, c) - z
        store(s.distances, c - first, fma(dx, dx, fma(dy, dy, dz * dz)))
    if home and first <= mine < stop:
        put(s.distances, mine - first, _SELF)
    n = 0
    for c in range(first, stop):
        put_int(s.found, n, c)
        n += 1 if get(s.distances, c - first) < s.cutoff2 else 0
    return n


@njit(**INLINE)
def _bin_of(g: Grid, mine: int) -> tuple[int, int, int]:
    """The bin in each direction that holds a place."""
    low, high = 0, g.bx * g.by * g.bz
    while high - low > 1:
        middle = (low + high) // 2
        if get_int(g.bin_start, middle) <= mine:
            low = middle
        else:
            high = middle
    return low // (g.bz * g.by), low // g.bz % g.by, low % g.bz


@njit(**INLINE)
def _low(index: int, reach: int, periodic: bool) -> int:
    """First bin to search; beyond the cell only where periodic."""
    return index - reach if periodic else max(index - reach, 0)


@njit(**INLINE)
def _high(index: int, reach: int, periodic: bool, count: int) -> int:
    """End of the bins to search."""
    return index + reach + 1 if periodic else min(index + reach, count - 1) + 1


@njit(**OPTIONS)
def search(
    g: Grid,
    s: Search,
    first: int,
    stop: int,
    basis: np.ndarray,
    start: np.ndarray,
    neighbor: np.ndarray,
    vector: np.ndarray,
) -> tuple[float, int, int, int]:
    """Write the pairs of the centres from ``first`` to ``stop`` as far as there is room.

    ``start`` gets the pairs of each centre in any case. Returns the smallest squared distance of a pair with
    its two atoms, and -1 or the first atom with more than ``s.most`` neighbors, where the search ends.
    """
    total, nearest, near_i, near_j, room = 0, _SELF, -1, -1, len(neighbor)
    start[0] = 0
    for i in range(first, stop):
        mine = get_int(g.place, i)
        bx, by, bz = _bin_of(g, mine)
        x0, y0, z0 = get(g.x, mine), get(g.y, mine), get(g.z, mine)
        for ix in range(_low(bx, g.rx, g.px), _high(bx, g.rx, g.px, g.bx)):
            tx = ix // g.bx
            for iy in range(_low(by, g.ry, g.py), _high(by, g.ry, g.py, g.by)):
                ty = iy // g.by
                row = ((ix - tx * g.bx) * g.by + iy - ty * g.by) * g.bz
                iz, last = _low(bz, g.rz, g.pz), _high(bz, g.rz, g.pz, g.bz) - 1
                while iz <= last:
                    tz = iz // g.bz
                    end = min(last, tz * g.bz + g.bz - 1)
                    x = x0 - (tx * basis[0, 0] + ty * basis[1, 0] + tz * basis[2, 0])
                    y = y0 - (tx * basis[0, 1] + ty * basis[1, 1] + tz * basis[2, 1])
                    z = z0 - (tx * basis[0, 2] + ty * basis[1, 2] + tz * basis[2, 2])
                    c0 = get_int(g.bin_start, row + iz - tz * g.bz)
                    c1 = get_int(g.bin_start, row + end - tz * g.bz + 1)
                    n = _run(g, s, mine, tx == 0 and ty == 0 and tz == 0, c0, c1, x, y, z)
                    for q in range(n):
                        c = get_int(s.found, q)
                        r2 = get(s.distances, c - c0)
                        if r2 < nearest:
                            nearest, near_i, near_j = r2, i, get_int(g.atom, c)
                        if total + q < room:
                            neighbor[total + q], vector[total + q, 0] = get_int(g.atom, c), get(g.x, c) - x
                            vector[total + q, 1], vector[total + q, 2] = get(g.y, c) - y, get(g.z, c) - z
                    total += n
                    iz = end + 1
        start[i - first + 1] = total
        if total - start[i - first] > s.most:
            return nearest, near_i, near_j, i
    return nearest, near_i, near_j, -1


@njit(**OPTIONS)
def within(
    positions: np.ndarray,
    pair_start: np.ndarray,
    pair_neighbor: np.ndarray,
    images: np.ndarray,
    first: int,
    cutoff2: float,
    start: np.ndarray,
    neighbor: np.ndarray,
    vector: np.ndarray,
) -> float:
    """Of the pairs of the centres ``first``... keep those within the cutoff; return the smallest distance².

    ``images`` (n_pairs, 3) is added to r_j - r_i; ``start`` of one more centre than are wanted says how many.
    """
    total, nearest = 0, _SELF
    start[0] = 0
    for i in range(first, first + len(start) - 1):
        x0, y0, z0 = positions[i, 0], positions[i, 1], positions[i, 2]
        for p in range(pair_start[i], pair_start[i + 1]):
            j = pair_neighbor[p]
            x = positions[j, 0] - x0 + images[p, 0]
            y = positions[j, 1] - y0 + images[p, 1]
            z = positions[j, 2] - z0 + images[p, 2]
            r2 = x * x + y * y + z * z
            neighbor[total], vector[total, 0], vector[total, 1], vector[total, 2] = j, x, y, z
            total += 1 if r2 < cutoff2 else 0
            nearest = min(nearest, r2)
        start[i - first + 1] = total
    return nearest
