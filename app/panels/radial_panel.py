"""Radial distribution functions of the frames shown, by pair of elements and region."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from app.panels.base import Panel, Table
from app.plots.legend import Entry
from app.plots.plot import Plot
from app.widgets.controls import tool_button
from app.widgets.redraw import Seen, Throttle
from nnpcore import figures
from nnpcore.analyses.graph import Analysis
from nnpcore.analyses.radial import RADIAL, RadialCurve, RadialDistributions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from app.session.session import Session

EMPTY = "Open a trajectory to see how often its atoms stand at which distance."
BUSY = "Counting neighbors…"
LABELS = {False: "g(r)", True: "Neighbors within r"}


class RadialPanel(Panel):
    """A line per pair of elements, and per region; or the number of neighbors within a distance."""

    title = "Radial distribution"
    name = "radial"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._throttle = Throttle(self.refresh, self)
        self._seen = Seen()
        self._n_lines = 0
        self.plot = Plot(self)
        self.plot.set_crosshair(lambda r, y: f"r {r:.2f} Å  {y:.2f}")
        self.set_body(self.plot)
        tip = "Show how many neighbors an atom has within a distance"
        self.counts = tool_button(self, tip, text="Coordination", toggled=lambda _: self.refresh())
        self.add_tool(self.counts)
        session.analyses.changed.connect(self._on_analysis)
        for signal in (session.data.current_changed, session.data.removed):
            signal.connect(self._throttle.request)
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Count while somebody looks."""
        super().showEvent(event)
        self.session.analyses.watch(RADIAL, self, True, while_training=True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is counted."""
        super().hideEvent(event)
        self.session.analyses.watch(RADIAL, self, False, while_training=True)

    def _on_analysis(self, run_id: str, analysis: Analysis[object]) -> None:
        if analysis is RADIAL:
            self._throttle.request()

    @property
    def analysis(self) -> RadialDistributions | None:
        """The distributions of the frames shown, None while they are those of others."""
        known = self.session.analyses.data.result(RADIAL)
        return known if known is not None and known.key == self.session.data.current_id else None

    def refresh(self) -> None:
        """Bring the lines up to date."""
        analysis, counts = self.analysis, self.counts.isChecked()
        self.counts.setVisible(analysis is not None)
        if self._seen.again(analysis, counts, self.session.data.current_id):
            self.plot.set_message(self._empty_text() if analysis is None else "")
            return
        self.plot.set_message(self._empty_text() if analysis is None else "")
        for k in range(self._n_lines):
            self.plot.remove_series(f"line:{k}")
        curves = () if analysis is None else analysis.curves
        self._n_lines = len(curves)
        self.plot.set_labels("Distance (Å)", LABELS[counts])
        entries = []
        for k, curve in enumerate(curves):
            line = self.plot.add_line(f"line:{k}", f"series:{k}", 1.4, 0 if not curve.region else 1)
            line.setData(analysis.r if analysis is not None else [], self._values(curve))
            entries.append(Entry(f"line:{k}", curve.name, f"series:{k}", dash=0 if not curve.region else 1))
        self.plot.set_legend(entries)

    def _values(self, curve: RadialCurve):
        return curve.n_within if self.counts.isChecked() else curve.g

    def _empty_text(self) -> str:
        if self.session.data.current is None:
            return EMPTY
        return self.session.analyses.data.why(RADIAL) or BUSY

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return the distance, and g and the coordination number of every pair and region."""
        analysis = self.analysis
        return None if analysis is None else {name: v.tolist() for name, v in analysis.table().items()}

    def figure(self) -> Callable[[], Figure] | None:
        """Draw what is shown with matplotlib."""
        analysis = self.analysis
        if analysis is None:
            return None
        lines = {curve.name: self._values(curve) for curve in analysis.curves}
        y_label = LABELS[self.counts.isChecked()]
        return partial(figures.lines_figure, analysis.r, lines, "Distance (Å)", y_label)
