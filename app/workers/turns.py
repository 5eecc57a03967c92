"""What need not happen at once, a piece in every turn of the event loop.

``QTimer.singleShot(0, …)`` posts an event, and Qt serves all that is posted in one go: between two pieces of
work put off like that nothing is painted and no key is heard. Here every piece waits for a timer's turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, QTimer
from shiboken6 import Shiboken

BETWEEN_MS = 1


class _Turns(QObject):
    """Does what waits in the order it came, one piece a turn, whoever it is for."""

    def __init__(self, parent: QObject | None) -> None:
        super().__init__(parent)
        self._waiting: deque[tuple[QObject, Callable[[], object]]] = deque()
        self._timer = QTimer(self, singleShot=True, interval=BETWEEN_MS)
        self._timer.timeout.connect(self._serve)

    def add(self, owner: QObject, run: Callable[[], object]) -> None:
        self._waiting.append((owner, run))
        if not self._timer.isActive():
            self._timer.start()

    def _serve(self) -> None:
        while self._waiting:
            owner, run = self._waiting.popleft()
            if Shiboken.isValid(owner):
                if self._waiting:
                    self._timer.start()
                run()
                return


_turns: _Turns | None = None


def in_turn(owner: QObject, run: Callable[[], object]) -> None:
    """Call ``run`` in a turn of its own, after what waits already; never once ``owner`` is gone."""
    global _turns
    if _turns is None or not Shiboken.isValid(_turns):
        _turns = _Turns(QCoreApplication.instance())
    _turns.add(owner, run)
