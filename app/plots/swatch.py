"""What stands for a series in a legend, and how it is painted."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QLinearGradient, QPainter, QPolygonF

from app.look.ink import DASHES, faded, ink, pen

SWATCH = 22.0


@dataclass(frozen=True)
class Entry:
    """One series in the legend.

    ``kind`` is "line", "band" (line with a shade), "outline" (line between two thin ones), "points",
    "bracket" or "hatch"; ``dash`` indexes ``DASHES``; ``marker`` is a pyqtgraph symbol; ``hollow`` draws its
    outline; ``tip`` is shown on hover; ``tail`` follows the name and is never cut. A "ramp" shows the colours
    of ``ramp``, low to high, "sizes" dots that grow; these two cannot be switched.
    """

    key: str
    label: str
    color: str
    kind: str = "line"
    dash: int = 0
    marker: str = "o"
    hollow: bool = False
    tip: str = ""
    ramp: tuple[str, ...] = ()
    tail: str = ""

    @property
    def fixed(self) -> bool:
        """Whether it explains numbers: it is never cut, and cannot be switched."""
        return self.kind in ("ramp", "sizes")

    @property
    def text(self) -> str:
        """The whole name, with what follows it."""
        return self.label + self.tail


def swatch_width(entry: Entry) -> float:
    """Return the pixels a swatch takes."""
    return {"points": 9.0, "ramp": 56.0, "sizes": 28.0}.get(entry.kind, SWATCH)


def draw_swatch(painter: QPainter, entry: Entry, box: QRectF) -> None:
    """Paint a swatch into a box of :func:`swatch_width`."""
    middle = box.center()
    if entry.kind == "points":
        draw_marker(painter, entry.marker, middle, 7.0, entry.color, entry.hollow)
        return
    if entry.kind == "sizes":
        for x, size in ((2.0, 3.0), (11.0, 6.0), (23.0, 9.0)):
            draw_marker(painter, "o", QPointF(box.left() + x, middle.y()), size, entry.color)
        return
    if entry.kind == "ramp":
        ramp = QLinearGradient(box.left(), 0, box.right(), 0)
        for number, color in enumerate(entry.ramp):
            ramp.setColorAt(number / max(len(entry.ramp) - 1, 1), ink(color))
        painter.fillRect(QRectF(box.left(), middle.y() - 4, box.width(), 8), ramp)
        return
    if entry.kind == "hatch":
        painter.fillRect(
            QRectF(box.left(), middle.y() - 4, box.width(), 8),
            QBrush(faded(entry.color, 0.9), Qt.BrushStyle.BDiagPattern),
        )
        return
    if entry.kind == "bracket":
        painter.setPen(pen(entry.color, 1.4))
        left, right, y = box.left() + 2, box.right() - 2, middle.y() - 3
        painter.drawPolyline(
            QPolygonF([QPointF(left, y + 6), QPointF(left, y), QPointF(right, y), QPointF(right, y + 6)])
        )
        return
    if entry.kind == "band":
        painter.fillRect(QRectF(box.left(), middle.y() - 4, box.width(), 8), faded(entry.color, 0.25))
    if entry.kind == "outline":
        painter.setPen(pen(entry.color, 1.0, alpha=0.7))
        for y in (middle.y() - 4, middle.y() + 4):
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
    painter.setPen(pen(entry.color, 2.0, DASHES[entry.dash]))
    painter.drawLine(QPointF(box.left(), middle.y()), QPointF(box.right(), middle.y()))


def draw_marker(
    painter: QPainter, marker: str, center: QPointF, size: float, color: str, hollow: bool = False
) -> None:
    """Draw a pyqtgraph symbol with a painter."""
    from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols

    painter.save()
    painter.translate(center)
    painter.scale(size, size)
    painter.setPen(pen(color, 1.2))
    painter.setBrush(Qt.BrushStyle.NoBrush if hollow else ink(color))
    painter.drawPath(Symbols[marker])
    painter.restore()
