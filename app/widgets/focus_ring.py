"""Where the keyboard is: a ring around what the Tab key has reached, drawn over any kind of widget alike."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.look.ink import ink

REACH, WIDTH, RADIUS = 3, 2, 5
PLACES = (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.ParentChange)
GONE = (QEvent.Type.Hide, QEvent.Type.FocusOut, QEvent.Type.MouseButtonPress)


class FocusRing(QWidget):
    """Lies over a window; :meth:`show_around` the widget that has the focus.

    It follows the widget and goes when the focus does, or when the mouse takes over.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._around: QWidget | None = None
        self._watched: list[QObject] = []
        self.setObjectName("focus_ring")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    @property
    def around(self) -> QWidget | None:
        """The widget it is drawn around, None where it is hidden."""
        return self._around

    def show_around(self, widget: QWidget | None) -> None:
        """Draw it around a widget of the window, None: around nothing."""
        for watched in self._watched:
            watched.removeEventFilter(self)
        self._around, self._watched = widget, []
        if widget is None:
            self.hide()
            return
        self._watched = [widget, *_ancestors(widget, self.window())]
        for watched in self._watched:
            watched.installEventFilter(self)
        self._place()
        self.show()
        self.raise_()

    def _place(self) -> None:
        widget, window = self._around, self.window()
        if widget is None:
            return
        rect = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
        rect.adjust(-REACH, -REACH, REACH, REACH)
        for parent in _ancestors(widget, window):
            rect &= QRect(parent.mapTo(window, QPoint(0, 0)), parent.size())
        self.setGeometry(rect & window.rect())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the widget and what it lies in, and go with the focus."""
        if event.type() in PLACES:
            self._place()
        elif watched is self._around and event.type() in GONE:
            self.show_around(None)
        return False

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(ink("accent"), WIDTH))
        half = WIDTH / 2
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(half, half, -half, -half), RADIUS, RADIUS)
        painter.end()


def _ancestors(widget: QWidget, window: QWidget) -> list[QWidget]:
    found: list[QWidget] = []
    parent = widget.parentWidget()
    while parent is not None:
        found.append(parent)
        if parent is window:
            break
        parent = parent.parentWidget()
    return found
