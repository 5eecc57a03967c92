"""Things drawn in plots that pyqtgraph has not: shaded bands, the paper's square bracket, threshold lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPolygonF
from PySide6.QtWidgets import QWidget

from app.look.ink import DASHES, faded, pen


class PlotItem(pg.GraphicsObject):
    """Base of what is drawn here: the legend is ours, and the range followed is that of :meth:`data_box`."""

    def data_box(self) -> QRectF | None:
        """Return the box around the data (log10 on a logarithmic axis); None where there are none."""
        raise NotImplementedError

    def name(self) -> None:
        """Return nothing: the legend is ours, not pyqtgraph's."""

    def implements(self, interface: str | None = None) -> bool | list[str]:
        """Tell pyqtgraph that this item knows its own data range."""
        return ["plotData"] if interface is None else interface == "plotData"

    def dataBounds(
        self, ax: int, frac: float = 1.0, orthoRange: tuple[float, float] | None = None
    ) -> tuple[float, float] | tuple[None, None]:
        """Return the range of the data along an axis, for pyqtgraph's automatic one."""
        box = self.data_box()
        if box is None:
            return None, None
        return (box.left(), box.right()) if ax == 0 else (box.top(), box.bottom())

    def pixelPadding(self) -> float:
        """Return the pixels drawn beyond the data."""
        return 0.0

    def viewTransformChanged(self) -> None:
        """Follow the view."""
        self.prepareGeometryChange()


class Band(PlotItem):
    """The area between two curves over the same x; gaps where a value is not finite.

    It is filled, or ``outlined`` with ``dash`` where it would lie on others.
    """

    def __init__(self, color: str, alpha: float = 0.22, log_y: bool = False) -> None:
        super().__init__()
        self.outlined, self.dash = False, 0
        self.color, self.alpha, self.log_y = color, alpha, log_y
        self.curves = (np.empty(0), np.empty(0), np.empty(0))
        self._polygons: list[QPolygonF] = []
        self._box = QRectF()

    def set_data(self, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Replace the area; ``curves`` keeps (x, low, high)."""
        x, bottom, top = (np.asarray(v, dtype=np.float64) for v in (x, low, high))
        self.curves = (x, bottom, top)
        if self.log_y:
            with np.errstate(divide="ignore", invalid="ignore"):
                bottom, top = np.log10(bottom), np.log10(top)
        good = np.isfinite(x) & np.isfinite(bottom) & np.isfinite(top)
        self.prepareGeometryChange()
        self._polygons = []
        for run in np.split(np.arange(len(good)), np.flatnonzero(np.diff(good.astype(int))) + 1):
            if len(run) > 1 and good[run[0]]:
                edge = [QPointF(float(x[i]), float(top[i])) for i in run]
                edge += [QPointF(float(x[i]), float(bottom[i])) for i in run[::-1]]
                self._polygons.append(QPolygonF(edge))
        self._box = QRectF()
        for polygon in self._polygons:
            self._box = self._box.united(polygon.boundingRect())
        self.informViewBoundsChanged()
        self.update()

    def set_log_y(self, log_y: bool) -> None:
        """Draw the same area on a logarithmic or a linear axis."""
        self.log_y = log_y
        self.set_data(*self.curves)

    def data_box(self) -> QRectF | None:
        """Return the area's box."""
        return self._box if self._polygons else None

    def boundingRect(self) -> QRectF:
        """Return the area's box in the view's coordinates (log10 on a logarithmic axis)."""
        return self._box

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Fill it, or draw its edges."""
        if self.outlined:
            painter.setPen(pen(self.color, 1.0, DASHES[self.dash], 0.7))
            for polygon in self._polygons:
                half = polygon.size() // 2
                painter.drawPolyline(polygon.mid(0, half))
                painter.drawPolyline(polygon.mid(half))
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(faded(self.color, self.alpha))
        for polygon in self._polygons:
            painter.drawPolygon(polygon)

    def set_outlined(self, outlined: bool, dash: int = 0) -> None:
        """Draw its edges with a dash, or fill it."""
        if (outlined, dash) != (self.outlined, self.dash):
            self.outlined, self.dash = outlined, dash
            self.update()


class AxisStrip(PlotItem):
    """A hatched strip along the lower axis over ranges of x; its height does not follow the view."""

    def __init__(self, color: str = "muted", height: float = 7.0) -> None:
        super().__init__()
        self.color, self.height = color, height
        self.ranges: list[tuple[float, float]] = []

    def set_mask(self, x: np.ndarray, mask: np.ndarray) -> None:
        """Hatch where ``mask`` (n,) holds along ``x`` (n,), which rises."""
        self.prepareGeometryChange()
        steps = np.diff(np.concatenate([[False], mask, [False]]).astype(int))
        pairs = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1, strict=True)
        self.ranges = [(float(x[a]), float(x[b])) for a, b in pairs]
        self.update()

    def dataBounds(
        self, ax: int, frac: float = 1.0, orthoRange: tuple[float, float] | None = None
    ) -> tuple[float, float] | tuple[None, None]:
        """Return nothing: it follows the view."""
        return None, None

    def boundingRect(self) -> QRectF:
        """Return the whole view."""
        view = self.getViewBox()
        return QRectF() if view is None else view.viewRect()

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Hatch the ranges, in pixels of the screen."""
        view = self.getViewBox()
        if view is None or not self.ranges:
            return
        box = view.viewRect()
        tall = self.height * box.height() / max(view.height(), 1.0)
        to_screen = painter.transform()
        painter.save()
        painter.resetTransform()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QBrush(faded(self.color, 0.9), Qt.BrushStyle.BDiagPattern))
        for low, high in self.ranges:
            left, right = max(low, box.left()), min(high, box.right())
            if right > left:
                painter.drawRect(to_screen.mapRect(QRectF(left, box.top(), right - left, tall)))
        painter.restore()


class RangeBracket(PlotItem):
    """A square bracket over a range of x, open downwards as in the paper, near the top of the view."""

    def __init__(self, color: str = "text", at: float = 0.05, drop: float = 8.0) -> None:
        super().__init__()
        self.color, self.at, self.drop = color, at, drop
        self.range: tuple[float, float] | None = None

    def set_range(self, low: float | None, high: float | None) -> None:
        """Span [low, high]; not finite or None: nothing is drawn."""
        self.prepareGeometryChange()
        self.range = None
        if low is not None and high is not None and np.isfinite([low, high]).all():
            self.range = (float(low), float(high))
        self.update()

    def dataBounds(
        self, ax: int, frac: float = 1.0, orthoRange: tuple[float, float] | None = None
    ) -> tuple[float, float] | tuple[None, None]:
        """Return the range along x; the bracket follows the view along y."""
        return self.range if ax == 0 and self.range is not None else (None, None)

    def boundingRect(self) -> QRectF:
        """Return the whole view."""
        view = self.getViewBox()
        return QRectF() if view is None else view.viewRect()

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Draw three strokes of constant width."""
        view = self.getViewBox()
        if self.range is None or view is None:
            return
        box = view.viewRect()
        pixel = box.height() / max(view.height(), 1.0)
        y = box.bottom() - self.at * box.height()
        low, high = (min(max(v, box.left()), box.right()) for v in self.range)
        corners = [(low, y - self.drop * pixel), (low, y), (high, y), (high, y - self.drop * pixel)]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(pen(self.color, 2.0))
        painter.drawPolyline(QPolygonF([QPointF(*corner) for corner in corners]))
