"""Thin axes with tick labels that neither crowd nor vanish, linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QRectF
from PySide6.QtGui import QFontMetricsF

from app.look.ink import POINT_SIZE, font, ink, pen
from app.look.numbers import is_plain, linear_ticks, log_text, log_ticks, tick_step, tick_text

Text = tuple[QRectF, int, str]
"""A label as it is drawn: its place, its alignment, and what it says."""

MOST_TICKS = 9
"""A large plot has no more labels than a reader wants."""


class ValueAxis(pg.AxisItem):
    """An axis whose label stands elsewhere or below it and whose ticks follow the space there is."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation, maxTickLength=4)
        self.enableAutoSIPrefix(False)
        self.setStyle(tickTextOffset=3, hideOverlappingLabels=False, maxTickLevel=1, maxTextLevel=0)
        self.categories: dict[float, str] = {}
        self.integers = False
        self._text: Any = self.label
        self._text.document().setDocumentMargin(0)
        self.restyle()

    @property
    def _horizontal(self) -> bool:
        return self.orientation in ("bottom", "top")

    def restyle(self) -> None:
        """Take font and colours from the theme."""
        self.setTickFont(font())
        self.setPen(pen("muted", 1.0, alpha=0.55))
        self.setTickPen(pen("muted", 1.0))
        self.setTextPen(ink("muted"))
        if self.labelText:
            self.set_text(self.labelText)

    def set_text(self, text: str) -> None:
        """Set the axis's label."""
        style: dict[str, Any] = {"color": ink("muted").name(), "font-size": f"{POINT_SIZE:g}pt"}
        self.setLabel(text, **style)
        if self._horizontal:
            self.setHeight(int(QFontMetricsF(font()).height() * (2.05 if text else 1.1)) + 6)

    def resizeEvent(self, ev: Any = None) -> None:
        """Put the label at the very edge."""
        super().resizeEvent(ev)
        if self._horizontal and hasattr(self, "_text"):
            box = self._text.boundingRect()
            self._text.setPos((self.size().width() - box.width()) / 2, self.size().height() - box.height())

    def generateDrawSpecs(self, p: Any) -> Any:
        """Move a label that the canvas would cut into it, or leave it out where another stands there."""
        specs = super().generateDrawSpecs(p)
        box = self.parentItem()
        if specs is None or box is None or not self._horizontal:
            return specs
        edges = self.mapRectFromItem(box, box.boundingRect())
        axis, ticks, texts = specs
        return axis, ticks, within(texts, edges.left(), edges.right())

    def most_ticks(self, low: float, high: float, length: float) -> int:
        """Return how many intervals fit into ``length`` pixels."""
        metrics = QFontMetricsF(font())
        if not self._horizontal:
            return min(max(1, int(length / (metrics.height() * 1.9))), MOST_TICKS)
        room = length / metrics.averageCharWidth()
        if self.logMode or high <= low:
            return max(1, int(room / 6.5))
        most = min(max(1, int(room / 4.5)), MOST_TICKS)
        while most > 1:  # finer steps need longer numbers
            step = tick_step(low, high, most)
            widest = max(len(tick_text(v, step)) for v in (low, high, 0.0))
            if (high - low) / step * (widest + 2.5) <= room:
                break
            most -= 1
        return most

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Return labelled ticks and, on a logarithmic axis, unlabelled ones between them."""
        low, high = sorted((float(minVal), float(maxVal)))
        if self.categories:
            return [(1.0, [v for v in self.categories if low <= v <= high])]
        most = self.most_ticks(low, high, size)
        if not self.logMode:
            step = tick_step(low, high, most) if high > low else 1.0
            if self.integers and step < 1:
                return [(1.0, [float(k) for k in range(math.ceil(low), math.floor(high) + 1)])]
            return [(step, linear_ticks(low, high, most))]
        major = log_ticks(low, high, most)
        if high - low > 8:
            return [(1.0, major)]
        all_ticks = [k + math.log10(d) for k in range(math.floor(low), math.ceil(high)) for d in range(1, 10)]
        minor = [t for t in all_ticks if low <= t <= high and all(abs(t - other) >= 1e-6 for other in major)]
        return [(1.0, major), (1.0, minor)]

    def tickStrings(self, values: Iterable[float], scale: float, spacing: float) -> list[str]:
        """Return the labels of ``values``."""
        if self.categories:
            return [self.categories.get(v, "") for v in values]
        if self.logMode:
            values = list(values)
            powers = not all(map(is_plain, values))
            return [log_text(v, powers) for v in values]
        return [tick_text(v, spacing) for v in values]


def within(texts: Iterable[Text], left: float, right: float) -> list[Text]:
    """Return labels side by side between two edges: moved where one is crossed, without the one in the way.

    Between labels that touch after a move the inner one stays.
    """
    found: list[Text] = []
    for rect, flags, text in sorted(texts, key=lambda label: abs(label[0].center().x() - (left + right) / 2)):
        moved = QRectF(rect)
        moved.moveLeft(min(max(rect.left(), left), right - rect.width()))
        if moved == rect or not any(moved.intersects(other) for other, _, _ in found):
            found.append((moved, flags, text))
    return found
