"""Choices, number fields and sliders that the wheel does not change by accident."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt
from PySide6.QtGui import QFocusEvent, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionSlider,
    QWidget,
)

KEPT_BY = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)
"""The focus comes back after these: another window, a menu."""

BESIDE_TEXT, LEAST_HEIGHT = 4, 24
"""Pixels above and below the text of a field, and its least height: as the style sheet has them."""

TEXT_MARGINS = 4, 0, 0, 0
"""Between the frame of a number field and its text: the style sheet's padding counts for its size alone."""


_HANDLE, _GROOVE = QStyle.SubControl.SC_SliderHandle, QStyle.SubControl.SC_SliderGroove


class _Guard(QObject):
    """Keeps the wheel from a field that has not been clicked into; what is around scrolls instead.

    The Tab key alone does not let the wheel in: it also comes by itself when a window opens.
    """

    def __init__(self, field: QWidget, *clickable: QWidget | None, never: bool = False) -> None:
        super().__init__(field)
        self._field, self._never, self._clicked = field, never, False
        field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for widget in (field, *clickable):
            if widget is not None:
                widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Remember clicks and refuse the wheel."""
        kind = event.type()
        if kind == QEvent.Type.Wheel and (self._never or not self._chosen()):
            event.ignore()
            return True
        if kind == QEvent.Type.MouseButtonPress:
            self._clicked = True
        elif kind == QEvent.Type.FocusOut and isinstance(event, QFocusEvent):
            self._clicked = self._clicked and event.reason() in KEPT_BY
        return False

    def _chosen(self) -> bool:
        """Whether the field was clicked into and nothing else since."""
        return self._clicked and self._field.window().focusWidget() is self._field


def _low(box: QAbstractSpinBox, size: QSize) -> QSize:
    """Return a size no higher than the choices and lines of text beside a number field."""
    return QSize(size.width(), max(box.fontMetrics().height() + 2 * BESIDE_TEXT, LEAST_HEIGHT))


class Choice(QComboBox):
    """A choice; the wheel never changes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        _Guard(self, never=True)


class Whole(QSpinBox):
    """A whole number; the wheel changes it after a click into it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lineEdit().setTextMargins(*TEXT_MARGINS)
        _Guard(self, self.lineEdit())

    def sizeHint(self) -> QSize:
        """Return the size of a line of text."""
        return _low(self, super().sizeHint())

    def minimumSizeHint(self) -> QSize:
        """Return the least size of a line of text."""
        return _low(self, super().minimumSizeHint())


class Number(QDoubleSpinBox):
    """A number without trailing zeros; the wheel changes it after a click into it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lineEdit().setTextMargins(*TEXT_MARGINS)
        _Guard(self, self.lineEdit())

    def sizeHint(self) -> QSize:
        """Return the size of a line of text."""
        return _low(self, super().sizeHint())

    def minimumSizeHint(self) -> QSize:
        """Return the least size of a line of text."""
        return _low(self, super().minimumSizeHint())

    def textFromValue(self, value: float) -> str:
        """Return as few digits as say the same."""
        text = f"{value:.{self.decimals()}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class Slider(QSlider):
    """A slider from left to right; it goes to a click, and the wheel moves it after one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        _Guard(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the click, where it is beside the handle; the handle there can be dragged on."""
        point = event.position().toPoint()
        if event.button() != Qt.MouseButton.LeftButton or self._part(_HANDLE).contains(point):
            super().mousePressEvent(event)
            return
        groove, width = self._part(_GROOVE), self._part(_HANDLE).width()
        along, room = point.x() - groove.x() - width // 2, groove.width() - width
        self.setValue(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), along, room))
        if self._part(_HANDLE).contains(point):
            super().mousePressEvent(event)
        else:
            event.accept()

    def _part(self, part: QStyle.SubControl) -> QRect:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self)
