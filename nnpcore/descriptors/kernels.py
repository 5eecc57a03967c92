"""Compiled kernels for symmetry functions and their derivatives: float64 sums in a fixed order, GIL released.

A centre's neighbors are gathered into *slots*, sorted by species. Of all pairs of slots those in reach of
each other become *triplets*; their distances, exponentials and cutoffs are computed eight triplets at a time,
their angular factors eight factors at a time; shapes other than the cosine cutoff and compact functions of
the angle, one at a time. Then the triplets of each slot are summed in registers, eight
functions at a time, so that derivatives cost no memory traffic. With h(r²) = exp(-η r²) fc(r), an angular
factor u(cosθ), d = r_ij · r_ik:

    G_i = Σ_{j<k} u P,   P = h(r_ij²) h(r_ik²) h(r_jk²)
    dG_i/dr_j = (2 h'(r_ij²)/h(r_ij²) X - Y - Z/r_ij²) r_ij + W     with sums over the triplets of j:
    X = Σ u P,  Y = Σ u Q,  Z = Σ v P d,  W = Σ (u Q + v P) r_ik,   Q = -2 P h'(r_jk²)/h(r_jk²),  v = u'/(r_ij
    r_ik)
"""

from __future__ import annotations

import math
import threading
from collections import namedtuple
from typing import NamedTuple

import numpy as np
from numba import njit

from nnpcore.descriptors.kernel_tables import (
    BLOCK_ROWS,
    COMPACT_ANGLES,
    FACTOR_NUMBERS,
    RADIAL_ROWS,
    KernelAddresses,
    KernelTables,
)
from nnpcore.descriptors.shape_kernels import distance_factor, shape_of
from nnpcore.descriptors.simd import (
    HELPER,
    INLINE,
    OPTIONS,
    Vector,
    choose_less,
    exponential,
    fma,
    get,
    get_int,
    load,
    load_all,
    put,
    put_int,
    splat,
    square_root,
    store,
    store_first,
    store_first_single,
)

# Rows of slots at w: coordinates, r², 1/r, two rows for work, (x, y, z, 0) of each slot, then two rows per
# channel.
_X, _Y, _Z, _R2, _INVERSE, _FAR2, _DOT, _PLACE, _CHANNELS = 0, 1, 2, 3, 4, 5, 6, 7, 11
# Rows of triplets at f, in blocks of eight triplets: cosθ, 1/(r_ij r_ik), r_jk²; then P, Q, P d for each η.
_COS, _SHARE, _REACH, _FACTORS = 0, 8, 16, 24
_FAR = 1e6
_OUT_OF_REACH = 1e30
_SMALLEST_BASE = 1e-14
_SMALLEST_SINE = 1e-7

_Output = namedtuple("_Output", "slopes single n_d")
"""Where derivatives go (0: nowhere), whether as float32, and the length of a descriptor row."""
_Memory = namedtuple("_Memory", "n w block f u lanes near order starts count found listed")
"""Addresses of scratch memory: n slots a row, w rows of slots, triplets in blocks of ``block`` numbers at f,
angular factors u, room for three vectors; as integers: pair of each slot, first slot of each species' near
and far neighbors, triplets of each slot and, ``near`` entries a slot, (16 m, place in f, 4 k) for each
triplet m of a slot with k."""


