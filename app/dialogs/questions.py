"""Questions that come of themselves, from files just read: one at a time, the others wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

AGAIN_MS = 150

Question = Callable[[Callable[[], None]], None]
"""Shows itself and calls what it is given when it is answered."""


class Questions(QObject):
    """Asks one question after the other, and none while the user answers another dialog."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[Question] = deque()
        self._asking = False
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._next)

    def ask(self, question: Question) -> None:
        """Ask now, or when those before are answered."""
        self._waiting.append(question)
        self._next()

    def _next(self) -> None:
        if self._asking or not self._waiting:
            return
        if QApplication.activeModalWidget() is not None:
            self._timer.start(AGAIN_MS)
            return
        self._asking = True
        self._waiting.popleft()(self._answered)

    def _answered(self) -> None:
        self._asking = False
        self._timer.start(0)
