"""What a study has measured, beside the sentence of the example's page that tells of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from app.documents.chart import Chart
from app.panels.base import Drawing, Lack, Panel, Table
from app.plots.chart_plot import ChartPlot
from app.widgets.labels import NoteLabel
from nnpcore.figures.measured import measured_figure

if TYPE_CHECKING:
    from app.session.session import Session

EMPTY = "Open an example: numbers of its study that a page tells of are drawn here."


class MeasuredPanel(Panel):
    """A chart of numbers that were measured once, at many settings, and come with the example."""

    title = "Measured"
    name = "measured"

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that no page has numbers to draw; nobody misses them."""
        return Lack(EMPTY, silent=True) if session.told.chart is None else None

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.plot = ChartPlot(self)
        self.text = NoteLabel(self, lines=8)
        self.set_plots({self.plot: 1}, self.text)
        self.follow(session.told.changed)

    def refresh(self) -> None:
        """Draw the chart of now."""
        chart = self.session.told.chart
        self.body.set_message(EMPTY if chart is None else "")
        if chart is None or self._seen.again(chart):
            return
        self.plot.show_chart(chart)
        self.text.set_text(chart.claim, "muted", tip=chart.claim)

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return a column for x and one for each line."""
        chart = self.session.told.chart
        return None if chart is None else _table(chart)

    def figure(self) -> Drawing | None:
        """Draw the chart with matplotlib."""
        chart = self.session.told.chart
        if chart is None:
            return None
        return partial(measured_figure, chart.x, chart.names, chart.x_title, chart.y_title, dict(chart.lines))


def _table(chart: Chart) -> Table:
    return {chart.x_title: list(chart.names or chart.x)} | {
        f"{name}: {chart.y_title}": list(values) for name, values in chart.lines.items()
    }
