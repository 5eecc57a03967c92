"""Measures how long the event loop is kept from its work: a 5 ms timer that notes how late it comes."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Qt, QTimer

INTERVAL_MS = 5


class StallProbe(QObject):
    """Start it, let things happen, read :attr:`worst_ms`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._on_timeout)
        self.delays_ms: list[float] = []
        self._last = 0.0

    def start(self) -> None:
        """Forget earlier delays and measure from now on."""
        self.delays_ms.clear()
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> None:
        """Measure no more."""
        self._timer.stop()

    @property
    def worst_ms(self) -> float:
        """The longest time the loop was late, in ms."""
        return max(self.delays_ms, default=0.0)

    def percentile_ms(self, percent: float) -> float:
        """Return the delay that ``percent`` of all rounds stay below, in ms."""
        ordered = sorted(self.delays_ms)
        return ordered[min(int(percent / 100 * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    def _on_timeout(self) -> None:
        now = time.perf_counter()
        self.delays_ms.append(max(0.0, 1000 * (now - self._last) - INTERVAL_MS))
        self._last = now
