"""Buttons at the border of a plot that tell how many of some points lie beyond it, and lead there."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtWidgets import QToolButton

from app.look.ink import font, ink
from app.plots.canvas import Canvas

ARROWS = {"left": "◂", "right": "▸", "top": "▴", "bottom": "▾"}
LEAST = 0.3
"""A view that leads to a single point is this part of the one before."""


class BeyondButtons(QObject):
    """One button a side, hidden where nothing lies beyond that side."""

    def __init__(self, canvas: Canvas, what: str) -> None:
        super().__init__(canvas)
        self.canvas, self.what = canvas, what
        self.points = np.empty((0, 2))
        self.beyond: dict[str, np.ndarray] = {}
        self.buttons = {side: self._button(side) for side in ARROWS}
        canvas.view.sigRangeChanged.connect(lambda *_: self._arrange())
        canvas.view.sigResized.connect(lambda *_: self._arrange())

    def _button(self, side: str) -> QToolButton:
        button = QToolButton(self.canvas)
        button.setAutoRaise(False)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.clicked.connect(lambda: self._go(side))
        button.hide()
        return button

    def restyle(self) -> None:
        """Take colours and font from the theme."""
        for button in self.buttons.values():
            button.setFont(font())
            button.setStyleSheet(
                f"QToolButton {{ color: {ink('panel').name()}; background: {ink('reference').name()};"
                "border: none; border-radius: 4px; padding: 1px 5px; }"
            )

    def set_points(self, points: np.ndarray) -> None:
        """Tell which points (n, 2), in data coordinates, are looked for."""
        self.points = points[np.isfinite(points).all(axis=1)]
        self._arrange()

    def _arrange(self) -> None:
        (x0, x1), (y0, y1) = self.canvas.view.viewRange()
        middle, half = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0]) / 2
        away = (self.points - middle) / np.where(half > 0, half, 1.0)
        outside = (np.abs(away) > 1.0).any(axis=1)
        along_x = np.abs(away[:, 0]) >= np.abs(away[:, 1])
        sides = {
            "left": along_x & (away[:, 0] < 0),
            "right": along_x & (away[:, 0] > 0),
            "bottom": ~along_x & (away[:, 1] < 0),
            "top": ~along_x & (away[:, 1] > 0),
        }
        self.beyond = {side: self.points[outside & where] for side, where in sides.items()}
        for side, button in self.buttons.items():
            found = self.beyond[side]
            button.setVisible(len(found) > 0)
            if len(found):
                button.setText(f"{ARROWS[side]} {len(found)}")
                points = "point lies" if len(found) == 1 else "points lie"
                button.setToolTip(f"{len(found)} {self.what} {points} beyond this edge: click to go there")
                self._place(side, button, found)

    def _place(self, side: str, button: QToolButton, found: np.ndarray) -> None:
        button.adjustSize()
        box = self.canvas.view.sceneBoundingRect().toRect()
        px, py = self.canvas.to_pixels(*found.mean(axis=0)[:, None])
        x = int(np.clip(px[0] - button.width() / 2, box.left() + 2, max(box.right() - button.width(), 0)))
        y = int(np.clip(py[0] - button.height() / 2, box.top() + 2, max(box.bottom() - button.height(), 0)))
        if side in ("left", "right"):
            x = box.left() + 2 if side == "left" else box.right() - button.width()
        else:
            y = box.top() + 2 if side == "top" else box.bottom() - button.height()
        button.move(QPoint(x, y))

    def _go(self, side: str) -> None:
        """Show the points beyond a side, with some room around them."""
        found = self.beyond.get(side)
        if found is None or not len(found):
            return
        view = self.canvas.view
        (x0, x1), (y0, y1) = view.viewRange()
        low, high = found.min(axis=0), found.max(axis=0)
        span = np.maximum(1.3 * (high - low), LEAST * np.array([x1 - x0, y1 - y0]))
        first, last = (low + high - span) / 2, (low + high + span) / 2
        view.setRange(xRange=(first[0], last[0]), yRange=(first[1], last[1]), padding=0)
        view.sigRangeChangedManually.emit([True, True])
