"""Compiled kernels for symmetry functions and their derivatives: float64 sums in a fixed order, GIL released.

A centre's neighbors are gathered, sorted by species, into rows of scratch memory ``w``. For a neighbor j, the factors
of all k (distance r_jk, cosine, exponentials, cutoffs) are computed eight k at a time; then the functions, eight
angular factors at a time, are summed over k in registers. Every triplet is met twice, as (j, k) and (k, j), so that
the derivatives need no memory traffic. With h(r²) = exp(-η r²) fc(r), an angular factor u(cosθ) and d = r_ij · r_ik:

    G_i += h(r_ij²) h(r_ik²) h(r_jk²) u
    dG_i/dr_j = (2 h'(r_ij²) X + h(r_ij²) A) r_ij + h(r_ij²) W    with sums over k:  X = Σ u p,  p = h(r_ik²) h(r_jk²)
    A = -Σ (u q + v p d/r_ij²),  W = Σ (u q + v p) r_ik,  q = -2 h(r_ik²) h'(r_jk²),  v = u' / (r_ij r_ik)
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nnpcore.descriptors.simd import (
    INLINE,
    OPTIONS,
    choose_less,
    exponential,
    fma,
    load,
    load_all,
    splat,
    square_root,
    store,
    store_first,
)

# rows of scratch memory, each as long as the padded neighbor list; the last two are named by their first row
_X, _Y, _Z, _R2, _INVERSE, _REACH, _COS, _FACTORS = range(8)
_FAR = 1e6
_OUT_OF_REACH = 1e30
_SMALLEST_BASE = 1e-14
_BLOCK_ROWS = 9


@njit(**INLINE)
def _cutoff(y):
    """Cosine cutoff and its derivative for y = π²r²/4rc² in [0, π²/4], as a series in y: no root, no branch."""
    c = fma(y, 1.0 / 2432902008176640000.0, -1.0 / 6402373705728000.0)
    c = fma(fma(fma(c, y, 1.0 / 20922789888000.0), y, -1.0 / 87178291200.0), y, 1.0 / 479001600.0)
    c = fma(fma(fma(c, y, -1.0 / 3628800.0), y, 1.0 / 40320.0), y, -1.0 / 720.0)
    c = fma(fma(fma(c, y, 1.0 / 24.0), y, -0.5), y, 1.0)
    s = fma(y, 1.0 / 51090942171709440000.0, -1.0 / 121645100408832000.0)
    s = fma(fma(fma(s, y, 1.0 / 355687428096000.0), y, -1.0 / 1307674368000.0), y, 1.0 / 6227020800.0)
    s = fma(fma(fma(s, y, -1.0 / 39916800.0), y, 1.0 / 362880.0), y, -1.0 / 5040.0)
    s = fma(fma(fma(s, y, 1.0 / 120.0), y, -1.0 / 6.0), y, 1.0)
    return c * c, c * s * -1.0


@njit(**INLINE)
def _write(out, row, n_d, first, count, columns, index, x, y, z):
    """Write the lanes of a derivative to the columns of a pair's three rows."""
    if first >= 0:
        store_first(out, row + first, x, count)
        store_first(out, row + n_d + first, y, count)
        store_first(out, row + 2 * n_d + first, z, count)
    else:
        lanes = np.empty(24)
        store(lanes, 0, x)
        store(lanes, 8, y)
        store(lanes, 16, z)
        for lane in range(count):
            column = columns[index, lane]
            if column >= 0:
                for axis in range(3):
                    out[row + axis * n_d + column] = lanes[8 * axis + lane]


@njit(**OPTIONS)
def _gather(w, n, vectors, pair_species, slot_start, slot_count, pair_of):
    """Put the neighbors of a centre into rows, sorted by species, each species padded to full lanes."""
    slot = 0
    for s in range(len(slot_count)):
        slot_start[s] = slot
        for p in range(len(vectors)):
            if pair_species[p] == s:
                w[_X * n + slot] = vectors[p, 0]
                w[_Y * n + slot] = vectors[p, 1]
                w[_Z * n + slot] = vectors[p, 2]
                pair_of[slot] = p
                slot += 1
        slot_count[s] = slot - slot_start[s]
        while slot % 8:
            w[_X * n + slot] = _FAR
            w[_Y * n + slot] = _FAR
            w[_Z * n + slot] = _FAR
            slot += 1
    for k in range(0, slot, 8):
        x, y, z = load(w, _X * n + k), load(w, _Y * n + k), load(w, _Z * n + k)
        r2 = fma(x, x, fma(y, y, z * z))
        store(w, _R2 * n + k, r2)
        store(w, _INVERSE * n + k, square_root(r2))
    for k in range(slot):
        w[_INVERSE * n + k] = 1.0 / w[_INVERSE * n + k]
    return slot


