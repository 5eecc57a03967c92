"""Selecting points with a loop drawn by the mouse: Shift or the lasso tool, Ctrl adds, Alt removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainterPath
from PySide6.QtWidgets import QGraphicsPathItem

from app.plots.ink import DASHES, faded, pen

if TYPE_CHECKING:
    from app.documents.selection import SelectionMode
    from app.plots.canvas import Canvas

Modifier = Qt.KeyboardModifier


def selection_mode(modifiers: Qt.KeyboardModifier) -> SelectionMode:
    """Return "add" with Ctrl, "remove" with Alt, else "replace"."""
    if modifiers & Modifier.ControlModifier:
        return "add"
    return "remove" if modifiers & Modifier.AltModifier else "replace"


class Lasso:
    """The loop being drawn on a canvas, in pixels; the polygon it gives is in data coordinates."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self.enabled = False
        self.available = False
        self.active = False
        self._points: list[QPointF] = []
        self._outline: QGraphicsPathItem | None = None

    def wanted(self, modifiers: Qt.KeyboardModifier) -> bool:
        """Whether a press with these modifiers starts a loop."""
        keys = Modifier.ShiftModifier | Modifier.ControlModifier | Modifier.AltModifier
        return self.available and (self.enabled or bool(modifiers & keys))

    def start(self, position: QPointF, _modifiers: object = None) -> None:
        """Begin at a position in the canvas."""
        self.active = True
        self._points = [position]
        self._outline = QGraphicsPathItem()
        self._outline.setPen(pen("accent", 1.5, DASHES[4]))
        self._outline.setBrush(pg.mkBrush(faded("accent", 0.12)))
        self._outline.setZValue(1000)
        self._canvas.scene().addItem(self._outline)

    def extend(self, position: QPointF) -> None:
        """Go on to a position."""
        if (position - self._points[-1]).manhattanLength() < 3 or self._outline is None:
            return
        self._points.append(position)
        path = QPainterPath(self._points[0])
        for point in self._points[1:]:
            path.lineTo(point)
        path.closeSubpath()
        self._outline.setPath(path)

    def finish(self) -> np.ndarray:
        """End, and return the polygon (n, 2) in data coordinates (log10 on a logarithmic axis)."""
        self.active = False
        if self._outline is not None:
            self._canvas.scene().removeItem(self._outline)
            self._outline = None
        points = [self._canvas.to_data(point) for point in self._points]
        return np.array([(p.x(), p.y()) for p in points], dtype=np.float64).reshape(-1, 2)
