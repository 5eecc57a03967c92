"""Errors and foretold spreads against the number of training frames, both logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.learning_curve import FORETOLD, LOOKS, TRAINING_FRAMES
from nnpcore.training.learning_curve import NAMES, UNITS, LearningPoint, means_of

MARKERS = {"energy": "o", "force": "t1", "mapping": "s"}
TIPS = {
    "energy": "RMSE of the energies on test frames, which no training sees",
    "force": "RMSE of the forces on test frames, which no training sees",
    "mapping": "Largest error of the crystal and the regions",
}
FORETOLD_TIP = "What the training data are foretold to leave open of the same"


class LearningPlot(Plot):
    """A dot a training, a line through the means of the seeds, the foretold spread dashed."""

    def __init__(
        self, shown: Sequence[str], title: str, *shorter: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent, log_y=True)
        self.shown = tuple(shown)
        self.points: list[LearningPoint] = []
        self.lines, self.dots, self.spreads = {}, {}, {}
        for name in self.shown:
            color = LOOKS[name][0]
            self.spreads[name] = self.add_line(f"{name}:foretold", color, 1.4, 1)
            self.lines[name] = self.add_line(name, color, 1.8)
            self.dots[name] = self.add_points(name, color, MARKERS[name], 8.0)
        self.set_labels(TRAINING_FRAMES, title, *shorter)

    def show_points(self, points: Sequence[LearningPoint]) -> None:
        """Show what is done so far."""
        self.points = list(points)
        self.clear_pickable()
        entries: list[Entry] = []
        for name in self.shown:
            entries += self._show(name)
        if len(self.shown) > 1 and any(point.foretold for point in points):
            entries.append(Entry("", "foretold", "muted", dash=1, tip=FORETOLD_TIP))
        self.legend.set_entries(entries if len(self.shown) > 1 else [])
        sizes = sorted({point.n for point in points})
        self.axis("bottom").categories = {math.log10(n): str(n) for n in sizes} or {0.0: ""}
        self.axis("bottom").picture = None
        self.axis("bottom").update()

    def _show(self, name: str) -> list[Entry]:
        x = np.log10([point.n for point in self.points])
        values = np.array([getattr(point, name) for point in self.points], dtype=np.float64)
        y = np.where(values > 0, values, np.nan)
        means, spreads = means_of(self.points, name), means_of(self.points, name, foretold=True)
        self.lines[name].setData(np.log10([*means]), np.array([*means.values()]))
        self.spreads[name].setData(np.log10([*spreads]), np.array([*spreads.values()]))
        known = np.isfinite(y)
        self.dots[name].setData(x[known], np.log10(y[known]))
        self.set_pickable(name, np.column_stack([x, y]), lambda k: self._tip(k, name))
        if not known.any():
            return []
        color = LOOKS[name][0]
        return [Entry(name, name, color, "points", marker=MARKERS[name], tip=TIPS[name])]

    def _tip(self, index: int, name: str) -> str:
        point, unit = self.points[index], UNITS[name]
        lines = [f"{point.n} frames, seed {point.seed}", f"{NAMES[name]} {getattr(point, name):.3g} {unit}"]
        if name in point.foretold:
            lines.append(f"{FORETOLD} {point.foretold[name]:.3g} {unit}")
        return "\n".join([*lines, "Click to open the run"])
