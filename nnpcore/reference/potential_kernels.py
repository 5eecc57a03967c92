"""Compiled sums of the reference potentials over a neighbor list; called by the calculators only.

Every kernel gets the positions, the list of pairs (``start``, ``neighbor``) with the ``offset`` of each
pair's image, so that r_ij = positions[j] - positions[i] + offset, and fills atomic energies, forces and the
virial Σ r ⊗ dE/dr, whose quotient by the volume is the stress in ASE's sign. Sums have one fixed order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from nnpcore.descriptors.simd import INLINE, LANES, OPTIONS, exponential, load, store


@njit(**OPTIONS)
def farthest_move(positions: np.ndarray, listed: np.ndarray) -> float:
    """Largest squared distance of an atom from where it was when the pairs were listed (NaN stays NaN)."""
    farthest = 0.0
    for i in range(len(positions)):
        x, y, z = (
            positions[i, 0] - listed[i, 0],
            positions[i, 1] - listed[i, 1],
            positions[i, 2] - listed[i, 2],
        )
        square = x * x + y * y + z * z
        if not square <= farthest:
            farthest = square
    return farthest


@njit(**OPTIONS)
def half_list(start: np.ndarray, neighbor: np.ndarray, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep one of the two directions of each pair; ``start`` of the kept ones and their places."""
    kept, n = np.empty(len(neighbor), dtype=np.int64), 0
    half_start = np.zeros(len(start), dtype=np.int64)
    for i in range(len(start) - 1):
        for p in range(start[i], start[i + 1]):
            j = neighbor[p]
            x, y, z = vector[p, 0], vector[p, 1], vector[p, 2]
            forward = x > 0 or (x == 0 and (y > 0 or (y == 0 and z > 0)))
            if j > i or (j == i and forward):
                kept[n] = p
                n += 1
        half_start[i + 1] = n
    return half_start, kept[:n].copy()


@njit(**INLINE)
def _bend(
    n: int,
    strength: float,
    v: np.ndarray,
    r: np.ndarray,
    e: np.ndarray,
    slope: np.ndarray,
    pull: np.ndarray,
) -> float:
    """Return the energy of a centre's triplets with its ``n`` neighbors, and add its derivatives to ``pull``.

    ``v, r, e, slope``: vector and distance of each neighbor, its factor and that factor's logarithmic slope.
    """
    energy = 0.0
    for j in range(n):
        for k in range(j + 1, n):
            inverse = 1.0 / (r[j] * r[k])
            cosine = (v[j, 0] * v[k, 0] + v[j, 1] * v[k, 1] + v[j, 2] * v[k, 2]) * inverse
            bend = cosine + 1.0 / 3.0
            scale = strength * e[j] * e[k] * bend
            energy += scale * bend
            turn = 2.0 * scale * inverse
            along_j = scale * (bend * slope[j] - 2.0 * cosine / r[j]) / r[j]
            along_k = scale * (bend * slope[k] - 2.0 * cosine / r[k]) / r[k]
            for d in range(3):
                pull[j, d] += along_j * v[j, d] + turn * v[k, d]
                pull[k, d] += along_k * v[k, d] + turn * v[j, d]
    return energy


@njit(**OPTIONS)
def _hand_out(
    i: int, n: int, v: np.ndarray, pull: np.ndarray, index: np.ndarray, forces: np.ndarray, virial: np.ndarray
) -> None:
    """Add to forces and virial what the energy of atom i pulls its ``n`` neighbors with, dE_i/dr_j."""
    for j in range(n):
        for d in range(3):
            forces[index[j], d] -= pull[j, d]
            forces[i, d] += pull[j, d]
            for c in range(3):
                virial[d, c] += v[j, d] * pull[j, c]


@njit(**OPTIONS)
def stillinger_weber(
    positions: np.ndarray,
    start: np.ndarray,
    neighbor: np.ndarray,
    offset: np.ndarray,
    parameters: np.ndarray,
    energies: np.ndarray,
    forces: np.ndarray,
    virial: np.ndarray,
) -> None:
    """Stillinger-Weber energies; half of each pair to either atom, a triplet's to its centre.

    ``parameters``: epsilon (eV), sigma (Å), a, lambda, gamma, A, B; p = 4 and q = 0.
    """
    epsilon, sigma, reach, strength, gamma, big_a, big_b = parameters
    cutoff, n_atoms = reach * sigma, len(positions)
    most = 0
    for i in range(n_atoms):
        most = max(most, start[i + 1] - start[i])
    v, r, e, slope = np.empty((most, 3)), np.empty(most), np.empty(most), np.empty(most)
    pull, index = np.empty((most, 3)), np.empty(most, dtype=np.int64)
    energies[:], forces[:], virial[:] = 0.0, 0.0, 0.0
    for i in range(n_atoms):
        n, energy = i - i, 0.0  # a literal 0 would compile what takes n twice
        for p in range(start[i], start[i + 1]):
            j = neighbor[p]
            x = positions[j, 0] - positions[i, 0] + offset[p, 0]
            y = positions[j, 1] - positions[i, 1] + offset[p, 1]
            z = positions[j, 2] - positions[i, 2] + offset[p, 2]
            r2 = x * x + y * y + z * z
            if r2 >= cutoff * cutoff:
                continue
            distance = math.sqrt(r2)
            gap = distance - cutoff
            if gap > -1e-9:
                continue
            v[n, 0], v[n, 1], v[n, 2] = x, y, z
            r[n], index[n] = distance, j
            e[n], slope[n] = math.exp(gamma * sigma / gap), -gamma * sigma / (gap * gap)
            # half of the pair's energy and of its slope: the other half comes with the other atom's turn
            repulsion = big_b * (sigma / distance) ** 4
            tail = 0.5 * epsilon * big_a * math.exp(sigma / gap)
            energy += tail * (repulsion - 1.0)
            push = -tail * (4.0 * repulsion / distance + (repulsion - 1.0) * sigma / (gap * gap))
            for d in range(3):
                pull[n, d] = push * v[n, d] / distance
            n += 1
        energies[i] = energy + _bend(n, epsilon * strength, v, r, e, slope, pull)
        _hand_out(i, n, v, pull, index, forces, virial)


