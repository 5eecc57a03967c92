"""A sweep: RMSE and mapping error against the value of a setting, and which value either chooses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from app.documents.sweep import SweepPoint, choose, sentence
from app.look.ink import PAPER_MARKERS
from app.panels.base import Drawing, Lack, Panel, Table
from app.plots.sweep_plot import ENERGY, FORCE, MAPPING, Quantity, SweepPlot
from app.widgets.labels import NoteLabel
from nnpcore import figures
from nnpcore.figures.names import ERROR, RMSES

if TYPE_CHECKING:
    from app.session.session import Session

EMPTY = (
    "Choose Training › Sweep… to train with several values of one setting, such as the L2 strength, and to "
    "see which one has the lowest RMSE and which one maps best."
)
GONE = "The runs of this sweep are no longer open. Open their folders, or choose Training › Sweep… again."
WIDE = 340
"""Pixels from which the force RMSE has a plot of its own beside the other."""


class SweepPanel(Panel):
    """Energy RMSE and mapping error share a plot and a unit; the force RMSE stands beside it."""

    title = "Sweep"
    name = "sweep"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that there is no sweep; nobody misses it."""
        return Lack(EMPTY, silent=True) if session.sweeps.latest is None else None

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.points: list[SweepPoint] = []
        self._build()
        runs = session.runs
        changes = (runs.added, runs.changed, runs.removed, runs.epoch_finished, runs.current_changed)
        self.follow(session.sweeps.changed, *changes)

    def _build(self) -> None:
        self.plot = SweepPlot((ENERGY, MAPPING), ERROR, self)
        self.force = SweepPlot((FORCE,), RMSES["force"], self)
        for plot in (self.plot, self.force):
            plot.point_clicked.connect(self._on_clicked)
        self.text = NoteLabel(self)
        self.set_plots({self.plot: 3, self.force: 2}, self.text, gap=4)

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring plots and sentence up to date."""
        sweep, current = self.session.sweeps.latest, self.session.runs.current_id
        self.points = self.session.sweeps.points()
        if sweep is None or not self.points:
            self.body.set_message(EMPTY if sweep is None else GONE)
            return
        self.body.set_message("")
        self._arrange()
        self.text.set_text(sentence(self.points))
        if self._seen.again(sweep, current, self.width(), *map(repr, self.points)):
            return
        choice, label = choose(self.points), sweep.setting.shown.label
        for plot in (self.plot, self.force):
            plot.set_message("" if any(point.epoch for point in self.points) else "The first training runs…")
            plot.show_points(self.points, choice, label, current)

    def _arrange(self) -> None:
        known = any(point.force == point.force for point in self.points)
        self.force.setVisible(known and self.width() >= WIDE)

    def _on_clicked(self, _key: str, index: int, _modifiers: object) -> None:
        run_id = self.points[index].run_id
        if run_id in self.session.runs.documents:
            self.session.runs.set_current(run_id)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the force RMSE where there is room."""
        super().resizeEvent(event)
        self._throttle.request()

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return one row a training."""
        sweep = self.session.sweeps.latest
        if sweep is None or not self.points:
            return None
        points, choice = self.points, choose(self.points)
        chosen = (("RMSE", choice.by_rmse), ("mapping error", choice.by_mapping))
        return {
            sweep.setting.shown.label: [p.text for p in points],
            "run": [p.name for p in points],
            "best epoch": [p.epoch or None for p in points],
            "energy RMSE (meV/atom)": [p.energy for p in points],
            "force RMSE (eV/Å)": [p.force for p in points],
            "largest mapping error (meV/atom)": [p.mapping for p in points],
            "mapping error of": [p.mapped for p in points],
            "chosen by": [", ".join(name for name, k in chosen if k == i) for i in range(len(points))],
        }

    def figure(self) -> Drawing | None:
        """Draw the plots with matplotlib."""
        sweep, points = self.session.sweeps.latest, tuple(self.points)
        if sweep is None or not any(point.epoch for point in points):
            return None
        choice = choose(points)

        def lines(*shown: Quantity) -> list[figures.SweepLine]:
            return [
                figures.SweepLine(
                    item.name,
                    np.array([getattr(point, item.key) for point in points], dtype=np.float64),
                    getattr(choice, item.chosen),
                    item.color,
                    PAPER_MARKERS[item.marker],
                    item.dash,
                )
                for item in shown
            ]

        return partial(
            figures.sweep_figure,
            np.array([point.x for point in points]),
            [point.text for point in points],
            sweep.setting.shown.label,
            [(ERROR, lines(ENERGY, MAPPING)), (RMSES["force"], lines(FORCE))],
        )
