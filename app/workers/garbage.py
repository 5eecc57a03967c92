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
"""Until then all objects are left out rather than searched: a window, its panels, what is opened."""
SLOW_SECONDS = 0.05
"""What a longer search finds alive is left out of later ones: the frames of very long files."""
SHARE = 50
"""All objects are searched again only after this many times what the last time took."""


class GarbageCollector(QObject):
    """Takes the search away from all threads and does it in a timer of the thread it lives in."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        self._new = 0
        self._next_full, self._opened = 0.0, time.monotonic() + OPENING_SECONDS
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Search what is new, or everything where there is much of it."""
        new, now = gc.get_count()[0], time.monotonic()
        if self._new + new > ALL and now > self._next_full:
            if now > self._opened:
                self.collect_all()
            else:
                gc.collect(1)
                gc.freeze()
                self._new = 0
        elif new > YOUNG:
            self._new += new
            gc.collect(1)

    def collect_all(self) -> None:
        """Search everything now.

        Where that takes long, what is alive is left out from then on. Frames and arrays go all the same when
        nobody needs them; only what is alive now and later becomes a part of a cycle that nobody needs stays.
        """
        began, worked = time.monotonic(), time.thread_time()
        gc.collect()
        now = time.monotonic()
        self._new, self._next_full = 0, now + SHARE * (now - began)
        if time.thread_time() - worked > SLOW_SECONDS:
            gc.freeze()

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
