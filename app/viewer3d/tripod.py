"""The small axes in the corner of the viewer."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

_LIGHT = ("#c8372d", "#2f8f3f", "#2b62c9")
_DARK = ("#ff7b6b", "#6fd07f", "#7fa8ff")
LENGTH = 30.0


def draw_tripod(
    painter: QPainter,
    origin: QPointF,
    rotation: np.ndarray,
    cell: np.ndarray | None,
    *,
    dark: bool,
    font: QFont,
) -> None:
    """Draw the directions x, y, z, or a, b, c of a cell (3, 3), as a camera's rotation (3, 3) shows them.

    ``origin`` is where the axes meet, in the painter's coordinates.
    """
    axes, names = np.eye(3), "xyz"
    if cell is not None:
        lengths = np.linalg.norm(cell, axis=1, keepdims=True)
        axes, names = np.where(lengths > 1e-8, cell / np.maximum(lengths, 1e-8), 0.0), "abc"
    view = axes @ rotation.T
    colors = _DARK if dark else _LIGHT
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(font)
    for k in np.argsort(view[:, 2]):
        if not view[k].any():
            continue
        color = QColor(colors[k])
        if view[k, 2] < -0.05:
            color.setAlphaF(0.55)
        _draw_axis(painter, origin, view[k], color, names[k])
    painter.restore()


def _draw_axis(painter: QPainter, origin: QPointF, axis: np.ndarray, color: QColor, name: str) -> None:
    tip = origin + QPointF(float(axis[0]), float(-axis[1])) * LENGTH
    pen = QPen(color, 2.0)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawLine(origin, tip)
    out = np.array([axis[0], -axis[1]])
    size = np.linalg.norm(out)
    out = out / size if size > 0.25 else np.array([0.7, -0.7])
    middle = tip + QPointF(float(out[0]), float(out[1])) * 9.0
    painter.drawText(QRectF(middle.x() - 10, middle.y() - 10, 20, 20), Qt.AlignmentFlag.AlignCenter, name)
