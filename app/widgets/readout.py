"""A row of numbers under a plot: what, the value with its spread, and the reference below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.look.ink import font, ink
from app.widgets.painted import PaintedWidget


@dataclass(frozen=True)
class Cell:
    """One number: ``head`` says what and in which unit, ``value`` is bold, ``below`` muted under it.

    ``spread`` stands beside the value, muted, where there is room.
    """

    head: str
    value: str
    below: str = ""
    tip: str = ""
    color: str = "text"
    spread: str = ""


class Readout(PaintedWidget):
    """Cells side by side, numbers never clipped: spreads go where room is short, then the last cells."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cells: tuple[Cell, ...] = ()
        self.row_names: tuple[str, str] = ("", "")
        self.spreads_shown = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_cells(self, cells: Sequence[Cell], row_names: tuple[str, str] = ("", "")) -> None:
        """Replace the numbers; ``row_names`` stand at the left of the values and of the references."""
        if (tuple(cells), row_names) != (self.cells, self.row_names):
            self.cells, self.row_names = tuple(cells), row_names
            self.measure()
            self.setVisible(bool(cells))
            self.update()

    def measure(self) -> None:
        """Take the height of the rows."""
        self.setFixedHeight(self._needed_height())

    def _needed_height(self) -> int:
        if not self.cells:
            return 0
        rows = 3 if any(cell.below for cell in self.cells) else 2
        return int(rows * QFontMetricsF(font()).height() + 5)

    def sizeHint(self) -> QSize:
        """Return the height of the rows."""
        return QSize(120, self._needed_height())

    def text(self) -> str:
        """Return everything as plain text, a line per cell."""
        spreads = (f" {c.spread}" if c.spread else "" for c in self.cells)
        below = (f" (reference {c.below})" if c.below else "" for c in self.cells)
        cells = zip(self.cells, spreads, below, strict=True)
        return "\n".join(f"{c.head}: {c.value}{spread}{ref}" for c, spread, ref in cells)

    def _boxes(self) -> list[tuple[Cell, QRectF]]:
        metrics, strong = QFontMetricsF(font()), QFontMetricsF(font(bold=True))
        names = max((metrics.horizontalAdvance(name) for name in self.row_names), default=0.0)
        left = 8.0 + (names + 8.0 if names else 0.0)
        plain = metrics.horizontalAdvance
        widths = [max(plain(c.head), strong.horizontalAdvance(c.value), plain(c.below)) for c in self.cells]
        wide = [max(w, self._value_width(c)) for c, w in zip(self.cells, widths, strict=True)]
        shown = len(widths)
        self.spreads_shown = left + sum(wide) + 8.0 * shown <= self.width()
        widths = wide if self.spreads_shown else widths
        while shown > 1 and left + sum(widths[:shown]) + 8.0 * shown > self.width():
            shown -= 1
        if not shown:
            return []
        spare = max((self.width() - left - 8.0 - sum(widths[:shown])) / shown, 0.0)
        spare = min(spare, 40.0)
        boxes, x = [], left
        for cell, width in zip(self.cells[:shown], widths[:shown], strict=True):
            boxes.append((cell, QRectF(x, 1, width, self.height() - 2)))
            x += width + spare
        return boxes

    @staticmethod
    def _value_width(cell: Cell) -> float:
        """Width of the value and the spread beside it."""
        spread = QFontMetricsF(font()).horizontalAdvance(f" {cell.spread}") if cell.spread else 0.0
        return QFontMetricsF(font(bold=True)).horizontalAdvance(cell.value) + spread

    def draw(self, painter: QPainter) -> None:
        """Draw head, value and reference of every cell."""
        line = QFontMetricsF(font()).height()
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(ink("muted"))
        for row, name in enumerate(self.row_names):
            painter.drawText(QRectF(8, 1 + (row + 1) * line, 200, line), flags, name)
        for cell, box in self._boxes():
            for row, (text, color) in enumerate(
                ((cell.head, "muted"), (cell.value, cell.color), (cell.below, "muted"))
            ):
                painter.setFont(font(bold=row == 1))
                painter.setPen(ink(color))
                painter.drawText(QRectF(box.left(), 1 + row * line, box.width() + 4, line), flags, text)
            if cell.spread and self.spreads_shown:
                painter.setFont(font())
                painter.setPen(ink("muted"))
                start = box.left() + QFontMetricsF(font(bold=True)).horizontalAdvance(cell.value)
                painter.drawText(
                    QRectF(start, 1 + line, box.right() + 4 - start, line), flags, f" {cell.spread}"
                )

    def tip_at(self, point: QPointF) -> str:
        """Explain the number under the mouse."""
        hit = next((cell for cell, box in self._boxes() if box.contains(point)), None)
        return (hit.tip if hit else "") or self.text()
