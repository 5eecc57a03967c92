"""Compiled search of the neighbor list; called by :mod:`nnpcore.descriptors.neighbors` only."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def _wrap(value, count, periodic):
    """Bin index inside [0, count) and the number of cells it was moved by; -1 where there is no bin."""
    if not periodic:
        return (value, 0) if 0 <= value < count else (-1, 0)
    turn = value // count
    return value - turn * count, turn


@njit(nogil=True, cache=True)
def count_pairs(
    first, stop, positions, index, candidates, order, bin_start, bins, reach, periodic, basis, cutoff2, counts
):
    """Number of pairs of each centre in [first, stop) into ``counts``."""
    counts[:] = 0
    for i in range(first, stop):
        n = 0
        for dx in range(-reach[0], reach[0] + 1):
            bx, tx = _wrap(index[i, 0] + dx, bins[0], periodic[0])
            if bx < 0:
                continue
            for dy in range(-reach[1], reach[1] + 1):
                by, ty = _wrap(index[i, 1] + dy, bins[1], periodic[1])
                if by < 0:
                    continue
                for dz in range(-reach[2], reach[2] + 1):
                    bz, tz = _wrap(index[i, 2] + dz, bins[2], periodic[2])
                    if bz < 0:
                        continue
                    x = tx * basis[0, 0] + ty * basis[1, 0] + tz * basis[2, 0] - positions[i, 0]
                    y = tx * basis[0, 1] + ty * basis[1, 1] + tz * basis[2, 1] - positions[i, 1]
                    z = tx * basis[0, 2] + ty * basis[1, 2] + tz * basis[2, 2] - positions[i, 2]
                    cell = (bx * bins[1] + by) * bins[2] + bz
                    home = tx == 0 and ty == 0 and tz == 0
                    for c in range(bin_start[cell], bin_start[cell + 1]):
                        vx, vy, vz = candidates[c, 0] + x, candidates[c, 1] + y, candidates[c, 2] + z
                        if vx * vx + vy * vy + vz * vz < cutoff2 and not (home and order[c] == i):
                            n += 1
        counts[i - first] = n


@njit(nogil=True, cache=True)
def fill_pairs(
    first,
    stop,
    positions,
    index,
    candidates,
    order,
    bin_start,
    bins,
    reach,
    periodic,
    basis,
    cutoff2,
    smallest2,
    start,
    neighbor,
    vector,
):
    """Write the pairs counted by :func:`count_pairs`; return two atoms closer than the smallest distance or -1, -1."""
    bad_i, bad_j = -1, -1
    for i in range(first, stop):
        n = start[i - first]
        for dx in range(-reach[0], reach[0] + 1):
            bx, tx = _wrap(index[i, 0] + dx, bins[0], periodic[0])
            if bx < 0:
                continue
            for dy in range(-reach[1], reach[1] + 1):
                by, ty = _wrap(index[i, 1] + dy, bins[1], periodic[1])
                if by < 0:
                    continue
                for dz in range(-reach[2], reach[2] + 1):
                    bz, tz = _wrap(index[i, 2] + dz, bins[2], periodic[2])
                    if bz < 0:
                        continue
                    x = tx * basis[0, 0] + ty * basis[1, 0] + tz * basis[2, 0] - positions[i, 0]
                    y = tx * basis[0, 1] + ty * basis[1, 1] + tz * basis[2, 1] - positions[i, 1]
                    z = tx * basis[0, 2] + ty * basis[1, 2] + tz * basis[2, 2] - positions[i, 2]
                    cell = (bx * bins[1] + by) * bins[2] + bz
                    home = tx == 0 and ty == 0 and tz == 0
                    for c in range(bin_start[cell], bin_start[cell + 1]):
                        vx, vy, vz = candidates[c, 0] + x, candidates[c, 1] + y, candidates[c, 2] + z
                        d2 = vx * vx + vy * vy + vz * vz
                        if d2 < cutoff2 and not (home and order[c] == i):
                            if d2 < smallest2 and bad_i < 0:
                                bad_i, bad_j = i, order[c]
                            neighbor[n] = order[c]
                            vector[n, 0], vector[n, 1], vector[n, 2] = vx, vy, vz
                            n += 1
    return bad_i, bad_j
