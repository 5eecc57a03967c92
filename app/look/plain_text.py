"""Labels, tool tips and message boxes show texts as they are: HTML of strangers is never interpreted."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProxyStyle


class PlainTextStyle(QProxyStyle):
    """Fusion, with plain text in every label that does not ask for rich text itself, tool tips included."""

    def __init__(self) -> None:
        super().__init__("Fusion")

    def polish(self, arg__1: Any) -> None:
        """Take texts as they are from the moment a label is first shown (Qt polishes palettes, too)."""
        if isinstance(arg__1, QLabel) and arg__1.textFormat() == Qt.TextFormat.AutoText:
            arg__1.setTextFormat(Qt.TextFormat.PlainText)
        super().polish(arg__1)