@njit(**INLINE)
def _cutoff(y: Vector) -> tuple[Vector, Vector]:
    """Cosine cutoff and its derivative for y = π²r²/4rc² in [0, π²/4], as a series in y: no root, no
    branch."""
    c = fma(y, 1.0 / 2432902008176640000.0, -1.0 / 6402373705728000.0)
    c = fma(fma(fma(c, y, 1.0 / 20922789888000.0), y, -1.0 / 87178291200.0), y, 1.0 / 479001600.0)
    c = fma(fma(fma(c, y, -1.0 / 3628800.0), y, 1.0 / 40320.0), y, -1.0 / 720.0)
    c = fma(fma(fma(c, y, 1.0 / 24.0), y, -0.5), y, 1.0)
    s = fma(y, 1.0 / 51090942171709440000.0, -1.0 / 121645100408832000.0)
    s = fma(fma(fma(s, y, 1.0 / 355687428096000.0), y, -1.0 / 1307674368000.0), y, 1.0 / 6227020800.0)
    s = fma(fma(fma(s, y, -1.0 / 39916800.0), y, 1.0 / 362880.0), y, -1.0 / 5040.0)
    s = fma(fma(fma(s, y, 1.0 / 120.0), y, -1.0 / 6.0), y, 1.0)
    return c * c, c * s * -1.0


@njit(**HELPER)
def _scatter(o: _Output, lanes: int, row: int, count: int, columns: int) -> None:
    """Write 3 x 8 numbers to a pair's three rows where their columns do not follow each other."""
    for axis in range(3):
        for lane in range(count):
            column = get_int(columns, lane)
            if column >= 0 and o.single:
                place = o.n_d * axis + row + column
                store_first_single(o.slopes, place, load_all(lanes, 8 * axis + lane), 1)
            elif column >= 0:
                put(o.slopes, o.n_d * axis + row + column, get(lanes, 8 * axis + lane))


@njit(**INLINE)
def _write(
    o: _Output, lanes: int, pair: int, first: int, count: int, columns: int, x: Vector, y: Vector, z: Vector
) -> None:
    """Write the lanes of a derivative to the columns of a pair's three rows."""
    row, n_d = 3 * o.n_d * pair, o.n_d
    if first < 0:
        store(lanes, 0, x)
        store(lanes, 8, y)
        store(lanes, 16, z)
        _scatter(o, lanes, row, count, columns)
    elif o.single:
        store_first_single(o.slopes, row + first, x, count)
        store_first_single(o.slopes, row + n_d + first, y, count)
        store_first_single(o.slopes, row + 2 * n_d + first, z, count)
    else:
        store_first(o.slopes, row + first, x, count)
        store_first(o.slopes, row + n_d + first, y, count)
        store_first(o.slopes, row + 2 * n_d + first, z, count)


@njit(**HELPER)
def _gather(t: KernelAddresses, m: _Memory, first: int, last: int, species: int, vectors: int) -> None:
    """Put pairs into slots by species, within a species those in reach of angular functions first."""
    slot = 0
    for s in range(t.n_elements):
        for far in range(2):
            put_int(m.starts, 2 * s + far, slot)
            for p in range(first, last):
                x, y, z = get(vectors, 3 * p), get(vectors, 3 * p + 1), get(vectors, 3 * p + 2)
                beyond = not x * x + y * y + z * z < t.angular_cutoff2
                if get_int(species, p) == s and beyond == (far == 1):
                    put(m.w, _X * m.n + slot, x)
                    put(m.w, _Y * m.n + slot, y)
                    put(m.w, _Z * m.n + slot, z)
                    put(m.w, _PLACE * m.n + 4 * slot, x)
                    put(m.w, _PLACE * m.n + 4 * slot + 1, y)
                    put(m.w, _PLACE * m.n + 4 * slot + 2, z)
                    put_int(m.order, slot, p)
                    slot += 1
    put_int(m.starts, 2 * t.n_elements, slot)
    store(m.w, _X * m.n + slot, splat(_FAR))
    store(m.w, _Y * m.n + slot, splat(_FAR))
    store(m.w, _Z * m.n + slot, splat(_FAR))
    for k in range(0, slot, 8):
        x, y, z = load(m.w, _X * m.n + k), load(m.w, _Y * m.n + k), load(m.w, _Z * m.n + k)
        r2 = fma(x, x, fma(y, y, z * z))
        store(m.w, _R2 * m.n + k, r2)
        store(m.w, _INVERSE * m.n + k, 1.0 / square_root(r2))


