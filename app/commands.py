"""Actions are data (id, title, shortcut, icon, callable); changes a user makes are undo commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QUndoCommand


class Change(QUndoCommand):
    """Sets one value through ``apply``; keeps only the old and the new one.

    ``done`` tells that the new value is applied already. Changes with the same ``merge_id`` (not empty) that
    follow one another become one step.
    """

    def __init__(
        self,
        text: str,
        apply: Callable[[Any], None],
        old: Any,
        new: Any,
        *,
        merge_id: str = "",
        done: bool = False,
    ) -> None:
        super().__init__(text)
        self._apply, self._old, self._new = apply, old, new
        self._merge_id, self._done = merge_id, done

    def redo(self) -> None:
        """Apply the new value."""
        if not self._done:
            self._apply(self._new)
        self._done = False

    def undo(self) -> None:
        """Apply the old value."""
        self._apply(self._old)

    def id(self) -> int:
        """Return a number shared by changes that may be merged."""
        return hash(self._merge_id) % 2**31 if self._merge_id else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take over the new value of a following change of the same kind."""
        if not isinstance(other, Change) or other._merge_id != self._merge_id:
            return False
        self._new = other._new
        return True
