"""Making the docks of the registry and arranging them."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMainWindow

from app.panels import REGISTRY, Area, PanelEntry
from app.shell.dock import Dock

if TYPE_CHECKING:
    from app.session.session import Session

WIDTHS: dict[Area, float] = {"left": 0.19, "center": 0.47, "right": 0.34}
HEIGHTS: dict[Area, tuple[float, ...]] = {"left": (0.29, 0.47, 0.24), "right": (0.37, 0.31, 0.32)}
BOTTOM = 0.26
LEFT_MIN, LEFT_MAX = 268, 380

Columns = dict[Area, list[list[Dock]]]


def make_docks(session: Session, window: QMainWindow) -> dict[str, Dock]:
    """Make a dock for every panel of the registry, by panel name."""
    docks = {}
    for entry in REGISTRY:
        panel_class = getattr(import_module(entry.module), entry.class_name)
        docks[panel_class.name] = Dock(panel_class, session, window)
    for slots in _columns(docks).values():
        for _front, *behind in slots:
            for dock in behind:
                dock.lazy = not dock.eager
    return docks


def arrange(window: QMainWindow, docks: dict[str, Dock]) -> None:
    """Put the docks where they stand by default: three columns, a strip below the middle one."""
    columns = _columns(docks)
    for dock in docks.values():
        dock.setFloating(False)
        window.removeDockWidget(dock)
    row = [columns[area][0][0] for area in ("left", "center", "right") if columns[area]]
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, row[0])
    if columns["left"] and len(row) > 1:
        window.splitDockWidget(row[0], row[1], Qt.Orientation.Horizontal)
    if columns["right"] and len(row) > 1:
        window.splitDockWidget(row[-2], row[-1], Qt.Orientation.Horizontal)
    if columns["bottom"]:
        above = columns["center"][0][0] if columns["center"] else row[-1]
        window.splitDockWidget(above, columns["bottom"][0][0], Qt.Orientation.Vertical)
    for area in columns:
        _stack(window, columns[area])
    for dock in docks.values():
        dock.show()
    for slots in columns.values():
        for slot in slots:
            slot[0].raise_()
    resize(window, columns)


def place_missing(window: QMainWindow, docks: dict[str, Dock]) -> None:
    """Tab docks that a saved layout does not know with those they share a place with."""
    for slots in _columns(docks).values():
        for slot in slots:
            placed = [d for d in slot if window.dockWidgetArea(d) != Qt.DockWidgetArea.NoDockWidgetArea]
            for dock in (d for d in slot if d not in placed):
                if placed:
                    window.tabifyDockWidget(placed[-1], dock)
                else:
                    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)


def _columns(docks: dict[str, Dock]) -> Columns:
    columns: Columns = {"left": [], "center": [], "right": [], "bottom": []}
    found = zip(REGISTRY, docks.values(), strict=True)
    slots: dict[tuple[Area, int], list[Dock]] = {}
    entry: PanelEntry
    for entry, dock in found:
        slots.setdefault((entry.area, entry.slot), []).append(dock)
    for area, slot in sorted(slots, key=lambda key: key[1]):
        columns[area].append(slots[area, slot])
    return columns


def _stack(window: QMainWindow, slots: list[list[Dock]]) -> None:
    """Split a column into its slots and tab the docks that share one."""
    for above, below in pairwise(slots):
        window.splitDockWidget(above[0], below[0], Qt.Orientation.Vertical)
    for first, *others in slots:
        previous = first
        for dock in others:
            window.tabifyDockWidget(previous, dock)
            previous = dock


def _column_width(area: Area, width: int) -> int:
    if area == "left":
        return min(max(int(WIDTHS[area] * width), LEFT_MIN), LEFT_MAX)
    return int(WIDTHS[area] * width)


def resize(window: QMainWindow, columns: Columns) -> None:
    """Give columns and rows their share of the window."""
    heads: list[tuple[Area, Dock]] = [(a, columns[a][0][0]) for a in WIDTHS if columns[a]]
    width, height = window.width(), window.height() - 110
    window.resizeDocks(
        [dock for _, dock in heads],
        [_column_width(area, width) for area, _ in heads],
        Qt.Orientation.Horizontal,
    )
    if columns["center"] and columns["bottom"]:
        docks = [columns["center"][0][0], columns["bottom"][0][0]]
        window.resizeDocks(docks, [int((1 - BOTTOM) * height), int(BOTTOM * height)], Qt.Orientation.Vertical)
    for area, shares in HEIGHTS.items():
        docks = [slot[0] for slot in columns[area]]
        window.resizeDocks(docks, [int(s * height) for s in shares[: len(docks)]], Qt.Orientation.Vertical)