@njit(**HELPER)
def _other_channel(t: KernelAddresses, m: _Memory, channel: int, row: int) -> None:
    """h(r²) and h'(r²)/h(r²) of all slots for one channel of another shape; h times Z where weighted."""
    weighted = get_int(t.channel_kind, channel) == 2
    for s in range(t.n_elements):
        weight = get(t.element_number, s) if weighted else 1.0
        for j in range(get_int(m.starts, 2 * s), get_int(m.starts, 2 * s + 2)):
            h, slope = distance_factor(
                t.channel_value + 8 * FACTOR_NUMBERS * channel, get(m.w, _R2 * m.n + j)
            )
            put(m.w, row + j, weight * h)
            put(m.w, row + m.n + j, slope / h if h != 0.0 else 0.0)


@njit(**HELPER)
def _channels(t: KernelAddresses, m: _Memory, s: int, slots: int) -> None:
    """h(r²) and h'(r²)/h(r²) of all slots for the channels of a species, zero beyond the cutoff."""
    start = get_int(t.channel_start, s)
    for channel in range(start, get_int(t.channel_start, s + 1)):
        row, numbers = (_CHANNELS + 2 * (channel - start)) * m.n, FACTOR_NUMBERS * channel
        if get_int(t.channel_kind, channel) != 0:
            _other_channel(t, m, channel, row)
            continue
        eta, cutoff2 = get(t.channel_value, numbers), get(t.channel_value, numbers + 1)
        scale = 0.25 * math.pi * math.pi / cutoff2
        for k in range(0, slots, 8):
            r2 = load(m.w, _R2 * m.n + k)
            fc, slope = _cutoff(r2 * scale)
            fc = choose_less(r2, cutoff2, fc, 0.0)
            store(m.w, row + k, exponential(r2 * -eta) * fc)
            store(m.w, row + m.n + k, choose_less(0.0, fc, slope * scale / fc - eta, 0.0))


@njit(**INLINE)
def _radial_factor(
    flat: int, values: int, r: Vector, inverse: Vector, h: Vector, slope: Vector
) -> tuple[Vector, Vector]:
    """G = exp(-η (r - r_s)²) h of one neighbor, and G'(r)/r; slope = (dh/dr²)/h.

    ``values`` holds rows η and r_s; ``flat`` is 1 where every η is 0.
    """
    if flat == 1:
        return h, 2.0 * h * slope
    minus_eta, shifted = load(values, 0) * -1.0, r - load(values, 8)
    g = exponential(minus_eta * shifted * shifted) * h
    return g, g * fma(minus_eta * shifted, inverse + inverse, 2.0 * slope)


@njit(**HELPER)
def _radial(t: KernelAddresses, m: _Memory, o: _Output, b: int, values: int) -> None:
    """All functions of a radial block for one centre."""
    own, index = t.radial_value + 64 * RADIAL_ROWS * b, t.radial_index + 20 * b
    s, first, count, flat = get_int(index, 0), get_int(index, 2), get_int(index, 3), get_int(index, 4)
    channel = (_CHANNELS + 2 * get_int(index, 1)) * m.n
    total = splat(0.0)
    start, stop = (2 * s, 2 * s + 2) if s >= 0 else (0, 2 * t.n_elements)
    for j in range(get_int(m.starts, start), get_int(m.starts, stop)):
        inverse = load_all(m.w, _INVERSE * m.n + j)
        r, h = load_all(m.w, _R2 * m.n + j) * inverse, load_all(m.w, channel + j)
        g, along = _radial_factor(flat, own, r, inverse, h, load_all(m.w, channel + m.n + j))
        total = total + g
        if o.slopes != 0:
            x = along * load_all(m.w, _X * m.n + j)
            y = along * load_all(m.w, _Y * m.n + j)
            z = along * load_all(m.w, _Z * m.n + j)
            _write(o, m.lanes, get_int(m.order, j), first, count, t.radial_column + 32 * b, x, y, z)
    store(m.lanes, 0, total)
    for lane in range(count):
        put(values, get_int(t.radial_column, 8 * b + lane), get(m.lanes, lane))


