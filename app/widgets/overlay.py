"""What lies over a widget that does not care how large it is."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QGridLayout, QWidget

_MOVING = (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.Show)


class OverlayGrid(QGridLayout):
    """A grid over a widget for children of it; keep a reference.

    As the widget's own layout it would have the whole window laid out anew whenever a text in it changes.
    """

    def __init__(self, over: QWidget) -> None:
        super().__init__()
        over.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Place the children when the widget or one of them has another size."""
        if event.type() in _MOVING and isinstance(watched, QWidget):
            self.invalidate()
            self.setGeometry(watched.rect())
        return False
