"""The real window training on the example, its event loop watched: ``stall_child.py TARGET SECONDS``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from stall_probe import Stall, StallProbe, percentile

from app import settings as window_settings
from app.documents.run import RunState
from app.main import SWITCH_SECONDS, begin, make_application, make_window, parser, when_usable
from app.shell.main_window import MainWindow
from app.workers.garbage import GarbageCollector

PATIENCE = 120.0
"""Seconds until the training must have begun."""


class Watch:
    """Watches the window until its training has run for some seconds, or none has begun.

    ``found`` : what the probe has seen before and while it trained. ``since`` : when the training began.
    """

    def __init__(self, app: QApplication, window: MainWindow, seconds: float) -> None:
        self.probe, self.found = StallProbe(window), dict[str, object]()
        self.began = time.monotonic()
        self.since: float | None = None
        self._app, self._window, self._seconds = app, window, seconds
        self._timer = QTimer(window)
        self._timer.timeout.connect(self._look)
        self._timer.start(200)

    def begin(self) -> None:
        """Load the example and train."""
        self.probe.start()
        begin(self._window, parser().parse_args(["--example", "--train"]))

    def _look(self) -> None:
        states = [run.state for run in self._window.session.runs.documents.values()]
        now = time.monotonic()
        if self.since is None:
            if RunState.RUNNING in states:
                self.since = now
                self.found["before"] = told(self.probe)
                self.probe.start()
            elif now - self.began > PATIENCE or RunState.FAILED in states:
                self._app.exit(1)
        elif now - self.since > self._seconds or not any(state.active for state in states):
            self.probe.stop()
            self.found["training"] = told(self.probe) | {"seconds": now - self.since}
            self._app.exit(0)


def main() -> int:
    """Open the window, train, watch, write the delays in ms; 1 where no training ran."""
    target, seconds = Path(sys.argv[1]), float(sys.argv[2])
    app = make_application()
    GarbageCollector(app)
    window = make_window(app, window_settings.load())
    window.show()
    sys.setswitchinterval(SWITCH_SECONDS)
    idle = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("idle_probe.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    watch = Watch(app, window, seconds)
    when_usable(window, watch.begin)
    status = app.exec()
    watch.probe.stop()
    idle_delays, _ = idle.communicate()
    if watch.since is not None:
        target.write_text(json.dumps(watch.found | beside(json.loads(idle_delays), watch.began, watch.since)))
    window.close()
    return status


def beside(delays: list[tuple[float, float]], began: float, since: float) -> dict[str, object]:
    """Return what a process that does nothing was late by in the same times: (moment, ms) of each delay."""
    found = dict[str, object]()
    for name, first, last in (("before", began, since), ("training", since, time.monotonic())):
        late = [delay for at, delay in delays if first <= at <= last]
        found[f"idle_{name}"] = {"worst": max(late, default=0.0), "p999": percentile(late, 99.9)}
    return found


def told(probe: StallProbe) -> dict[str, object]:
    """Return what a probe has seen, as plain values."""
    return {
        "worst": probe.worst_ms,
        "p999": probe.percentile_ms(99.9),
        "rounds": len(probe.delays_ms),
        "stalls": [text_of(stall) for stall in probe.stalls],
    }


def text_of(stall: Stall) -> str:
    """Return a stall in a line."""
    return f"{stall.ms:.0f} ms ({stall.cpu_ms:.0f} computing): {stall.named}"


if __name__ == "__main__":
    sys.exit(main())
