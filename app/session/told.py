"""The numbers that the page of an example tells of, for the panel that draws them."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.documents.chart import Chart


class ToldNumbers(QObject):
    """Holds the chart of the page that is open; None where it has none."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.chart: Chart | None = None

    def show(self, chart: Chart | None) -> None:
        """Put another chart, or none, in its place."""
        if chart is not self.chart:
            self.chart = chart
            self.changed.emit()
