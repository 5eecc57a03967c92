"""Some measured numbers over others, or over names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from app.documents.chart import Chart
from app.look.numbers import true_minus
from app.plots.legend import Entry
from app.plots.plot import Plot

MARKERS = ("o", "s", "t1", "d")
NAMED = 0.5
"""Room beside the outermost of the named places."""


class ChartPlot(Plot):
    """Points joined by lines over numbers, and not joined over names."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keys: list[str] = []

    def show_chart(self, chart: Chart) -> None:
        """Show a chart."""
        for key in self._keys:
            self.remove_series(key)
        self.clear_pickable()
        self.set_labels(chart.x_title, chart.y_title)
        self.axis("bottom").categories = dict(zip(chart.x, chart.names, strict=True)) if chart.names else {}
        self.axis("bottom").picture = None
        self._keys, entries = list(chart.lines), []
        order = np.argsort(chart.x)
        x = np.array(chart.x)[order]
        for k, (name, values) in enumerate(chart.lines.items()):
            color = "reference" if name == "reference" else f"series:{k}"
            marker, y = MARKERS[k % len(MARKERS)], np.array(values)[order]
            if not chart.names:
                self.add_line(name, color, 1.6).setData(x, y)
            self.add_points(name, color, marker, 9.0).setData(x, y)
            self.set_pickable(name, np.column_stack([x, y]), _tip(name, x, y, chart.names))
            entries.append(Entry(name, name, color, "points", marker=marker))
        self.legend.set_entries(entries)
        if chart.names:
            every = [value for values in chart.lines.values() for value in values]
            room = 0.15 * (max(every) - min(every) or 1.0)
            self.set_window(-NAMED, len(x) - NAMED, min(every) - room, max(every) + room)
        else:
            self.free_window()
        self.show_all()


def _tip(name: str, x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> Callable[[int], str]:
    def tip(index: int) -> str:
        place = names[index] if names else f"{x[index]:.3g}"
        return true_minus(f"{name}, {place}: {y[index]:.3g}")

    return tip
