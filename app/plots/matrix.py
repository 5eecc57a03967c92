"""A small matrix with its numbers written into the cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolTip, QWidget

from app.look import theme
from app.plots.ink import font, ink, pen

_ROWS_KEPT = 4
"""Rows that stay readable however small the panel is made."""


class MatrixView(QWidget):
    """A symmetric matrix as a heat map: names with their colours at the left and on top, numbers inside.

    ``cell_clicked`` gives row and column.
    """

    cell_clicked = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names: tuple[str, ...] = ()
        self.colors: tuple[str, ...] = ()
        self.values = np.empty((0, 0))
        self.marked: tuple[int, int] | None = None
        self.tips: dict[tuple[int, int], str] = {}
        self.limits = (0.0, 1.0)
        theme.signals().changed.connect(self.update)

    def set_matrix(
        self,
        names: Sequence[str],
        values: np.ndarray,
        colors: Sequence[str],
        *,
        marked: tuple[int, int] | None = None,
        tips: dict[tuple[int, int], str] | None = None,
    ) -> None:
        """Show ``values`` (n, n) in [0, 1]; NaN stays empty, ``marked`` gets a frame; a colour per name."""
        self.names, self.colors = tuple(names), tuple(colors)
        self.values = np.asarray(values, dtype=np.float64)
        self.marked, self.tips = marked, tips or {}
        line = QFontMetricsF(font()).height()
        self.setMinimumHeight(round(line + 12 + min(len(self.names), _ROWS_KEPT) * (line + 2)))
        self.update()

    def sizeHint(self) -> QSize:
        """Return a modest size."""
        return QSize(240, 160)

    def number(self, row: int, column: int) -> str:
        """Return the text of a cell."""
        value = self.values[row, column]
        return f"{value:.2f}" if np.isfinite(value) else "–"

    def _geometry(self) -> tuple[float, float, float, float]:
        """Return left, top, cell width and cell height, in pixels."""
        metrics = QFontMetricsF(font())
        longest = max((metrics.horizontalAdvance(name) for name in self.names), default=0.0) + 26.0
        left = min(longest, 0.36 * self.width())
        top = metrics.height() + 6.0
        n = max(len(self.names), 1)
        width = min((self.width() - left - 10.0) / n, 190.0)
        return left, top, max(width, 1.0), max(min((self.height() - top - 6.0) / n, 96.0), 1.0)

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Return where a cell is."""
        left, top, width, height = self._geometry()
        return QRectF(left + column * width, top + row * height, width, height).adjusted(1, 1, -1, -1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw names, cells and numbers."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font())
        self._draw_names(painter)
        for row in range(len(self.names)):
            for column in range(len(self.names)):
                self._draw_cell(painter, row, column)
        painter.end()

    def _draw_cell(self, painter: QPainter, row: int, column: int) -> None:
        box, value = self.cell_rect(row, column), self.values[row, column]
        if not np.isfinite(value):
            painter.setPen(ink("muted"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, "–" if row != column else "")
            return
        fill = heat_color(value, self.limits)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRoundedRect(box, 3, 3)
        if self.marked in ((row, column), (column, row)):
            painter.setPen(pen("error", 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 3, 3)
        if QFontMetricsF(font()).horizontalAdvance("0.00") <= box.width():
            painter.setPen(QColor("#ffffff" if _luminance(fill) < 0.45 else "#1c2026"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self.number(row, column))

    def _draw_names(self, painter: QPainter) -> None:
        left, top, width, height = self._geometry()
        metrics = QFontMetricsF(font())
        for i, (name, color) in enumerate(zip(self.names, self.colors, strict=True)):
            middle = QPointF(12, top + (i + 0.5) * height)
            _dot(painter, middle, color)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, left - 26)
            painter.setPen(ink("text"))
            row = QRectF(20, top + i * height, left - 22, height)
            painter.drawText(row, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
            head = QRectF(left + i * width, 0, width, top)
            text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width - 4)
            if metrics.horizontalAdvance(name) > width * 1.6:
                _dot(painter, head.center(), color)
            else:
                painter.setPen(ink("muted"))
                painter.drawText(head, Qt.AlignmentFlag.AlignCenter, text)

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """Return (row, column) at a position, or None."""
        left, top, width, height = self._geometry()
        row, column = int((point.y() - top) // height), int((point.x() - left) // width)
        n = len(self.names)
        return (row, column) if 0 <= row < n and 0 <= column < n else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Tell which cell was clicked."""
        cell = self.cell_at(event.position())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.cell_clicked.emit(*cell)

    def event(self, event: QEvent) -> bool:
        """Explain the cell under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self.cell_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self.tips.get(cell, "") if cell else "", self)
            return True
        return super().event(event)


def _dot(painter: QPainter, center: QPointF, color: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink(color))
    painter.drawEllipse(center, 4.0, 4.0)


_RAMP = np.array(
    [(240, 245, 251), (205, 222, 240), (152, 190, 224), (93, 150, 203), (45, 108, 174), (12, 62, 124)],
    dtype=np.float64,
)
"""Pale for islands, deep blue for one body."""


def heat_color(value: float, limits: tuple[float, float] = (0.0, 1.0)) -> QColor:
    """Return the colour of a value: pale where it is low, deep blue where it is high."""
    share = min(max((value - limits[0]) / max(limits[1] - limits[0], 1e-12), 0.0), 1.0) * (len(_RAMP) - 1)
    index = min(int(share), len(_RAMP) - 2)
    rgb = _RAMP[index] + (share - index) * (_RAMP[index + 1] - _RAMP[index])
    return QColor(*(round(c) for c in rgb))


def _luminance(color: QColor) -> float:
    return 0.299 * color.redF() + 0.587 * color.greenF() + 0.114 * color.blueF()
