"""Compiled contractions of stored descriptor derivatives with vectors; all release the GIL.

``frame_tangents`` and ``frame_forces`` are each other's transpose: one carries displacements to
descriptors, the other dE/dG to forces and virials. They read every derivative block once for all rows or
members, through small matrix products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import njit

from nnpcore.descriptors.simd import CALLED_INSIDE

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet

_SUMS: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz", "arcp"}}
"""Sums may be reordered, but always in the same way."""
OPTIONS: dict[str, Any] = {**_SUMS, "cache": True, "no_cfunc_wrapper": True}
"""Of compiled functions of training that Python calls; what they call is kept on disk with them."""
INNER: dict[str, Any] = {**_SUMS, **CALLED_INSIDE}
"""Of those that only others of them call."""


class Pairs(NamedTuple):
    """The pairs of a whole set, see ``DescriptorSet``."""

    start: np.ndarray
    neighbor: np.ndarray
    vector: np.ndarray
    derivatives: np.ndarray

    @classmethod
    def of(cls, descriptors: DescriptorSet) -> Pairs:
        """Collect them; the descriptors must hold float32 derivatives."""
        d = descriptors
        if d.derivatives is None or d.derivatives.dtype != np.float32:
            raise ValueError("training needs float32 derivatives")
        return cls(d.pair_start, d.pair_neighbor, d.pair_vector, d.derivatives)


@njit(**OPTIONS)
def frame_tangents(
    pairs: Pairs, first_atom: Any, directions: np.ndarray, strains: np.ndarray, out: np.ndarray
) -> None:
    """Fill the change of every descriptor along displacements of a frame's atoms and strains of its pairs.

    Parameters
    ----------
    pairs : of the whole set.
    first_atom : the frame's first atom.
    directions : (n, n_rows, 3) displacements of the frame's n atoms.
    strains : (n_strains, 3, 3), at most n_rows: added to the last rows, where a pair r_p moves by ``strain
        @ r_p``.
    out : (n, n_rows, n_descriptors).
    """
    n, n_rows, _ = directions.shape
    first_strain = n_rows - len(strains)
    n_d = pairs.derivatives.shape[2]
    for i in range(n):
        begin, end = pairs.start[first_atom + i], pairs.start[first_atom + i + 1]
        if begin == end:
            for q in range(n_rows):
                for d in range(n_d):
                    out[i, q, d] = 0
            continue
        moves = np.empty((n_rows, 3 * (end - begin)), np.float32)
        for p in range(begin, end):
            j = pairs.neighbor[p] - first_atom
            k = 3 * (p - begin)
            for q in range(n_rows):
                for c in range(3):
                    moves[q, k + c] = directions[j, q, c] - directions[i, q, c]
            for q in range(first_strain, n_rows):
                for c in range(3):
                    s = strains[q - first_strain, c]
                    r = pairs.vector[p]
                    moves[q, k + c] += np.float32(s[0] * r[0] + s[1] * r[1] + s[2] * r[2])
        np.dot(moves, pairs.derivatives[begin:end].reshape(3 * (end - begin), n_d), out[i])


@njit(**INNER)
def frame_forces(
    pairs: Pairs, first_atom: Any, gradients: np.ndarray, forces: np.ndarray, virial: np.ndarray
) -> None:
    """Add a frame's forces and virials for all members to ``forces`` and ``virial``.

    Parameters
    ----------
    gradients : (n, n_descriptors, n_members) dE_i/dG_i of the frame's atoms.
    forces : (n, n_members, 3), eV/Å.
    virial : (n_members, 3, 3): sum over pairs of r_p (outer) dE_i/dr_p, eV; left alone where its length is 0.
    """
    n, n_d, n_members = gradients.shape
    for i in range(n):
        begin, end = pairs.start[first_atom + i], pairs.start[first_atom + i + 1]
        if begin == end:
            continue
        slopes = np.dot(pairs.derivatives[begin:end].reshape(3 * (end - begin), n_d), gradients[i])
        for p in range(begin, end):
            j = pairs.neighbor[p] - first_atom
            k = 3 * (p - begin)
            for m in range(n_members):
                for c in range(3):
                    forces[j, m, c] -= slopes[k + c, m]
                    forces[i, m, c] += slopes[k + c, m]
            for m in range(len(virial)):
                for a in range(3):
                    for c in range(3):
                        virial[m, a, c] += np.float32(pairs.vector[p, a]) * slopes[k + c, m]
