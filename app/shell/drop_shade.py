"""What a drop would do, said over the window while files are dragged over it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.look.ink import faded, font, ink, pen

INSET, RADIUS, WIDTH = 8.0, 10.0, 2.0


class DropShade(QWidget):
    """Covers its window; :meth:`offer` shows it, and it is hidden otherwise."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.text = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, True)
        self.hide()

    def offer(self, n_files: int) -> None:
        """Say that so many files would be opened."""
        self.text = "Drop to open it" if n_files == 1 else f"Drop to open {n_files} files"
        self.setGeometry(self.window().rect())
        self.show()
        self.raise_()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw a veil, a border and the words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), faded("panel", 0.75))
        painter.setPen(pen("accent", WIDTH, (5, 3)))
        frame = QRectF(self.rect()).adjusted(INSET, INSET, -INSET, -INSET)
        painter.drawRoundedRect(frame, RADIUS, RADIUS)
        painter.setPen(ink("text"))
        painter.setFont(font(16, bold=True))
        painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, self.text)
        painter.end()
