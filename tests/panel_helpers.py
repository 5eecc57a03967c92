"""What the tests of the panels share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from ase.build import diamond100
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.documents.point_values import ValueKind
from app.documents.run import RunDocument
from app.panels.base import Panel
from app.panels.eos_panel import EosPanel
from app.panels.pca_panel import PcaPanel
from app.panels.training_panel import TrainingPanel
from app.plots.plot import Plot
from app.session.session import Session
from nnpcore.analyses.graph import Analysis, Missing
from nnpcore.structures import Dataset
from nnpcore.structures.frame import Frame

T = TypeVar("T")


def replace_result(run: RunDocument, analysis: Analysis[T], result: T | None) -> None:
    """Show another result than the one that was computed, as if it were current; None takes it away."""
    entry = run.evaluation._entries[analysis]
    entry.value = Missing("taken away") if result is None else result


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        QApplication.processEvents()
        time.sleep(0.005)


def show_panel(qtbot: QtBot, panel: Panel, width: int, height: int) -> Panel:
    """Show and draw a panel at this size."""
    qtbot.addWidget(panel)
    panel.resize(width, height)
    panel.show()
    qtbot.waitExposed(panel)
    if hasattr(panel, "refresh"):
        panel.refresh()
    panel.grab()
    return panel


def message_of(panel: Panel) -> str:
    if isinstance(panel, TrainingPanel):
        return panel.plots["energy"].message
    return panel.plot.message if isinstance(panel, (EosPanel, PcaPanel)) else panel.body.message


def dataset(session: Session, name: str) -> str:
    return next(key for key in session.data.datasets if name in key)


def slab(n_frames: int = 1, seed: int = 0) -> Dataset:
    """A silicon slab of 12 layers with atomic energies, rattled a little differently in every frame."""
    frames = []
    for index in range(n_frames):
        atoms = diamond100("Si", (1, 1, 12), a=5.43, vacuum=6.0)
        atoms.pbc = True
        atoms.rattle(0.03, seed=seed + index)
        random = np.random.default_rng(index)
        exact = -4.0 + 0.1 * random.normal(size=len(atoms))
        frame = Frame.from_atoms(atoms)
        frames.append(
            replace(
                frame,
                energy=float(exact.sum()),
                forces=random.normal(size=(len(atoms), 3)),
                arrays={"reference_energies": exact},
                info={"temperature": 100.0 * (1 + index % 2)},
                index=index,
            )
        )
    return Dataset("slab", "", tuple(frames))


def position_of(plot: Plot, key: str, index: int) -> QPointF:
    """Where a registered point is in the canvas, pixels."""
    x, y = plot._pickable[key][0][index]
    px, py = plot.canvas.to_pixels(np.array([x]), np.array([np.log10(y) if plot.log_y else y]))
    return QPointF(float(px[0]), float(py[0]))


def color_by_kind(panel: PcaPanel, kind: str) -> None:
    """Colour by a kind of value (its key) or a grouping, by data set for ""."""
    kinds = [panel.color_by.itemData(i) for i in range(panel.color_by.count())]
    keys = [value.kind if isinstance(value, ValueKind) else value or "" for value in kinds]
    panel.color_by.setCurrentIndex(keys.index(kind) if kind in keys else 0)
    panel.refresh()
