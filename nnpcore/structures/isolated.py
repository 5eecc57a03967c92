"""Isolated atoms among frames: a single atom that has no neighbor, not even an image of itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnpcore.structures.frame import Frame

APART = 8.0
"""Å: an atom in a periodic cell is isolated where its images are at least so far away; a crystal of one atom
in its cell has neighbors that are closer even where it is stretched a lot."""


def is_isolated(frame: Frame, apart: float = APART) -> bool:
    """Return whether a frame is a single atom without a neighbor or image within ``apart`` (Å)."""
    if frame.n_atoms != 1:
        return False
    if not frame.pbc.any():
        return True
    from ase.cell import Cell

    reduced, _ = Cell(frame.cell).minkowski_reduce()
    periodic = np.asarray(reduced.array)[frame.pbc] if frame.pbc.all() else frame.cell[frame.pbc]
    return bool(np.linalg.norm(periodic, axis=1).min() >= apart)


def isolated_of(frames: Sequence[Frame], apart: float = APART) -> list[int]:
    """Return the indices of the isolated atoms among frames; none where there is nothing else."""
    found = [k for k, frame in enumerate(frames) if is_isolated(frame, apart)]
    return found if len(found) < len(frames) else []
