"""The eye in a row of a list: open while what the row stands for is drawn."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, QSize
from PySide6.QtWidgets import QToolButton, QWidget

from app.look import icons


class EyeButton(QToolButton):
    """A button that is down while the eye is open."""

    def __init__(self, parent: QWidget, tip: str, toggled: Callable[[bool], object]) -> None:
        super().__init__(parent)
        self.setObjectName("eye")
        self.setToolTip(tip)
        self.setCheckable(True)
        self.setIconSize(QSize(14, 14))
        self.toggled.connect(self._draw)
        self.toggled.connect(toggled)
        self._draw()

    def show_state(self, shown: bool) -> None:
        """Open or close the eye; tells nobody."""
        with QSignalBlocker(self):
            self.setChecked(shown)
        self._draw()

    def _draw(self, *_: object) -> None:
        shown = self.isChecked()
        icons.follow(self, "eye" if shown else "eye-off", muted=not shown)
