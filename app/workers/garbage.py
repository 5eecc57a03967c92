"""Python's search for garbage: on the window's thread only, a little at a time.

Python looks for unreachable cycles in whatever thread happens to make the next object. Widgets are mostly in
cycles (with the functions their signals call), so that drawing a figure in the background could destroy
widgets there, which Qt allows on their own thread only: the window then dies at some later moment.
"""

from __future__ import annotations

import gc
import time

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 100
YOUNG, ALL = 5_000, 50_000
"""New objects after which the young ones, or all, are searched."""
OPENING_SECONDS = 20.0
"""All objects are searched only after this: what a window and its panels are made of is left out by then."""
SHARE = 50
"""All objects are searched again only after this many times what the last time took."""


class GarbageCollector(QObject):
    """Takes the search away from all threads and does it in a timer of the thread it lives in."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        self._new = 0
        self._next_full = time.monotonic() + OPENING_SECONDS
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Search what is new, or everything where there is much of it."""
        new = gc.get_count()[0]
        if self._new + new > ALL and time.monotonic() > self._next_full:
            self.collect_all()
        elif new > YOUNG:
            self._new += new
            gc.collect(1)

    def collect_all(self) -> None:
        """Search everything now."""
        began = time.monotonic()
        gc.collect()
        now = time.monotonic()
        self._new, self._next_full = 0, now + SHARE * (now - began)

    def stop(self) -> None:
        """Leave the search to Python again."""
        self._timer.stop()
        gc.enable()


def leave_out_what_is_loaded() -> None:
    """Take all there is now out of the searches; for the window's thread, when modules or panels are there.

    What is garbage by now stays: some hundred objects of imports. To search for it would take a tenth of a
    second.
    """
    gc.freeze()
