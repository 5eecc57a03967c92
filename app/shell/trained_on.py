"""What a training would use, beside the button that starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from app.look import theme
from app.look.ink import font, ink

if TYPE_CHECKING:
    from app.session.data import Data

NOTHING = "no file to train on"
MARGIN, SIZE = 8, 8.0


class TrainedOn(QLabel):
    """Such as "191 frames of Si in 2 files"; in the warning colour, with the reasons, where they do not fit.

    Two short lines, so that the whole is read on small screens, too.
    """

    def __init__(self, data: Data, parent: QWidget) -> None:
        super().__init__(parent)
        self._data = data
        self.setObjectName("trained_on")
        self.setContentsMargins(10, 0, MARGIN, 0)
        self.setTextFormat(Qt.TextFormat.PlainText)
        for signal in (data.added, data.removed, data.changed, data.fitting.known, theme.signals().changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_changed: object) -> None:
        """Say it anew."""
        text, warnings = self._data.training_text(), self._data.known_warnings()
        shown = f"{'⚠ ' if warnings else ''}{text or NOTHING}"
        self.setFont(font(SIZE))
        self.setText("\nin ".join(shown.rsplit(" in ", 1)) if self._data.datasets else "")
        color = ink("warning" if warnings else "muted").name()
        self.setStyleSheet(f"color: {color}")
        names = ", ".join(document.name for document in self._data.trained_on())
        self.setToolTip("\n".join(warnings) if warnings else f"Trained on: {names}" if names else NOTHING)
