"""How far the invariant points are from the training set, against what is usual for validation atoms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from app.documents.analyses import DistanceAnalysis
from app.panels.base import Panel, Table
from app.plots.elided import ElidedLabel
from app.plots.histogram import DistanceCurve, DistanceHistogram
from app.plots.ink import font, paper_color, run_ink
from app.plots.seen import Seen
from app.plots.states import Stated
from app.plots.throttle import Throttle
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.session import Session

EMPTY = "Start a training to see how far the crystal is from its atoms here."
NO_CRYSTAL = "Open a crystal along its volume and give it the role “EOS reference” to see its distance here."
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
        self.note = ElidedLabel(content, "warning")
        column.addWidget(self.note)
        self.body = Stated(content, self)
        self.set_body(self.body)
        self.by_volume = QToolButton(self)
        self.by_volume.setText("By volume")
        self.by_volume.setFont(font())
        self.by_volume.setCheckable(True)
        self.by_volume.setToolTip("Show the distance against the crystal's volume")
        self.by_volume.toggled.connect(self._arrange)
        self.add_tool(self.by_volume)
        for plot in (self.histogram, self.curve):
            plot.point_clicked.connect(lambda _key, index, _modifiers: self._show_frame(index))
        session.analysis_changed.connect(self._on_analysis)
        changes = (session.dataset_added, session.dataset_changed, session.dataset_removed)
        for signal in (session.current_run_changed, session.run_removed, *changes):
            signal.connect(self._throttle.request)
        self.refresh()

    @property
    def analysis(self) -> DistanceAnalysis | None:
        """The current run's distances."""
        run = self.session.current_run
        return run.analyses.get("distance") if run is not None else None

    def _on_analysis(self, run_id: str, kind: str) -> None:
        if run_id == self.session.current_run_id and kind == "distance":
            self._throttle.request()

    def refresh(self) -> None:
        """Bring both plots up to date."""
        analysis, run = self.analysis, self.session.current_run
        self._arrange()
        if analysis is None or run is None:
            self.body.set_message(self._empty_text())
            return
        self.body.set_message("")
        bracket, color = analysis.bracket, run_ink(run, self.session.datasets)
        if self._seen.again(analysis, color):
            return
        self.histogram.show_distances(
            analysis.valid_distances,
            analysis.distances,
            bracket.in_reach,
            bracket.threshold,
            color=color,
            usual_name="validation" if len(run.valid) else "left out",
            tip=self._tip,
        )
        self.curve.show_curve(
            analysis.volumes, analysis.distances, bracket.threshold, (bracket.low, bracket.high), self._tip
        )
        self.note.setVisible(bool(bracket.message))
        self.note.set_text(f"  {bracket.message[:1].upper()}{bracket.message[1:]}")

    def _empty_text(self) -> str:
        run = self.session.current_run
        if run is None:
            return EMPTY
        if not self.session.datasets_of(Role.EOS):
            return NO_CRYSTAL
        return run.analysis_messages.get("distance", WAITING)

    def _arrange(self) -> None:
        wide = self.width() >= WIDE
        self.by_volume.setVisible(not wide and self.analysis is not None)
        self.histogram.setVisible(wide or not self.by_volume.isChecked())
        self.curve.setVisible(wide or self.by_volume.isChecked())

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
        if analysis is not None and analysis.dataset_id in self.session.datasets:
            self.session.set_current(analysis.dataset_id, int(analysis.frame_indices[index]))

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the distances of the invariant points."""
        if self.analysis is None:
            return None
        from nnpcore.exchange.tables import distance_table

        return distance_table(self.analysis.bracket)

    def figure_task(self) -> Callable[[Path], None] | None:
        """Draw both plots with matplotlib."""
        analysis, run = self.analysis, self.session.current_run
        if analysis is None or run is None:
            return None
        color = paper_color(run_ink(run, self.session.datasets))

        def draw(path: Path) -> None:
            from nnpcore.exchange import figures

            figure = figures.distance_figure(
                analysis.volumes, analysis.bracket, analysis.valid_distances, color=color
            )
            figures.save_figure(figure, path)

        return draw
