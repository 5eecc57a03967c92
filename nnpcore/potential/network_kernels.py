"""Compiled networks, four atoms at a time, and contraction, eight numbers in lanes; both release the GIL.

Float64 throughout, and what is computed of an atom depends on no other atom of the call: the order of its
sums is always the same. Memory is named by addresses, as :mod:`nnpcore.descriptors.simd` says.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from nnpcore.descriptors.simd import (
    HELPER,
    INLINE,
    OPTIONS,
    Vector,
    choose_less,
    exponential,
    fma,
    get,
    load,
    load_all,
    put,
    splat,
    store,
    store_first,
)

CODES = {"tanh": 0, "sigmoid": 1, "gaussian": 2}
"""Activations that are compiled here."""
ROOM = 8
"""Rows of neurons are padded to multiples of this, a vector."""

ATOMS = 4
"""Atoms that go through a network together, so that its numbers are read once for all of them."""

Packed = namedtuple("Packed", "numbers code n_members per_network mean work row atoms")
"""Networks. Addresses: ``numbers`` of all elements and members, ``per_network`` each; (n_elements, row) means
of the inputs; room for values, then slopes, of ``ATOMS`` rows of ``row`` for every layer, inputs and output
included, zeros at first. ``atoms`` is ``ATOMS``: a number known when compiling would unroll every loop."""

Contraction = namedtuple("Contraction", "n_members n_d gradients slopes vectors pairs own virials")
"""Addresses for :func:`contract_pairs`, see there."""


@njit(**INLINE)
def _padded(n: int) -> int:
    return (n + 7) // 8 * 8


@njit(**HELPER)
def _product(matrix: int, values: int, row: int, n_in: int, width: int, out: int) -> None:
    """out = first row + values @ the n_in rows that follow it, all of them ``width`` wide, of each atom.

    ``values`` and ``out`` hold a row of ``row`` for each atom.
    """
    second, third, fourth = values + 8 * row, values + 16 * row, values + 24 * row
    for q in range(0, width, 8):
        at = matrix + 8 * q
        a = load(at, 0)
        b, c, d = a, a, a
        for k in range(n_in):
            at += 8 * width
            m = load(at, 0)
            a, b = fma(m, load_all(values, k), a), fma(m, load_all(second, k), b)
            c, d = fma(m, load_all(third, k), c), fma(m, load_all(fourth, k), d)
        store(out, q, a)
        store(out, row + q, b)
        store(out, 2 * row + q, c)
        store(out, 3 * row + q, d)


@njit(**INLINE)
def _tanh(z: Vector) -> Vector:
    """To the last digits of f, also where z is tiny: neurons that carry a linear part stand on those."""
    size = choose_less(z, 0.0, z, z * -1.0)
    e = exponential(size + size)
    t = (1.0 - e) / (1.0 + e)
    s = z * z
    odd = fma(s, splat(-1382.0 / 155925.0), splat(62.0 / 2835.0))  # the series, below 2e-16 of f
    odd = fma(s, odd, splat(-17.0 / 315.0))
    odd = fma(s, odd, splat(2.0 / 15.0))
    odd = fma(s, odd, splat(-1.0 / 3.0))
    near = fma(z * s, odd, z)
    return choose_less(size, -0.05, choose_less(z, 0.0, t * -1.0, t), near)


@njit(**HELPER)
def _activate(code: int, values: int, slopes: int, width: int) -> None:
    """Replace z by f(z) and write f'(z)."""
    for q in range(0, width, 8):
        z = load(values, q)
        if code == 2:
            f = exponential(z * z * -0.5)
            slope = z * f * -1.0
        elif code == 1:
            f = fma(_tanh(z * 0.5), 0.5, 0.5)
            slope = f * (1.0 - f)
        else:
            f = _tanh(z)
            slope = 1.0 - f * f
        store(values, q, f)
        store(slopes, q, slope)


@njit(**INLINE)
def _dot(a: int, b: int, width: int, lanes: int) -> float:
    total = splat(0.0)
    for q in range(0, width, 8):
        total = fma(load(a, q), load(b, q), total)
    store(lanes, 0, total)
    s = 0.0
    for lane in range(8):
        s += get(lanes, lane)
    return s


