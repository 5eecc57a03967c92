"""Icons: SVG line drawings in ``resources/icons``, drawn in the theme's text colour."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QObject, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QAction, QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton

from app.look import theme
from nnpcore.installation import RESOURCES


@cache
def _drawing(name: str) -> str:
    return (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")


def _draw(painter: QPainter, rect: QRectF, name: str, color: str) -> None:
    QSvgRenderer(QByteArray(_drawing(name).replace("currentColor", color).encode())).render(painter, rect)


def pixmap(name: str, color: str, size: int) -> QPixmap:
    """Return the icon in one colour, ``size`` device pixels wide."""
    image = QPixmap(size, size)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    _draw(painter, QRectF(0, 0, size, size), name, color)
    painter.end()
    return image


class _Engine(QIconEngine):
    """Draws an SVG when and as large as it is needed, and keeps what it drew."""

    def __init__(self, name: str, color: str, disabled: str) -> None:
        super().__init__()
        self._name, self._color, self._disabled = name, color, disabled
        self._drawn: dict[tuple[int, bool], QPixmap] = {}

    def clone(self) -> QIconEngine:
        """Return an engine of the same drawing."""
        return _Engine(self._name, self._color, self._disabled)

    def pixmap(self, size: QSize, mode: QIcon.Mode, _state: QIcon.State) -> QPixmap:
        """Return the drawing in this size."""
        width, disabled = min(size.width(), size.height()), mode == QIcon.Mode.Disabled
        if (width, disabled) not in self._drawn:
            color = self._disabled if disabled else self._color
            self._drawn[width, disabled] = pixmap(self._name, color, width)
        return self._drawn[width, disabled]

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        """Paint it into a rectangle."""
        ratio = painter.device().devicePixelRatioF() if painter.device() else 1.0
        image = self.pixmap(rect.size() * ratio, mode, state)
        painter.drawPixmap(rect, image)


@cache
def _icon(name: str, color: str, disabled: str) -> QIcon:
    _drawing(name)
    return QIcon(_Engine(name, color, disabled))


def icon(name: str, color: str | None = None) -> QIcon:
    """Return an icon in the theme's text colour (or ``color``); FileNotFoundError for an unknown name."""
    current = theme.current()
    return _icon(name, color or current.text, current.border if current.dark else "#b5bbc4")


def application_icon() -> QIcon:
    """Return the application's own icon."""
    result = QIcon()
    for size in (16, 32, 48, 64, 128):
        result.addPixmap(pixmap("eatlas", "#000000", size))
    return result


def follow(target: QAbstractButton | QAction, name: str, *, color: str = "text", muted: bool = False) -> None:
    """Give a button or action an icon now and whenever the theme changes; ``muted`` draws it faintly.

    ``color`` is one of the theme's, by name. Called again it gives another icon.
    """
    slot = target.findChild(_Recolor, options=Qt.FindChildOption.FindDirectChildrenOnly)
    if slot is None:
        slot = _Recolor(target)
        theme.signals().changed.connect(slot.apply)
    slot.name, slot.color = name, "muted" if muted else color
    slot.apply()


class _Recolor(QObject):
    """Lives with its target, so that the connection ends with it."""

    def __init__(self, target: QAbstractButton | QAction) -> None:
        super().__init__(target)
        self._target, self.name, self.color = target, "", "text"

    def apply(self) -> None:
        """Draw the target's icon in the theme's colours."""
        self._target.setIcon(icon(self.name, getattr(theme.current(), self.color)))
