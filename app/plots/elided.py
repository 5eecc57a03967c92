"""Labels that shorten their text instead of pushing their neighbors away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.plots.ink import font, ink


class ElidedLabel(QLabel):
    """One line of text in a theme colour, elided at its end; the whole text is its tool tip."""

    def __init__(self, parent: QWidget | None = None, color: str = "muted") -> None:
        super().__init__(parent)
        self.color = color
        self.setFont(font())
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_text(self, text: str, color: str | None = None, tip: str = "") -> None:
        """Set text, colour (a theme name) and tip."""
        self.color = color or self.color
        self.setText(text)
        self.setToolTip(tip or text)

    def minimumSizeHint(self) -> QSize:
        """Return the height of a line; any width will do."""
        return QSize(20, self.fontMetrics().height() + 4)

    def sizeHint(self) -> QSize:
        """Return the size of the whole text."""
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 4, self.fontMetrics().height() + 4)

    def shown_text(self) -> str:
        """Return what fits."""
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width() - 2)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.setFont(self.font())
        painter.setPen(ink(self.color))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(self.rect(), flags, self.shown_text())
        painter.end()


class BriefLabel(ElidedLabel):
    """At most a few lines of text, as many as it needs, broken at spaces; the last one is elided."""

    def __init__(self, parent: QWidget | None = None, color: str = "text", lines: int = 2) -> None:
        super().__init__(parent, color)
        self.lines = lines

    def shown_lines(self) -> list[str]:
        """Return the lines that fit."""
        metrics, width = self.fontMetrics(), max(self.width() - 2, 1)
        found: list[str] = []
        for word in self.text().split():
            joined = f"{found[-1]} {word}" if found else word
            if found and (metrics.horizontalAdvance(joined) <= width or len(found) == self.lines):
                found[-1] = joined
            else:
                found.append(word)
        last = [metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in found[-1:]]
        return [*found[:-1], *last]

    def shown_text(self) -> str:
        """Return what fits."""
        return " ".join(self.shown_lines())

    def _height(self) -> int:
        n_lines = min(max(len(self.shown_lines()), 1), self.lines)
        return n_lines * self.fontMetrics().height() + 4

    def minimumSizeHint(self) -> QSize:
        """Return the height the lines need; any width will do."""
        return QSize(20, self._height())

    def sizeHint(self) -> QSize:
        """Return the same: the width is given by others."""
        return QSize(super().sizeHint().width(), self._height())

    def set_text(self, text: str, color: str | None = None, tip: str = "") -> None:
        """Set text, colour (a theme name) and tip."""
        super().set_text(text, color, tip)
        self.updateGeometry()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for as many lines as the new width needs."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.setFont(self.font())
        painter.setPen(ink(self.color))
        flags = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
        painter.drawText(self.rect().adjusted(0, 2, 0, 0), flags, "\n".join(self.shown_lines()))
        painter.end()
