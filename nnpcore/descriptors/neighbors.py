"""Neighbor pairs within a cutoff for any cell: a linear-scaling cell list that can work centre range by
range.

Works for open, periodic and mixed boundaries, cells smaller than the cutoff, skewed cells and atoms outside
the cell. It needs memory in proportion to the atoms (plus the pairs of the range asked for) and runs without
the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.geometry import complete_cell

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame

SMALLEST_DISTANCE = 1e-3
"""Two atoms closer than this (Å) count as being on one spot."""

MOST_NEIGHBORS = 2000
"""More neighbors of one atom than this are taken for a mistake in the structure's units."""

_BINS_PER_CUTOFF = 2.0
_MOST_IMAGES = 200_000


@dataclass(frozen=True, eq=False)
class NeighborPairs:
    """Pairs of consecutive centres, sorted by centre.

    Attributes
    ----------
    start : (n_centers + 1,) int64, into the pairs.
    neighbor : (n_pairs,) int32, index of the neighbor atom in the frame.
    vector : (n_pairs, 3) float64, r_j - r_i of the image, Å.
    """

    start: np.ndarray
    neighbor: np.ndarray
    vector: np.ndarray


class NeighborFinder:
    """Finds the neighbors of a frame's atoms within a cutoff.

    Parameters
    ----------
    frame : the structure.
    cutoff : Å.
    where : what to call the frame in messages.

    Raises :class:`DataError` for non-finite positions or cell, and for periodic directions without a volume.
    """

    def __init__(self, frame: Frame, cutoff: float, *, where: str = "") -> None:
        self.where = where or f"frame {frame.index}"
        self.cutoff = float(cutoff)
        self.n_atoms = frame.n_atoms
        self._basis, periodic = _basis(frame, self.where)
        self._grid = self._sorted_atoms(np.ascontiguousarray(frame.positions, dtype=np.float64), periodic)

    def _sorted_atoms(self, positions: np.ndarray, periodic: np.ndarray) -> Any:
        """Atoms sorted into bins; the arrays behind the addresses are kept in this object."""
        from nnpcore.descriptors.neighbor_kernels import Grid, bin_atoms, scale

        n = len(positions)
        inverse = np.linalg.inv(self._basis)
        scaled, turns = np.empty((n, 3)), np.empty((n, 3))
        low, extent = scale(positions, inverse, periodic, scaled, turns)
        if n == 0:
            low, extent = np.zeros(3), np.ones(3)
        heights = extent / np.sqrt((inverse**2).sum(axis=0))
        bins = _bin_counts(heights, self.cutoff, n)
        reach = np.ceil(self.cutoff * bins / heights * (1 + 1e-12))
        reach = np.where(periodic, reach, np.minimum(reach, bins - 1)).astype(np.int64)
        if np.prod(2.0 * reach + 1.0) > _MOST_IMAGES:
            raise DataError(
                f"the cell is far too thin for a cutoff of {self.cutoff:g} Å",
                where=self.where,
                fix="Check the cell vectors and their unit (Å)",
            )
        self._per_atom = (
            n / max(1e-9, abs(float(np.prod(extent) / np.linalg.det(inverse)))) * 4.2 * self.cutoff**3
        )
        coordinates = np.zeros((3, n + 8))
        atom, place = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
        bin_start = np.empty(int(np.prod(bins)) + 1, dtype=np.int32)
        x, y, z = coordinates
        bin_atoms(positions, self._basis, scaled, turns, low, extent, bins, x, y, z, atom, place, bin_start)
        self._kept = (coordinates, atom, place, bin_start)
        self._most_in_row = int(np.diff(bin_start[:: bins[2]]).max(initial=0))
        numbers: list[Any] = [n, *(a.ctypes.data for a in (x, y, z, atom, place, bin_start))]
        numbers += [int(v) for v in (*bins, *reach)] + [bool(p) for p in periodic]
        return Grid._make(numbers)

    def pairs(self, first: int = 0, stop: int | None = None) -> NeighborPairs:
        """Return the pairs of the centres ``first`` to ``stop`` (all by default).

        Raises :class:`DataError` naming two atoms on one spot or an atom with absurdly many neighbors.
        """
        from nnpcore.descriptors.neighbor_kernels import Search, search

        stop = self.n_atoms if stop is None else stop
        start = np.zeros(stop - first + 1, dtype=np.int64)
        most = self._most_in_row
        found, distances = np.empty(most + 8, dtype=np.int32), np.empty(most + 16)
        room = int((stop - first) * min(1.2 * self._per_atom + 8.0, MOST_NEIGHBORS))
        how = Search(self.cutoff**2, MOST_NEIGHBORS, found.ctypes.data, distances.ctypes.data)
        while True:
            neighbor, vector = np.empty(room, dtype=np.int32), np.empty((room, 3))
            *nearest, crowded = search(self._grid, how, first, stop, self._basis, start, neighbor, vector)
            self._check(nearest, crowded)
            if start[-1] <= room:
                return NeighborPairs(start, neighbor[: start[-1]], vector[: start[-1]])
            room = int(start[-1])

    def _check(self, nearest: list[Any], crowded: int) -> None:
        distance2, a, b = nearest
        if distance2 < SMALLEST_DISTANCE**2:
            what = "an atom and its own periodic image are" if a == b else "two atoms are"
            raise DataError(
                f"{what} on one spot: atoms {a} and {b} (numbered from 0)",
                where=self.where,
                fix="Remove one of them or check the cell",
            )
        if crowded >= 0:
            raise DataError(
                f"atom {crowded} has more than {MOST_NEIGHBORS} neighbors within {self.cutoff:g} Å",
                where=self.where,
                fix="Check that positions and cell are in Å, or use a smaller cutoff",
            )


