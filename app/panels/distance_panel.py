"""How far the invariant points are from the training set, against what is usual for validation atoms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtWidgets import QWidget

from app.documents.run import run_ink
from app.panels.base import OPENING, Drawing, Lack, Panel, Table, lacks_run
from app.plots.distance_plot import DistanceCurve, DistanceHistogram
from app.widgets.controls import refill
from app.widgets.labels import NoteLabel
from nnpcore import figures
from nnpcore.analyses.distance import DISTANCE, REACH, Distances, Reaches
from nnpcore.figures.drawing import paper_color
from nnpcore.figures.tables import distance_table

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.mapping import Bracket, Reach

EMPTY = "Start a training to see how far the crystal is from its atoms here."
NO_POINTS = "Open a crystal along its volume as EOS reference to see its points here."
POINTS_COME = "The crystal's points are being compared with the training set…"
WAITING = "The distances appear once the training set has been described."
WIDE = 560


class DistancePanel(Panel):
    """Histogram and distance against volume: side by side where there is room, else one of the two."""

    title = "Distance"
    name = "distance"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that a run is lacking, or why nothing can be compared with it."""
        run = session.runs.current
        if run is None:
            return lacks_run(session, EMPTY)
        why = run.why(REACH) or (run.why(DISTANCE) if session.data.has_eos() else "")
        return Lack(why) if why else None

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether the current run's distances are known."""
        run = session.runs.current
        return run is not None and run.result(REACH) is not None and cls.lacks(session) is None

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.histogram, self.curve = DistanceHistogram(self), DistanceCurve(self)
        self.note = NoteLabel(self, "warning")
        self.set_plots({self.histogram: 1, self.curve: 1}, self.note)
        tip = "Show the distance against the crystal's volume"
        self.by_volume = self.add_button(tip, text="By volume", toggled=lambda _: self.arrange())
        self.element = self.add_choice("Element whose atoms are counted", self.refresh)
        self.element.hide()
        for plot in (self.histogram, self.curve):
            plot.point_clicked.connect(lambda _key, index, _modifiers: self._show_frame(index))
        data, runs = session.data, session.runs
        changes = (data.added, data.changed, data.removed, runs.current_changed, runs.removed)
        self.follow(*changes, analyses=(REACH, DISTANCE))

    @property
    def reaches(self) -> Reaches | None:
        """The current run's usual distances; None also where the crystal cannot be compared with them."""
        run = self.session.runs.current
        return run.result(REACH) if run is not None and not run.why(DISTANCE) else None

    @property
    def distances(self) -> Distances | None:
        """The current run's distances of the invariant points."""
        run = self.session.runs.current
        return run.result(DISTANCE) if run is not None else None

    def refresh(self) -> None:
        """Bring both plots up to date."""
        reaches, distances, run = self.reaches, self.distances, self.session.runs.current
        if reaches is None or run is None:
            self.body.set_message(self._empty_text())
            self.element.hide()
            self.arrange()
            return
        self.body.set_message("")
        refill(self.element, [(element, element) for element in reaches.found], self._usual_element())
        self.element.setVisible(self.element.count() > 1)
        self.arrange()
        reach, bracket = self.shown_reach(), self.shown_bracket()
        color = run_ink(run, self.session.data.datasets)
        self._show_note()
        if reach is None or self._seen.again(reaches, distances, color, self.shown_element()):
            return
        self.histogram.show_distances(
            reach.distances,
            np.empty(0) if bracket is None else bracket.distances,
            np.empty(0, dtype=bool) if bracket is None else bracket.in_reach,
            reach.threshold,
            color=color,
            usual_name="usual" if reach.n_left_out else "validation",
            tip=self._tip,
        )
        if bracket is not None:
            edges = bracket.low, bracket.high
            self.curve.show_curve(bracket.volumes, bracket.distances, bracket.threshold, edges, self._tip)

    def _show_note(self) -> None:
        bracket, distances = self.shown_bracket(), self.distances
        text = (
            (POINTS_COME if self.session.data.has_eos() else NO_POINTS)
            if bracket is None
            else bracket.message
        )
        if bracket is None and distances is not None:
            text = f"The crystal is of {distances.points.element}: its points are shown there."
        self.note.setVisible(bool(text))
        self.note.set_text(f"{text[:1].upper()}{text[1:]}", "muted" if bracket is None else "warning")

    def shown_element(self) -> str:
        """The element whose atoms are counted."""
        chosen, reaches = self.element.currentText(), self.reaches
        return chosen if reaches is None or chosen in reaches.found else self._usual_element()

    def _usual_element(self) -> str:
        """The crystal's element, else the first."""
        if self.distances is not None:
            return self.distances.points.element
        return next(iter(self.reaches.found), "") if self.reaches is not None else ""

    def shown_reach(self) -> Reach | None:
        """The usual distances of the element shown."""
        reaches = self.reaches
        return reaches.found.get(self.shown_element()) if reaches is not None else None

    def shown_bracket(self) -> Bracket | None:
        """The distances of the invariant points where they are of the element shown."""
        known = self.distances
        if self.reaches is None or known is None or known.points.element != self.shown_element():
            return None
        return known.bracket

    def _empty_text(self) -> str:
        run = self.session.runs.current
        if self.session.tasks.opening():
            return OPENING
        if run is None:
            return EMPTY
        return run.why(DISTANCE) or run.why(REACH) or WAITING

    def _arrange(self) -> None:
        wide, points = self.width() >= WIDE, self.shown_bracket() is not None
        curve = points and (wide or self.by_volume.isChecked())
        self.by_volume.setVisible(not wide and points)
        self.histogram.setVisible(wide or not curve)
        self.curve.setVisible(curve)

    def _tip(self, index: int) -> str:
        bracket = self.shown_bracket()
        if bracket is None:
            return ""
        reach = "in reach" if bracket.in_reach[index] else "out of reach"
        return (
            f"V = {bracket.volumes[index]:.2f} Å³/atom\ndistance {bracket.distances[index]:.2f}, {reach} "
            f"(usual up to {bracket.threshold:.2f})\nClick to see this structure"
        )

    def _show_frame(self, index: int) -> None:
        known = self.distances
        if known is not None and known.key in self.session.data.datasets:
            self.session.data.show(known.key, int(known.points.frame_indices[index]))

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the distances of the invariant points; of the validation atoms where there are none."""
        reach, bracket = self.shown_reach(), self.shown_bracket()
        if reach is None:
            return None
        if bracket is None:
            return {f"distance of {self.shown_element()} atoms": reach.distances.tolist()}
        return distance_table(bracket)

    def figure(self) -> Drawing | None:
        """Draw both plots with matplotlib."""
        reach, bracket, run = self.shown_reach(), self.shown_bracket(), self.session.runs.current
        if reach is None or run is None:
            return None
        color = paper_color(run_ink(run, self.session.data.datasets))
        if bracket is None:
            label = f"Validation atoms ({self.shown_element()})"
            return partial(figures.reach_figure, reach.distances, reach.threshold, label=label, color=color)
        return partial(figures.distance_figure, bracket.volumes, bracket, reach.distances, color=color)