@njit(**INLINE)
def _reach(t: KernelAddresses, m: _Memory, g: int, j: int, k0: int, k1: int) -> int:
    """List the slots from k0 to k1 in reach of slot j and the centre; return their number."""
    cutoff2, narrow = get(t.group_cutoff2, g), get_int(t.group_index, 7 * g + 2)
    xj, yj, zj = get(m.w, _X * m.n + j), get(m.w, _Y * m.n + j), get(m.w, _Z * m.n + j)
    for k in range(k0, k1, 8):
        x, y, z = load(m.w, _X * m.n + k), load(m.w, _Y * m.n + k), load(m.w, _Z * m.n + k)
        store(m.w, _DOT * m.n + k, fma(x, xj, fma(y, yj, z * zj)))
        r2 = load(m.w, _R2 * m.n + k)
        if narrow != 0:
            x, y, z = x - xj, y - yj, z - zj
            far2 = fma(x, x, fma(y, y, z * z))
            r2 = choose_less(r2, cutoff2, far2, _OUT_OF_REACH)
        store(m.w, _FAR2 * m.n + k, r2)
    found, row = 0, _FAR2 * m.n
    for k in range(k0, k1):
        put_int(m.found, found, k)
        found += 1 if get(m.w, row + k) < cutoff2 else 0
    return found


@njit(**INLINE)
def _list_triplets(t: KernelAddresses, m: _Memory, g: int, j: int, first: int, found: int) -> None:
    """Make triplets of slot j and the slots found: r_jk², d, 1/(r_ij r_ik) and, per η, h(r_ij²) h(r_ik²)."""
    inverse = get(m.w, _INVERSE * m.n + j)
    mine = m.listed + 12 * (m.near * j + get_int(m.count, j))
    for q in range(found):
        k, i = get_int(m.found, q), first + q
        place = (i >> 3) * m.block + (i & 7)
        put(m.f, place + _COS, get(m.w, _DOT * m.n + k))
        put(m.f, place + _SHARE, inverse * get(m.w, _INVERSE * m.n + k))
        put(m.f, place + _REACH, get(m.w, _FAR2 * m.n + k))
        put_int(mine, 3 * q, 16 * i)
        put_int(mine, 3 * q + 1, place)
        put_int(mine, 3 * q + 2, 4 * k)
        count = get_int(m.count, k)
        put_int(m.count, k, count + 1)
        other = m.listed + 12 * (m.near * k + count)
        put_int(other, 0, 16 * i)
        put_int(other, 1, place)
        put_int(other, 2, 4 * j)
    put_int(m.count, j, get_int(m.count, j) + found)
    start = get_int(t.group_index, 7 * g + 3)
    for e in range(start, get_int(t.group_index, 7 * g + 4)):
        channel, row = (_CHANNELS + 2 * get_int(t.eta_channel, e)) * m.n, _FACTORS + 24 * (e - start)
        factor = get(m.w, channel + j)
        for q in range(found):
            i = first + q
            put(m.f, (i >> 3) * m.block + (i & 7) + row, factor * get(m.w, channel + get_int(m.found, q)))


