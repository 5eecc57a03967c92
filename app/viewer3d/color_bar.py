"""A colour bar: the map, its range with readable ticks, and a title with the unit, drawn onto anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFont,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.look.ink import font, ink
from app.look.numbers import linear_ticks, tick_text
from app.look.palette import Theme
from app.look.theme import current

BAR, TICK, GAP = 12.0, 4.0, 4.0
WIDTH, HEIGHT = 132, 220


@dataclass(frozen=True, eq=False)
class ColorBarSpec:
    """What a colour bar shows.

    Attributes
    ----------
    label, unit : the title. limits : (low, high) in that unit.
    colors : (n, 3) uint8, from low to high.
    note : a muted line under the title, such as the kind of range, or "".
    """

    label: str
    unit: str
    limits: tuple[float, float]
    colors: np.ndarray
    note: str = ""

    def same(self, other: ColorBarSpec) -> bool:
        """Whether both look alike."""
        mine, theirs = ((s.label, s.unit, s.limits, s.note) for s in (self, other))
        return mine == theirs and np.array_equal(self.colors, other.colors)

    @property
    def title(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


def labelled_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round numbers in [low, high], at most ``most`` of them, and their texts."""
    ticks = linear_ticks(low, high, most - 1)
    if len(ticks) < 2 and high > low:  # one number tells nothing of the range
        step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
        return [(value, tick_text(value, step)) for value in (low, high)]
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(high - low)
    return [(value, tick_text(value, step) if value else "0") for value in ticks]


def wrapped(text: str, metrics: QFontMetricsF, width: float) -> list[str]:
    """The text in lines no wider than ``width``, broken at spaces."""
    lines: list[str] = []
    for word in text.split():
        if lines and metrics.horizontalAdvance(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def draw_color_bar(
    painter: QPainter, area: QRectF, spec: ColorBarSpec, text_font: QFont, theme: Theme, halo: QColor | None
) -> None:
    """Draw a bar at the right edge of ``area``, its title above it and its ticks left of it.

    ``halo`` is a colour drawn around letters that may lie on atoms, None on a clean background.
    """
    metrics = QFontMetricsF(text_font)
    pen = _Pen(painter, text_font, QColor(theme.text), halo)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    top = area.top() + metrics.ascent()
    for line in wrapped(spec.title, metrics, area.width()):
        pen.text(area.right() - metrics.horizontalAdvance(line), top, line)
        top += metrics.height()
    if spec.note:
        muted = _Pen(painter, text_font, QColor(theme.muted), halo)
        muted.text(area.right() - metrics.horizontalAdvance(spec.note), top, spec.note)
        top += metrics.height()
    bar = QRectF(area.right() - BAR, top - metrics.ascent() + GAP + metrics.height() / 2, BAR, 0)
    bar.setBottom(area.bottom() - metrics.height() / 2)
    if bar.height() > 20:
        _draw_map(painter, bar, spec.colors, theme.dark)
        _draw_ticks(painter, bar, spec, pen, metrics)
    painter.restore()


def _draw_map(painter: QPainter, bar: QRectF, colors: np.ndarray, dark: bool) -> None:
    column = np.full((len(colors), 1, 4), 255, np.uint8)
    column[:, 0, :3] = colors[::-1, ::-1]
    image = QImage(column.tobytes(), 1, len(colors), 4, QImage.Format.Format_RGB32)
    shape = QPainterPath()
    shape.addRoundedRect(bar, 2, 2)
    painter.save()
    painter.setClipPath(shape)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(bar, image)
    painter.restore()
    painter.setPen(QPen(QColor(255, 255, 255, 70) if dark else QColor(0, 0, 0, 60), 1.0))
    painter.drawPath(shape)


def _draw_ticks(
    painter: QPainter, bar: QRectF, spec: ColorBarSpec, pen: _Pen, metrics: QFontMetricsF
) -> None:
    low, high = spec.limits
    for value, text in labelled_ticks(
        low, high, max(2, min(5, int(bar.height() / (1.6 * metrics.height()))))
    ):
        y = bar.bottom() - (value - low) / (high - low) * bar.height()
        painter.setPen(QPen(pen.color, 1.0))
        painter.drawLine(QPointF(bar.left() - TICK, y), QPointF(bar.left(), y))
        right = bar.left() - TICK - GAP
        pen.text(right - metrics.horizontalAdvance(text), y + metrics.capHeight() / 2, text)


class _Pen:
    """Writes text with a halo, so that it stays readable on atoms."""

    def __init__(self, painter: QPainter, text_font: QFont, color: QColor, halo: QColor | None) -> None:
        self._painter, self._font, self.color, self._halo = painter, text_font, color, halo

    def text(self, x: float, y: float, text: str) -> None:
        """Write at a baseline."""
        if self._halo is not None:
            path = QPainterPath()
            path.addText(x, y, self._font, text)
            pen = QPen(self._halo, 3.5)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            self._painter.strokePath(path, pen)
        self._painter.setFont(self._font)
        self._painter.setPen(self.color)
        self._painter.drawText(QPointF(x, y), text)


class ColorBar(QWidget):
    """The colour bar as a widget over the viewer; a click asks for its menu (``menu_requested``)."""

    menu_requested = Signal(QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spec: ColorBarSpec | None = None
        self._drawn: tuple[object, QPixmap] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.setMaximumHeight(HEIGHT)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Click to choose the range and the colours")
        self.hide()

    def set_spec(self, spec: ColorBarSpec | None) -> None:
        """Show a map and a range; None hides the bar."""
        if spec is not None and self.spec is not None and spec.same(self.spec):
            spec = self.spec  # nothing to draw anew
        self.spec = spec
        self.setVisible(spec is not None)
        self.update()

    def sizeHint(self) -> QSize:
        """Return the usual size."""
        return QSize(WIDTH, HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """Return the size below which the bar is of no use."""
        return QSize(WIDTH, 90)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw title, map and ticks."""
        if self.spec is None:
            return
        look = (self.spec, self.size(), current(), self.devicePixelRatioF())
        if self._drawn is None or self._drawn[0] != look:
            self._drawn = look, self._draw(self.spec)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn[1])
        painter.end()

    def _draw(self, spec: ColorBarSpec) -> QPixmap:
        """The bar as a picture: letters with their halos are slow, and the view below is drawn often."""
        picture = QPixmap(self.size() * self.devicePixelRatioF())
        picture.setDevicePixelRatio(self.devicePixelRatioF())
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        area = QRectF(self.rect()).adjusted(4, 0, -2, 0)
        draw_color_bar(painter, area, spec, font(), current(), halo=ink("panel"))
        painter.end()
        return picture

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Ask for the menu."""
        self.menu_requested.emit(event.globalPosition().toPoint())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The press has asked already."""
        event.accept()
