"""Icons: SVG line drawings in ``resources/icons``, drawn in the theme's text colour."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Protocol

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app import theme

_SIZES = (16, 20, 24, 32, 40, 48)


class HasIcon(Protocol):
    """Anything with an icon: an action, a button."""

    def setIcon(self, icon: QIcon, /) -> None:
        """Show this icon."""


@cache
def _drawing(name: str) -> str:
    return (files("resources") / "icons" / f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, color: str, size: int) -> QPixmap:
    """Return the icon in one colour, ``size`` device pixels wide."""
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace("currentColor", color).encode()))
    image = QPixmap(size, size)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return image


@cache
def _icon(name: str, color: str, disabled: str) -> QIcon:
    result = QIcon()
    for size in _SIZES:
        result.addPixmap(pixmap(name, color, size), QIcon.Mode.Normal)
        result.addPixmap(pixmap(name, disabled, size), QIcon.Mode.Disabled)
    return result


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


def follow(target: HasIcon, name: str, *, muted: bool = False) -> None:
    """Give a button or action an icon now and whenever the theme changes; ``muted`` draws it faintly."""
    target.setIcon(_themed(name, muted))
    if isinstance(target, QObject):
        slot = _Recolor(target, name, muted)
        theme.signals().changed.connect(slot.apply)


def _themed(name: str, muted: bool) -> QIcon:
    return icon(name, theme.current().muted if muted else None)


class _Recolor(QObject):
    """Lives with its target, so that the connection ends with it."""

    def __init__(self, target: QObject, name: str, muted: bool) -> None:
        super().__init__(target)
        self._name, self._muted = name, muted

    def apply(self) -> None:
        """Draw the target's icon again."""
        target = self.parent()
        if target is not None:
            target.setIcon(_themed(self._name, self._muted))  # type: ignore[attr-defined]