@njit(**OPTIONS)
def _within(
    positions: np.ndarray, start: np.ndarray, neighbor: np.ndarray, offset: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs within the cutoff: first of each atom, other atom, vector, distance padded to whole lanes."""
    n_pairs = len(neighbor)
    first, other = np.zeros(len(start), dtype=np.int64), np.empty(n_pairs, dtype=np.int64)
    vector, distance, n = np.empty((n_pairs, 3)), np.full(n_pairs + LANES, cutoff), 0
    for i in range(len(start) - 1):
        for p in range(start[i], start[i + 1]):
            j = neighbor[p]
            x = positions[j, 0] - positions[i, 0] + offset[p, 0]
            y = positions[j, 1] - positions[i, 1] + offset[p, 1]
            z = positions[j, 2] - positions[i, 2] + offset[p, 2]
            r2 = x * x + y * y + z * z
            if r2 < cutoff * cutoff:
                vector[n, 0], vector[n, 1], vector[n, 2] = x, y, z
                distance[n], other[n] = math.sqrt(r2), j
                n += 1
        first[i + 1] = n
    return first, other, vector, distance[: (n + LANES - 1) // LANES * LANES]


@njit(**OPTIONS)
def _exponentials(x: np.ndarray, scale: float, out: np.ndarray) -> None:
    """exp(scale x) for scale x <= 0, eight at a time."""
    source, target = x.ctypes.data, out.ctypes.data
    for k in range(0, len(x), LANES):
        store(target, k, exponential(load(source, k) * scale))


@njit(**OPTIONS)
def second_moment(
    positions: np.ndarray,
    start: np.ndarray,
    neighbor: np.ndarray,
    offset: np.ndarray,
    parameters: np.ndarray,
    energies: np.ndarray,
    forces: np.ndarray,
    virial: np.ndarray,
) -> None:
    """Second-moment energies of a half list: Σ_j A exp(-p (r/r0 - 1)) - sqrt(Σ_j ξ² exp(-2 q (r/r0 - 1))).

    Both sums are tapered. ``parameters``: A (eV), ξ (eV), p, q, r0 (Å), where the taper begins and ends (Å).
    """
    big_a, xi, p_, q_, r0, inner, outer = parameters
    n_atoms = len(positions)
    first, other, vector, distance = _within(positions, start, neighbor, offset, outer)
    repulsion, attraction = np.empty(len(distance)), np.empty(len(distance))
    _exponentials(distance, -p_ / r0, repulsion)
    _exponentials(distance, -2.0 * q_ / r0, attraction)
    big_a, xi2 = big_a * math.exp(p_), xi * xi * math.exp(2.0 * q_)
    moment = np.zeros(n_atoms)
    energies[:], forces[:], virial[:] = 0.0, 0.0, 0.0
    for i in range(n_atoms):
        for m in range(first[i], first[i + 1]):
            taper, fall = 1.0, 0.0
            if distance[m] > inner:
                t = (distance[m] - inner) / (outer - inner)
                taper = 1.0 - t * t * t * (10.0 - t * (15.0 - 6.0 * t))
                fall = -30.0 * t * t * (1.0 - t) ** 2 / (outer - inner)
            bond, hop = big_a * repulsion[m], xi2 * attraction[m]
            energies[i] += bond * taper
            energies[other[m]] += bond * taper
            moment[i] += hop * taper
            moment[other[m]] += hop * taper
            repulsion[m] = 2.0 * bond * (fall - taper * p_ / r0) / distance[m]  # now slopes over r
            attraction[m] = hop * (fall - taper * 2.0 * q_ / r0) / distance[m]
    for i in range(n_atoms):
        root = math.sqrt(moment[i])
        energies[i] -= root
        moment[i] = 0.5 / root if root > 0.0 else 0.0
    for i in range(n_atoms):
        for m in range(first[i], first[i + 1]):
            pull = repulsion[m] - attraction[m] * (moment[i] + moment[other[m]])  # dE/dr over r
            for d in range(3):
                forces[i, d] += pull * vector[m, d]
                forces[other[m], d] -= pull * vector[m, d]
                for c in range(3):
                    virial[d, c] += pull * vector[m, d] * vector[m, c]
