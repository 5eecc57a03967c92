"""Which atoms are drawn as bonded: a pure numpy function, safe on any thread and quick to import."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii

BOND_SLACK = 0.45
"""Å by which a bond may exceed the sum of the covalent radii (Jmol's rule)."""

MIN_BOND = 0.4
"""Å; atoms nearer than this sit on one another and are not bonded."""

NO_METALS = frozenset(
    [1, 2, *range(5, 11), *range(14, 19), *range(32, 37), *range(51, 55), 84, 85, 86, 117, 118]
)
"""Elements that make bonds worth drawing; between all others there is only close packing."""


@dataclass(frozen=True, eq=False)
class HalfBonds:
    """Each bond seen from each of its ends.

    Attributes
    ----------
    atom : (n,) int32, the atom at which the half bond starts.
    vector : (n, 3) float32, Å, from that atom to the middle of the bond.
    partner : (n,) int32, the atom at the other end.
    cells : (n, 3) int32, how many cells along a, b, c the partner's place lies away from where it is given.
    """

    atom: np.ndarray
    vector: np.ndarray
    partner: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.atom)


def no_bonds() -> HalfBonds:
    """An empty set of bonds."""
    nothing = np.empty(0, np.int32)
    return HalfBonds(nothing, np.empty((0, 3), np.float32), nothing, np.empty((0, 3), np.int32))


def bonds_tell(numbers: np.ndarray) -> bool:
    """Whether bonds tell something: not in metals and their alloys, whose atoms are just packed."""
    return bool(np.isin(numbers, list(NO_METALS)).any())


def find_bonds(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> HalfBonds:
    """Find the bonds of a structure by the covalent radii of its elements.

    Parameters
    ----------
    numbers : (n_atoms,) atomic numbers.
    positions : (n_atoms, 3), Å; atoms outside the cell are all right.
    cell : (3, 3), Å, rows are cell vectors; a zero row where there is none.
    pbc : (3,) bool.

    Returns
    -------
    HalfBonds
        Two per bond, also for a bond of an atom with its own image.
    """
    radii = np.nan_to_num(covalent_radii[np.clip(numbers, 0, len(covalent_radii) - 1)], nan=1.5)
    if len(radii) == 0:
        return no_bonds()
    first, second, vectors = neighbor_pairs(positions, cell, pbc, 2 * radii.max() + BOND_SLACK, radii)
    away = positions[first] + vectors - positions[second]
    cells = np.rint(away @ np.linalg.inv(completed_cell(np.asarray(cell, dtype=np.float64))))
    half = (vectors / 2).astype(np.float32)
    return HalfBonds(first.astype(np.int32), half, second.astype(np.int32), cells.astype(np.int32))


def neighbor_pairs(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directed pairs (i, j, r_j - r_i) with ``MIN_BOND < |r| < radii[i] + radii[j] + BOND_SLACK``.

    Linked cells over the periodic cell of any shape and size; several images of an atom are several pairs.
    """
    pbc = np.asarray(pbc, dtype=bool) & (np.linalg.norm(cell, axis=1) > 1e-8)
    box, scaled = _binning_box(
        np.asarray(positions, dtype=np.float64), np.asarray(cell, dtype=np.float64), pbc
    )
    heights = 1.0 / np.linalg.norm(np.linalg.inv(box), axis=0)
    n_bins = _bin_counts(heights / cutoff, len(positions))
    reach = np.where(pbc | (n_bins > 1), np.ceil(cutoff * n_bins / heights - 1e-9).astype(int), 0)
    bins = np.minimum((scaled * n_bins).astype(int), n_bins - 1)
    strides = np.array([n_bins[1] * n_bins[2], n_bins[2], 1])
    order = np.argsort(bins @ strides, kind="stable")
    starts = np.searchsorted((bins @ strides)[order], np.arange(np.prod(n_bins) + 1))
    wrapped = scaled @ box
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    offsets = np.array(list(np.ndindex(*(2 * reach + 1)))) - reach
    for offset in offsets[len(offsets) // 2 :]:  # one of each pair of opposite ones, and zero
        neighbor_bins = bins + offset
        images = np.floor_divide(neighbor_bins, n_bins)
        atoms = np.flatnonzero(((images == 0) | pbc).all(axis=1))
        flat = (neighbor_bins - images * n_bins)[atoms] @ strides
        counts = starts[flat + 1] - starts[flat]
        i = np.repeat(atoms, counts)
        within = np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
        j = order[np.repeat(starts[flat], counts) + within]
        vectors = wrapped[j] - wrapped[i] + images[i] @ box
        squared = np.einsum("ij,ij->i", vectors, vectors)
        close = (squared < (radii[i] + radii[j] + BOND_SLACK) ** 2) & (squared > MIN_BOND**2)
        found.append((i[close], j[close], vectors[close]))
        if offset.any():
            found.append((j[close], i[close], -vectors[close]))
    first, second, vectors = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, vectors


def _bin_counts(fitting: np.ndarray, n_atoms: int) -> np.ndarray:
    """Bins along each vector: as many as fit, but in cells with much vacuum not many more than atoms."""
    counts = np.maximum(np.floor(fitting), 1.0)
    while counts.prod() > 4 * n_atoms + 64:
        counts[counts.argmax()] = np.floor(counts.max() * 0.8)
    return counts.astype(int)


def _binning_box(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A full box (3, 3) around the atoms and their scaled positions in it, in [0, 1] along each vector.

    Periodic vectors are the cell's and the atoms are wrapped along them; others are stretched to hold all.
    """
    box = completed_cell(cell)
    scaled = positions @ np.linalg.inv(box)
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    length = np.where(pbc, 1.0, np.maximum(high - low, 1e-3 / np.linalg.norm(box, axis=1)))
    scaled = np.where(pbc, scaled - np.floor(scaled), (scaled - low) / length)
    return box * length[:, None], scaled


def completed_cell(cell: np.ndarray) -> np.ndarray:
    """The cell (3, 3) with missing (zero or dependent) vectors replaced by unit vectors across the others."""
    full = np.array(cell, dtype=np.float64)
    for row in range(3):
        others = [full[k] for k in range(3) if k != row and np.linalg.norm(full[k]) > 1e-8]
        known = [full[k] for k in range(row)] if np.linalg.norm(full[row]) > 1e-8 else others
        basis = np.linalg.qr(np.array(known).T)[0] if known else np.empty((3, 0))
        candidate = full[row]
        if np.linalg.norm(candidate - basis @ (basis.T @ candidate)) > 1e-6 * max(
            np.linalg.norm(candidate), 1e-2
        ):
            continue
        rejected = np.eye(3) - (basis @ basis.T) @ np.eye(3)
        best = rejected[np.linalg.norm(rejected, axis=1).argmax()]
        full[row] = best / np.linalg.norm(best)
    return full
