"""The part of a session that holds the selection: chosen atoms, and the one under the mouse."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

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