@njit(**OPTIONS)
def _radial(t, b, w, n, slots, count, pair_of, row, n_d, want, values, out):
    """All functions of a radial block for one centre."""
    v = 32 * b
    value = t.radial_value
    minus_eta, r_s, scale, cutoff2 = (
        load(value, v),
        load(value, v + 8),
        load(value, v + 16),
        load(value, v + 24),
    )
    first, lanes = t.radial_index[b, 1], t.radial_index[b, 2]
    total = splat(0.0)
    for j in range(slots, slots + count):
        r2, inverse = w[_R2 * n + j], w[_INVERSE * n + j]
        fc, slope = _cutoff(scale * r2)
        fc, slope = choose_less(r2, cutoff2, fc, 0.0), choose_less(r2, cutoff2, slope, 0.0)
        shifted = r2 * inverse - r_s
        e = exponential(minus_eta * shifted * shifted)
        total = fma(e, fc, total)
        if want:
            along = e * fma(2.0 * scale, slope, 2.0 * inverse * minus_eta * shifted * fc)
            x, y, z = along * w[_X * n + j], along * w[_Y * n + j], along * w[_Z * n + j]
            _write(out, row + 3 * n_d * pair_of[j], n_d, first, lanes, t.radial_column, b, x, y, z)
    sums = np.empty(8)
    store(sums, 0, total)
    for lane in range(lanes):
        values[t.radial_column[b, lane]] = sums[lane]


@njit(**OPTIONS)
def _channels(t, first, last, w, n, h, slots):
    """h(r²) and h'(r²) of all neighbors for the channels of an element."""
    for channel in range(first, last):
        eta, cutoff2 = t.channel_value[channel, 0], t.channel_value[channel, 1]
        scale = 0.25 * math.pi * math.pi / cutoff2
        row = h + 2 * (channel - first) * n
        for k in range(0, slots, 8):
            r2 = load(w, _R2 * n + k)
            fc, slope = _cutoff(r2 * scale)
            e = exponential(r2 * -eta)
            store(w, row + k, choose_less(r2, cutoff2, e * fc, 0.0))
            store(w, row + n + k, choose_less(r2, cutoff2, e * fma(slope, scale, fc * -eta), 0.0))


@njit(**INLINE)
def _factors(t, g, w, n, h, j, k0, k1):
    """Rows for one j and all k: cosθ, what decides whether k is in reach, and per η: p, q and p d/r_ij²."""
    xj, yj, zj, inverse_j = w[_X * n + j], w[_Y * n + j], w[_Z * n + j], w[_INVERSE * n + j]
    cutoff2 = t.group_cutoff2[g]
    narrow, first, last = t.group_index[g, 2], t.group_index[g, 3], t.group_index[g, 4]
    scale = 0.25 * math.pi * math.pi / cutoff2
    for k in range(k0, k1, 8):
        x, y, z = load(w, _X * n + k), load(w, _Y * n + k), load(w, _Z * n + k)
        dot = fma(x, xj, fma(y, yj, z * zj))
        store(w, _COS * n + k, dot * load(w, _INVERSE * n + k) * inverse_j)
        share = dot * (inverse_j * inverse_j)
        r2 = load(w, _R2 * n + k)
        if narrow:
            x, y, z = x - xj, y - yj, z - zj
            far2 = fma(x, x, fma(y, y, z * z))
            store(w, _REACH * n + k, choose_less(r2, cutoff2, far2, _OUT_OF_REACH))
            fc, slope = _cutoff(far2 * scale)
            slope = slope * (-2.0 * scale)
            for e in range(first, last):
                eta = t.eta_value[e]
                factor = exponential(far2 * -eta) * load(w, h + 2 * t.eta_channel[e] * n + k)
                row = (_FACTORS + 3 * (e - first)) * n + k
                p = factor * fc
                store(w, row, p)
                store(w, row + n, factor * fma(fc, 2.0 * eta, slope))
                store(w, row + 2 * n, p * share)
        else:
            store(w, _REACH * n + k, r2)
            for e in range(first, last):
                p = load(w, h + 2 * t.eta_channel[e] * n + k)
                row = (_FACTORS + 3 * (e - first)) * n + k
                store(w, row, p)
                store(w, row + n, splat(0.0))
                store(w, row + 2 * n, p * share)


