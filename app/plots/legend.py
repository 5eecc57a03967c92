"""A legend of one line above a plot instead of covering it; a click hides or shows the series."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.look.ink import font, ink
from app.plots.legend_layout import GAP, Layout, lay_out, natural_width
from app.plots.swatch import Entry, draw_swatch, swatch_width
from app.widgets.painted import PaintedWidget

__all__ = ["Entry", "Legend", "LegendList"]

MOST_LISTED = 40
"""More rows than this do not fit onto a screen."""

GESTURES = (("Click in the legend", "Hide or show a series; “+ more” lists all of them"),)


class Legend(PaintedWidget):
    """Title of the vertical axis at the left, entries at the right, never more than a line.

    Long names are cut in the middle, and entries that still find no room are folded into a list that a click
    opens.
    """

    toggled = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.titles: tuple[str, ...] = ()
        self.entries: tuple[Entry, ...] = ()
        self.hidden: set[str] = set()
        self.line: Layout = Layout("")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    @property
    def title(self) -> str:
        """The title shown."""
        return self.line.title

    def set_title(self, *titles: str) -> None:
        """Set the text at the left, the vertical axis's quantity and unit, and shorter ones for less room."""
        found = tuple(filter(None, titles))
        if found != self.titles:
            self.titles = found
            self.measure()

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Replace the entries."""
        if tuple(entries) != self.entries:
            self.entries = tuple(entries)
            self.measure()

    def set_hidden(self, key: str, hidden: bool) -> None:
        """Show an entry as switched off or on; does not emit."""
        (self.hidden.add if hidden else self.hidden.discard)(key)
        self.update()

    def toggle(self, entry: Entry) -> None:
        """Hide or show a series, as a click on its entry does."""
        if not entry.fixed:
            hide = entry.key not in self.hidden
            self.set_hidden(entry.key, hide)
            self.toggled.emit(entry.key, not hide)

    def sizeHint(self) -> QSize:
        """Return the height of the line."""
        return QSize(80, self.height())

    def full_width(self) -> int:
        """Return the pixels that show every entry at full length."""
        return math.ceil(
            natural_width(self.titles[0] if self.titles else "", self.entries, QFontMetricsF(font()))
        )

    @property
    def row_height(self) -> float:
        """Height of a row, pixels."""
        return QFontMetricsF(font()).height() + 2.0

    def measure(self) -> None:
        """Lay the entries out on the line."""
        self.line = lay_out(self.titles, self.entries, self.width(), self.row_height, QFontMetricsF(font()))
        self.setFixedHeight(int(self.row_height) + 2 if self.entries or self.titles else 0)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out anew."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.measure()

    def draw(self, painter: QPainter) -> None:
        """Draw title, swatches and names."""
        middle, shown = Qt.AlignmentFlag.AlignVCenter, self.line
        if shown.title:
            painter.setPen(ink("muted"))
            painter.drawText(QRectF(GAP, 0, self.width(), self.row_height), middle, shown.title)
        for placed in shown.placed:
            painter.setOpacity(0.35 if placed.entry.key in self.hidden else 1.0)
            draw_entry(painter, placed.entry, placed.text, placed.box)
        if shown.more:
            painter.setOpacity(1.0)
            painter.setPen(ink("accent"))
            painter.drawText(shown.more_box, middle, shown.more)

    def entry_at(self, point: QPointF) -> Entry | None:
        """Return the entry at a point, or None."""
        return next((p.entry for p in self.line.placed if p.box.contains(point)), None)

    def _over_more(self, point: QPointF) -> bool:
        return bool(self.line.more) and self.line.more_box.contains(point)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Hide or show the series clicked, or list them all."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        entry = self.entry_at(event.position())
        if entry is not None:
            self.toggle(entry)
        elif self._over_more(event.position()):
            self.open_list()

    def open_list(self) -> LegendList:
        """List all entries with their full names under the line."""
        shown = LegendList(self)
        shown.place(self.mapToGlobal(QPoint(self.width(), int(self.row_height))))
        shown.show()
        return shown

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show what can be clicked."""
        over = self.entry_at(event.position()) is not None or self._over_more(event.position())
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def tip_at(self, point: QPointF) -> str:
        """Show an entry's tip and its full name, or what is folded, or the full title."""
        entry = self.entry_at(point)
        if entry is not None:
            return tip_of(entry)
        if self._over_more(point):
            names = [entry.text for entry in self.line.folded]
            return "\n".join([*names[:MOST_LISTED], "Click to list all of them"])
        return self.toolTip() or (self.titles[0] if self.titles else "")


class LegendList(PaintedWidget):
    """All entries of a legend, one a row with its full name; a click hides or shows, one elsewhere closes."""

    def __init__(self, legend: Legend) -> None:
        super().__init__(legend)
        self.setWindowFlags(Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.legend = legend
        self.entries = legend.entries[:MOST_LISTED]
        metrics = QFontMetricsF(font())
        widths = [swatch_width(entry) + metrics.horizontalAdvance(entry.text) for entry in self.entries]
        self._row = metrics.height() + 6.0
        self.resize(int(max(widths, default=0.0) + 4 * GAP), int(len(self.entries) * self._row + 2 * GAP))

    def place(self, corner: QPoint) -> None:
        """Put its upper right corner there, or where the screen has room for it."""
        room = self.legend.screen().availableGeometry()
        x = max(room.left(), min(corner.x(), room.right()) - self.width())
        self.move(x, max(room.top(), min(corner.y(), room.bottom() - self.height())))

    def box_of(self, row: int) -> QRectF:
        """Return where a row is."""
        return QRectF(GAP, GAP + row * self._row, self.width() - 2 * GAP, self._row)

    def draw(self, painter: QPainter) -> None:
        """Draw the rows on the panel's colour."""
        painter.setPen(ink("grid"))
        painter.setBrush(ink("panel"))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        for row, entry in enumerate(self.entries):
            painter.setOpacity(0.35 if entry.key in self.legend.hidden else 1.0)
            draw_entry(painter, entry, entry.label, self.box_of(row))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Hide or show the series clicked; close on a click outside."""
        if not self.rect().contains(event.position().toPoint()):
            self.close()
            return
        row = int((event.position().y() - GAP) // self._row)
        if 0 <= row < len(self.entries):
            self.legend.toggle(self.entries[row])
            self.update()

    def tip_at(self, point: QPointF) -> str:
        """Show an entry's tip."""
        row = int((point.y() - GAP) // self._row)
        return tip_of(self.entries[row]) if 0 <= row < len(self.entries) else ""


def draw_entry(painter: QPainter, entry: Entry, name: str, box: QRectF) -> None:
    """Paint the swatch and the name of an entry, and what follows the name, into a box."""
    width = swatch_width(entry)
    draw_swatch(painter, entry, QRectF(box.left(), box.top(), width, box.height()))
    painter.setPen(ink("text"))
    text = QRectF(box.left() + width + 4, box.top(), box.width(), box.height())
    painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip, name + entry.tail)


def tip_of(entry: Entry) -> str:
    """Return an entry's tip, its full name first."""
    if not entry.tip:
        return f"{entry.text}: click to hide or show"
    return entry.tip if entry.label in entry.tip else f"{entry.text}: {entry.tip}"
