"""A legend that flows above a plot instead of covering it; a click hides or shows the series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFontMetricsF,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.look.ink import DASHES, faded, font, ink, pen
from app.widgets.painted import PaintedWidget

SWATCH = 22.0
GAP = 6.0


@dataclass(frozen=True)
class Entry:
    """One series in the legend.

    ``kind`` is "line", "band" (line with a shade), "points" or "bracket"; ``dash`` indexes ``DASHES``;
    ``marker`` is a pyqtgraph symbol; ``hollow`` draws it as an outline; ``tip`` is shown on hover. A "ramp"
    shows the colours of ``ramp``, low to high, and cannot be switched.
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


class Legend(PaintedWidget):
    """Title of the vertical axis at the left, entries at the right, in as many rows as they need."""

    toggled = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = ""
        self.entries: tuple[Entry, ...] = ()
        self.hidden: set[str] = set()
        self._boxes: list[tuple[Entry, QRectF]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    def set_title(self, title: str) -> None:
        """Set the text at the left: the vertical axis's quantity and unit."""
        if title != self.title:
            self.title = title
            self._arrange()

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Replace the entries."""
        if tuple(entries) != self.entries:
            self.entries = tuple(entries)
            self._arrange()

    def set_hidden(self, key: str, hidden: bool) -> None:
        """Show an entry as switched off or on; does not emit."""
        (self.hidden.add if hidden else self.hidden.discard)(key)
        self.update()

    def sizeHint(self) -> QSize:
        """Return the height the rows need."""
        return QSize(80, self.height())

    @property
    def row_height(self) -> float:
        """Height of a row, pixels."""
        return QFontMetricsF(font()).height() + 2.0

    def _width(self, entry: Entry) -> float:
        return _swatch_width(entry) + 4.0 + QFontMetricsF(font()).horizontalAdvance(entry.label)

    def _arrange(self) -> None:
        """Lay the entries out from the right edge, row by row."""
        title = QFontMetricsF(font()).horizontalAdvance(self.title) + 2 * GAP if self.title else 0.0
        rows: list[list[Entry]] = [[]]
        space = self.width() - title - GAP
        used = 0.0
        for entry in self.entries:
            width = self._width(entry) + 2 * GAP
            if used + width > space and (rows[-1] or (title and len(rows) == 1)):
                rows.append([])
                used, space = 0.0, self.width() - GAP
            rows[-1].append(entry)
            used += width
        self._boxes = []
        for number, row in enumerate(rows):
            x = self.width() - GAP - sum(self._width(e) + 2 * GAP for e in row) + 2 * GAP
            x = max(x, GAP)
            for entry in row:
                width = self._width(entry)
                self._boxes.append((entry, QRectF(x, number * self.row_height, width, self.row_height)))
                x += width + 2 * GAP
        n_rows = len(rows) if self.entries else (1 if self.title else 0)
        self.setFixedHeight(int(n_rows * self.row_height) + (2 if n_rows else 0))
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Flow anew."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._arrange()

    def draw(self, painter: QPainter) -> None:
        """Draw title, swatches and labels."""
        middle = Qt.AlignmentFlag.AlignVCenter
        if self.title:
            painter.setPen(ink("muted"))
            painter.drawText(QRectF(GAP, 0, self.width(), self.row_height), middle, self.title)
        for entry, box in self._boxes:
            painter.setOpacity(0.35 if entry.key in self.hidden else 1.0)
            width = _swatch_width(entry)
            _draw_swatch(painter, entry, QRectF(box.left(), box.top(), width, box.height()))
            painter.setPen(ink("text"))
            text = QRectF(box.left() + width + 4, box.top(), self.width() - box.left() - width, box.height())
            painter.drawText(text, middle, entry.label)

    def _entry_at(self, point: QPointF) -> Entry | None:
        return next((entry for entry, box in self._boxes if box.contains(point)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Hide or show the series clicked."""
        entry = self._entry_at(event.position())
        if entry is not None and entry.kind != "ramp" and event.button() == Qt.MouseButton.LeftButton:
            hide = entry.key not in self.hidden
            self.set_hidden(entry.key, hide)
            self.toggled.emit(entry.key, not hide)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show that entries can be clicked."""
        over = self._entry_at(event.position()) is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def tip_at(self, point: QPointF) -> str:
        """Show an entry's tip."""
        entry = self._entry_at(point)
        return (entry.tip or f"{entry.label}: click to hide or show") if entry else ""


def _swatch_width(entry: Entry) -> float:
    return {"points": 9.0, "ramp": 56.0}.get(entry.kind, SWATCH)


def _draw_swatch(painter: QPainter, entry: Entry, box: QRectF) -> None:
    middle = box.center()
    if entry.kind == "points":
        draw_marker(painter, entry.marker, middle, 7.0, entry.color, entry.hollow)
        return
    if entry.kind == "ramp":
        ramp = QLinearGradient(box.left(), 0, box.right(), 0)
        for number, color in enumerate(entry.ramp):
            ramp.setColorAt(number / max(len(entry.ramp) - 1, 1), ink(color))
        painter.fillRect(QRectF(box.left(), middle.y() - 4, box.width(), 8), ramp)
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
