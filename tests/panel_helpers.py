"""What the tests of the panels share."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtWidgets import QApplication

from app.panels.base import Panel
from app.panels.eos_panel import EosPanel
from app.panels.pca_panel import PcaPanel
from app.panels.training_panel import TrainingPanel
from app.session import Session


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        QApplication.processEvents()
        time.sleep(0.005)


def message_of(panel: Panel) -> str:
    if isinstance(panel, TrainingPanel):
        return panel.plots["energy"].message
    return panel.plot.message if isinstance(panel, (EosPanel, PcaPanel)) else panel.body.message


def dataset(session: Session, name: str) -> str:
    return next(key for key in session.datasets if name in key)
