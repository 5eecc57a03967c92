"""A click that waits until it cannot become a double click, whose first half would do something else."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

LONGEST_MS = 300
"""No click waits longer, however slow a double click the system allows."""


class HeldClick(QObject):
    """Keeps what a click does until it is sure to stay alone; another press elsewhere makes it sure."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._action: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.release)

    def hold(self, action: Callable[[], None]) -> None:
        """Do something once no second click can come."""
        self._action = action
        self._timer.start(min(QApplication.doubleClickInterval(), LONGEST_MS))

    def release(self) -> None:
        """Do what waits, if anything does."""
        self._timer.stop()
        action, self._action = self._action, None
        if action is not None:
            action()

    def drop(self) -> bool:
        """Forget what waits; return whether anything did."""
        self._timer.stop()
        waited, self._action = self._action is not None, None
        return waited