@njit(**INLINE)
def _in_reach(w, n, j, k0, count, cutoff2, chosen):
    """Slots k in reach of both the centre and j."""
    w[_REACH * n + j] = _OUT_OF_REACH
    m = 0
    for k in range(k0, k0 + count):
        chosen[m] = k
        m += w[_REACH * n + k] < cutoff2
    return m


@njit(**INLINE)
def _angles(t, b, w, n, u, chosen, m, inverse_j):
    """Angular factors u and v = u'/(r_ij r_ik) of a block, in lanes, for the chosen k."""
    row = 8 * _BLOCK_ROWS * b
    bits, value = t.block_bits[b], t.block_value
    half, zeta, slope = load(value, row) * 0.5, load(value, row + 8), load(value, row + 16)
    for i in range(m):
        k = chosen[i]
        base = fma(half, load_all(w, _COS * n + k), 0.5)
        base = choose_less(0.0, base, base, 0.0)
        if bits >= 0:
            power, factor = splat(1.0), base
            for bit in range(bits):
                power = choose_less(0.0, load(value, row + 24 + 8 * bit), power * factor, power)
                factor = factor * factor
        else:
            store(w, u + 16 * i, base)
            for lane in range(8):
                x = w[u + 16 * i + lane]
                w[u + 16 * i + lane] = x ** (value[row + 8 + lane] - 1.0) if x > _SMALLEST_BASE else 0.0
            power = load(w, u + 16 * i)
        store(w, u + 16 * i, base * power * 2.0)
        store(w, u + 16 * i + 8, power * slope * (load_all(w, _INVERSE * n + k) * inverse_j))


@njit(**INLINE)
def _sum_values(w, n, u, row, chosen, m):
    """X of one tile."""
    x_sum = splat(0.0)
    for i in range(m):
        x_sum = fma(load(w, u + 16 * i), load_all(w, row + chosen[i]), x_sum)
    return x_sum


@njit(**INLINE)
def _sum_tile(w, n, u, row, chosen, m):
    """X, -A and W of one tile."""
    total, along, wx, wy, wz = splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for i in range(m):
        k = chosen[i]
        a, da = load(w, u + 16 * i), load(w, u + 16 * i + 8)
        p = load_all(w, row + k)
        aq = a * load_all(w, row + n + k)
        total = fma(a, p, total)
        along = along + fma(da, load_all(w, row + 2 * n + k), aq)
        aside = fma(da, p, aq)
        wx = fma(aside, load_all(w, _X * n + k), wx)
        wy = fma(aside, load_all(w, _Y * n + k), wy)
        wz = fma(aside, load_all(w, _Z * n + k), wz)
    return total, along, wx, wy, wz


@njit(**OPTIONS)
def _angular(t, g, w, n, h, u, sums, chosen, j0, nj, k0, nk, pair_of, row, n_d, want, out):
    """All functions of a group for one centre, j and k from two runs of slots; adds to the lanes at ``sums``."""
    cutoff2 = t.group_cutoff2[g]
    first_eta = t.group_index[g, 3]
    for j in range(j0, j0 + nj):
        if w[_R2 * n + j] >= cutoff2:
            continue
        _factors(t, g, w, n, h, j, k0, k0 + nk)
        m = _in_reach(w, n, j, k0, nk, cutoff2, chosen)
        xj, yj, zj = w[_X * n + j], w[_Y * n + j], w[_Z * n + j]
        pair_row = row + 3 * n_d * pair_of[j]
        for b in range(t.group_index[g, 5], t.group_index[g, 6]):
            _angles(t, b, w, n, u, chosen, m, w[_INVERSE * n + j])
            for tile in range(t.tile_start[b], t.tile_start[b + 1]):
                e = t.tile_index[tile, 0]
                factor_row = (_FACTORS + 3 * e) * n
                channel = h + 2 * t.eta_channel[first_eta + e] * n + j
                hj, dhj = w[channel], w[channel + n]
                if want:
                    total, along, x, y, z = _sum_tile(w, n, u, factor_row, chosen, m)
                    along = fma(total, 2.0 * dhj, along * -hj)
                    x, y, z = fma(along, xj, x * hj), fma(along, yj, y * hj), fma(along, zj, z * hj)
                    first, count = t.tile_index[tile, 1], t.tile_index[tile, 2]
                    _write(out, pair_row, n_d, first, count, t.tile_column, tile, x, y, z)
                else:
                    total = _sum_values(w, n, u, factor_row, chosen, m)
                store(w, sums + 8 * tile, fma(total, 0.5 * hj, load(w, sums + 8 * tile)))


