"""The same pairs of groups by several runs as bars side by side: which run connects which pair, how well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QToolTip, QVBoxLayout, QWidget

from app.look import theme
from app.plots.ink import font, ink
from app.plots.legend import Entry, Legend

BAR, GAP, ROW_GAP = 11.0, 2.0, 7.0
LABEL_SHARE = 0.42


@dataclass(frozen=True)
class Pair:
    """Two groups with their colours, and their connectivity by every run (None: the run lacks one)."""

    names: tuple[str, str]
    colors: tuple[str, str]
    values: tuple[float | None, ...]
    tip: str = ""

    @property
    def text(self) -> str:
        """Both names."""
        return " – ".join(self.names)


@dataclass(frozen=True)
class BarRun:
    """Name and colour of a run."""

    name: str
    color: str


class PairBars(QWidget):
    """A legend of the runs above rows of bars between 0 and 1 with their numbers; scrolls where it must."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
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
        column.addWidget(self.legend)
        column.addWidget(self.area, 1)
        theme.signals().changed.connect(self.legend.restyle)

    def show_pairs(self, pairs: Sequence[Pair], runs: Sequence[BarRun]) -> None:
        """Replace everything."""
        self.legend.set_title("Connectivity")
        entries = [Entry(str(k), r.name, r.color, "points", marker="s") for k, r in enumerate(runs)]
        self.legend.set_entries(entries)
        self.rows.show_pairs(pairs, runs)


class _Rows(QWidget):
    """Paints the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: tuple[Pair, ...] = ()
        self.runs: tuple[BarRun, ...] = ()
        theme.signals().changed.connect(self.update)

    def show_pairs(self, pairs: Sequence[Pair], runs: Sequence[BarRun]) -> None:
        """Replace the rows."""
        self.pairs, self.runs = tuple(pairs), tuple(runs)
        self.setMinimumHeight(int(len(self.pairs) * self._row_height() + 4))
        self.update()

    def sizeHint(self) -> QSize:
        """Return the height of all rows."""
        return QSize(240, self.minimumHeight())

    def _bar_height(self) -> float:
        return max(BAR, QFontMetricsF(font()).height() - 3.0)

    def _row_height(self) -> float:
        return max(len(self.runs), 1) * (self._bar_height() + GAP) + ROW_GAP

    def bar_rect(self, row: int, run: int) -> QRectF:
        """Return where a full bar (1.0) would be."""
        left = LABEL_SHARE * self.width()
        number = QFontMetricsF(font()).horizontalAdvance("0.00") + 8.0
        top = row * self._row_height() + run * (self._bar_height() + GAP) + 2.0
        return QRectF(left, top, max(self.width() - left - number - 6.0, 1.0), self._bar_height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw names, bars and numbers."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font())
        for row, pair in enumerate(self.pairs):
            self._draw_label(painter, row, pair)
            for run, value in enumerate(pair.values):
                self._draw_bar(painter, self.bar_rect(row, run), self.runs[run].color, value)
        painter.end()

    def _draw_label(self, painter: QPainter, row: int, pair: Pair) -> None:
        height = self._row_height() - ROW_GAP
        box = QRectF(8, row * self._row_height() + 1, LABEL_SHARE * self.width() - 16, height)
        painter.setPen(Qt.PenStyle.NoPen)
        for k, color in enumerate(pair.colors):
            painter.setBrush(ink(color))
            painter.drawEllipse(QPointF(box.left() + 4 + 11 * k, box.center().y()), 4.0, 4.0)
        text = QFontMetricsF(font()).elidedText(pair.text, Qt.TextElideMode.ElideMiddle, box.width() - 26)
        painter.setPen(ink("text"))
        painter.drawText(box.adjusted(26, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)

    def _draw_bar(self, painter: QPainter, full: QRectF, color: str, value: float | None) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink("grid"))
        painter.drawRoundedRect(full, 2, 2)
        shown = QRectF(full)
        shown.setWidth(full.width() * min(max(value or 0.0, 0.0), 1.0))
        painter.setBrush(ink(color))
        painter.drawRoundedRect(shown, 2, 2)
        painter.setPen(ink("text" if value is not None else "muted"))
        text = "–" if value is None else f"{value:.2f}"
        at = QRectF(full.right() + 6, full.top() - 2, 60, full.height() + 4)
        painter.drawText(at, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def event(self, event: QEvent) -> bool:
        """Explain the row under the mouse."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = int(event.pos().y() // self._row_height())
            tip = self.pairs[row].tip or self.pairs[row].text if 0 <= row < len(self.pairs) else ""
            QToolTip.showText(event.globalPos(), tip, self)
            return True
        return super().event(event)
