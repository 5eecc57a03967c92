"""Bars of a histogram as one filled curve, and the plot of distances that uses them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from app.look.ink import faded, pen
from app.plots.legend import Entry
from app.plots.plot import Plot
from nnpcore.figures.names import TRAINING_DISTANCE, VOLUME

IN_REACH, OUT_OF_REACH = "in reach", "out of reach"


def bins_of(values: np.ndarray, most: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return counts (n,) and edges (n + 1,) of the finite values; empty where there are none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.empty(0), np.empty(0)
    low, high = float(known.min()), float(known.max())
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    n_bins = int(np.clip(np.sqrt(len(known)), 8, most))
    counts, edges = np.histogram(known, n_bins, (low, high))
    return counts, edges


LIMIT = Entry(
    "threshold", "limit", "text", dash=1, tip="Nearly all usual atoms are nearer: farther is out of reach"
)
"""Of reach, in the legends."""


class DistanceHistogram(Plot):
    """Usual distances as bars, the threshold as a line, invariant points as markers on the baseline."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars = pg.PlotDataItem(stepMode="center", fillLevel=0, antialias=True)
        self.color = "series:0"
        self._styles.append(self._style_bars)
        self._add("bars", self.bars, 6)
        self.threshold = self.add_rule("threshold", "text")
        self.inside = self.add_points("inside", "good", "o", 8)
        self.outside = self.add_points("outside", "error", "t", 8)
        self.set_labels(TRAINING_DISTANCE, "Atoms")
        self.set_crosshair(lambda x, _y: f"distance {x:.2f}")

    def _style_bars(self) -> None:
        self.bars.setPen(pen(self.color, 1.2))
        self.bars.setFillBrush(faded(self.color, 0.3))

    def show_distances(
        self,
        usual: np.ndarray,
        points: np.ndarray,
        in_reach: np.ndarray,
        threshold: float,
        *,
        color: str,
        usual_name: str,
        tip: Callable[[int], str],
    ) -> None:
        """Show distances (m,) and those of the invariant points (n,), and which of these are in reach."""
        self.color = color
        self._style_bars()
        counts, edges = bins_of(usual)
        if len(counts):
            self.bars.setData(edges, counts)
        else:
            self.bars.clear()
        self.threshold.setValue(threshold)
        self.threshold.show()
        top = float(counts.max()) if len(counts) else 1.0
        height = np.full(len(points), 0.05 * top)
        self.inside.setData(points[in_reach], height[in_reach])
        self.outside.setData(points[~in_reach], height[~in_reach])
        self.set_pickable("points", np.column_stack([points, height]), tip)
        right = max(1.5 * threshold, float(edges[-1]) if len(edges) else 0.0, 1e-6)
        self.set_window(0.0, right, 0.0, 1.08 * top)
        self.legend.set_entries(self._entries(usual_name, points, in_reach, right))

    def _entries(self, name: str, points: np.ndarray, in_reach: np.ndarray, right: float) -> list[Entry]:
        beyond = int((points > right).sum())
        far = f"; {beyond} of them beyond the right edge" if beyond else ""
        entries = [
            Entry("bars", name, self.color, "points", marker="s", tip="Each atom's distance to its nearest"),
            LIMIT,
        ]
        if in_reach.any():
            tip = "Points of the crystal in reach"
            entries.append(Entry("inside", "in reach", "good", "points", tip=tip))
        if not in_reach.all():
            tip = f"Points of the crystal out of reach{far}"
            entries.append(Entry("outside", "out of reach", "error", "points", marker="t", tip=tip))
        return entries


class DistanceCurve(Plot):
    """Distance of the invariant points against volume, with threshold and bracket."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line = self.add_line("points", "reference", 1.4)
        self.dots = self.add_points("points", "reference", "o", 6.5, hollow=True)
        self.threshold = self.add_rule("threshold", "text", angle=0)
        self.bracket = self.add_bracket("bracket", "text")
        self.set_labels(VOLUME, TRAINING_DISTANCE)
        self.set_crosshair(lambda x, y: f"V {x:.2f}  distance {y:.2f}")
        self.legend.set_entries(
            [
                LIMIT,
                Entry("bracket", "in reach", "text", "bracket"),
            ]
        )

    def show_curve(
        self,
        volumes: np.ndarray,
        distances: np.ndarray,
        threshold: float,
        bracket: tuple[float | None, float | None],
        tip: Callable[[int], str],
    ) -> None:
        """Show distances (n,) at volumes (n,), Å³/atom; ``bracket`` is (low, high) or Nones."""
        self.line.setData(volumes, distances)
        self.dots.setData(volumes, distances)
        self.threshold.setValue(threshold)
        self.threshold.show()
        self.bracket.set_range(*bracket)
        self.set_pickable("points", np.column_stack([volumes, distances]), tip)
        self.set_window(*self._window_of(volumes, distances, threshold))

    @staticmethod
    def _window_of(
        volumes: np.ndarray, distances: np.ndarray, threshold: float
    ) -> tuple[float, float, float, float]:
        """Return the part where distances are up to six times the threshold, and one point on either side."""
        known = np.append(distances[np.isfinite(distances)], threshold)
        top = min(1.15 * float(known.max()), 6.0 * threshold) or 1.0
        near = np.flatnonzero(distances <= top)
        left, right = (max(near[0] - 1, 0), near[-1] + 1) if len(near) else (0, len(volumes))
        shown = volumes[left : right + 1]
        room = max(0.04 * float(np.ptp(shown)), 0.05)
        return float(shown.min()) - room, float(shown.max()) + room, 0.0, top
