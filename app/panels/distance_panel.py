"""How far the invariant points are from the training set, against what is usual for validation atoms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.documents.analyses import DistanceAnalysis
from app.documents.run import run_ink
from app.panels.base import Panel, Table, by_width
from app.plots.distance_plot import DistanceCurve, DistanceHistogram
from app.widgets.controls import choice_box, refill, tool_button
from app.widgets.labels import NoteLabel
from app.widgets.placeholder import Placeholder
from app.widgets.redraw import Seen, Throttle
from nnpcore import figures
from nnpcore.figures.drawing import paper_color
from nnpcore.figures.tables import distance_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from app.session.session import Session
    from nnpcore.mapping import Reach

EMPTY = "Start a training to see how far the crystal is from its atoms here."
NO_POINTS = "Open a crystal along its volume as EOS reference to see its points here."
WAITING = "The distances appear once the training set has been described."
WIDE = 560


class DistancePanel(Panel):
    """Histogram and distance against volume: side by side where there is room, else one of the two."""

    title = "Distance"
    name = "distance"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._throttle = Throttle(self.refresh, self)
        self._seen = Seen()
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(0)
        row = QHBoxLayout()
        self.histogram, self.curve = DistanceHistogram(content), DistanceCurve(content)
        row.addWidget(self.histogram, 1)
        row.addWidget(self.curve, 1)
        column.addLayout(row, 1)
        self.note = NoteLabel(content, "warning")
        column.addWidget(self.note)
        self.body = Placeholder(content, self)
        self.set_body(self.body)
        tip = "Show the distance against the crystal's volume"
        self.by_volume = tool_button(self, tip, text="By volume", toggled=lambda _: self._arrange())
        self.add_tool(self.by_volume)
        self.element = choice_box(self, "Element whose atoms are counted", self.refresh)
        self.element.hide()
        self.add_tool(self.element)
        for plot in (self.histogram, self.curve):
            plot.point_clicked.connect(lambda _key, index, _modifiers: self._show_frame(index))
        session.analyses.changed.connect(self._on_analysis)
        changes = (session.data.added, session.data.changed, session.data.removed)
        for signal in (session.runs.current_changed, session.runs.removed, *changes):
            signal.connect(self._throttle.request)
        self.refresh()

    @property
    def analysis(self) -> DistanceAnalysis | None:
        """The current run's distances."""
        run = self.session.runs.current
        return run.analyses.get("distance") if run is not None else None

    def _on_analysis(self, run_id: str, kind: str) -> None:
        if run_id == self.session.runs.current_id and kind == "distance":
            self._throttle.request()

    def refresh(self) -> None:
        """Bring both plots up to date."""
        analysis, run = self.analysis, self.session.runs.current
        if analysis is None or run is None:
            self.body.set_message(self._empty_text())
            self.element.hide()
            self._arrange()
            return
        self.body.set_message("")
        refill(self.element, [(element, element) for element in analysis.reaches], analysis.element)
        self.element.setVisible(self.element.count() > 1)
        self._arrange()
        reach, points = self.shown_reach(), self.has_points()
        bracket, color = analysis.bracket, run_ink(run, self.session.data.datasets)
        self._show_note(analysis, points)
        if reach is None or self._seen.again(analysis, color, self.shown_element()):
            return
        self.histogram.show_distances(
            reach.distances,
            analysis.distances if points else analysis.distances[:0],
            bracket.in_reach if points else bracket.in_reach[:0],
            reach.threshold,
            color=color,
            usual_name="left out" if reach.left_out else "validation",
            tip=self._tip,
        )
        if points:
            edges = bracket.low, bracket.high
            self.curve.show_curve(analysis.volumes, analysis.distances, bracket.threshold, edges, self._tip)

    def _show_note(self, analysis: DistanceAnalysis, points: bool) -> None:
        text = analysis.bracket.message if points else NO_POINTS
        if not points and analysis.points is not None:
            text = f"The crystal is of {analysis.element}: its points are shown there."
        self.note.setVisible(bool(text))
        self.note.set_text(f"  {text[:1].upper()}{text[1:]}", "warning" if points else "muted")

    def shown_element(self) -> str:
        """The element whose atoms are counted."""
        analysis = self.analysis
        chosen = self.element.currentText()
        return chosen if analysis is None or chosen in analysis.reaches else analysis.element

    def shown_reach(self) -> Reach | None:
        """The usual distances of the element shown."""
        analysis = self.analysis
        return analysis.reaches.get(self.shown_element()) if analysis is not None else None

    def has_points(self) -> bool:
        """Whether there are invariant points of the element shown."""
        analysis = self.analysis
        if analysis is None or analysis.points is None:
            return False
        return analysis.element == self.shown_element()

    def _empty_text(self) -> str:
        run = self.session.runs.current
        if run is None:
            return EMPTY
        return run.analysis_messages.get("distance", WAITING)

    @by_width
    def _arrange(self) -> None:
        wide, points = self.width() >= WIDE, self.has_points()
        curve = points and (wide or self.by_volume.isChecked())
        self.by_volume.setVisible(not wide and points)
        self.histogram.setVisible(wide or not curve)
        self.curve.setVisible(curve)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show both plots where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def _tip(self, index: int) -> str:
        analysis = self.analysis
        if analysis is None:
            return ""
        reach = "in reach" if analysis.bracket.in_reach[index] else "out of reach"
        return (
            f"V = {analysis.volumes[index]:.2f} Å³/atom\ndistance {analysis.distances[index]:.2f}, {reach} "
            f"(usual up to {analysis.bracket.threshold:.2f})\nClick to see this structure"
        )

    def _show_frame(self, index: int) -> None:
        analysis = self.analysis
        if analysis is not None and analysis.dataset_id in self.session.data.datasets:
            self.session.data.show(analysis.dataset_id, int(analysis.frame_indices[index]))

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the distances of the invariant points; of the validation atoms where there are none."""
        reach = self.shown_reach()
        if self.analysis is None or reach is None:
            return None
        if not self.has_points():
            return {f"distance of {self.shown_element()} atoms": reach.distances.tolist()}
        return distance_table(self.analysis.bracket)

    def figure(self) -> Callable[[], Figure] | None:
        """Draw both plots with matplotlib."""
        analysis, run = self.analysis, self.session.runs.current
        if analysis is None or run is None:
            return None
        color = paper_color(run_ink(run, self.session.data.datasets))
        reach, element = self.shown_reach(), self.shown_element()
        if reach is not None and not self.has_points():
            label = f"Validation atoms ({element})"
            return partial(figures.reach_figure, reach.distances, reach.threshold, label=label, color=color)
        return partial(
            figures.distance_figure, analysis.volumes, analysis.bracket, analysis.valid_distances, color=color
        )
