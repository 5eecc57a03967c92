"""How groups hang together: a small matrix with its numbers, or bars by run for each pair of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.look.ink import font, ink, pen
from app.look.names import told_apart
from app.plots.legend import Entry, Legend
from app.widgets.controls import filled
from app.widgets.painted import PaintedWidget, draw_dot

BAR, GAP, ROW_GAP = 11.0, 2.0, 7.0
LABEL_SHARE = 0.42

_ROWS_KEPT = 4
"""Rows that stay readable however small the panel is made."""


class MatrixView(PaintedWidget):
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
        self.measure()
        self.update()

    def measure(self) -> None:
        """Keep room for some rows."""
        if not self.names:
            return
        line = QFontMetricsF(font()).height()
        self.setMinimumHeight(round(line + 12 + min(len(self.names), _ROWS_KEPT) * (line + 2)))

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

    def draw(self, painter: QPainter) -> None:
        """Draw names, cells and numbers."""
        self._draw_names(painter)
        for row in range(len(self.names)):
            for column in range(len(self.names)):
                self._draw_cell(painter, row, column)

    def _draw_cell(self, painter: QPainter, row: int, column: int) -> None:
        box, value = self.cell_rect(row, column), self.values[row, column]
        if not np.isfinite(value):
            painter.setPen(ink("muted"))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, "–" if row != column else "")
            return
        fill = heat_color(value)
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
        rows, heads = (told_apart(self.names, metrics, room) for room in (left - 26, width - 4))
        for i, color in enumerate(self.colors):
            middle = QPointF(12, top + (i + 0.5) * height)
            draw_dot(painter, middle, color)
            painter.setPen(ink("text"))
            row = QRectF(20, top + i * height, left - 22, height)
            painter.drawText(row, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, rows[i])
            head = QRectF(left + i * width, 0, width, top)
            if metrics.horizontalAdvance(heads[i]) > width:
                draw_dot(painter, head.center(), color)
            else:
                painter.setPen(ink("muted"))
                painter.drawText(head, Qt.AlignmentFlag.AlignCenter, heads[i])

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

    def tip_at(self, point: QPointF) -> str:
        """Explain the cell under the mouse."""
        cell = self.cell_at(point)
        return self.tips.get(cell, "") if cell else ""


_RAMP = np.array(
    [(240, 245, 251), (205, 222, 240), (152, 190, 224), (93, 150, 203), (45, 108, 174), (12, 62, 124)],
    dtype=np.float64,
)
"""Pale for islands, deep blue for one body."""


def heat_color(value: float) -> QColor:
    """Return the colour of a value in [0, 1]: pale where it is low, deep blue where it is high."""
    at = np.linspace(0.0, 1.0, len(_RAMP))
    return QColor(*(round(float(np.interp(value, at, channel))) for channel in _RAMP.T))


def _luminance(color: QColor) -> float:
    return 0.299 * color.redF() + 0.587 * color.greenF() + 0.114 * color.blueF()


@dataclass(frozen=True)
class Pair:
    """Two groups with their colours, and their connectivity by every run (None: the run lacks one)."""

    names: tuple[str, str]
    colors: tuple[str, str]
    values: tuple[float | None, ...]

    @property
    def text(self) -> str:
        """Both names."""
        return " – ".join(self.names)


class PairBars(QWidget):
    """A legend of the runs above rows of bars between 0 and 1 with their numbers; scrolls where it must."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.legend = Legend(self)
        self.legend.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.rows = _Rows()
        self.area = QScrollArea(self)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(self.rows)
        self.area.viewport().setAutoFillBackground(False)
        self.rows.setAutoFillBackground(False)
        filled(QVBoxLayout(self), self.legend, (self.area, 1), spacing=2)

    def show_pairs(self, pairs: Sequence[Pair], names: Sequence[str], colors: Sequence[str]) -> None:
        """Replace everything; the runs have names and colours."""
        self.legend.set_title("Connectivity")
        entries = [
            Entry(name, name, color, "points", marker="s", hollow=color in colors[:k])
            for k, (name, color) in enumerate(zip(names, colors, strict=True))
        ]
        self.legend.set_entries(entries)
        self.rows.show_pairs(pairs, colors)


