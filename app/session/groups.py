"""The part of a session that holds groups of frames: what tells a frame's group, and which are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.session.data import Data
from app.session.undo import UndoStack
from app.settings import Settings
from nnpcore.structures import Dataset
from nnpcore.structures.groups import FIRST_FOUND


@dataclass(frozen=True, eq=False)
class _Known:
    """The groups of a data set's frames, (n_frames,), told by ``key``, and how many are of each."""

    dataset: Dataset
    key: str
    groups: tuple[str, ...]
    counts: Mapping[str, int]


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
        self._known: dict[str, _Known] = {}
        data.removed.connect(self._forget)

    def _forget(self, dataset_id: str) -> None:
        """Keep no frames of a file that is closed."""
        self._known.pop(dataset_id, None)

    # what there is ------------------------------------------------------------------------------------
    def of(self, dataset_id: str) -> tuple[str, ...]:
        """Return the group of each frame of a data set, (n_frames,); () where it is not open."""
        known = self._look(dataset_id)
        return () if known is None else known.groups

    def counts(self, dataset_id: str) -> Mapping[str, int]:
        """Return how many frames of a data set are of each of its groups; empty where it is not open."""
        known = self._look(dataset_id)
        return {} if known is None else known.counts

    def _look(self, dataset_id: str) -> _Known | None:
        document = self._data.datasets.get(dataset_id)
        if document is None:
            self._known.pop(dataset_id, None)
            return None
        known = self._known.get(dataset_id)
        if known is None or known.dataset is not document.dataset or known.key != self.key:
            found = document.dataset.groups(self.key)
            known = self._known[dataset_id] = _Known(document.dataset, self.key, found, Counter(found))
        return known

    @property
    def names(self) -> tuple[str, ...]:
        """All groups of open data, each once; their places are their numbers in the palette."""
        return tuple(
            dict.fromkeys(name for dataset_id in self._data.datasets for name in self.counts(dataset_id))
        )

    @property
    def can_divide(self) -> bool:
        """Whether some open file has frames of several groups."""
        return any(len(self.counts(dataset_id)) > 1 for dataset_id in self._data.datasets)

    def shown_frames(self, dataset_id: str) -> np.ndarray | None:
        """Return which frames of a data set are of a group that is shown, (n,) int64; None where all are."""
        if self.hidden.isdisjoint(self.counts(dataset_id)):
            return None
        return np.flatnonzero([name not in self.hidden for name in self.of(dataset_id)])

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
