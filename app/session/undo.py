"""Changes a user makes are undo commands: each sets one value, and knows the old and the new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtGui import QUndoCommand, QUndoStack

T = TypeVar("T")


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


MOST_STEPS = 100
"""What can be undone; each step may hold data that was closed."""


class UndoStack(QUndoStack):
    """The changes of one session, the last of them."""

    def __init__(self) -> None:
        super().__init__()
        self.setUndoLimit(MOST_STEPS)

    def change(
        self, text: str, apply: Callable[[T], None], old: T, new: T, merge_id: str = "", done: bool = False
    ) -> None:
        """Set a value through ``apply`` and remember the old one, see :class:`Change`."""
        self.push(Change(text, apply, old, new, merge_id=merge_id, done=done))
