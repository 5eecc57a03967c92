"""A widget that shows either its content or a text that says what to do to see some."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedWidget, QWidget

from app.look.ink import follow_font
from app.look.style_sheet import styled


class Placeholder(QStackedWidget):
    """Content, or a message in the middle."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = styled(QLabel(self), "muted")
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._label.setWordWrap(True)
        self._label.setContentsMargins(16, 8, 16, 8)
        follow_font(self._label)
        self.addWidget(content)
        self.addWidget(self._label)

    def set_message(self, text: str) -> None:
        """Show a text instead of the content; "" shows the content."""
        self._label.setText(text)
        self.setCurrentIndex(1 if text else 0)

    @property
    def message(self) -> str:
        """The text shown, or ""."""
        return self._label.text() if self.currentIndex() == 1 else ""