@njit(**HELPER)
def _other_far_sides(t: KernelAddresses, m: _Memory, g: int, triplets: int) -> None:
    """h(r_ij²) h(r_ik²) in P becomes P, then Q and P d, where the factor of r_jk has another shape."""
    start, stop = get_int(t.group_index, 7 * g + 3), get_int(t.group_index, 7 * g + 4)
    for e in range(start, stop):
        numbers = t.channel_value + 8 * FACTOR_NUMBERS * get_int(t.eta_row, e)
        if get_int(t.eta_row, e) < 0:
            continue
        for i in range(triplets):
            place = (i >> 3) * m.block + (i & 7)
            row = place + _FACTORS + 24 * (e - start)
            p = get(m.f, row)
            h, slope = distance_factor(numbers, get(m.f, place + _REACH))
            put(m.f, row, p * h)
            put(m.f, row + 8, -2.0 * p * slope)
            put(m.f, row + 16, p * h * get(m.f, place + _COS) / get(m.f, place + _SHARE))


@njit(**INLINE)
def _triplet_factors(t: KernelAddresses, m: _Memory, g: int, triplets: int) -> None:
    """Complete the rows of the triplets: cosθ, and P, Q, P d for each η."""
    narrow, scale = get_int(t.group_index, 7 * g + 2), 0.25 * math.pi * math.pi / get(t.group_cutoff2, g)
    start, stop = get_int(t.group_index, 7 * g + 3), get_int(t.group_index, 7 * g + 4)
    for i in range((triplets + 7) >> 3):
        place = i * m.block
        dot, far2 = load(m.f, place + _COS), load(m.f, place + _REACH)
        store(m.f, place + _COS, dot * load(m.f, place + _SHARE))
        fc, slope = _cutoff(far2 * scale)
        slope = slope * (-2.0 * scale)
        for e in range(start, stop):
            row = place + _FACTORS + 24 * (e - start)
            p, q = load(m.f, row), splat(0.0)
            if narrow != 0 and get_int(t.eta_row, e) < 0:
                eta = get(t.eta_value, e)
                p = exponential(far2 * -eta) * p
                q = p * fma(fc, eta + eta, slope)
                p = p * fc
            store(m.f, row, p)
            store(m.f, row + 8, q)
            store(m.f, row + 16, p * dot)


@njit(**HELPER)
def _compact_angles(m: _Memory, value: int, triplets: int) -> None:
    """u and v of a block of compact functions of the angle, for all triplets."""
    for i in range(triplets):
        place = (i >> 3) * m.block + (i & 7)
        cosine = min(1.0, max(-1.0, get(m.f, place + _COS)))
        theta, sine = math.acos(cosine), math.sqrt(1.0 - cosine * cosine)
        factor = -get(m.f, place + _SHARE) / sine if sine > _SMALLEST_SINE else 0.0
        for lane in range(8):
            scale = get(value, 8 + lane)
            y = (theta - get(value, lane)) * scale
            u, slope = shape_of(int(get(value, 16 + lane)), abs(y))
            put(m.u, 16 * i + lane, u)
            put(m.u, 16 * i + 8 + lane, slope * scale * factor * (1.0 if y >= 0.0 else -1.0))


@njit(**INLINE)
def _angles(t: KernelAddresses, m: _Memory, b: int, triplets: int) -> None:
    """Angular factors u and v = u'/(r_ij r_ik) of a block, in lanes, for all triplets."""
    bits, value = get_int(t.block_bits, b), t.block_value + 64 * BLOCK_ROWS * b
    if bits == COMPACT_ANGLES:
        _compact_angles(m, value, triplets)
        return
    half, slope = load(value, 0) * 0.5, load(value, 16)
    for i in range(triplets):
        place = (i >> 3) * m.block + (i & 7)
        base = fma(half, load_all(m.f, place + _COS), 0.5)
        base = choose_less(0.0, base, base, 0.0)
        power, factor = splat(1.0), base
        for bit in range(bits):
            power = choose_less(0.0, load(value, 24 + 8 * bit), power * factor, power)
            factor = factor * factor
        if bits < 0:
            store(m.lanes, 0, base)
            for lane in range(8):
                x = get(m.lanes, lane)
                put(m.lanes, lane, x ** (get(value, 8 + lane) - 1.0) if x > _SMALLEST_BASE else 0.0)
            power = load(m.lanes, 0)
        store(m.u, 16 * i, (base + base) * power)
        store(m.u, 16 * i + 8, power * slope * load_all(m.f, place + _SHARE))


