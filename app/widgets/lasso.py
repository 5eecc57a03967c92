"""Selecting with a loop drawn by the mouse, in plots and in the viewer: Ctrl adds, Alt removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPolygonF

from app.look.ink import DASHES, faded, pen

if TYPE_CHECKING:
    from app.documents.selection import SelectionMode

Modifier = Qt.KeyboardModifier
STEP = 3
"""Pixels from one corner of a loop to the next."""


def selection_mode(modifiers: Qt.KeyboardModifier) -> SelectionMode:
    """Return "add" with Ctrl, "remove" with Alt, else "replace"."""
    if modifiers & Modifier.ControlModifier:
        return "add"
    return "remove" if modifiers & Modifier.AltModifier else "replace"


class Lasso:
    """The loop being drawn, in pixels of a widget; ``enabled`` tells whether its tool is switched on."""

    def __init__(self) -> None:
        self.enabled = False
        self.active = False
        self._loop: list[QPointF] = []

    def start(self, position: QPointF) -> None:
        """Begin at a position."""
        self.active = True
        self._loop = [position]

    def extend(self, position: QPointF) -> bool:
        """Go on to a position; return whether it is far enough from the last one to count."""
        far = (position - self._loop[-1]).manhattanLength() >= STEP
        if far:
            self._loop.append(position)
        return far

    def finish(self) -> list[QPointF]:
        """End, and return the corners."""
        corners, self.active, self._loop = self._loop, False, []
        return corners

    def paint(self, painter: QPainter) -> None:
        """Paint the loop being drawn."""
        if len(self._loop) > 1:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(pen("accent", 1.5, DASHES[4]))
            painter.setBrush(faded("accent", 0.12))
            painter.drawPolygon(QPolygonF(self._loop))


def inside_polygon(x: np.ndarray, y: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Return which points (n,) lie inside a closed polygon (m, 2), by the even-odd rule; NaN never does."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    result = np.zeros(len(x), dtype=bool)
    if len(polygon) < 3:
        return result
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    px, py = x[near], y[near]
    crossings = np.zeros(len(near), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        spans = (y0 > py) != (y1 > py)
        if spans.any():
            crossings[spans] ^= px[spans] < (x1 - x0) * (py[spans] - y0) / (y1 - y0) + x0
    result[near] = crossings
    return result