def neighbor_pairs(frame: Frame, cutoff: float, *, where: str = "") -> NeighborPairs:
    """All neighbor pairs of a frame within ``cutoff`` (Å); errors as in :class:`NeighborFinder`."""
    return NeighborFinder(frame, cutoff, where=where).pairs()


def _basis(frame: Frame, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Cell vectors, completed by unit vectors normal to them in the open directions, and the periodic
    flags."""
    periodic = np.array(frame.pbc, dtype=bool)
    basis = np.array(frame.cell, dtype=np.float64)
    if not np.isfinite(frame.positions).all():
        atom = int(np.flatnonzero(~np.isfinite(frame.positions).all(axis=1))[0])
        raise DataError(f"the position of atom {atom} is not finite", where=where)
    if not np.isfinite(basis[periodic]).all():
        raise DataError("the cell is not finite", where=where)
    lengths = np.sqrt((basis**2).sum(axis=1))
    basis[~periodic], lengths[~periodic] = 0.0, 1.0
    with np.errstate(invalid="ignore"):  # two cell vectors along one line: refused below
        basis[~periodic] = complete_cell(basis)[~periodic]
    normal = basis / np.maximum(lengths, 1e-300)[:, None]
    if (lengths[periodic] < 1e-6).any() or not abs(np.linalg.det(normal)) > 1e-6:
        raise DataError(
            "a periodic direction has no cell vector or the cell has no volume",
            where=where,
            fix="Give the cell or turn periodicity off in that direction",
        )
    return basis, periodic


def _bin_counts(heights: np.ndarray, cutoff: float, n_atoms: int) -> np.ndarray:
    """Bins per direction, (3,) int64: about half a cutoff wide, never many more than there are atoms."""
    bins = np.maximum(1.0, np.floor(heights * (_BINS_PER_CUTOFF / cutoff)))
    most = 8.0 * n_atoms + 8.0
    while np.prod(bins) > most:
        shrink = max((np.prod(bins) / most) ** (1.0 / max(1, np.count_nonzero(bins > 1))), 1.01)
        bins = np.maximum(1.0, np.floor(bins / shrink))
    return bins.astype(np.int64)