@njit(**INLINE)
def _sum_values(m: _Memory, row: int, triplets: int) -> Vector:
    """Sum of u P over all triplets, in four parts."""
    s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    full = triplets // 4 * 4
    for i in range(0, full, 4):
        place = (i >> 3) * m.block + (i & 7) + row
        s0 = fma(load(m.u, 16 * i), load_all(m.f, place), s0)
        s1 = fma(load(m.u, 16 * i + 16), load_all(m.f, place + 1), s1)
        s2 = fma(load(m.u, 16 * i + 32), load_all(m.f, place + 2), s2)
        s3 = fma(load(m.u, 16 * i + 48), load_all(m.f, place + 3), s3)
    for i in range(full, triplets):
        s0 = fma(load(m.u, 16 * i), load_all(m.f, (i >> 3) * m.block + (i & 7) + row), s0)
    return s0 + s1 + (s2 + s3)


@njit(**INLINE)
def _sum_slot(
    m: _Memory, row: int, j: int, count: int
) -> tuple[Vector, Vector, Vector, Vector, Vector, Vector]:
    """X, Y, Z and W of one tile for the triplets of slot j."""
    sx, sy, sz = splat(0.0), splat(0.0), splat(0.0)
    wx, wy, wz = splat(0.0), splat(0.0), splat(0.0)
    f, places, entry = m.f + 8 * row, m.w + 8 * _PLACE * m.n, m.listed + 12 * m.near * j
    for _ in range(count):
        i, place, k = get_int(entry, 0), get_int(entry, 1), get_int(entry, 2)
        a, da = load(m.u, i), load(m.u, i + 8)
        p = load_all(f, place)
        aq = a * load_all(f, place + 8)
        sx = fma(a, p, sx)
        sy = sy + aq
        sz = fma(da, load_all(f, place + 16), sz)
        aside = fma(da, p, aq)
        wx = fma(aside, load_all(places, k), wx)
        wy = fma(aside, load_all(places, k + 1), wy)
        wz = fma(aside, load_all(places, k + 2), wz)
        entry += 12
    return sx, sy, sz, wx, wy, wz


@njit(**INLINE)
def _derive(t: KernelAddresses, m: _Memory, o: _Output, g: int, tile: int, first: int, last: int) -> None:
    """Derivatives of one tile with respect to the slots first to last."""
    e, column = get_int(t.tile_index, 3 * tile), get_int(t.tile_index, 3 * tile + 1)
    lanes, columns = get_int(t.tile_index, 3 * tile + 2), t.tile_column + 32 * tile
    channel = (_CHANNELS + 1 + 2 * get_int(t.eta_channel, get_int(t.group_index, 7 * g + 3) + e)) * m.n
    for j in range(first, last):
        count = get_int(m.count, j)
        if count > 0:
            sx, sy, sz, wx, wy, wz = _sum_slot(m, _FACTORS + 24 * e, j, count)
            inverse = load_all(m.w, _INVERSE * m.n + j)
            along = fma(sx, 2.0 * load_all(m.w, channel + j), sy * -1.0 - sz * inverse * inverse)
            x = fma(along, load_all(m.w, _X * m.n + j), wx)
            y = fma(along, load_all(m.w, _Y * m.n + j), wy)
            z = fma(along, load_all(m.w, _Z * m.n + j), wz)
            _write(o, m.lanes, get_int(m.order, j), column, lanes, columns, x, y, z)


