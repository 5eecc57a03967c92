"""Foretold spread along the crystal's volume, and the errors that came out beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.foretold import SMALLEST_ERROR
from nnpcore.figures.names import ABSOLUTE_ERROR, FORETOLD_SPREAD, SPREAD_AND_ERROR, VOLUME

SPREAD_TIP = "How far the training data leave this energy open, foretold without any network or reference"
ERROR_TIP = "How far the potential is off the reference"


def _log(values: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(np.abs(values), SMALLEST_ERROR))


class ForetoldCurves(Plot):
    """Foretold spread of the crystal's energy against its volume, with the errors as dots; logarithmic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.line = self.add_line("spread", "series:0", 2.0)
        self.dots = self.add_points("spread", "series:0", "o", 4.5)
        self.errors = self.add_points("error", "reference", "o", 6.0, hollow=True)
        self.set_labels(VOLUME, SPREAD_AND_ERROR)
        self.volumes = np.empty(0)
        self.spread = np.empty(0)
        self.set_crosshair(self._describe)

    def show_curve(
        self, volumes: np.ndarray, spread: np.ndarray, error: np.ndarray, tip: Callable[[int], str]
    ) -> None:
        """Show spreads and errors (n,), meV/atom, at volumes (n,), Å³/atom; errors may be NaN."""
        self.volumes, self.spread = volumes, spread
        y = np.maximum(spread, SMALLEST_ERROR)
        self.line.setData(volumes, y)
        self.dots.setData(volumes, np.log10(y))
        known = np.isfinite(error)
        self.errors.setData(volumes[known], _log(error[known]))
        self.set_pickable("spread", np.column_stack([volumes, y]), tip)
        entries = [Entry("spread", "foretold spread", "series:0", tip=SPREAD_TIP)]
        if known.any():
            entries.append(Entry("error", "|error|", "reference", "points", hollow=True, tip=ERROR_TIP))
        self.legend.set_entries(entries)

    def _describe(self, x: float, _y: float) -> str:
        if not len(self.volumes):
            return ""
        at = int(np.abs(self.volumes - x).argmin())
        return f"V {self.volumes[at]:.2f}: ± {self.spread[at]:.3g} meV/atom"


class ErrorScatter(Plot):
    """Absolute error against the foretold spread, both logarithmic; lines at one and two spreads."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.diagonal = self.add_line("diagonal", "muted", 1.0, z=3)
        self.double = self.add_line("double", "muted", 1.0, 1, z=3)
        self.points = self.add_points("points", "reference", "o", 6.0, hollow=True)
        self.regions: list = []
        self._looks: list[str] = []
        self.axis("bottom").logMode = True  # its points are given as logarithms
        self.set_labels(FORETOLD_SPREAD, ABSOLUTE_ERROR)

    def show_points(
        self,
        spread: np.ndarray,
        errors: np.ndarray,
        n_points: int,
        names: Sequence[str],
        colors: Sequence[str],
        tip: Callable[[int], str],
    ) -> None:
        """Show spreads and errors (n,), meV/atom: invariant points first, then a region per colour."""
        x, y = _log(spread), _log(errors)
        known = np.isfinite(errors)
        first = known & (np.arange(len(x)) < n_points)
        self.points.setData(x[first], y[first])
        self._make_regions(colors)
        for k, item in enumerate(self.regions):
            at = n_points + k
            item.setData([x[at]], [y[at]]) if known[at] else item.clear()
        if known.any():
            ends = np.array([float(x[known].min()) - 0.2, float(x[known].max()) + 0.2])
            self.diagonal.setData(ends, 10.0**ends)
            self.double.setData(ends, 2.0 * 10.0**ends)
        self.set_pickable("points", np.column_stack([np.where(known, x, np.nan), 10.0**y]), tip)
        entries = [Entry("points", "crystal", "reference", "points", hollow=True)] if first.any() else []
        for name, color in zip(names[n_points:], colors, strict=False):
            entries.append(Entry(f"region:{name}", name, color, "points", marker="s"))
        tips = "Where the error is one foretold spread", "Beyond two spreads the data know better"
        entries += [
            Entry("diagonal", "1 spread", "muted", tip=tips[0]),
            Entry("double", "2 spreads", "muted", dash=1, tip=tips[1]),
        ]
        self.legend.set_entries(entries)

    def _make_regions(self, colors: Sequence[str]) -> None:
        if list(colors) == self._looks:
            return
        self.remove_series("region")
        self._looks = list(colors)
        self.regions = [self.add_points("region", color, "s", 9.0) for color in colors]