@njit(**HELPER)
def _network(p: Packed, sizes: np.ndarray, at: int) -> None:
    """Evaluate the inputs in the first rows at ``work``; their gradients replace the rows of slopes, and each
    atom's energy begins its last row."""
    n_hidden, half = len(sizes) - 2, 8 * p.atoms * p.row
    step, values = 2 * half, p.work
    for layer in range(n_hidden):
        n_in, width = sizes[layer], _padded(sizes[layer + 1])
        _product(at, values, p.row, n_in, width, values + step)
        values += step
        _activate(p.code, values, values + half, p.atoms * p.row)
        at += 8 * (n_in + 1) * width
    width, last = _padded(sizes[n_hidden]), p.work + step * (n_hidden + 1)
    slopes, lanes = values + half, last + half
    for a in range(p.atoms):
        energy = get(at, width) + _dot(at, values + 8 * p.row * a, width, lanes)
        put(last, p.row * a, energy)
        for q in range(0, width, 8):
            store(slopes, p.row * a + q, load(slopes, p.row * a + q) * load(at, q))
    at += 8 * (width + 8)
    for layer in range(n_hidden - 1, -1, -1):
        n_out, width = sizes[layer + 1], _padded(sizes[layer])
        _product(at, slopes, p.row, n_out, width, lanes)
        at += 8 * (n_out + 1) * width
        slopes -= step
        for q in range(0, p.atoms * p.row, 8):
            store(slopes, q, load(lanes, q) * load(slopes, q))
    width = _padded(sizes[0])
    for a in range(p.atoms):
        for q in range(0, width, 8):
            store(slopes, p.row * a + q, load(slopes, p.row * a + q) + load(at, q))
        put(last, p.row * a, get(last, p.row * a) + _dot(at, p.work + 8 * p.row * a, width, lanes))


@njit(**OPTIONS)
def evaluate_networks(
    p: Packed,
    sizes: np.ndarray,
    species: np.ndarray,
    order: np.ndarray,
    values: int,
    energies: np.ndarray,
    gradients: int,
) -> None:
    """Evaluate all members for consecutive atoms.

    Parameters
    ----------
    sizes : neurons of every layer, inputs first, 1 last.
    species : (n,) of the atoms. order : (n,) the atoms, those of a species together.
    values : address of their (n, n_in) descriptors.
    energies : (n_members, n), filled.
    gradients : address of (n, n_in, lanes), filled with dE/dG; lanes: members, padded to eights.
    """
    n_in, lanes, last = sizes[0], (p.n_members + 7) // 8 * 8, 2 * p.atoms * p.row * (len(sizes) - 1)
    first = 0
    while first < len(order):
        s, stop = species[order[first]], first + 1
        while stop < min(len(order), first + p.atoms) and species[order[stop]] == s:
            stop += 1
        mean = p.mean + 8 * p.row * s
        for a in range(p.atoms):  # where there are fewer, the last one again
            i = order[min(first + a, stop - 1)]
            for k in range(n_in):
                put(p.work, p.row * a + k, get(values, n_in * i + k) - get(mean, k))
        for m in range(p.n_members):
            for q in range(p.atoms * p.row, 2 * p.atoms * p.row, 8):
                store(p.work, q, splat(1.0))
            _network(p, sizes, p.numbers + 8 * p.per_network * (s * p.n_members + m))
            for a in range(stop - first):
                i = order[first + a]
                energies[m, i] = get(p.work, last + p.row * a)
                for k in range(n_in):
                    put(gradients, (n_in * i + k) * lanes + m, get(p.work, p.row * (p.atoms + a) + k))
        first = stop


