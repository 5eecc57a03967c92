"""The window: seconds from the command until it is usable, and the longest stall of its event loop."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from row import Row

STARTS = 4
"""Starts of the window; the first one warms the caches and does not count."""

ENTRY = "import sys; from nnpcore.cli import main; sys.exit(main())"
WATCH_SECONDS = 25.0


@contextlib.contextmanager
def display() -> Iterator[dict[str, str]]:
    """Give an environment with a display, the one there is or a virtual one, and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"EATLAS_HOME": home}
        if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
            yield environment
            return
        from pyvirtualdisplay.display import Display

        with Display(visible=False, size=(1440, 900), use_xauth=False, manage_global_env=False) as virtual:
            yield environment | {"DISPLAY": virtual.new_display_var}


def start_seconds(environment: dict[str, str]) -> float:
    """Return the seconds from starting the process until its window is usable."""
    started = time.perf_counter()
    command = [sys.executable, "-c", ENTRY, "--exit-when-ready"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"the window ended with status {process.returncode}")
    return seconds


def stalls(environment: dict[str, str]) -> dict[str, float]:
    """Return the event loop's delays in ms while the example trains in the real window, measured in there."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "stalls.json"
        command = [sys.executable, str(Path(__file__).with_name("stall_child.py")), str(target)]
        command += [str(WATCH_SECONDS)]
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr, timeout=300)
        return json.loads(target.read_text())


def rows(threads: int = 2) -> list[Row]:
    """Measure the start (best of three warm ones) and the stalls."""
    with display() as environment:
        starts = [start_seconds(environment) for _ in range(STARTS)][1:]
        delays = stalls(environment)
    platform = "this display" if os.environ.get("DISPLAY") else "virtual display"
    watched = f"{delays['rounds']:.0f} rounds of the loop in {delays['seconds']:.0f} s"
    return [
        Row(
            "from eatlas to a usable window, warm", min(starts), "s", aim=2.0, note=platform, threads=threads
        ),
        Row(
            "longest stall of the window in training",
            delays["worst"],
            "ms",
            aim=50.0,
            note=watched,
            threads=threads,
        ),
        Row("99.9 % of all rounds are later by less than", delays["p999"], "ms", threads=threads),
        Row("longest stall while opening and preparing", delays["worst_before"], "ms", threads=threads),
    ]
