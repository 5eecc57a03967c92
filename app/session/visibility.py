"""Which open files are drawn in the map of the atoms: the eyes of the list."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.session.data import Data
from app.session.undo import UndoStack


class Visibility(QObject):
    """The data sets that are left out of maps, by id; can be undone."""

    changed = Signal()

    def __init__(self, data: Data, undo: UndoStack) -> None:
        super().__init__()
        self._data, self._undo = data, undo
        self.hidden: frozenset[str] = frozenset()
        data.removed.connect(lambda dataset_id: self._set(self.hidden - {dataset_id}))

    def show(self, dataset_id: str, shown: bool) -> None:
        """Draw a data set's atoms in maps, or leave them out."""
        wanted = self.hidden - {dataset_id} if shown else self.hidden | {dataset_id}
        if wanted != self.hidden and dataset_id in self._data.datasets:
            name = self._data.datasets[dataset_id].name
            self._undo.change(f"{'showing' if shown else 'hiding'} {name}", self._set, self.hidden, wanted)

    def hide(self, dataset_id: str) -> None:
        """Leave a data set out as a session did (not undone)."""
        self._set(self.hidden | {dataset_id})

    def _set(self, hidden: frozenset[str]) -> None:
        wanted = frozenset(hidden & self._data.datasets.keys())
        if wanted != self.hidden:
            self.hidden = wanted
            self.changed.emit()
