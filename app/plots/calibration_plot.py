"""Errors of one quantity against its spreads, in bins, both logarithmic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from app.look.numbers import true_minus
from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.analyses.calibration import WHOSE
from nnpcore.figures.calibration import COLORS, error_axis, spread_axis
from nnpcore.mapping.calibration import CalibratedSpread
from nnpcore.training.quantities import QUANTITIES

LINE_TIP = "Where errors are as large as their spread says"


class CalibrationPlot(Plot):
    """Bins as dots, a dashed line where the factor puts them, and the line of what would be right."""

    def __init__(self, quantity: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.quantity = quantity
        self.spreads: list[CalibratedSpread] = []
        self.line = self.add_line("line", "muted", 1.0, z=3)
        self.dots, self.fits = {}, {}
        for whose, color in COLORS.items():
            self.fits[whose] = self.add_line(whose, color, 1.2, 1)
            self.dots[whose] = self.add_points(whose, color, "o", 7.0)
        self.axis("bottom").logMode = True  # its points are given as logarithms
        self.set_labels(spread_axis(quantity), error_axis(quantity), QUANTITIES[quantity].unit)

    def show_spreads(self, spreads: Sequence[CalibratedSpread]) -> None:
        """Show the spreads of this quantity."""
        self.spreads = list(spreads)
        self.clear_pickable()
        entries = []
        for whose in COLORS:
            one = next((s for s in spreads if s.whose == whose), None)
            self._show(whose, one)
            if one is not None:
                tip = f"The {WHOSE[whose]}: errors are {one.factor:.2g} times as large, drawn dashed"
                tail = f" × {one.factor:.2g}"
                entries.append(Entry(whose, _SHORT[whose], COLORS[whose], "points", tip=tip, tail=tail))
        scale = QUANTITIES[self.quantity].factor
        x = np.log10(scale * np.concatenate([one.bin_spread for one in spreads]))
        ends = np.array([x.min() - 0.15, x.max() + 0.15])
        self.line.setData(ends, 10.0**ends)
        self.legend.set_entries([*entries, Entry("line", "1 spread", "muted", tip=LINE_TIP)])

    def _show(self, whose: str, one: CalibratedSpread | None) -> None:
        if one is None:
            self.dots[whose].clear()
            self.fits[whose].setData([], [])
            return
        scale = QUANTITIES[self.quantity].factor
        x, y = scale * one.bin_spread, scale * one.bin_error
        self.dots[whose].setData(np.log10(x), np.log10(y))
        ends = np.array([x.min(), x.max()]) if len(x) > 1 else np.array([0.8, 1.25]) * x
        self.fits[whose].setData(np.log10(ends), one.factor * ends)

        def tip(k: int) -> str:
            unit = QUANTITIES[self.quantity].unit
            text = f"spread {x[k]:.3g} {unit}\nerror {y[k]:.3g} {unit}, root mean square"
            return true_minus(f"{WHOSE[whose]}\n{text}")

        self.set_pickable(whose, np.column_stack([np.log10(x), y]), tip)


_SHORT = {"members": "members", "data": "foretold"}