@njit(**OPTIONS)
def _center(
    t, s, w, n, h, u, sums, chosen, slots, slot_start, slot_count, pair_of, row, n_d, want, values, out
):
    """All functions of one centre."""
    for b in range(t.radial_start[s], t.radial_start[s + 1]):
        sj = t.radial_index[b, 0]
        _radial(t, b, w, n, slot_start[sj], slot_count[sj], pair_of, row, n_d, want, values, out)
    _channels(t, t.channel_start[s], t.channel_start[s + 1], w, n, h, slots)
    for g in range(t.group_start[s], t.group_start[s + 1]):
        sj, sk = t.group_index[g, 0], t.group_index[g, 1]
        first, last = t.tile_start[t.group_index[g, 5]], t.tile_start[t.group_index[g, 6]]
        w[sums + 8 * first : sums + 8 * last] = 0.0
        j0, nj, k0, nk = slot_start[sj], slot_count[sj], slot_start[sk], slot_count[sk]
        _angular(t, g, w, n, h, u, sums, chosen, j0, nj, k0, nk, pair_of, row, n_d, want, out)
        if sj != sk:
            _angular(t, g, w, n, h, u, sums, chosen, k0, nk, j0, nj, pair_of, row, n_d, want, out)
        for tile in range(first, last):
            for lane in range(t.tile_index[tile, 2]):
                column = t.tile_column[tile, lane]
                if column >= 0:
                    values[column] = w[sums + 8 * tile + lane]


@njit(**OPTIONS)
def _aligned(size):
    """Scratch memory on a cache line's boundary."""
    memory = np.empty(size + 8)
    return memory[(64 - memory.ctypes.data % 64) % 64 // 8 :]


@njit(**OPTIONS)
def descriptors(t, species, pair_start, pair_species, vectors, want, values, out):
    """Symmetry functions of consecutive centres and, if wanted, their derivatives.

    Parameters
    ----------
    t : KernelTables.
    species : (n,) species of the centres.
    pair_start : (n + 1,) pairs of each centre, counted from the first centre's first pair or any other origin.
    pair_species, vectors : (n_pairs,), (n_pairs, 3) species of the neighbors and r_j - r_i.
    want : whether to write derivatives.
    values : (n, n_descriptors) float64, overwritten.
    out : (n_pairs * 3 * n_descriptors,) float32 or float64, overwritten; any array where not wanted.
    """
    n_d = values.shape[1]
    n_species = len(t.radial_start) - 1
    most = 0
    for i in range(len(species)):
        most = max(most, pair_start[i + 1] - pair_start[i])
    n = (most + 7 * n_species) // 8 * 8 + 8
    h = (_FACTORS + 3 * t.most_etas) * n
    u = h + 2 * t.most_channels * n
    sums = u + 16 * n
    w = _aligned(sums + 8 * len(t.tile_index))
    chosen, pair_of = np.empty(n + 1, np.int64), np.empty(n, np.int64)
    slot_start, slot_count = np.empty(n_species, np.int64), np.empty(n_species, np.int64)
    for i in range(len(species)):
        a, b = pair_start[i] - pair_start[0], pair_start[i + 1] - pair_start[0]
        slots = _gather(w, n, vectors[a:b], pair_species[a:b], slot_start, slot_count, pair_of)
        values[i] = 0.0
        if want:
            out[3 * n_d * a : 3 * n_d * b] = 0.0
        _center(
            t, species[i], w, n, h, u, sums, chosen, slots, slot_start, slot_count, pair_of,
            3 * n_d * a, n_d, want, values[i], out,
        )  # fmt: skip
