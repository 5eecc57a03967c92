"""Zeros that stand for labels nobody computed: energies, and forces of atoms that move, told to the user."""

from __future__ import annotations

import numpy as np

from nnpcore.structures.frame import Frame

_FEWEST = 2
_MOVED = 1e-3  # of a cell vector, Å where there is none


class Zeros:
    """Looks at the frames of a file one after the other.

    Single atoms count for nothing: their energy may be what energies are counted from. Forces of a crystal
    that is only scaled are zero by symmetry; where atoms move against each other they are not. Programs write
    zeros for atoms that were held fixed, too.
    """

    def __init__(self) -> None:
        self._n_energies = self._n_forces = 0
        self._energies = self._forces = True
        self._first: tuple[np.ndarray, np.ndarray] | None = None
        self._moved = False
        self._still: np.ndarray = np.zeros(
            0, dtype=bool
        )  # atoms of the first composition without a force so far

    def look(self, frame: Frame) -> None:
        """Take in a frame."""
        if frame.n_atoms < 2:
            return
        if self._energies and frame.energy is not None:
            self._energies, self._n_energies = frame.energy == 0.0, self._n_energies + 1
        if frame.forces is not None and (self._forces or self._still.any()):
            without = np.asarray(~frame.forces.any(axis=1))
            self._forces, self._n_forces = self._forces and bool(without.all()), self._n_forces + 1
            self._moved = self._moved or self._has_moved(frame)
            self._still = without if self._n_forces == 1 else self._still_without(without)

    def _still_without(self, without: np.ndarray) -> np.ndarray:
        """Return which atoms have had no force yet; of frames of another composition nothing is known."""
        return np.asarray(self._still & without) if len(without) == len(self._still) else np.zeros(0, bool)

    def _has_moved(self, frame: Frame) -> bool:
        """Return whether its atoms stand otherwise to each other than those of the first frame do."""
        places = frame.positions - frame.positions[:1]
        if frame.pbc.all() and frame.volume > 0.0:
            places = places @ np.linalg.inv(frame.cell)
            places -= np.round(places)
        if self._first is None:
            self._first = frame.numbers, places
        numbers, before = self._first
        if not np.array_equal(numbers, frame.numbers):
            return False
        apart = np.abs(places - before)
        return bool((np.minimum(apart, 1.0 - apart) if frame.pbc.all() else apart).max() > _MOVED)

    def notes(self) -> list[str]:
        """Say which labels are zeros in all frames, as they stand where nothing was computed."""
        found = {
            "energies": self._energies and self._n_energies >= _FEWEST,
            "forces": self._forces and self._moved and self._n_forces >= _FEWEST,
        }
        keys = {"energies": "--energy-key none", "forces": "--forces-key none"}
        fixed = [self._held()] if self._still.any() and self._moved and not self._forces else []
        return fixed + [
            f"the {name} of all frames are exactly 0: were they not computed, leave them out ({keys[name]})"
            for name, is_zero in found.items()
            if is_zero
        ]

    def _held(self) -> str:
        count = int(self._still.sum())
        atoms = "1 atom" if count == 1 else f"{count} atoms"
        what = f"forces on {atoms} are exactly 0 in all frames"
        return f"{what}: if they were held fixed, their true forces are missing"
