"""Neighbor pairs within a cutoff for any cell: a linear-scaling cell list that can work centre range by range.

Works for open, periodic and mixed boundaries, cells smaller than the cutoff, skewed cells and atoms outside the
cell. It needs memory in proportion to the atoms (plus the pairs of the range asked for) and runs without the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame

SMALLEST_DISTANCE = 1e-3
"""Two atoms closer than this (Å) count as being on one spot."""

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
        basis, periodic = _basis(frame, self.where)
        inverse = np.linalg.inv(basis)
        scaled = np.asarray(frame.positions, dtype=np.float64) @ inverse
        low = np.where(periodic, 0.0, scaled.min(axis=0, initial=np.inf)) if len(scaled) else np.zeros(3)
        extent = (
            np.where(periodic, 1.0, np.maximum(np.ptp(scaled, axis=0), 1e-9)) if len(scaled) else np.ones(3)
        )
        turns = np.where(periodic, np.floor(scaled), 0.0)
        self._positions = np.ascontiguousarray(frame.positions - turns @ basis)
        heights = extent / np.linalg.norm(inverse, axis=0)
        self._bins = _bin_counts(heights, self.cutoff, len(scaled))
        self._reach = np.ceil(self.cutoff * self._bins / heights * (1 + 1e-12)).astype(np.int64)
        self._reach = np.where(periodic, self._reach, np.minimum(self._reach, self._bins - 1))
        if np.prod(2.0 * self._reach + 1.0) > _MOST_IMAGES * max(1.0, float(np.prod(self._bins))):
            raise DataError(
                f"the cell is far too thin for a cutoff of {self.cutoff:g} Å",
                where=self.where,
                fix="Check the cell vectors and their unit (Å)",
            )
        self._basis, self._periodic = basis, periodic
        fraction = (scaled - turns - low) / extent
        index = np.clip((fraction * self._bins).astype(np.int64), 0, self._bins - 1)
        flat = (index[:, 0] * self._bins[1] + index[:, 1]) * self._bins[2] + index[:, 2]
        self._index = index
        self._order = np.argsort(flat, kind="stable")
        self._sorted_positions = self._positions[self._order]
        counts = np.bincount(flat, minlength=int(np.prod(self._bins)))
        self._bin_start = np.concatenate([[0], np.cumsum(counts)])

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the frame."""
        return len(self._positions)

    def pairs(self, first: int = 0, stop: int | None = None) -> NeighborPairs:
        """Return the pairs of the centres ``first`` to ``stop`` (all by default).

        Raises :class:`DataError` naming two atoms on one spot.
        """
        from nnpcore.descriptors.neighbor_kernels import count_pairs, fill_pairs

        stop = self.n_atoms if stop is None else stop
        arguments = (
            first,
            stop,
            self._positions,
            self._index,
            self._sorted_positions,
            self._order,
            self._bin_start,
            self._bins,
            self._reach,
            self._periodic,
            self._basis,
            self.cutoff * self.cutoff,
        )
        start = np.zeros(stop - first + 1, dtype=np.int64)
        count_pairs(*arguments, start[1:])
        np.cumsum(start, out=start)
        neighbor = np.empty(start[-1], dtype=np.int32)
        vector = np.empty((start[-1], 3), dtype=np.float64)
        a, b = fill_pairs(*arguments, SMALLEST_DISTANCE**2, start, neighbor, vector)
        if a >= 0:
            what = "an atom and its own periodic image are" if a == b else "two atoms are"
            raise DataError(
                f"{what} on one spot: atoms {a} and {b} (numbered from 0)",
                where=self.where,
                fix="Remove one of them or check the cell",
            )
        return NeighborPairs(start, neighbor, vector)


def neighbor_pairs(frame: Frame, cutoff: float, *, where: str = "") -> NeighborPairs:
    """All neighbor pairs of a frame within ``cutoff`` (Å); errors as in :class:`NeighborFinder`."""
    return NeighborFinder(frame, cutoff, where=where).pairs()


def _basis(frame: Frame, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Cell vectors completed by orthonormal ones in the open directions, and the periodic flags."""
    periodic = np.asarray(frame.pbc, dtype=bool)
    cell = np.asarray(frame.cell, dtype=np.float64)
    if not np.isfinite(frame.positions).all():
        atom = int(np.flatnonzero(~np.isfinite(frame.positions).all(axis=1))[0])
        raise DataError(f"the position of atom {atom} is not finite", where=where)
    if not np.isfinite(cell).all():
        raise DataError("the cell is not finite", where=where)
    basis = np.eye(3)
    if periodic.any():
        vectors = cell[periodic]
        lengths = np.linalg.norm(vectors, axis=1)
        _, singular, directions = np.linalg.svd(vectors / np.where(lengths > 0, lengths, 1.0)[:, None])
        if lengths.min() < 1e-6 or singular.min() < 1e-6:
            raise DataError(
                "a periodic direction has no cell vector or the cell has no volume",
                where=where,
                fix="Give the cell or turn periodicity off in that direction",
            )
        basis[periodic] = vectors
        basis[~periodic] = directions[len(vectors) :]
    return basis, periodic


def _bin_counts(heights: np.ndarray, cutoff: float, n_atoms: int) -> np.ndarray:
    """Bins per direction, (3,) int64: about half a cutoff wide, never many more than there are atoms."""
    bins = np.maximum(1.0, np.floor(heights * (_BINS_PER_CUTOFF / cutoff)))
    most = 8.0 * n_atoms + 8.0
    while np.prod(bins) > most:
        shrink = max((np.prod(bins) / most) ** (1.0 / max(1, np.count_nonzero(bins > 1))), 1.01)
        bins = np.maximum(1.0, np.floor(bins / shrink))
    return bins.astype(np.int64)
