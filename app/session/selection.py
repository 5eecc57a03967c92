"""The part of a session that holds the selection: chosen atoms, and the one under the mouse."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase.data import chemical_symbols
from PySide6.QtCore import QObject, Signal

from app.documents.atom_numbers import grown
from app.documents.selection import AtomRef, Selection, SelectionMode
from app.session.data import Data


class SharedSelection(QObject):
    """Every panel shows it and every panel may change it."""

    changed = Signal()
    hover_changed = Signal()

    def __init__(self, data: Data) -> None:
        super().__init__()
        self._data = data
        self.current = Selection()
        self.hovered: AtomRef | None = None
        data.removed.connect(self._on_dataset_removed)

    def select(self, atoms: Iterable[tuple[str, int, int]], mode: SelectionMode = "replace") -> None:
        """Replace, extend or reduce the selection."""
        self._set(self.current.combined(atoms, mode))

    def select_frame(self) -> None:
        """Select all atoms of the frame shown."""
        frame, dataset_id = self._data.frame, self._data.current_id
        if frame is not None and dataset_id is not None:
            index = self._data.frame_index
            self.select((dataset_id, index, atom) for atom in range(frame.n_atoms))

    def count_text(self) -> str:
        """Return how many atoms are selected in how many frames, such as "812 atoms in 41 frames"."""
        n_atoms, n_frames = len(self.current), len(self.current.frames())
        atoms = "1 atom" if n_atoms == 1 else f"{n_atoms} atoms"
        return atoms if n_frames < 2 else f"{atoms} in {n_frames} frames"

    def step(self, by: int) -> None:
        """Show the next frame (or with -1 the one before) that has selected atoms, round and round."""
        order = {key: place for place, key in enumerate(self._data.datasets)}
        frames = sorted((order[key], frame) for key, frame in self.current.frames() if key in order)
        if not frames:
            return
        here = (order.get(self._data.current_id or "", -1), self._data.frame_index)
        later = [entry for entry in frames if entry > here] if by > 0 else []
        earlier = [entry for entry in frames if entry < here] if by < 0 else []
        place, frame = (later or frames)[0] if by > 0 else (earlier or frames)[-1]
        self._data.show(list(self._data.datasets)[place], frame)

    def invert(self) -> None:
        """Select what is not selected, in every frame that has selected atoms, else in the frame shown."""
        wanted: list[tuple[str, int, int]] = []
        frames = self.current.frames()
        if not frames and self._data.current_id is not None:
            frames = [(self._data.current_id, self._data.frame_index)]
        for key, frame in frames:
            n_atoms = self._data.datasets[key].frame(frame).n_atoms
            chosen = self.current.in_frame(key, frame)
            wanted += [(key, frame, int(atom)) for atom in np.setdiff1d(np.arange(n_atoms), chosen)]
        self.select(wanted)

    def grow(self) -> None:
        """Select the bonded neighbors of selected atoms, too."""
        wanted: list[tuple[str, int, int]] = []
        for key, frame in self.current.frames():
            atoms = grown(self._data.datasets[key].frame(frame), self.current.in_frame(key, frame))
            wanted += [(key, frame, int(atom)) for atom in atoms]
        self.select(wanted)

    def table(self) -> dict[str, list[object]]:
        """Return the selected atoms as columns; frames and atoms count from 0, as in files."""
        rows = []
        for key, index, atom in sorted(self.current.atoms):
            frame = self._data.datasets[key].frame(index)
            rows.append(
                (key, index, atom, chemical_symbols[int(frame.numbers[atom])], *frame.positions[atom])
            )
        heads = "file", "frame (from 0)", "atom (from 0)", "element", "x (Å)", "y (Å)", "z (Å)"
        return {head: [row[k] for row in rows] for k, head in enumerate(heads)}

    def show_atom(self, atom: tuple[str, int, int]) -> None:
        """Show the frame of an atom and select the atom: what a click on a point does."""
        dataset_id, frame, _ = atom
        if dataset_id in self._data.datasets:
            self._data.show(dataset_id, frame)
            self.select([atom])

    def set_hovered(self, atom: tuple[str, int, int] | None) -> None:
        """Tell every panel which atom the mouse is over (None: none)."""
        hovered = None if atom is None else AtomRef(*atom)
        if hovered != self.hovered:
            self.hovered = hovered
            self.hover_changed.emit()

    def _set(self, selection: Selection) -> None:
        if selection != self.current:
            self.current = selection
            self.changed.emit()

    def _on_dataset_removed(self, dataset_id: str) -> None:
        if self.hovered is not None and self.hovered.dataset_id == dataset_id:
            self.set_hovered(None)
        self._set(self.current.without_dataset(dataset_id))