@njit(**HELPER)
def _angular(t: KernelAddresses, m: _Memory, o: _Output, g: int, slots: int, values: int) -> None:
    """All functions of a group for one centre."""
    sj, sk, cutoff2 = (
        get_int(t.group_index, 7 * g),
        get_int(t.group_index, 7 * g + 1),
        get(t.group_cutoff2, g),
    )
    j0, j1, k0, k1 = 0, slots, 0, slots
    if sj >= 0:
        j0, j1 = get_int(m.starts, 2 * sj), get_int(m.starts, 2 * sj + 1)
        k0, k1 = get_int(m.starts, 2 * sk), get_int(m.starts, 2 * sk + 1)
    for j in range(slots):
        put_int(m.count, j, 0)
    triplets = slots - slots  # 0; as a literal it would compile all that is called with it twice
    for j in range(j0, j1):
        if get(m.w, _R2 * m.n + j) < cutoff2:
            found = _reach(t, m, g, j, j + 1 if sj == sk else k0, k1)
            _list_triplets(t, m, g, j, triplets, found)
            triplets += found
    _triplet_factors(t, m, g, triplets)
    if get_int(t.group_index, 7 * g + 2) != 0:
        _other_far_sides(t, m, g, triplets)
    for b in range(get_int(t.group_index, 7 * g + 5), get_int(t.group_index, 7 * g + 6)):
        _angles(t, m, b, triplets)
        for tile in range(get_int(t.tile_start, b), get_int(t.tile_start, b + 1)):
            store(m.lanes, 0, _sum_values(m, _FACTORS + 24 * get_int(t.tile_index, 3 * tile), triplets))
            for lane in range(get_int(t.tile_index, 3 * tile + 2)):
                column = get_int(t.tile_column, 8 * tile + lane)
                if column >= 0:
                    put(values, column, get(m.lanes, lane))
            if o.slopes != 0:
                for side in range(1 if sj == sk else 2):
                    _derive(t, m, o, g, tile, j0 if side == 0 else k0, j1 if side == 0 else k1)


@njit(**OPTIONS)
def _fill(
    t: KernelAddresses,
    m: _Memory,
    o: _Output,
    species: np.ndarray,
    pair_start: np.ndarray,
    pair_species: int,
    vectors: int,
    values: int,
) -> None:
    """Symmetry functions of consecutive centres; ``pair_species``, ``vectors`` and ``values`` are
    addresses."""
    for i in range(len(species)):
        first, last, s = pair_start[i] - pair_start[0], pair_start[i + 1] - pair_start[0], species[i]
        row = values + 8 * o.n_d * i
        for column in range(o.n_d):
            put(row, column, 0.0)
        if o.slopes != 0:
            for k in range(3 * o.n_d * first, 3 * o.n_d * last):
                if o.single:
                    put_int(o.slopes, k, 0)
                else:
                    put(o.slopes, k, 0.0)
        _gather(t, m, first, last, pair_species, vectors)
        _channels(t, m, s, last - first)
        for b in range(get_int(t.radial_start, s), get_int(t.radial_start, s + 1)):
            _radial(t, m, o, b, row)
        for g in range(get_int(t.group_start, s), get_int(t.group_start, s + 1)):
            _angular(t, m, o, g, last - first, row)


@njit(**OPTIONS)
def _sizes(pair_start: np.ndarray, vectors: np.ndarray, near2: float) -> tuple[int, int]:
    """Largest numbers of neighbors of a centre: all, and those within the square root of ``near2``."""
    most, most_near = 0, 0
    for i in range(len(pair_start) - 1):
        first, last, near = pair_start[i] - pair_start[0], pair_start[i + 1] - pair_start[0], 0
        for p in range(first, last):
            r2 = vectors[p, 0] ** 2 + vectors[p, 1] ** 2 + vectors[p, 2] ** 2
            near += 1 if r2 < near2 * (1.0 + 1e-12) else 0
        most, most_near = max(most, last - first), max(most_near, near)
    return most, most_near


