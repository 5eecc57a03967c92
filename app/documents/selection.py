"""The one shared selection of atoms: every panel shows it and every panel may change it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

SelectionMode = Literal["replace", "add", "remove"]


class AtomRef(NamedTuple):
    """One atom: the data set's id, the frame's position in it (from 0) and the atom's index."""

    dataset_id: str
    frame: int
    atom: int


class Selection:
    """A set of :class:`AtomRef`, immutable; the session holds the current one and tells when it changes."""

    def __init__(self, atoms: Iterable[tuple[str, int, int]] = ()) -> None:
        self._atoms = frozenset(AtomRef(*atom) for atom in atoms)
        self._by_frame: dict[tuple[str, int], np.ndarray] | None = None

    @property
    def atoms(self) -> frozenset[AtomRef]:
        """All selected atoms."""
        return self._atoms

    def combined(self, atoms: Iterable[tuple[str, int, int]], mode: SelectionMode) -> Selection:
        """Return the selection after replacing it by, adding or removing ``atoms``."""
        other = Selection(atoms)
        if mode == "replace":
            return other
        return Selection(self._atoms | other.atoms if mode == "add" else self._atoms - other.atoms)

    def frames(self) -> list[tuple[str, int]]:
        """Return data set and frame of every frame with selected atoms."""
        self.in_frame("", 0)
        return list(self._by_frame or ())

    def in_frame(self, dataset_id: str, frame: int) -> np.ndarray:
        """Return the sorted indices of the selected atoms of one frame, int64."""
        if self._by_frame is None:
            grouped: dict[tuple[str, int], list[int]] = {}
            for atom in self._atoms:
                grouped.setdefault((atom.dataset_id, atom.frame), []).append(atom.atom)
            self._by_frame = {key: np.array(sorted(atoms), dtype=np.int64) for key, atoms in grouped.items()}
        return self._by_frame.get((dataset_id, frame), np.empty(0, dtype=np.int64))

    def without_dataset(self, dataset_id: str) -> Selection:
        """Return the selection without the atoms of one data set."""
        return Selection(atom for atom in self._atoms if atom.dataset_id != dataset_id)

    def __contains__(self, atom: object) -> bool:
        return atom in self._atoms

    def __len__(self) -> int:
        return len(self._atoms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and self._atoms == other.atoms

    def __hash__(self) -> int:
        return hash(self._atoms)
