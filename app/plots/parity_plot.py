"""Predicted against reference values around the diagonal, by data set or by density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtWidgets import QWidget

from app.look import colormaps
from app.look.ink import rgb_of
from app.look.numbers import true_minus
from app.plots.legend import Entry
from app.plots.plot import Plot
from app.plots.point_group import PointGroup

N_BINS = 96


@dataclass(frozen=True, eq=False)
class ParityPoints:
    """Points of one group: ``xy`` (n, 2) reference and prediction; ``tip`` explains one of them."""

    key: str
    name: str
    xy: np.ndarray
    color: str
    marker: str
    rmse: float
    tip: Callable[[int], str]


class ParityPlot(Plot):
    """A cloud around the diagonal; the legend gives each group's RMSE."""

    def __init__(self, x_label: str, y_label: str, unit: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.unit = unit
        self.diagonal = self.add_line("diagonal", "muted", 1.0, z=3)
        self.cloud = self.add_cloud("cloud", 5.0, 0.65)
        self.set_labels(x_label, y_label)
        self.groups: list[ParityPoints] = []
        self.density = False
        self.series_toggled.connect(lambda *_: self._draw())
        self.set_crosshair(self._describe)

    def show_groups(self, groups: list[ParityPoints], density: bool) -> None:
        """Replace all points; ``density`` colours them by how many there are around."""
        self.groups, self.density = groups, density
        self._draw()
        shown = [g.xy[np.isfinite(g.xy).all(axis=1)] for g in groups if len(g.xy)]
        values = np.concatenate([xy.ravel() for xy in shown]) if shown else np.empty(0)
        low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
        room = max(0.05 * (high - low), 1e-6)
        self.diagonal.setData([low - room, high + room], [low - room, high + room])
        self.set_window(low - room, high + room, low - room, high + room)

    def _draw(self) -> None:
        shown = [group for group in self.groups if group.key not in self.legend.hidden]
        if self.density and shown:
            xy = np.concatenate([group.xy for group in shown])
            self.cloud.set_groups([PointGroup(xy, density_rgb(xy))])
        else:
            self.cloud.set_groups([PointGroup(g.xy, rgb_of(g.color), g.marker) for g in shown])
        self.clear_pickable()
        for group in shown:
            self.set_pickable(group.key, group.xy, group.tip)
        entries = []
        for group in self.groups:
            color = "muted" if self.density else group.color
            rmse = f" {group.rmse:.3g}" if np.isfinite(group.rmse) else ""
            tip = f"{group.name}: RMSE {group.rmse:.4g} {self.unit} over {len(group.xy)} values"
            look = Entry(group.key, group.name, color, "points", marker=group.marker, tip=tip, tail=rmse)
            entries.append(look)
        self.legend.set_entries(entries)

    def _describe(self, x: float, y: float) -> str:
        return true_minus(f"reference {x:.3g}, predicted {y:.3g} {self.unit}")

    def restyle(self) -> None:
        """Follow the theme, colours of the points included."""
        super().restyle()
        if getattr(self, "groups", None):
            self._draw()


def density_rgb(xy: np.ndarray) -> np.ndarray:
    """Return colours (n, 3) uint8 by the number of points in the same cell of a grid, on a log scale."""
    finite = np.isfinite(xy).all(axis=1)
    result = np.full((len(xy), 3), 128, dtype=np.uint8)
    if not finite.any():
        return result
    known = xy[finite]
    low, high = known.min(axis=0), known.max(axis=0)
    cell = ((known - low) / np.maximum(high - low, 1e-12) * (N_BINS - 1)).astype(np.int64)
    index = cell[:, 0] * N_BINS + cell[:, 1]
    counts = np.log1p(np.bincount(index)[index].astype(np.float64))
    result[finite] = colormaps.to_rgb(counts, (0.0, float(counts.max()) or 1.0), False)
    return result
