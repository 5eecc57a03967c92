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
from typing import Any

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
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a warm start finds its modules compiled
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


def measured(
    environment: dict[str, str], script: str, *arguments: str, patience: int = 300
) -> dict[str, Any]:
    """Return what a script writes that runs in a window of its own."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "found.json"
        command = [sys.executable, str(Path(__file__).with_name(script)), str(target), *arguments]
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr, timeout=patience)
        return json.loads(target.read_text())


def rows(threads: int = 2) -> list[Row]:
    """Measure the start (best of three warm ones), the stalls, and what is large."""
    with display() as environment:
        starts = [start_seconds(environment) for _ in range(STARTS)][1:]
        delays = measured(environment, "stall_child.py", str(WATCH_SECONDS))
        views = measured(environment, "view_child.py")
    platform = "this display" if os.environ.get("DISPLAY") else "virtual display"
    name = "from eatlas to a usable window, warm"
    first = Row(name, min(starts), "s", aim=1.0, before=1.6, note=platform, threads=threads)
    return [first, *stall_rows(delays, threads), *view_rows(views, threads)]


def stall_rows(delays: dict[str, Any], threads: int) -> list[Row]:
    """Return how late the loop was beyond what a process beside it suffered that does nothing."""
    found = []
    for part, name, aim in (("training", "in training", 33.0), ("before", "while opening, preparing", 50.0)):
        own, idle = delays[part], delays[f"idle_{part}"]
        late = max(0.0, own["p999"] - idle["p999"])
        note = f"{own['p999']:.0f} against {idle['p999']:.0f}; worst {own['worst']:.0f}, {idle['worst']:.0f}"
        title = f"99.9 % of rounds {name}: late beyond an idle process by"
        found.append(Row(title, late, "ms", aim=aim, note=note, threads=threads))
        stalls = "; ".join(own["stalls"][:8])
        title = f"stalls of 100 ms {name}"
        found.append(Row(title, float(len(own["stalls"])), "times", aim=0.0, note=stalls, threads=threads))
    return found


def view_rows(found: dict[str, float], threads: int) -> list[Row]:
    """Return the rows of large structures and maps, and of playback; ``before`` as measured, interleaved."""

    def work(part: str) -> str:
        return f"{1000 * found[part]:.0f} ms of processor time"

    return [
        Row("97,336 atoms: first picture", found["first"], "s", 0.5, before=0.55, note=work("first_cpu")),
        Row("97,336 atoms: other colours", found["recolor"], "s", 0.2, before=0.26, note=work("recolor_cpu")),
        Row("97,336 atoms: a picture while turning", 1 / max(found["turn_fps"], 0.1), "s", 0.05, before=1.33,
            note=work("turn_cpu"), threads=threads),
        Row("64 atoms: a frame of playback", 1 / max(found["play_fps"], 0.1), "s", 1 / 60, before=0.0174,
            note=work("play_cpu"), threads=threads),
        Row("1,000,000 points: a move, from far", found["pan_far"], "s", 1 / 30, note="own work, 95 %"),
        Row("1,000,000 points: a move, near", found["pan_near"], "s", 1 / 30, note="own work, 95 %"),
    ]  # fmt: skip
