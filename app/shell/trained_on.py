"""What a training would use, beside the button that starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.look import theme
from app.look.ink import font, ink

if TYPE_CHECKING:
    from app.session.data import Data

NOTHING = "no file to train on"
MARGIN, MOST = 8, 180


class TrainedOn(QLabel):
    """Such as "2 files, 191 frames, Si"; in the warning colour, with the reasons, where they do not fit.

    It takes two lines where that saves width, so that the whole is read on small screens.
    """

    def __init__(self, data: Data, parent: QWidget) -> None:
        super().__init__(parent)
        self._data = data
        self.setObjectName("trained_on")
        self.setContentsMargins(2, 0, MARGIN, 0)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        for signal in (data.added, data.removed, data.changed, theme.signals().changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_changed: object) -> None:
        """Say it anew."""
        text, warnings = self._data.training_text(), self._data.training_warnings()
        shown = f"{'⚠ ' if warnings else ''}{text or NOTHING}"
        self.setFont(font())
        self.setText(shown if self._data.datasets else "")
        color = ink("warning" if warnings else "muted").name()
        self.setStyleSheet(f"color: {color}")
        names = ", ".join(document.name for document in self._data.trained_on())
        self.setToolTip("\n".join(warnings) if warnings else f"Trained on: {names}" if names else NOTHING)
        self.setFixedWidth(self._width())

    def _width(self) -> int:
        """Return the width of the longer of two lines, as they are broken best."""
        if not self.text():
            return 0
        words, metrics = self.text().split(" "), self.fontMetrics()
        lines = [(" ".join(words[:k]), " ".join(words[k:])) for k in range(1, len(words) + 1)]
        needed = min(max(map(metrics.horizontalAdvance, pair)) for pair in lines)
        return min(needed + MARGIN + 6, MOST)

    def sizeHint(self) -> QSize:
        """Return the fixed width, and the height of two lines."""
        return QSize(self.width(), 2 * self.fontMetrics().height())
