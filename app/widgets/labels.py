"""Labels that shorten their text instead of pushing their neighbors away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.look.ink import follow_font, ink


class ElidedLabel(QLabel):
    """A line of text, elided at its end; the whole text is its tool tip, and what ``text()`` gives."""

    lines = 1
    elide = Qt.TextElideMode.ElideRight

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_text(self, text: str, *, tip: str = "") -> None:
        """Show a text; the tool tip is ``tip`` or the text."""
        self.setText(text)
        self.setToolTip(tip or text)

    def shown_lines(self) -> list[str]:
        """Return the lines that fit, broken at spaces."""
        metrics, width = self.fontMetrics(), max(self.width() - 2, 1)
        found: list[str] = []
        for word in self.text().split(" "):
            joined = f"{found[-1]} {word}" if found else word
            if found and (metrics.horizontalAdvance(joined) <= width or len(found) == self.lines):
                found[-1] = joined
            else:
                found.append(word)
        if metrics.horizontalAdvance(found[-1]) > width:  # elidedText rounds otherwise, and cuts what fits
            found[-1] = metrics.elidedText(found[-1], self.elide, width)
        return found

    def paint_color(self) -> QColor:
        """Return the colour of the text, the style sheet's."""
        return self.palette().color(self.foregroundRole())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.setPen(self.paint_color())
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(self.rect(), flags, "\n".join(self.shown_lines()))
        painter.end()


class NoteLabel(ElidedLabel):
    """Text in a colour of the theme: as many lines as it needs, ``lines`` at most.

    By default these hold every sentence of the panels, in the narrowest of them, too.
    """

    def __init__(self, parent: QWidget | None = None, color: str = "text", *, lines: int = 4) -> None:
        super().__init__(parent)
        self.color, self.lines = color, lines
        follow_font(self)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_text(self, text: str, color: str | None = None, *, tip: str = "") -> None:
        """Set text, colour (a theme name) and tip."""
        self.color = color or self.color
        super().set_text(text, tip=tip)
        self.updateGeometry()

    def paint_color(self) -> QColor:
        """Return the theme's colour."""
        return ink(self.color)

    def minimumSizeHint(self) -> QSize:
        """Return the height the lines need; any width will do."""
        return QSize(20, len(self.shown_lines()) * self.fontMetrics().height() + 4)

    def sizeHint(self) -> QSize:
        """Return the same height, and the width of the whole text."""
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 4, self.minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for as many lines as the new width needs."""
        super().resizeEvent(event)
        if self.lines > 1 and event.oldSize().width() != event.size().width():
            self.updateGeometry()
