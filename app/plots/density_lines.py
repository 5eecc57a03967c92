"""Lines around the densest parts of clouds of points, drawn over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath
from PySide6.QtWidgets import QWidget

from app.look.ink import faded, pen
from app.plots.items import PlotItem
from nnpcore.mapping.density import DensityLine

Lines = tuple[tuple[str, str, tuple[DensityLine, ...]], ...]
"""Key and colour of a cloud and the lines around its parts, the widest first."""

WIDTHS = (1.1, 1.6, 2.3)
HALO = 2.4
"""How much broader the line in the panel's colour is that sets one off from points of its own colour."""


class DensityLines(PlotItem):
    """Closed lines in the colours of their clouds; the inner ones, around denser parts, are broader."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: list[tuple[QPainterPath, str, float]] = []
        self._box = QRectF()

    def set_lines(self, lines: Lines) -> None:
        """Replace all lines."""
        self.prepareGeometryChange()
        self._paths, self._box = [], QRectF()
        for _, color, parts in lines:
            for part, width in zip(parts, WIDTHS, strict=False):
                path = QPainterPath()
                for line in part.lines:
                    x, y = np.ascontiguousarray(line.T)
                    path.addPath(pg.arrayToQPath(x, y, connect="all"))
                self._paths.append((path, color, width))
                self._box = self._box.united(path.boundingRect())
        self.update()

    def data_box(self) -> QRectF | None:
        """Return None: the points tell the range."""
        return None

    def boundingRect(self) -> QRectF:
        """Return the box around all lines."""
        return self._box

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Draw each line on a broader one in the panel's colour."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for path, color, width in self._paths:
            halo = pen("panel", width + HALO)
            halo.setColor(faded("panel", 0.8))
            painter.setPen(halo)
            painter.drawPath(path)
            painter.setPen(pen(color, width))
            painter.drawPath(path)
