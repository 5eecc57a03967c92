"""The part of a session that holds groups of frames: what tells a frame's group, and which are left out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.session.data import Data
from app.session.undo import UndoStack
from app.settings import Settings
from nnpcore.structures import Dataset
from nnpcore.structures.groups import FIRST_FOUND, groups_of


class Groups(QObject):
    """The groups of the frames of open data, told by the setting ``group_key``; hiding can be undone.

    Attributes
    ----------
    key : what says the group, see :func:`nnpcore.structures.groups.group_of`.
    hidden : names of groups that the map of atoms and the structure leave out, open ones or not.
    """

    changed = Signal()

    def __init__(self, settings: Settings, data: Data, undo: UndoStack) -> None:
        super().__init__()
        self._data, self._undo = data, undo
        self.key = str(settings.train_settings.get("group_key", FIRST_FOUND))
        self.hidden: frozenset[str] = frozenset()
        self._known: dict[str, tuple[Dataset, str, tuple[str, ...]]] = {}

    # what there is ------------------------------------------------------------------------------------
    def of(self, dataset_id: str) -> tuple[str, ...]:
        """Return the group of each frame of a data set, (n_frames,); () where it is not open."""
        document = self._data.datasets.get(dataset_id)
        if document is None:
            self._known.pop(dataset_id, None)
            return ()
        known = self._known.get(dataset_id)
        if known is None or known[0] is not document.dataset or known[1] != self.key:
            found = tuple(groups_of(document.frames, self.key))
            known = self._known[dataset_id] = document.dataset, self.key, found
        return known[2]

    @property
    def names(self) -> tuple[str, ...]:
        """All groups of open data, each once; their places are their numbers in the palette."""
        return tuple(
            dict.fromkeys(name for dataset_id in self._data.datasets for name in self.of(dataset_id))
        )

    @property
    def can_divide(self) -> bool:
        """Whether some open file has frames of several groups."""
        return any(len(set(self.of(dataset_id))) > 1 for dataset_id in self._data.datasets)

    def shown_frames(self, dataset_id: str) -> np.ndarray | None:
        """Return which frames of a data set are of a group that is shown, (n,) int64; None where all are."""
        names = self.of(dataset_id)
        if self.hidden.isdisjoint(names):
            return None
        return np.flatnonzero([name not in self.hidden for name in names])

    # changing -----------------------------------------------------------------------------------------
    def tell_by(self, key: str) -> None:
        """Tell groups by another value of frames."""
        if key != self.key:
            self.key = key
            self.changed.emit()

    def show(self, name: str, shown: bool) -> None:
        """Show the frames and atoms of a group, or leave them out (can be undone)."""
        wanted = self.hidden - {name} if shown else self.hidden | {name}
        self._change(f"{'showing' if shown else 'hiding'} {name}", wanted)

    def show_all(self) -> None:
        """Leave out no group any more (can be undone)."""
        self._change("showing all groups", frozenset())

    def restore(self, hidden: Iterable[str]) -> None:
        """Leave these out, as a session did (not undone)."""
        self._set(frozenset(hidden))

    def _change(self, text: str, wanted: frozenset[str]) -> None:
        if wanted != self.hidden:
            self._undo.change(text, self._set, self.hidden, wanted)

    def _set(self, hidden: frozenset[str]) -> None:
        if hidden != self.hidden:
            self.hidden = hidden
            self.changed.emit()
