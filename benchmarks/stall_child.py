"""The real window training on the example, its event loop watched: ``stall_child.py TARGET SECONDS``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from PySide6.QtCore import QTimer
from stall_probe import StallProbe

from app import settings as window_settings
from app.documents.run import RunState
from app.main import SWITCH_SECONDS, begin, make_application, make_window, parser, when_usable

PATIENCE = 120.0
"""Seconds until the training must have begun."""


def main() -> int:
    """Open the window, train, watch, write the delays in ms; 1 where no training ran."""
    target, seconds = Path(sys.argv[1]), float(sys.argv[2])
    app = make_application()
    window = make_window(app, window_settings.load())
    window.show()
    sys.setswitchinterval(SWITCH_SECONDS)
    probe = StallProbe(window)
    found: dict[str, float] = {}
    began = time.monotonic()
    training_since: float | None = None

    def look() -> None:
        nonlocal training_since
        states = [run.state for run in window.session.runs.documents.values()]
        now = time.monotonic()
        if training_since is None:
            if RunState.RUNNING in states:
                training_since = now
                found["worst_before"] = probe.worst_ms
                probe.start()
            elif now - began > PATIENCE or RunState.FAILED in states:
                app.exit(1)
            return
        if now - training_since > seconds or not any(state.active for state in states):
            probe.stop()
            found["seconds"] = now - training_since
            found["rounds"] = float(len(probe.delays_ms))
            found["worst"], found["p999"] = probe.worst_ms, probe.percentile_ms(99.9)
            target.write_text(json.dumps(found))
            app.exit(0)

    def watch() -> None:
        probe.start()
        begin(window, parser().parse_args(["--example", "--train"]))

    timer = QTimer(window)
    timer.timeout.connect(look)
    timer.start(200)
    when_usable(window, watch)
    status = app.exec()
    window.close()
    return status


if __name__ == "__main__":
    sys.exit(main())
