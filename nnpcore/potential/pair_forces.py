"""CPU kernels that turn dE/dG and dG/dr into forces and virials; each releases the GIL.

For the pair p of centre i with neighbor j, ``f_p = sum_d dE_i/dG_d dG_d/dr_j`` is the derivative of E_i with
respect to r_j: it is subtracted from the force on j and added to the force on i; the virial is
``sum_p r_p (outer) f_p``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_OPTIONS = {"nogil": True, "cache": True, "fastmath": {"reassoc", "contract", "nsz"}}


@njit(**_OPTIONS)
def pair_gradients(gradients: np.ndarray, pair_start: np.ndarray, derivatives: np.ndarray) -> np.ndarray:
    """Return f_p of every pair and member, (n_pairs, n_members, 3).

    ``gradients`` dE/dG (n, n_members, n_d) of the centres, in the type of ``derivatives`` (n_pairs, 3, n_d);
    ``pair_start`` (n + 1,) into the pairs.
    """
    n_members, n_d = gradients.shape[1], gradients.shape[2]
    out = np.empty((len(derivatives), n_members, 3), derivatives.dtype)
    for i in range(len(gradients)):
        for p in range(pair_start[i], pair_start[i + 1]):
            for m in range(n_members):
                x = y = z = derivatives.dtype.type(0)
                for d in range(n_d):
                    g = gradients[i, m, d]
                    x += g * derivatives[p, 0, d]
                    y += g * derivatives[p, 1, d]
                    z += g * derivatives[p, 2, d]
                out[p, m, 0], out[p, m, 1], out[p, m, 2] = x, y, z
    return out


@njit(**_OPTIONS)
def add_forces(
    pairs: np.ndarray, first: int, pair_start: np.ndarray, pair_neighbor: np.ndarray, forces: np.ndarray
) -> None:
    """Add the pairs' f_p (n_pairs, n_members, 3) of centres ``first``... to ``forces`` (n, n_members, 3)."""
    n_members = pairs.shape[1]
    for i in range(len(pair_start) - 1):
        center = forces[first + i]
        for p in range(pair_start[i], pair_start[i + 1]):
            neighbor = forces[pair_neighbor[p]]
            for m in range(n_members):
                for c in range(3):
                    neighbor[m, c] -= pairs[p, m, c]
                    center[m, c] += pairs[p, m, c]


@njit(**_OPTIONS)
def add_virials(
    pairs: np.ndarray,
    pair_vector: np.ndarray,
    pair_start: np.ndarray,
    frames: np.ndarray,
    virials: np.ndarray,
) -> None:
    """Add the pairs' virials to ``virials`` (n_frames, n_members, 3, 3); ``frames`` (n,) of the centres."""
    n_members = pairs.shape[1]
    for i in range(len(pair_start) - 1):
        virial = virials[frames[i]]
        for p in range(pair_start[i], pair_start[i + 1]):
            for m in range(n_members):
                for a in range(3):
                    for b in range(3):
                        virial[m, a, b] += pair_vector[p, a] * pairs[p, m, b]


@njit(**_OPTIONS)
def add_sums(
    derivatives: np.ndarray,
    pair_vector: np.ndarray,
    pair_start: np.ndarray,
    pair_neighbor: np.ndarray,
    centers: np.ndarray,
    forces: np.ndarray,
    virial: np.ndarray,
) -> None:
    """Add pairs of some centres to what unit slopes dE/dG would give for forces and a virial.

    Whatever is linear in G with the same slopes for all these centres follows by one small product.

    Parameters
    ----------
    derivatives : (n_pairs, 3, n_d) dG/dr of all pairs; pair_vector (n_pairs, 3), pair_neighbor (n_pairs,).
    pair_start : (n_atoms + 1,) the pairs of each atom.
    centers : (n,) the atoms whose pairs count.
    forces : (n_atoms, 3, n_d) float64.
    virial : (3, 3, n_d) float64; of no rows where it is not wanted.
    """
    n_d = derivatives.shape[2]
    for i in centers:
        for p in range(pair_start[i], pair_start[i + 1]):
            j = pair_neighbor[p]
            for c in range(3):
                for d in range(n_d):
                    slope = np.float64(derivatives[p, c, d])
                    forces[i, c, d] += slope
                    forces[j, c, d] -= slope
            for a in range(len(virial)):
                for c in range(3):
                    for d in range(n_d):
                        virial[a, c, d] += pair_vector[p, a] * np.float64(derivatives[p, c, d])
