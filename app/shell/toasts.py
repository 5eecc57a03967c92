"""Notifications over the window: short ones go by themselves, errors stay, with details to copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QEnterEvent, QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from app.look import icons, theme
from app.look.style_sheet import styled
from app.session.messages import Notification
from app.widgets.controls import filled, tool_button
from app.widgets.flow import FlowRow

SECONDS = {"info": 5, "warning": 12, "error": 30}
ASKING_SECONDS, OFFERING_SECONDS = 30, 12
"""How long messages stay; while the mouse is over one it does not go. The log keeps them all."""

WIDTH, LEAST_WIDTH, MARGIN, BOTTOM, BETWEEN = 340, 240, 10, 38, 8
MAX_SHOWN = 2
SETTLING = 50
"""Milliseconds after which the layouts of what a place depends on have followed its size."""


class Toast(QFrame):
    """One notification."""

    resized = Signal()

    def __init__(self, notification: Notification, close: Callable[[Toast], None], parent: QWidget) -> None:
        super().__init__(parent)
        self.notification = notification
        self._close = close
        self.setObjectName("toast")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        column = filled(QVBoxLayout(self), self._head(), margins=(12, 10, 8, 10), spacing=6)
        self._column = column
        if notification.text:
            selectable = Qt.TextInteractionFlag.TextSelectableByMouse
            text = QLabel(notification.text, self, wordWrap=True, textInteractionFlags=selectable)
            text.setTextFormat(Qt.TextFormat.PlainText)
            text.setContentsMargins(26, 0, 4, 0)
            column.addWidget(text)
        self.details = QPlainTextEdit(notification.details, self, readOnly=True)
        self.details.setFixedHeight(140)
        self.details.hide()
        column.addWidget(self.details)
        self.buttons = self._make_buttons()
        self._button_row = FlowRow(self, left=26, spacing=6)
        for button in self.buttons:
            self._button_row.add(button)
        self._button_row.setVisible(bool(self.buttons))
        column.addWidget(self._button_row)
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.close_toast)
        self._seconds = _seconds_of(notification)

    def _head(self) -> QHBoxLayout:
        current = theme.current()
        level = self.notification.level
        color = {"warning": current.warning, "error": current.error}.get(level, current.accent)
        row = filled(QHBoxLayout(), spacing=8)
        icon = QLabel(self)
        icon.setPixmap(icons.icon(level, color).pixmap(18, 18))
        icon.setFixedWidth(18)
        row.addWidget(icon, 0, Qt.AlignmentFlag.AlignVCenter)
        title = styled(QLabel(self.notification.title, self, wordWrap=True), "heading")
        title.setTextFormat(Qt.TextFormat.PlainText)
        row.addWidget(title, 1, Qt.AlignmentFlag.AlignVCenter)
        close = tool_button(self, "", self.close_toast, icon="close", size=12, muted=True)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _make_buttons(self) -> list[QPushButton]:
        buttons = []
        for number, (text, run) in enumerate(self.notification.actions):
            button = QPushButton(text, self)
            button.setProperty("primary", number == 0)
            button.clicked.connect(lambda _checked=False, run=run: self._act(run))
            buttons.append(button)
        if self.notification.details:
            show = QPushButton("Details", self)
            show.setCheckable(True)
            show.toggled.connect(self._show_details)
            buttons.append(show)
        if self.notification.level != "info":
            copy = QPushButton("Copy", self)
            copy.setToolTip("Copy the message with all details")
            copy.clicked.connect(self.copy)
            buttons.append(copy)
        return buttons

    def showEvent(self, event: QShowEvent) -> None:
        """Go some time from now."""
        super().showEvent(event)
        self._timer.start(1000 * self._seconds)

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is left that waits."""
        super().hideEvent(event)
        self._timer.stop()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Stay while it is read."""
        super().enterEvent(event)
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        """Go some time after it was read."""
        super().leaveEvent(event)
        self._timer.start(1000 * self._seconds)

    def fit(self, width: int) -> None:
        """Take a width, and the height that the texts need at it."""
        self.setFixedWidth(width)
        self._button_row.resize(self.width() - 20, self._button_row.height())
        self._column.activate()
        self.setFixedHeight(self._column.totalHeightForWidth(self.width()))

    def _act(self, run: Callable[[], object]) -> None:
        self.close_toast()
        run()

    def _show_details(self, shown: bool) -> None:
        self.details.setVisible(shown)
        self.resized.emit()

    def copy(self) -> None:
        """Copy everything to the clipboard."""
        message = self.notification
        parts = [part for part in (message.title, message.text, message.details) if part]
        QGuiApplication.clipboard().setText("\n\n".join(parts))

    def close_toast(self) -> None:
        """Take it away."""
        self._close(self)


def _seconds_of(notification: Notification) -> int:
    """Return how long a message stays: not long where it only offers something."""
    if not notification.actions:
        return SECONDS[notification.level]
    return OFFERING_SECONDS if notification.level == "info" else ASKING_SECONDS


@dataclass(frozen=True)
class Place:
    """Where toasts stand, in pixels: their left edge, their width, and how far above the status line.

    None of them reaches higher than ``top``; where they need more room they go below.
    """

    left: int = MARGIN
    width: int = WIDTH
    above: int = 0
    top: int = 0


class Toasts(QObject):
    """Shows toasts at the bottom of a window, where ``place`` says.

    A message takes the place of one with the same title, and there are never more than two.
    """

    def __init__(self, window: QWidget, place: Callable[[], Place] = Place) -> None:
        super().__init__(window)
        self._window, self._place = window, place
        self.shown: list[Toast] = []
        self._settled = QTimer(self, singleShot=True, interval=SETTLING)
        self._settled.timeout.connect(self.arrange)
        window.installEventFilter(self)

    def show(self, notification: Notification) -> None:
        """Show a notification; what is there already, harmless or too old makes room for it."""
        if notification.silent:
            return
        if any(toast.notification == notification for toast in self.shown):
            return
        title = notification.title
        for toast in [toast for toast in self.shown if toast.notification.title == title]:
            self._remove(toast)
        while len(self.shown) >= MAX_SHOWN:
            self._remove(self._least())
        toast = Toast(notification, self._remove, self._window)
        toast.resized.connect(self.arrange)
        self.shown.append(toast)
        toast.show()
        self._follow()

    def drop(self, title: str) -> None:
        """Take away the messages of this title, or all with ""; they are true no more."""
        for toast in [toast for toast in self.shown if title in ("", toast.notification.title)]:
            self._remove(toast)

    def _least(self) -> Toast:
        """Return what may go first: what asks nothing and is the least grave, the oldest of these."""
        grave = ("info", "warning", "error")
        return min(
            self.shown, key=lambda t: (bool(t.notification.actions), grave.index(t.notification.level))
        )

    def _remove(self, toast: Toast) -> None:
        if toast in self.shown:
            self.shown.remove(toast)
            toast.hide()
            toast.deleteLater()
            self.arrange()

    def arrange(self) -> None:
        """Put the toasts into their place, over everything that has come since."""
        if not isValid(self._window):  # the interpreter ends, and takes things apart in no order
            return
        place = self._place()
        needed = self.needed(place.width)
        lowest = self._window.height() - BOTTOM
        bottom = min(max(lowest - place.above, place.top + needed), lowest)
        for toast in reversed(self.shown):
            toast.move(place.left, bottom - toast.height())
            toast.raise_()
            bottom -= toast.height() + BETWEEN

    def needed(self, width: int) -> int:
        """Give all toasts a width and return the height that they take together."""
        for toast in self.shown:
            toast.fit(width)
        return sum(toast.height() + BETWEEN for toast in self.shown) - BETWEEN

    def follow(self, *widgets: QWidget) -> None:
        """Find the place anew when these change theirs."""
        for widget in widgets:
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the window's size, and what the place depends on.

        Never the toasts' own: who changes a widget before its layout has seen its new size keeps the old one.
        """
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide):
            self._follow()
        return False

    def _follow(self) -> None:
        self.arrange()
        if self.shown:
            self._settled.start()
