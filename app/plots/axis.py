"""Thin axes with tick labels that neither crowd nor vanish, linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QFontMetricsF

from app.look.ink import POINT_SIZE, font, ink, pen

_NICE = (1.0, 2.0, 5.0, 10.0)


def nice_step(span: float, most: int) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that gives at most ``most`` intervals."""
    raw = span / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    return next(power * n for n in _NICE if power * n >= raw * (1 - 1e-9))


def tick_step(low: float, high: float, most: int) -> float:
    """Return the smallest round step that has at most ``most + 1`` multiples in [low, high]."""
    step = nice_step(high - low, 4 * max(most, 1))
    while math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) > most:
        step = nice_step(step * 1.5, 1)
    return step


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most + 1`` round numbers in [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    step = tick_step(low, high, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [0.0 if k == 0 else k * step for k in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between 10^low and 10^high as their log10: decades, then 2 and 5, then any."""
    if high - low > 400 or not math.isfinite(high - low):
        return []
    decades = range(math.floor(low) - 1, math.ceil(high) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [k + math.log10(d) for k in decades for d in digits]
        ticks = [t for t in ticks if low - 1e-9 <= t <= high + 1e-9]
        if len(ticks) <= most + 1:
            break
    else:
        step = math.ceil(len(ticks) / max(most, 1))
        even = [t for t in ticks if round(t) % step == 0]
        ticks = even if len(even) >= 2 else ticks[:: math.ceil((len(ticks) - 1) / max(most, 1))]
    if len(ticks) >= 2:
        return ticks
    return [math.log10(v) for v in linear_ticks(10.0**low, 10.0**high, most) if v > 0]


def tick_text(value: float, step: float) -> str:
    """Return a number with just the decimals its step needs, with a true minus sign."""
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-4):
        text = f"{value:.3g}"
    else:
        places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
        text = f"{value:.{min(places, 8)}f}"
    return text.replace("-", "−")


def is_plain(value: float) -> bool:
    """Whether 10^value is written without an exponent."""
    return 1e-4 <= 10.0**value < 1e5


def log_text(value: float, powers: bool = False) -> str:
    """Return 10^value without exponents between 0.0001 and 100000, as a superscript power outside.

    ``powers``: as a power inside, too, except 1: labels of one axis are written alike.
    """
    number = 10.0**value
    if abs(value) < 1e-9 or (is_plain(value) and not powers):
        return f"{number:.10g}" if abs(value - round(value)) < 1e-9 else f"{number:.3g}"
    mantissa = number / 10.0 ** math.floor(value + 1e-9)
    power = str(math.floor(value + 1e-9)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if abs(mantissa - 1) < 1e-6 else f"{mantissa:.2g}·10{power}"


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

    def most_ticks(self, low: float, high: float, length: float) -> int:
        """Return how many intervals fit into ``length`` pixels."""
        metrics = QFontMetricsF(font())
        if not self._horizontal:
            return max(1, int(length / (metrics.height() * 1.9)))
        room = length / metrics.averageCharWidth()
        if self.logMode or high <= low:
            return max(1, int(room / 6.5))
        most = max(1, int(room / 4.5))
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
        minor = [t for t in all_ticks if low <= t <= high and not _near(t, major)]
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


def _near(value: float, others: list[float]) -> bool:
    return bool(others) and bool(np.min(np.abs(np.asarray(others) - value)) < 1e-6)