@njit(**OPTIONS)
def contract_pairs(t: Contraction, pair_start: np.ndarray) -> None:
    """Turn dE/dG and dG/dr of consecutive centres into f_p of every pair and sums over the pairs of a centre.

    ``gradients`` (n, n_d, lanes) as of :func:`evaluate_networks`, ``slopes`` (n_pairs, 3, n_d), ``vectors``
    (n_pairs, 3). Filled: ``pairs`` (n_pairs, 3, n_members) with f_p, ``own`` (n, 3, n_members) with its sums
    and ``virials`` (n, 3, 3, n_members) with those of r_p (outer) f_p, unless that address is 0.
    """
    n, m = t.n_d, t.n_members
    lanes = (m + 7) // 8 * 8
    for block in range(0, m, 8):
        count = min(8, m - block)
        for i in range(len(pair_start) - 1):
            g = t.gradients + 8 * (n * lanes * i + block)
            xx, xy, xz = splat(0.0), splat(0.0), splat(0.0)
            yx, yy, yz = splat(0.0), splat(0.0), splat(0.0)
            zx, zy, zz = splat(0.0), splat(0.0), splat(0.0)
            sx, sy, sz = splat(0.0), splat(0.0), splat(0.0)
            for p in range(pair_start[i], pair_start[i + 1]):
                x, y, z = _pair(n, lanes, g, t.slopes + 24 * n * p)
                store_first(t.pairs, 3 * m * p + block, x, count)
                store_first(t.pairs, 3 * m * p + m + block, y, count)
                store_first(t.pairs, 3 * m * p + 2 * m + block, z, count)
                sx, sy, sz = sx + x, sy + y, sz + z
                r = load_all(t.vectors, 3 * p)
                xx, xy, xz = fma(x, r, xx), fma(y, r, xy), fma(z, r, xz)
                r = load_all(t.vectors, 3 * p + 1)
                yx, yy, yz = fma(x, r, yx), fma(y, r, yy), fma(z, r, yz)
                r = load_all(t.vectors, 3 * p + 2)
                zx, zy, zz = fma(x, r, zx), fma(y, r, zy), fma(z, r, zz)
            _put_row(t.own, 3 * m * i + block, m, count, sx, sy, sz)
            if t.virials != 0:
                _put_row(t.virials, 9 * m * i + block, m, count, xx, xy, xz)
                _put_row(t.virials, 9 * m * i + 3 * m + block, m, count, yx, yy, yz)
                _put_row(t.virials, 9 * m * i + 6 * m + block, m, count, zx, zy, zz)


@njit(**INLINE)
def _pair(n: int, lanes: int, g: int, slopes: int) -> tuple[Vector, Vector, Vector]:
    """f_p of one pair, in two parts that do not wait for each other."""
    x0, y0, z0 = splat(0.0), splat(0.0), splat(0.0)
    x1, y1, z1 = splat(0.0), splat(0.0), splat(0.0)
    for d in range(0, n - 1, 2):
        a, b = load(g, d * lanes), load(g, (d + 1) * lanes)
        x0, x1 = fma(a, load_all(slopes, d), x0), fma(b, load_all(slopes, d + 1), x1)
        y0, y1 = fma(a, load_all(slopes, n + d), y0), fma(b, load_all(slopes, n + d + 1), y1)
        z0, z1 = fma(a, load_all(slopes, 2 * n + d), z0), fma(b, load_all(slopes, 2 * n + d + 1), z1)
    if n % 2 == 1:
        a = load(g, (n - 1) * lanes)
        x0 = fma(a, load_all(slopes, n - 1), x0)
        y0 = fma(a, load_all(slopes, 2 * n - 1), y0)
        z0 = fma(a, load_all(slopes, 3 * n - 1), z0)
    return x0 + x1, y0 + y1, z0 + z1


@njit(**INLINE)
def _put_row(target: int, place: int, m: int, count: int, x: Vector, y: Vector, z: Vector) -> None:
    store_first(target, place, x, count)
    store_first(target, place + m, y, count)
    store_first(target, place + 2 * m, z, count)


@njit(**OPTIONS)
def add_ordered(
    pairs: np.ndarray,
    own: np.ndarray,
    virials: np.ndarray,
    first: int,
    pair_start: np.ndarray,
    neighbor: np.ndarray,
    forces: np.ndarray,
    virial: np.ndarray,
) -> None:
    """Add what :func:`contract_pairs` has filled to forces (n_atoms, 3, n_members) and one frame's virial.

    ``first`` is the first centre's place in ``forces``; these may be of no atoms, ``virials`` of no centres.
    """
    n_members = own.shape[2]
    for i in range(len(virials)):
        for a in range(3):
            for b in range(3):
                for m in range(n_members):
                    virial[a, b, m] += virials[i, a, b, m]
    if len(forces) == 0:
        return
    for i in range(len(own)):
        for c in range(3):
            for m in range(n_members):
                forces[first + i, c, m] += own[i, c, m]
        for p in range(pair_start[i], pair_start[i + 1]):
            j = neighbor[p]
            for c in range(3):
                for m in range(n_members):
                    forces[j, c, m] -= pairs[p, c, m]
