"""A pyqtgraph plot with our axes, clicks, hovering and lassos."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget

from app.plots.axes_box import AxesBox
from app.plots.held_click import HeldClick
from app.widgets.lasso import Lasso, Modifier

CLICK_SLOP = 4
LASSO_KEYS = Modifier.ShiftModifier | Modifier.ControlModifier | Modifier.AltModifier

GESTURES = (
    ("Drag", "Move what is shown"),
    ("Wheel", "Zoom to the cursor; over an axis, along it alone"),
    ("Double click", "Show everything again"),
    ("Click", "Show the frame of a point, and pick its atom"),
    ("Shift+drag", "Select the atoms inside a loop, in maps (Ctrl adds, Alt removes)"),
)
"""What the mouse does in a plot."""

TOP = 7
"""Pixels above a plot: half of the label of a tick at its very top."""


class Canvas(pg.GraphicsView):
    """A pyqtgraph plot with our axes, that tells about clicks, hovering and lassos in data coordinates.

    What a click does is given to ``held``, since the first half of a double click does nothing.
    """

    clicked = Signal(QPointF, object)
    hovered = Signal(QPointF)
    left = Signal()
    lassoed = Signal(object, object)
    reset_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.enableMouse(False)
        self.box = AxesBox()
        self.setCentralItem(self.box)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.box.setContentsMargins(4, TOP, 10, 0)
        self.lasso = Lasso()
        self.takes_lassos = False
        self.held = HeldClick(self)
        self._pressed: QPointF | None = None

    @property
    def view(self) -> pg.ViewBox:
        """The view box."""
        return self.box.view

    def to_data(self, position: QPointF) -> QPointF:
        """Map a position in the widget to data coordinates (log10 on a logarithmic axis)."""
        return self.view.mapSceneToView(self.mapToScene(position.toPoint()))

    def to_pixels(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Map data coordinates to positions in the widget."""
        (x0, x1), (y0, y1) = self.view.viewRange()
        box = self.view.sceneBoundingRect()
        px = box.left() + (x - x0) / (x1 - x0) * box.width()
        return px, box.bottom() - (y - y0) / (y1 - y0) * box.height()

    def mousePressEvent(self, ev: QMouseEvent) -> None:
        """Start a lasso, or note where a click may begin."""
        self.held.release()
        self._pressed = ev.position()
        lassoes = self.takes_lassos and (self.lasso.enabled or bool(ev.modifiers() & LASSO_KEYS))
        if ev.button() == Qt.MouseButton.LeftButton and lassoes:
            self.lasso.start(ev.position())
            return
        super().mousePressEvent(ev)

    def mouseMoveEvent(self, ev: QMouseEvent) -> None:
        """Go on with the lasso, or tell where the mouse is."""
        if self.lasso.active:
            if self.lasso.extend(ev.position()):
                self.viewport().update()
            return
        super().mouseMoveEvent(ev)
        if not ev.buttons():
            self.hovered.emit(ev.position())

    def mouseReleaseEvent(self, ev: QMouseEvent) -> None:
        """End a lasso, or tell about a click."""
        moved = self._pressed is None or (ev.position() - self._pressed).manhattanLength() > CLICK_SLOP
        self._pressed = None
        if self.lasso.active:
            corners = [self.to_data(corner).toTuple() for corner in self.lasso.finish()]
            polygon = np.array(corners, dtype=np.float64)
            self.viewport().update()
            if len(polygon) > 3 or (moved and len(polygon) > 2):  # a loop closed with care counts
                self.lassoed.emit(polygon, ev.modifiers())
            elif not moved:
                self.clicked.emit(ev.position(), ev.modifiers())
            return
        super().mouseReleaseEvent(ev)
        if not moved and ev.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(ev.position(), ev.modifiers())

    def drawForeground(self, painter: QPainter, _rect: QRectF | QRect) -> None:
        """Draw the loop of a lasso over everything."""
        painter.resetTransform()
        self.lasso.paint(painter)

    def mouseDoubleClickEvent(self, ev: QMouseEvent) -> None:
        """Ask to show everything again; where the first click was too long ago this is another one."""
        if self.held.drop():
            self.reset_wanted.emit()
            ev.accept()
        else:
            self.mousePressEvent(ev)

    def leaveEvent(self, ev: QEvent) -> None:
        """Tell that the mouse is gone."""
        super().leaveEvent(ev)
        self.left.emit()
