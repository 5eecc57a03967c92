"""Which look is in use, light or dark: the system's unless the user overrides it.

``theme.current()`` gives the colours; ``theme.signals().changed`` tells that they are others now.
"""

from __future__ import annotations

import sys
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.look.palette import DARK, LIGHT, Theme, palette
from app.look.plain_text import PlainTextStyle
from app.look.style_sheet import style_sheet

Mode = Literal["system", "light", "dark"]


class ThemeSignals(QObject):
    """Tells that :func:`current` returns another theme now."""

    changed = Signal()


_state: dict[str, Theme] = {"current": LIGHT}
_mode: dict[str, Mode] = {"mode": "system"}
_text: dict[str, float] = {"scale": 1.0, "usual": 0.0}
_signals: list[ThemeSignals] = []


def current() -> Theme:
    """Return the theme in use."""
    return _state["current"]


def signals() -> ThemeSignals:
    """Return the object whose ``changed`` signal follows the theme (made on first use)."""
    if not _signals:
        _signals.append(ThemeSignals())
    return _signals[0]


def mode() -> Mode:
    """Return what the user asked for: "system", "light" or "dark"."""
    return _mode["mode"]


def text_scale() -> float:
    """Return how many times as large as usual texts are."""
    return _text["scale"]


def set_text_scale(scale: float) -> None:
    """Make all texts larger or smaller; emits ``changed``."""
    if scale == _text["scale"]:
        return
    app = QApplication.instance()
    _text["scale"] = scale
    if isinstance(app, QApplication):
        font = app.font()
        _text["usual"] = _text["usual"] or font.pointSizeF()
        font.setPointSizeF(scale * _text["usual"])
        app.setFont(font)
        _paint(app, current())
    signals().changed.emit()


def install(app: QApplication, wanted: Mode = "system") -> None:
    """Set Fusion, our palette and style sheet, and follow the system's colour scheme from now on."""
    if not app.property("themed"):
        app.setStyle(PlainTextStyle())
        app.styleHints().colorSchemeChanged.connect(_on_system_changed)
        app.setProperty("themed", True)
    set_mode(wanted)


def set_mode(wanted: Mode) -> None:
    """Use the light or dark theme, or the system's; emits ``changed`` if that is another theme."""
    _mode["mode"] = wanted
    theme = {"light": LIGHT, "dark": DARK}.get(wanted) or _of_system()
    app = QApplication.instance()
    if isinstance(app, QApplication):
        _paint(app, theme)
    if theme is not _state["current"]:
        _state["current"] = theme
        configure_pyqtgraph()
        signals().changed.emit()


def configure_pyqtgraph() -> None:
    """Give pyqtgraph the theme's colours (if it has been imported; call it once after importing it)."""
    pyqtgraph = sys.modules.get("pyqtgraph")
    if pyqtgraph is not None and hasattr(pyqtgraph, "setConfigOptions"):
        theme = current()
        pyqtgraph.setConfigOptions(background=theme.panel, foreground=theme.muted, antialias=True)


def _of_system() -> Theme:
    scheme = QGuiApplication.styleHints().colorScheme()
    return DARK if scheme == Qt.ColorScheme.Dark else LIGHT


def _on_system_changed(_scheme: object) -> None:
    if mode() == "system":
        set_mode("system")


def _paint(app: QApplication, theme: Theme) -> None:
    sheet = style_sheet(theme, text_scale())
    if app.styleSheet() != sheet:  # setting it polishes every widget anew
        app.setPalette(palette(theme))
        app.setStyleSheet(sheet)
