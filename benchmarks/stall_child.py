"""The real window training on the example, its event loop watched: ``stall_child.py TARGET SECONDS``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from PySide6.QtCore import QTimer
from stall_probe import Stall, StallProbe, percentile

from app import settings as window_settings
from app.documents.run import RunState
from app.main import SWITCH_SECONDS, begin, make_application, make_window, parser, when_usable
from app.workers.garbage import GarbageCollector

PATIENCE = 120.0
"""Seconds until the training must have begun."""


def main() -> int:
    """Open the window, train, watch, write the delays in ms; 1 where no training ran."""
    target, seconds = Path(sys.argv[1]), float(sys.argv[2])
    app = make_application()
    GarbageCollector(app)
    window = make_window(app, window_settings.load())
    window.show()
    sys.setswitchinterval(SWITCH_SECONDS)
    probe = StallProbe(window)
    idle = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("idle_probe.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, object] = {}
    began = time.monotonic()
    training_since: float | None = None

    def look() -> None:
        nonlocal training_since
        states = [run.state for run in window.session.runs.documents.values()]
        now = time.monotonic()
        if training_since is None:
            if RunState.RUNNING in states:
                training_since = now
                found["before"] = told(probe)
                probe.start()
            elif now - began > PATIENCE or RunState.FAILED in states:
                app.exit(1)
            return
        if now - training_since > seconds or not any(state.active for state in states):
            probe.stop()
            found["training"] = told(probe) | {"seconds": now - training_since}
            app.exit(0)

    def watch() -> None:
        probe.start()
        begin(window, parser().parse_args(["--example", "--train"]))

    timer = QTimer(window)
    timer.timeout.connect(look)
    timer.start(200)
    when_usable(window, watch)
    status = app.exec()
    probe.stop()
    idle_delays, _ = idle.communicate()
    if training_since is not None:
        beside = json.loads(idle_delays)
        parts = {"before": (began, training_since), "training": (training_since, time.monotonic())}
        for name, (first, last) in parts.items():
            late = [delay for at, delay in beside if first <= at <= last]
            found[f"idle_{name}"] = {"worst": max(late, default=0.0), "p999": percentile(late, 99.9)}
        target.write_text(json.dumps(found))
    window.close()
    return status


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
