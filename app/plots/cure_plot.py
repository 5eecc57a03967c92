"""The curve of a cure: what each frame leaves of the foretold spread, and of the true error where known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PySide6.QtWidgets import QWidget

from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.cure import CURVES
from nnpcore.figures.names import SHORT_TARGETS, TARGETS

MARKERS = {"spread": "o", "error": "s"}


class CurePlot(Plot):
    """Root mean square over the targets against the number of frames added, on a logarithmic scale."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.lines, self.dots = {}, {}
        for dash, (key, _, color) in enumerate(CURVES):
            self.lines[key] = self.add_line(key, color, 1.8, dash)
            self.dots[key] = self.add_points(key, color, MARKERS[key], 8.0)
        self.current = self.add_rule("current", "muted", dash=2)
        self.current.setVisible(False)
        self.set_labels("Frames added", TARGETS, SHORT_TARGETS, narrow=340)

    def show_curves(self, values: Mapping[str, np.ndarray], tip: Callable[[int], str]) -> None:
        """Show "spread" and "error" (n + 1,) with 0, 1, 2 ... frames added; NaN where unknown."""
        entries = []
        for dash, (key, name, color) in enumerate(CURVES):
            y = values[key]
            known = np.isfinite(y) & (y > 0)
            x = np.arange(len(y), dtype=np.float64)
            self.lines[key].setData(x[known], y[known])
            self.dots[key].setData(x[known], np.log10(y[known]))
            if known.any():
                entries.append(Entry(key, name, color, dash=dash, marker=MARKERS[key]))
        spread = values["spread"]
        axis = self.axis("bottom")
        axis.categories = {float(k): str(k) for k in range(len(spread))}
        axis.picture = None
        self.set_pickable("spread", np.column_stack([np.arange(len(spread)), spread]), tip)
        self.legend.set_entries(entries)

    def mark(self, rank: int | None) -> None:
        """Point at the frame that is shown (0: the first one added), None: at none."""
        self.current.setVisible(rank is not None)
        if rank is not None:
            self.current.setPos(rank + 1)
