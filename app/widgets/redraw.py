"""When to redraw: at a bounded rate, only while somebody can see it, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QElapsedTimer, QEvent, QObject, QTimer
from PySide6.QtWidgets import QWidget

SPACING_MS = 30
"""Between the redraws of any two plots: the event loop gets a turn, each paints in a frame of its own."""

_PLAIN = (str, int, float, bool, tuple, type(None))
_since_any = QElapsedTimer()


class Throttle(QObject):
    """Calls ``action`` soon after :meth:`request`, at most once every ``interval_ms``, never two at once.

    While ``widget`` is hidden nothing is called; it is made up for when the widget is shown.
    """

    def __init__(self, action: Callable[[], None], widget: QWidget, interval_ms: int = 70) -> None:
        super().__init__(widget)
        self._action = action
        self._widget = widget
        self._interval = interval_ms
        self._missed = False
        self._since = QElapsedTimer()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_due)
        widget.installEventFilter(self)

    def request(self, *_: object) -> None:
        """Ask for a redraw; several requests become one. Fits any signal."""
        if not self._widget.isVisible():
            self._missed = True
        elif not self._timer.isActive():
            passed = self._since.elapsed() if self._since.isValid() else self._interval
            self._timer.start(max(0, self._interval - int(passed)))

    def _on_due(self) -> None:
        passed = _since_any.elapsed() if _since_any.isValid() else SPACING_MS
        if passed < SPACING_MS:
            self._timer.start(SPACING_MS - int(passed))
        else:
            self.flush()
            _since_any.start()

    def flush(self) -> None:
        """Redraw now."""
        self._timer.stop()
        self._missed = False
        self._since.start()
        self._action()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stop while the widget is hidden, and make up for it when it is shown."""
        if event.type() == QEvent.Type.Show and self._missed:
            self._missed = False
            self._timer.start(0)
        elif event.type() == QEvent.Type.Hide and self._timer.isActive():
            self._timer.stop()
            self._missed = True
        return super().eventFilter(watched, event)


class Seen:
    """Remembers what was drawn last, so that nothing is drawn twice.

    Results are compared by identity (they are immutable) and plain values by equality.
    """

    def __init__(self) -> None:
        self._items: tuple[object, ...] | None = None

    def again(self, *items: object) -> bool:
        """Return whether these are the very things given the last time, and keep them."""
        before, self._items = self._items, items
        return before is not None and len(before) == len(items) and all(map(_same, before, items))

    def forget(self) -> None:
        """Take the next things as new."""
        self._items = None


def _same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, _PLAIN) and type(one) is type(other) and one == other)