def fill_descriptors(
    tables: KernelTables,
    species: np.ndarray,
    pair_start: np.ndarray,
    pair_species: np.ndarray,
    vectors: np.ndarray,
    values: np.ndarray,
    derivatives: np.ndarray | None,
) -> None:
    """Compute the symmetry functions of consecutive centres and their derivatives; all arrays C-contiguous.

    Parameters
    ----------
    tables : the functions.
    species : (n,) int32, of the centres.
    pair_start : (n + 1,) int64, pairs of each centre, counted from any origin.
    pair_species, vectors : (n_pairs,) int32, (n_pairs, 3) float64, species of the neighbors and r_j - r_i.
    values : (n, n_descriptors) float64, overwritten.
    derivatives : (n_pairs, 3, n_descriptors) float32 or float64, overwritten, or None.

    Raises ValueError for arrays of another shape or type: the kernels would write anywhere.
    """
    n_d, n_pairs = tables.n_descriptors, len(pair_species)
    _check("species", species, (len(species),), np.int32)
    _check("pair_start", pair_start, (len(species) + 1,), np.int64)
    _check("pair_species", pair_species, (pair_start[-1] - pair_start[0],), np.int32)
    _check("vectors", vectors, (n_pairs, 3), np.float64)
    _check("values", values, (len(species), n_d), np.float64)
    if derivatives is not None:
        _check("derivatives", derivatives, (n_pairs, 3, n_d), np.float32, np.float64)
    most, near = _sizes(pair_start, vectors, tables.angular_cutoff2)
    memory = _thread.scratch
    if memory is None or memory.tables is not tables or memory.most < most or memory.near < near:
        memory = _thread.scratch = _scratch(tables, most, near)
    single = derivatives is not None and derivatives.dtype == np.float32
    address = 0 if derivatives is None or derivatives.size == 0 else derivatives.ctypes.data
    output = _Output(address, single, n_d)
    places = pair_species.ctypes.data, vectors.ctypes.data, values.ctypes.data
    _fill(memory.addresses, memory.layout, output, species, pair_start, *places)


def _check(name: str, array: np.ndarray, shape: tuple[int, ...], *kinds: type[np.generic]) -> None:
    if array.shape != shape or array.dtype not in kinds or not array.flags.c_contiguous:
        wanted = " or ".join(np.dtype(kind).name for kind in kinds)
        raise ValueError(f"{name} is {array.dtype} {array.shape}, not contiguous {wanted} {shape}")


class _Scratch(NamedTuple):
    """Scratch memory for centres with at most ``most`` neighbors, ``near`` of them in angular functions."""

    tables: KernelTables
    addresses: KernelAddresses
    most: int
    near: int
    layout: _Memory
    reals: np.ndarray
    integers: np.ndarray


class _Thread(threading.local):
    """What each thread keeps for its next call."""

    scratch: _Scratch | None = None


_thread = _Thread()


def _scratch(tables: KernelTables, most: int, near: int) -> _Scratch:
    """Scratch memory, some larger than asked for."""
    most, near = most + most // 8, near + near // 8
    n = (most + 7) // 8 * 8 + 16
    triplets = (near * (near + 1) // 2 + 7) // 8 * 8
    block = _FACTORS + 24 * tables.most_etas
    sizes = [24, n * (_CHANNELS + 2 * tables.most_channels), triplets // 8 * block, 16 * triplets]
    reals = np.empty(sum(sizes) + 8)
    lanes, w, f, u = (reals.ctypes.data + 63) // 64 * 64 + 8 * np.cumsum([0, *sizes[:-1]])
    sizes = [n, 2 * tables.n_elements + 1, n, n, 3 * near * n]
    integers = np.empty(sum(sizes), dtype=np.int32)
    order, starts, count, found, listed = integers.ctypes.data + 4 * np.cumsum([0, *sizes[:-1]])
    numbers = (n, w, block, f, u, lanes, near, order, starts, count, found, listed)
    layout = _Memory(*(int(v) for v in numbers))
    return _Scratch(tables, tables.addresses(), most, near, layout, reals, integers)
