"""Large structures, large maps and playback, drawn on this display: ``view_child.py TARGET``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase.build import bulk
from PySide6.QtWidgets import QApplication

from app.look import theme
from app.main import make_application
from app.plots.pca_plot import CloudGroup, PcaPlot
from app.viewer3d.view import StructureView
from nnpcore.structures.frame import Frame

SIDE = 23
"""Cubic cells of silicon along each side: 97,336 atoms."""
N_POINTS = 1_000_000
SECONDS = 4.0


def main() -> int:
    """Measure and write."""
    app = make_application()
    theme.install(app)
    found = structure(app) | playback(app) | points(app)
    Path(sys.argv[1]).write_text(json.dumps(found))
    return 0


def silicon(side: int, seed: int) -> Frame:
    """Return rattled silicon."""
    atoms = bulk("Si", cubic=True).repeat(side)
    atoms.rattle(0.1, seed=seed)
    return Frame.from_atoms(atoms)


def rest(app: QApplication, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
    """Let the window work for some time, or until something is done."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not done():
        app.processEvents()
        time.sleep(0.0005)


def shown_view(app: QApplication) -> tuple[StructureView, list[float]]:
    """Return a view in use, with the times of its pictures."""
    view, drawn = StructureView(), []
    view.drawn.connect(lambda: drawn.append(time.perf_counter()))
    view.resize(900, 700)
    view.show()
    view.set_frame(silicon(1, 0))
    rest(app, 1.0)
    return view, drawn


def structure(app: QApplication) -> dict[str, float]:
    """Measure the first picture, other colours, and turning, seconds of time and of all threads' work."""
    view, drawn = shown_view(app)
    frame, rng, found = silicon(SIDE, 1), np.random.default_rng(0), {}

    def picture(name: str, act: Callable[[], None]) -> None:
        drawn.clear()
        began, worked = time.perf_counter(), time.process_time()
        act()
        rest(app, 60.0, lambda: bool(drawn))
        found[name] = time.perf_counter() - began
        found[f"{name}_cpu"] = time.process_time() - worked
        rest(app, 3.0)

    picture("first", lambda: view.set_frame(frame, keep_view=False))
    picture("recolor", lambda: view.set_colors(rng.integers(0, 255, (frame.n_atoms, 3)).astype(np.uint8)))
    drawn.clear()
    worked = time.process_time()

    def turn() -> bool:
        if not view.is_drawing:
            view.set_camera(view.camera.rotated(6.0, 2.0, 700))
        return False

    rest(app, SECONDS, turn)
    found["turn_fps"] = len(drawn) / SECONDS
    found["turn_cpu"] = (time.process_time() - worked) / max(len(drawn), 1)
    view.close_drawing()
    view.close()
    return found


def playback(app: QApplication) -> dict[str, float]:
    """Measure how many frames of 64 atoms are drawn a second when each follows the one before."""
    view, drawn = shown_view(app)
    frames = [silicon(2, seed) for seed in range(20)]
    view.seconds_a_frame = 1 / 60
    view.set_frame(frames[0], keep_view=False)
    rest(app, 2.0)
    drawn.clear()
    worked, number = time.process_time(), 0

    def step() -> bool:
        nonlocal number
        if not view.is_drawing:
            number += 1
            view.set_frame(frames[number % len(frames)])
        return False

    rest(app, SECONDS, step)
    found = {"play_fps": len(drawn) / SECONDS}
    found["play_cpu"] = (time.process_time() - worked) / max(len(drawn), 1)
    view.close_drawing()
    view.close()
    return found


def points(app: QApplication) -> dict[str, float]:
    """Measure the window's thread while a map is moved, seconds of its own work a move, far and near."""
    rng = np.random.default_rng(0)
    plot = PcaPlot()
    plot.resize(900, 700)
    plot.show()
    xy = rng.normal(size=(N_POINTS, 2)) * [3, 1]
    plot.show_groups([CloudGroup("a", "a", xy, "series:0", "o", False, rng.normal(size=N_POINTS), str)])
    found: dict[str, float] = {}
    for name, part in (("far", 1.0), ("near", 0.3)):
        plot.canvas.view.setRange(xRange=(-12 * part, 12 * part), yRange=(-4 * part, 4 * part), padding=0)
        rest(app, 3.0)
        costs = []
        for number in range(100):
            began = time.thread_time()
            plot.canvas.view.translateBy(x=0.03 * part * np.sin(number / 10))
            app.processEvents()
            costs.append(time.thread_time() - began)
        found[f"pan_{name}"] = float(np.percentile(costs, 95))
    plot.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
