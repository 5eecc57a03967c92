"""Compiled kernels for symmetry functions and their derivatives; float64 sums, fixed order, GIL released."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def _cutoff(r, cutoff):
    """Cosine cutoff and its derivative."""
    if r >= cutoff:
        return 0.0, 0.0
    x = math.pi * r / cutoff
    return 0.5 * (math.cos(x) + 1.0), -0.5 * math.pi / cutoff * math.sin(x)


@njit(nogil=True, cache=True)
def _radial(p, v, r, s, start, stop, index, value, g, d):
    for f in range(start, stop):
        if index[f, 1] != s:
            continue
        eta, r_s, cutoff = value[f]
        fc, dfc = _cutoff(r, cutoff)
        e = math.exp(-eta * (r - r_s) ** 2)
        column = index[f, 0]
        g[column] += e * fc
        slope = e * (dfc - 2.0 * eta * (r - r_s) * fc) / r
        for x in range(3):
            d[p, x, column] += slope * v[p, x]


@njit(nogil=True, cache=True)
def _angular(p, q, v, rj, rk, rjk, dot, sj, sk, start, stop, index, value, g, d):
    c = dot / (rj * rk)
    for f in range(start, stop):
        column, s1, s2, narrow = index[f]
        if not ((s1 == sj and s2 == sk) or (s1 == sk and s2 == sj)):
            continue
        eta, zeta, lam, cutoff = value[f]
        if rj >= cutoff or rk >= cutoff or (narrow and rjk >= cutoff):
            continue
        base = max(1.0 + lam * c, 0.0)
        if base == 0.0 and zeta < 1.0:
            u, du = 0.0, 0.0
        else:
            u = 2.0 * (0.5 * base) ** zeta
            du = zeta * lam * (0.5 * base) ** (zeta - 1.0)
        fj, dfj = _cutoff(rj, cutoff)
        fk, dfk = _cutoff(rk, cutoff)
        fjk, dfjk = 1.0, 0.0
        square = rj * rj + rk * rk
        if narrow:
            fjk, dfjk = _cutoff(rjk, cutoff)
            square += rjk * rjk
        e = math.exp(-eta * square)
        g[column] += u * e * fj * fk * fjk
        # derivatives with respect to r_ij, r_ik, r_jk (divided by the distance) and cosθ
        aj = u * e * fk * fjk * (dfj / rj - 2.0 * eta * fj)
        ak = u * e * fj * fjk * (dfk / rk - 2.0 * eta * fk)
        ajk = u * e * fj * fk * (dfjk / rjk - 2.0 * eta * fjk) if narrow else 0.0
        ac = du * e * fj * fk * fjk
        for x in range(3):
            vj, vk = v[p, x], v[q, x]
            d[p, x, column] += aj * vj + ajk * (vj - vk) + ac * (vk / (rj * rk) - c * vj / (rj * rj))
            d[q, x, column] += ak * vk + ajk * (vk - vj) + ac * (vj / (rj * rk) - c * vk / (rk * rk))


@njit(nogil=True, cache=True)
def descriptors(
    species, pair_start, pair_species, vectors, rs, ri, rv, as_, ai, av, n_d, want, values, derivatives
):
    """Fill values (n, n_d) and, if wanted, derivatives (n_pairs, 3, n_d) of consecutive centres."""
    for i in range(len(species)):
        p0, p1 = pair_start[i] - pair_start[0], pair_start[i + 1] - pair_start[0]
        n = p1 - p0
        v = vectors[p0:p1]
        s = species[i]
        d = np.zeros((n, 3, n_d))
        g = np.zeros(n_d)
        r = np.empty(n)
        for p in range(n):
            r[p] = math.sqrt(v[p, 0] ** 2 + v[p, 1] ** 2 + v[p, 2] ** 2)
            _radial(p, v, r[p], pair_species[p0 + p], rs[s], rs[s + 1], ri, rv, g, d)
        for p in range(n):
            for q in range(p + 1, n):
                dot = v[p, 0] * v[q, 0] + v[p, 1] * v[q, 1] + v[p, 2] * v[q, 2]
                rjk = math.sqrt(max(r[p] ** 2 + r[q] ** 2 - 2.0 * dot, 1e-300))
                _angular(
                    p, q, v, r[p], r[q], rjk, dot, pair_species[p0 + p], pair_species[p0 + q],
                    as_[s], as_[s + 1], ai, av, g, d,
                )  # fmt: skip
        values[i] = g
        if want:
            for p in range(n):
                for x in range(3):
                    for f in range(n_d):
                        derivatives[p0 + p, x, f] = d[p, x, f]
