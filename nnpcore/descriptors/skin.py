"""Neighbors of a structure that moves a little at a time: searched for once with a skin, then measured.

L. Verlet, Phys. Rev. 159, 98 (1967): pairs within the cutoff and a skin hold all neighbors until some atom
has moved by half the skin.
"""

from __future__ import annotations

import numpy as np

from nnpcore.descriptors.neighbors import SMALLEST_DISTANCE, NeighborFinder, NeighborPairs
from nnpcore.structures.frame import Frame

SKIN = 0.5
"""Å."""
MOST_ATOMS = 5000
"""Larger structures would keep tens of MB of pairs, and search for them in a twelfth of their time."""


class SkinList:
    """Pairs of one structure within a cutoff, for any positions near those it was made for.

    It finds the pairs of :class:`NeighborFinder`, in an order of its own. Raises DataError as that does.
    """

    def __init__(self, frame: Frame, cutoff: float, *, where: str = "") -> None:
        found = NeighborFinder(frame, cutoff + SKIN, where=where).pairs()
        center = np.repeat(np.arange(frame.n_atoms), np.diff(found.start))
        self._start, self._neighbor = found.start, found.neighbor
        self._images = found.vector - (frame.positions[found.neighbor] - frame.positions[center])
        self._made_for = self._frame = frame
        self._cutoff, self._where = cutoff, where

    def moved_to(self, frame: Frame) -> bool:
        """Take the positions of a frame; False where this list may lack some of its pairs."""
        old = self._made_for
        same = np.array_equal(old.numbers, frame.numbers) and np.array_equal(old.cell, frame.cell)
        if not same or not np.array_equal(old.pbc, frame.pbc):
            return False
        moves = frame.positions - old.positions
        if not np.einsum("ic,ic->i", moves, moves).max(initial=0.0) < (0.5 * SKIN) ** 2:
            return False
        self._frame = frame
        return True

    def pairs(self, first: int, stop: int) -> NeighborPairs:
        """Return the pairs of the centres ``first`` to ``stop``.

        Raises DataError where two atoms are on one spot.
        """
        from nnpcore.descriptors.neighbor_kernels import within

        begin, end = self._start[first], self._start[stop]
        start = np.empty(stop - first + 1, dtype=np.int64)
        neighbor, vector = np.empty(end - begin, dtype=np.int32), np.empty((end - begin, 3))
        lists = self._start, self._neighbor, self._images
        positions = np.ascontiguousarray(self._frame.positions, dtype=np.float64)
        nearest2 = within(positions, *lists, first, self._cutoff**2, start, neighbor, vector)
        if nearest2 < SMALLEST_DISTANCE**2:  # says which atoms
            return NeighborFinder(self._frame, self._cutoff, where=self._where).pairs(first, stop)
        return NeighborPairs(start, neighbor[: start[-1]], vector[: start[-1]])
