"""Base of the widgets that are painted by hand: the plots' font, the theme, and tips for parts of them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolTip, QWidget

from app.look import theme
from app.look.ink import font, ink


class PaintedWidget(QWidget):
    """Subclasses override :meth:`draw`, and :meth:`tip_at` where parts have tips of their own.

    :meth:`measure` is for what takes room by the size of its texts.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.signals().changed.connect(self._on_theme)
        self.installEventFilter(self)

    def draw(self, painter: QPainter) -> None:
        """Draw everything; edges are smoothed and the font is the plots'."""
        raise NotImplementedError

    def measure(self) -> None:
        """Take the room that the texts need now: they may be of another size."""

    def _on_theme(self) -> None:
        self.measure()
        self.update()

    def tip_at(self, point: QPointF) -> str:
        """Return what to say about the part at a point, "" for nothing."""
        return ""

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw everything."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font())
        self.draw(painter)
        painter.end()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Explain what is under the mouse. ``event`` would see its own deletion."""
        if event.type() == QEvent.Type.ToolTip and watched is self and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(QPointF(event.pos())), self)
            return True
        return False


def draw_dot(painter: QPainter, center: QPointF, color: str, radius: float = 4.0) -> None:
    """Draw a filled dot in a theme colour."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink(color))
    painter.drawEllipse(center, radius, radius)
