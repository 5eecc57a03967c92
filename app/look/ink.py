"""Colours, pens, dashes, markers, numbers and the font of what is painted, all from the theme."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QColor, QFont, QPen
from PySide6.QtWidgets import QApplication, QWidget

from app.look import theme
from nnpcore.figures import drawing

DASHES: tuple[tuple[float, ...], ...] = ((), (5, 3), (1.5, 2.5), (7, 2.5, 1.5, 2.5), (3, 2), (9, 3))
"""Dash patterns in pen widths, so that lines differ in more than colour; the first one is solid."""

MARKERS: tuple[str, ...] = ("o", "s", "t1", "d", "t", "p", "star")
"""pyqtgraph symbols, in the order series get them."""

PAPER_MARKERS: dict[str, str] = dict(zip(MARKERS, drawing.MARKERS, strict=True))
"""The same on paper."""

POINT_SIZE = 9.0


def ink(name: str) -> QColor:
    """Return a colour by ``#rrggbb`` or by its name in the theme ("text", "reference", "series:2", ...)."""
    if name.startswith("#"):
        return QColor(name)
    now = theme.current()
    if name.startswith("series:"):
        return QColor(now.dataset_color(int(name.partition(":")[2])))
    return QColor(getattr(now, name))


def rgb_of(name: str) -> np.ndarray:
    """Return a colour as (3,) uint8."""
    color = ink(name)
    return np.array([color.red(), color.green(), color.blue()], dtype=np.uint8)


def faded(name: str, alpha: float) -> QColor:
    """Return a colour with an opacity in [0, 1]."""
    color = ink(name)
    color.setAlphaF(alpha)
    return color


def pen(name: str, width: float = 1.0, dash: Sequence[float] = (), alpha: float = 1.0) -> QPen:
    """Return a cosmetic pen; ``dash`` is one of :data:`DASHES`."""
    result = QPen(faded(name, alpha), width)
    result.setCosmetic(True)
    result.setCapStyle(Qt.PenCapStyle.FlatCap)
    result.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    if dash:
        result.setDashPattern([float(d) for d in dash])
    return result


def font(size: float = POINT_SIZE, bold: bool = False) -> QFont:
    """Return the application's font at the plots' size, larger where the user wants larger texts."""
    result = QFont(QApplication.font())
    result.setPointSizeF(size * theme.text_scale())
    result.setBold(bold)
    return result


def follow_font(widget: QWidget) -> None:
    """Give a widget the plots' font now and whenever texts get another size."""
    slot = _Font(widget)
    theme.signals().changed.connect(slot.apply)
    slot.apply()


class _Font(QObject):
    """Lives with its widget, so that the connection ends with it."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget

    def apply(self) -> None:
        """Set the font."""
        self._widget.setFont(font())
