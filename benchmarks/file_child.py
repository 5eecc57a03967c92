"""The real window opening a long file, its event loop watched: ``file_child.py TARGET FILE``.

Looks at the last frame as soon as its place is known, and writes seconds from asking for the file on, MB, and
how long the main thread was busy.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench_large import Anonymous
from PySide6.QtCore import QTimer
from stall_probe import StallProbe

from app import settings as window_settings
from app.main import SWITCH_SECONDS, begin, make_application, make_window, parser, when_usable
from app.workers.garbage import GarbageCollector

REST_MS = 8000
"""Before the file is opened: the window has done what it does after its start."""


class Opening:
    """Times of what comes of a file that is opened."""

    def __init__(self, window, path: str) -> None:
        self.found: dict[str, float] = {}
        self._started = self._used = 0.0
        self._window, self._path = window, path
        data = window.session.data
        data.current_changed.connect(self._on_current)
        data.found.connect(self._on_found)
        data.completed.connect(lambda _: self._mark("all"))

    def start(self) -> None:
        """Open the file."""
        self._started, self._used = time.perf_counter(), time.process_time()
        self._window.session.data.open_paths([self._path])

    def _mark(self, name: str) -> None:
        if not self._started:
            return
        self.found.setdefault(name, time.perf_counter() - self._started)
        self.found.setdefault(f"{name}_cpu", time.process_time() - self._used)

    def _on_current(self) -> None:
        view = self._window.docks["structure"].panel.view
        if "first" not in self.found and self._window.session.data.frame is not None:
            self._mark("frame")
            view.drawn.connect(lambda: self._mark("first"))
        index = self._window.session.data.frame_index
        if "found" in self.found and index == self.found["count"] - 1:
            self._mark("last")

    def _on_found(self, dataset_id: str) -> None:
        data = self._window.session.data
        index = data.datasets[dataset_id].index
        if index is not None and index.complete and "found" not in self.found:
            self.found["count"] = index.count
            self._mark("found")
            data.show(dataset_id, index.count - 1)


def main() -> int:
    """Open the window and the file, watch, write what was found."""
    target, path = Path(sys.argv[1]), sys.argv[2]
    app = make_application()
    GarbageCollector(app)
    window = make_window(app, window_settings.load())
    window.show()
    sys.setswitchinterval(SWITCH_SECONDS)
    probe, opening = StallProbe(window), Opening(window, path)

    def look() -> None:
        if "all" in opening.found:
            QTimer.singleShot(2000, app.quit)
            timer.stop()

    timer = QTimer(window)
    timer.timeout.connect(look)
    timer.start(200)

    def watch() -> None:
        probe.start()
        opening.start()

    def started() -> None:
        begin(window, parser().parse_args([]))
        QTimer.singleShot(REST_MS, window, watch)

    when_usable(window, started)
    used = time.process_time()
    with Anonymous() as memory:
        status = app.exec()
    probe.stop()
    busy = {
        "memory": memory.peak,
        "start": memory.start,
        "cpu": time.process_time() - used,
        "worst_cpu_ms": max((stall.cpu_ms for stall in probe.stalls), default=0.0),
        "worst_ms": max((stall.ms for stall in probe.stalls), default=0.0),
    }
    target.write_text(json.dumps(opening.found | busy))
    for stall in sorted(probe.stalls, key=lambda stall: -stall.cpu_ms)[:6]:
        print(round(stall.ms), round(stall.cpu_ms), stall.named, file=sys.stderr)
    window.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
