"""The plot every panel uses: thin axes with units, hover, picking, a crosshair, an empty state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QToolTip, QVBoxLayout, QWidget

from app.look import theme
from app.look.ink import DASHES, font, ink, pen
from app.look.style_sheet import styled
from app.plots.axis import ValueAxis
from app.plots.canvas import Canvas
from app.plots.curve import Curve
from app.plots.items import AxisStrip, Band, RangeBracket
from app.plots.legend import Legend
from app.plots.points import PointCloud
from app.widgets.controls import filled

PICK_RADIUS = 9.0
MAX_HOVERED = 2_000_000
"""With more points than this only clicks look for the nearest one."""


class Plot(QWidget):
    """A canvas with a legend above it, a crosshair with numbers, and a text where there are no data.

    Points that can be hovered and clicked are registered with :meth:`set_pickable`; ``point_clicked`` and
    ``point_hovered`` give the registered key and the point's index (``None, -1`` when the mouse leaves).
    """

    point_clicked = Signal(str, int, object)
    point_hovered = Signal(str, int)
    lassoed = Signal(object, object)
    background_clicked = Signal()
    series_toggled = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None, *, log_y: bool = False) -> None:
        super().__init__(parent)
        self.log_y = log_y
        self.canvas = Canvas(self)
        self.legend = Legend(self)
        self._column = filled(QVBoxLayout(self), self.legend, (self.canvas, 1))
        self._series: dict[str, list[pg.GraphicsObject]] = {}
        self._styles: list[Callable[[], None]] = []
        self._pickable: dict[str, tuple[np.ndarray, Callable[[int], str]]] = {}
        self._numbers_at: Callable[[float, float], str] | None = None
        self._window: tuple[float, float, float, float] | None = None
        self._follows = True
        self._hovered: tuple[str, int] = ("", -1)
        self._titles: tuple[str, ...] = ()
        self._narrow = 0
        self._build_overlays()
        self.canvas.clicked.connect(self._on_clicked)
        self.canvas.hovered.connect(self._on_hovered)
        self.canvas.left.connect(self._on_left)
        self.canvas.lassoed.connect(self.lassoed)
        self.canvas.reset_wanted.connect(self.show_all)
        self.canvas.view.sigRangeChangedManually.connect(self._on_zoomed)
        self.legend.toggled.connect(self.set_series_visible)
        self.canvas.box.set_log_y(log_y)
        theme.signals().changed.connect(self.restyle)
        self.restyle()

    def _build_overlays(self) -> None:
        self._message = styled(QLabel(self.canvas), "muted")
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._message.setWordWrap(True)
        self._message.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._message.hide()
        self._crosshair = pg.InfiniteLine(angle=90, movable=False)
        self._crosshair.setZValue(50)
        self._crosshair.hide()
        self.canvas.box.add(self._crosshair, ignore_bounds=True)
        self._label = QLabel(self.canvas)
        self._label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._label.hide()

    # axes ---------------------------------------------------------------------------------------------
    def set_labels(self, x: str, y: str, *shorter: str, narrow: int = 0) -> None:
        """Name the axes, with units; y stands above the plot, at its left, where it is easy to read.

        The first of the ``shorter`` ones that fits takes its place where the legend needs the room, and below
        ``narrow`` pixels.
        """
        self.axis("bottom").set_text(x)
        self._titles, self._narrow = (y, *shorter), narrow
        self._write_title()

    def _write_title(self) -> None:
        narrow = len(self._titles) > 1 and self.width() < self._narrow
        self.legend.set_title(*self._titles[narrow:])

    def set_log_y(self, log_y: bool) -> None:
        """Make the vertical axis logarithmic or linear; points put in as logarithms have to be shown anew."""
        if log_y == self.log_y:
            return
        self.log_y = log_y
        self.canvas.box.set_log_y(log_y)
        for items in self._series.values():
            for item in items:
                if isinstance(item, Band):
                    item.set_log_y(log_y)
        self.show_all()

    def zoom_along_x(self, first: float | None = None) -> None:
        """Let the user zoom along x alone (not before ``first``); y follows what is in view."""
        self.canvas.view.setLimits(xMin=first)
        self.canvas.view.setMouseEnabled(x=True, y=False)
        self.canvas.view.setAutoVisible(y=True)

    def axis(self, name: str) -> ValueAxis:
        """Return the "left" or "bottom" axis."""
        return self.canvas.box.axes[name]

    def show_all(self) -> None:
        """Show all data (or the window given), and go on following them."""
        self._follows = True
        if self._window is None:
            self.canvas.view.enableAutoRange()
        else:
            self.set_window(*self._window)

    def set_window(self, left: float, right: float, bottom: float, top: float) -> None:
        """Show this part of the plane unless the user has zoomed; a double click comes back to it."""
        self._window = (left, right, bottom, top)
        if self._follows:
            self.canvas.view.setRange(xRange=(left, right), yRange=(bottom, top), padding=0)

    def free_window(self) -> None:
        """Show all data from now on, not a part of the plane that was given."""
        self._window = None

    def _on_zoomed(self, *_: object) -> None:
        self._follows = False

    # series -------------------------------------------------------------------------------------------
    def add_line(
        self, key: str, color: str, width: float = 2.0, dash: int = 0, *, alpha: float = 1.0, z: float = 10
    ) -> pg.PlotDataItem:
        """Add an empty curve; give it data with ``set_line``."""
        curve = Curve()
        self._styles.append(lambda: curve.setPen(pen(color, width, DASHES[dash], alpha)))
        self._add(key, curve, z)
        return curve

    def add_points(
        self, key: str, color: str, marker: str = "o", size: float = 7.0, *, hollow: bool = False
    ) -> pg.ScatterPlotItem:
        """Add an empty set of some hundred points at most (:meth:`add_cloud` for more)."""
        points = pg.ScatterPlotItem(symbol=marker, size=size, antialias=True)

        def style() -> None:
            points.setPen(pen(color, 1.4))
            points.setBrush(ink("panel") if hollow else ink(color))

        self._styles.append(style)
        self._add(key, points, 20)
        return points

    def add_band(self, key: str, color: str, alpha: float = 0.22) -> Band:
        """Add an empty shade."""
        band = Band(color, alpha, self.log_y)
        self._add(key, band, 5)
        return band

    def add_bracket(self, key: str, color: str = "text") -> RangeBracket:
        """Add an empty square bracket."""
        bracket = RangeBracket(color)
        self._add(key, bracket, 30)
        return bracket

    def add_strip(self, key: str, color: str = "muted") -> AxisStrip:
        """Add an empty hatched strip along the lower axis."""
        strip = AxisStrip(color)
        self._add(key, strip, 3)
        return strip

    def add_cloud(self, key: str, size: float = 5.0, alpha: float = 0.6, z: float = 8) -> PointCloud:
        """Add an empty cloud of very many points."""
        cloud = PointCloud(size, alpha)
        self._add(key, cloud, z)
        return cloud

    def add_rule(self, key: str, color: str, *, angle: int = 90, dash: int = 1) -> pg.InfiniteLine:
        """Add a straight line across the plot (90: vertical), hidden until it is given a value."""
        rule = pg.InfiniteLine(angle=angle, movable=False)
        self._styles.append(lambda: rule.setPen(pen(color, 1.2, DASHES[dash])))
        self._add(key, rule, 4, ignore_bounds=True)
        rule.hide()
        return rule

    def _add(self, key: str, item: pg.GraphicsObject, z: float, ignore_bounds: bool = False) -> None:
        item.setZValue(z)
        self._series.setdefault(key, []).append(item)
        self.canvas.box.add(item, ignore_bounds)
        self._styles[-1]() if self._styles else None

    def remove_series(self, key: str) -> None:
        """Take a series away."""
        for item in self._series.pop(key, ()):
            self.canvas.box.remove(item)
        self._pickable.pop(key, None)

    def set_series_visible(self, key: str, visible: bool) -> None:
        """Hide or show all items of a series."""
        for item in self._series.get(key, ()):
            item.setVisible(visible)
        self.legend.set_hidden(key, not visible)
        self.series_toggled.emit(key, visible)

    # what the mouse does ------------------------------------------------------------------------------
    def set_pickable(self, key: str, xy: np.ndarray, tip: Callable[[int], str]) -> None:
        """Make points (n, 2) hoverable and clickable; ``tip(index)`` is the text shown on hover."""
        columns = np.asfortranarray(xy, dtype=np.float64).reshape(-1, 2, order="F")
        self._pickable[key] = (columns, tip)  # each column in one piece: it is gone through while hovering

    def clear_pickable(self) -> None:
        """Forget all points registered."""
        self._pickable.clear()

    def set_crosshair(self, numbers_at: Callable[[float, float], str] | None) -> None:
        """Show a crosshair and ``numbers_at(x, y)`` (y undone of its logarithm) while the mouse is inside."""
        self._numbers_at = numbers_at

    def point_at(self, position: QPointF) -> tuple[str, int]:
        """Return the key and index of the registered point nearest to a position, or ("", -1)."""
        best, found = PICK_RADIUS**2, ("", -1)
        at = self.canvas.to_data(position).x()
        left, right = self.canvas.view.viewRange()[0]
        reach = (PICK_RADIUS + 1.0) * (right - left) / max(self.canvas.view.width(), 1.0)
        for key, (xy, _) in self._pickable.items():
            items = self._series.get(key)
            if not len(xy) or (items and not any(item.isVisible() for item in items)):
                continue
            near = np.flatnonzero(np.abs(xy[:, 0] - at) <= reach)
            y = np.log10(np.maximum(xy[near, 1], 1e-300)) if self.log_y else xy[near, 1]
            px, py = self.canvas.to_pixels(xy[near, 0], y)
            distance = (px - position.x()) ** 2 + (py - position.y()) ** 2
            if np.isfinite(distance).any():
                nearest = int(np.nanargmin(distance))
                if distance[nearest] < best:
                    best, found = float(distance[nearest]), (key, int(near[nearest]))
        return found

    def _on_clicked(self, position: QPointF, modifiers: object) -> None:
        key, index = self.point_at(position)
        self.canvas.held.hold(partial(self._tell_click, key, index, modifiers))

    def _tell_click(self, key: str, index: int, modifiers: object) -> None:
        if index < 0:
            self.background_clicked.emit()
        elif key in self._pickable and index < len(self._pickable[key][0]):  # else it has gone meanwhile
            self.point_clicked.emit(key, index, modifiers)

    def _on_hovered(self, position: QPointF) -> None:
        many = sum(len(xy) for xy, _ in self._pickable.values()) > MAX_HOVERED
        key, index = ("", -1) if many else self.point_at(position)
        if (key, index) != self._hovered:
            self._hovered = (key, index)
            self.point_hovered.emit(key, index)
            if index >= 0:
                where = self.canvas.mapToGlobal(position.toPoint())
                QToolTip.showText(where, self._pickable[key][1](index), self.canvas)
            else:
                QToolTip.hideText()
        over = Qt.CursorShape.PointingHandCursor if index >= 0 else Qt.CursorShape.ArrowCursor
        self.canvas.viewport().setCursor(Qt.CursorShape.CrossCursor if self.canvas.lasso.enabled else over)
        self._show_crosshair(position)

    def _show_crosshair(self, position: QPointF) -> None:
        inside = self.canvas.view.sceneBoundingRect().contains(position)
        if self._numbers_at is None or not inside or not self._message.isHidden():
            self._hide_crosshair()
            return
        point = self.canvas.to_data(position)
        text = self._numbers_at(point.x(), 10.0 ** point.y() if self.log_y else point.y())
        self._crosshair.setPos(point.x())
        self._crosshair.setVisible(bool(text))
        self._label.setVisible(bool(text))
        self._label.setText(text)
        self._place_label(position)

    def _place_label(self, position: QPointF) -> None:
        self._label.adjustSize()
        box = self.canvas.view.sceneBoundingRect()
        at_right = position.x() < box.center().x()
        x = box.right() - self._label.width() if at_right else box.left() + 3
        self._label.move(int(x), int(box.top()) + 2)

    def _hide_crosshair(self) -> None:
        self._crosshair.hide()
        self._label.hide()

    def _on_left(self) -> None:
        self._hide_crosshair()
        if self._hovered[1] >= 0:
            self._hovered = ("", -1)
            self.point_hovered.emit("", -1)

    # states -------------------------------------------------------------------------------------------
    def set_message(self, text: str) -> None:
        """Show a text instead of the plot (what to do to see something here); "" shows the plot."""
        self._message.setText(text)
        self._message.setVisible(bool(text))
        self.canvas.box.setVisible(not text)
        self.legend.setVisible(not text)
        if text:
            self._hide_crosshair()
        self._place_message()

    @property
    def message(self) -> str:
        """The text shown instead of the plot, or ""."""
        return "" if self._message.isHidden() else self._message.text()

    def _place_message(self) -> None:
        self._message.setGeometry(self.canvas.rect().adjusted(16, 8, -16, -8))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the message in the middle, and shorten the title where the plot is narrow."""
        self._write_title()
        super().resizeEvent(event)
        self._column.activate()
        self._place_message()

    def restyle(self) -> None:
        """Take all colours and fonts from the theme."""
        for style in self._styles:
            style()
        for name in ("left", "bottom"):
            self.axis(name).restyle()
        self.canvas.setBackground(ink("panel"))
        self._crosshair.setPen(pen("muted", 1.0, DASHES[2]))
        self._message.setFont(font())
        self._label.setFont(font())
        panel = ink("panel")
        self._label.setStyleSheet(
            f"color: {ink('text').name()}; padding: 1px 4px; border-radius: 3px; "
            f"background: rgba({panel.red()}, {panel.green()}, {panel.blue()}, 225);"
        )
        self.canvas.update()