class _Rows(PaintedWidget):
    """Paints the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: tuple[Pair, ...] = ()
        self.colors: tuple[str, ...] = ()

    def show_pairs(self, pairs: Sequence[Pair], colors: Sequence[str]) -> None:
        """Replace the rows, with a bar in each colour."""
        self.pairs, self.colors = tuple(pairs), tuple(colors)
        self.measure()
        self.update()

    def measure(self) -> None:
        """Take the height of all rows."""
        self.setMinimumHeight(int(len(self.pairs) * self._row_height() + 4))

    def sizeHint(self) -> QSize:
        """Return the height of all rows."""
        return QSize(240, self.minimumHeight())

    def _bar_height(self) -> float:
        return max(BAR, QFontMetricsF(font()).height() - 3.0)

    def _row_height(self) -> float:
        return max(len(self.colors), 1) * (self._bar_height() + GAP) + ROW_GAP

    def bar_rect(self, row: int, run: int) -> QRectF:
        """Return where a full bar (1.0) would be."""
        left = LABEL_SHARE * self.width()
        number = QFontMetricsF(font()).horizontalAdvance("0.00") + 8.0
        top = row * self._row_height() + run * (self._bar_height() + GAP) + 2.0
        return QRectF(left, top, max(self.width() - left - number - 6.0, 1.0), self._bar_height())

    def draw(self, painter: QPainter) -> None:
        """Draw names, bars and numbers."""
        metrics, room = QFontMetricsF(font()), LABEL_SHARE * self.width() - 42
        whole = [name for pair in self.pairs for name in pair.names]
        each = (room - metrics.horizontalAdvance(" – ")) / 2
        texts = [pair.text for pair in self.pairs]
        if any(metrics.horizontalAdvance(text) > room for text in texts):
            short = dict(zip(whole, told_apart(whole, metrics, each), strict=True))
            texts = [" – ".join(short[name] for name in pair.names) for pair in self.pairs]
        for row, pair in enumerate(self.pairs):
            self._draw_label(painter, row, pair, texts[row])
            for run, value in enumerate(pair.values):
                again = self.colors[run] in self.colors[:run]
                self._draw_bar(painter, self.bar_rect(row, run), self.colors[run], value, hollow=again)

    def _draw_label(self, painter: QPainter, row: int, pair: Pair, text: str) -> None:
        height = self._row_height() - ROW_GAP
        box = QRectF(8, row * self._row_height() + 1, LABEL_SHARE * self.width() - 16, height)
        for k, color in enumerate(pair.colors):
            draw_dot(painter, QPointF(box.left() + 4 + 11 * k, box.center().y()), color)
        painter.setPen(ink("text"))
        painter.drawText(box.adjusted(26, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)

    def _draw_bar(
        self, painter: QPainter, full: QRectF, color: str, value: float | None, *, hollow: bool
    ) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink("grid"))
        painter.drawRoundedRect(full, 2, 2)
        shown = QRectF(full)
        shown.setWidth(full.width() * min(max(value or 0.0, 0.0), 1.0))
        if hollow:  # another run of the same data, and colour
            painter.setPen(pen(color, 1.4))
            painter.setBrush(ink("panel"))
            shown.adjust(0.7, 0.7, -0.7, -0.7)
        else:
            painter.setBrush(ink(color))
        painter.drawRoundedRect(shown, 2, 2)
        painter.setPen(ink("text" if value is not None else "muted"))
        text = "–" if value is None else f"{value:.2f}"
        at = QRectF(full.right() + 6, full.top() - 2, 60, full.height() + 4)
        painter.drawText(at, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def tip_at(self, point: QPointF) -> str:
        """Explain the row under the mouse."""
        row = int(point.y() // self._row_height())
        return self.pairs[row].text if 0 <= row < len(self.pairs) else ""
