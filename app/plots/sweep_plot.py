"""What the trainings of a sweep have reached against the value they differ in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QWidget

from app.documents.sweep import Choice, SweepPoint
from app.look.ink import font
from app.plots.legend import Entry
from app.plots.plot import Plot


@dataclass(frozen=True)
class Quantity:
    """One quantity: attribute of the points, name, colour, marker, and which choice marks its best."""

    key: str
    name: str
    color: str
    marker: str
    dash: int
    tip: str
    chosen: str = "by_rmse"


ENERGY = Quantity("energy", "RMSE", "series:0", "o", 0, "Energy RMSE of the validation at the best epoch")
FORCE = Quantity("force", "force RMSE", "series:1", "t1", 0, "Force RMSE of the validation at the best epoch")
MAPPING = Quantity(
    "mapping", "mapping error", "series:2", "s", 1,
    "Largest absolute error of the crystal and the regions at the best epoch", "by_mapping",
)  # fmt: skip
GAP = 6.0
"""Pixels between the values under the axis."""


class SweepPlot(Plot):
    """A line with a marker per training for each quantity; the best is ringed, one that goes on is hollow."""

    def __init__(self, shown: Sequence[Quantity], title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent, log_y=True)
        self.shown, self.title = tuple(shown), title
        self.points: list[SweepPoint] = []
        self.current = self.add_rule("current", "muted", dash=2)
        self.rings, self.lines, self.dots, self.going = {}, {}, {}, {}
        for item in self.shown:
            self.rings[item.key] = self.add_points(item.key, item.color, item.marker, 16, hollow=True)
            self.lines[item.key] = self.add_line(item.key, item.color, 1.6, item.dash)
            self.going[item.key] = self.add_points(item.key, item.color, item.marker, 8, hollow=True)
            self.dots[item.key] = self.add_points(item.key, item.color, item.marker, 8)
        self.zoom_along_x()

    def show_points(
        self, points: Sequence[SweepPoint], choice: Choice, label: str, current: str | None
    ) -> None:
        """Show points; ``choice`` says which are the best, ``current`` is the id of the current run."""
        self.points = list(points)
        self.set_labels(label, self.title)
        self._label_values()
        self.clear_pickable()
        for item in self.shown:
            self._show(item, getattr(choice, item.chosen))
        known = [item for item in self.shown if any(math.isfinite(getattr(p, item.key)) for p in points)]
        self.legend.set_entries(_entries(known) if len(self.shown) > 1 else [])
        at = next((p.x for p in points if p.run_id == current), None)
        self.current.setVisible(at is not None)
        if at is not None:
            self.current.setPos(at)

    def _show(self, item: Quantity, chosen: int | None) -> None:
        x = np.array([p.x for p in self.points], dtype=np.float64)
        values = np.array([getattr(p, item.key) for p in self.points], dtype=np.float64)
        y = np.where(values > 0, values, np.nan)
        done = np.array([p.done for p in self.points], dtype=bool)
        self.lines[item.key].setData(x, y)
        for points, which in ((self.dots, done), (self.going, ~done)):
            rows = which & np.isfinite(y)
            points[item.key].setData(x[rows], np.log10(y[rows]))
        best = [] if chosen is None or not np.isfinite(y[chosen]) else [chosen]
        self.rings[item.key].setData(x[best], np.log10(y[best]))
        self.set_pickable(item.key, np.column_stack([x, y]), lambda k: tip_of(self.points[k]))

    def _label_values(self) -> None:
        """Write the values under the axis, as many as there is room for."""
        texts = {p.x: p.text for p in self.points}
        span = (max(texts, default=0.0) - min(texts, default=0.0)) or 1.0
        metrics = QFontMetricsF(font())
        widest = max((metrics.horizontalAdvance(text) for text in texts.values()), default=0.0)
        room = max(0.85 * (self.width() - 45.0), 60.0)
        apart = (widest + GAP) * span / room
        kept: dict[float, str] = {}
        for x in sorted(texts):
            if not kept or x - max(kept) >= apart:
                kept[x] = texts[x]
        self.axis("bottom").categories = kept or {0.0: ""}
        self.axis("bottom").picture = None
        self.axis("bottom").update()


def _entries(known: Sequence[Quantity]) -> list[Entry]:
    ring = "; the ring marks what it chooses"
    return [
        Entry(item.key, item.name, item.color, "points", marker=item.marker, tip=item.tip + ring)
        for item in known
    ]


def tip_of(point: SweepPoint) -> str:
    """Return what is known of a point, one thing a line."""
    lines = [f"{point.name}, epoch {point.epoch}" + ("" if point.done else ", not ended")]
    if math.isfinite(point.energy):
        lines.append(f"energy RMSE {point.energy:.3g} meV/atom")
    if math.isfinite(point.force):
        lines.append(f"force RMSE {point.force:.3g} eV/Å")
    if math.isfinite(point.mapping):
        lines.append(f"mapping error {point.mapping:.3g} meV/atom ({point.mapped})")
    return "\n".join([*lines, "Click to make it the current run"])
