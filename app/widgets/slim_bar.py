"""A slim bar that shows how far something is."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar, QWidget


class SlimBar(QProgressBar):
    """A bar without a text, painted when everything else is: Qt's own paints at once what waits anywhere."""

    def __init__(self, parent: QWidget | None, height: int) -> None:
        super().__init__(parent, textVisible=False)
        self.setFixedHeight(height)

    def show_share(self, share: float | None) -> None:
        """Show a share in [0, 1]; None where it is not known."""
        self.show_steps(round(1000 * (share or 0.0)), 0 if share is None else 1000)

    def show_steps(self, done: int, of: int) -> None:
        """Show so many steps of a number of them, 0 where that is not known."""
        if (done, of) != (self.value(), self.maximum()):
            self.setUpdatesEnabled(False)
            self.setRange(0, of)
            self.setValue(done)
            self.setUpdatesEnabled(True)
