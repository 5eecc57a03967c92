"""A view with an axis at its left and one below it.

As much of pyqtgraph's ``PlotItem`` as our plots use: that one makes, for every plot, two more axes, a title
and the forty widgets of a menu that we never show, which takes longer than all the rest.
"""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtWidgets import QGraphicsGridLayout, QGraphicsItem, QSizePolicy

from app.plots.axis import ValueAxis

PADDING = 0.04
"""Part of the data's range that is shown beyond them."""
FOR_ALL = 100
"""Stretch of the view beside that of the axes."""


class AxesBox(pg.GraphicsWidget):
    """The middle of a plot: ``view`` holds the items, ``axes`` are "left" and "bottom"."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.view = pg.ViewBox(parent=self, enableMenu=False, defaultPadding=PADDING)
        self.axes = {name: ValueAxis(name) for name in ("left", "bottom")}
        self.log_y = False
        self._items: list[Any] = []
        grid = QGraphicsGridLayout()
        grid.setContentsMargins(1, 1, 1, 1)
        grid.setSpacing(0)
        self.setLayout(grid)
        grid.addItem(self.view, 0, 1)
        for name, row, column in (("left", 0, 0), ("bottom", 1, 1)):
            axis = self.axes[name]
            axis.linkToView(self.view)
            grid.addItem(axis, row, column)
            axis.setZValue(0.5)  # above images, below what stands at 1 and more
            axis.setFlag(QGraphicsItem.GraphicsItemFlag.ItemNegativeZStacksBehindParent)
        for k in range(2):
            grid.setRowStretchFactor(k, FOR_ALL if k == 0 else 1)
            grid.setColumnStretchFactor(k, FOR_ALL if k == 1 else 1)

    def add(self, item: pg.GraphicsObject, ignore_bounds: bool = False) -> None:
        """Add an item; ``ignore_bounds``: the range that is shown does not follow it."""
        self._items.append(item)
        self.view.addItem(item, ignoreBounds=ignore_bounds)
        self._tell_scale(item)

    def remove(self, item: pg.GraphicsObject) -> None:
        """Take an item away; does nothing where it is not here."""
        if item in self._items:
            self._items.remove(item)
            self.view.removeItem(item)

    def set_log_y(self, log_y: bool) -> None:
        """Make the vertical axis logarithmic or linear, and show everything."""
        self.log_y = log_y
        for part in (*self.axes.values(), *self._items):
            self._tell_scale(part)
        self.view.enableAutoRange()

    def _tell_scale(self, item: Any) -> None:
        if hasattr(item, "setLogMode"):
            item.setLogMode(False, self.log_y)
