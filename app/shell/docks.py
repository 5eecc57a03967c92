"""Making the docks of the registry and arranging them as a workspace says."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMainWindow, QTabBar

from app.panels import REGISTRY
from app.shell.dock import Dock
from app.shell.workspaces import Along, Node, Part, Split, Tabs, leaves, pruned

if TYPE_CHECKING:
    from app.session.session import Session

SEPARATOR = 6
"""Pixels between docks, as in the style sheet."""

ORIENTATIONS = {"row": Qt.Orientation.Horizontal, "column": Qt.Orientation.Vertical}
Docks = Mapping[str, Dock]


def make_docks(session: Session, window: QMainWindow) -> dict[str, Dock]:
    """Make a dock for every panel of the registry, by panel name, hidden and without its panel."""
    docks = {}
    for entry in REGISTRY:
        dock = docks[entry.name] = Dock(entry, session, window)
        window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
        dock.hide()
    return docks


def clear(window: QMainWindow, docks: Docks) -> None:
    """Take all docks out of the window.

    Qt keeps a bar of tabs or two from before. They are hidden and not deleted: Qt's layout goes on to use
    them, and one that is deleted or waits to be leaves it with a pointer to nothing.
    """
    for dock in docks.values():
        dock.set_folded(False)
        dock.setFloating(False)
        window.removeDockWidget(dock)
    window.restoreState(window.saveState())
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        bar.hide()


def arrange(window: QMainWindow, docks: Docks, tree: Node) -> None:
    """Put the docks of a tree where it says; the others are hidden and wait behind its last place."""
    used = pruned(tree, set(docks))
    if used is None:
        return
    clear(window, docks)
    places = list(leaves(used))
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, docks[places[0].names[0]])
    _split(window, docks, used)
    named = {name for place in places for name in place.names}
    for place in places:
        for one, other in pairwise(place.names):
            window.tabifyDockWidget(docks[one], docks[other])
    guest = docks[places[-1].names[-1]]
    for name, dock in docks.items():
        if name not in named:
            window.tabifyDockWidget(guest, dock)
            dock.hide()


def _split(window: QMainWindow, docks: Docks, node: Node) -> None:
    if isinstance(node, Tabs):
        return
    for one, other in pairwise(_head(docks, part.node) for part in node.parts):
        window.splitDockWidget(one, other, ORIENTATIONS[node.along])
    for part in node.parts:
        _split(window, docks, part.node)


def _head(docks: Docks, node: Node) -> Dock:
    return docks[next(leaves(node)).names[0]]


def share_out(docks: Docks, tree: Node, window: QMainWindow, width: int, height: int) -> None:
    """Give the visible docks of a tree their shares of a room of ``width`` by ``height`` pixels."""
    shown = {name for name, dock in docks.items() if not dock.isHidden() and not dock.isFloating()}
    used = pruned(tree, shown)
    if isinstance(used, Split):
        room: dict[Along, int] = {"row": width, "column": height}
        _share(docks, used, window, room)


def _share(docks: Docks, split: Split, window: QMainWindow, room: dict[Along, int]) -> None:
    free = room[split.along] - SEPARATOR * (len(split.parts) - 1)
    sizes = _sizes(split.parts, free, [_folded_height(docks, part, split.along) for part in split.parts])
    heads = [_across(docks, part.node, split.along) for part in split.parts]
    known = [(head, size) for head, size in zip(heads, sizes, strict=True) if head is not None]
    window.resizeDocks([h for h, _ in known], [s for _, s in known], ORIENTATIONS[split.along])
    for part, size in zip(split.parts, sizes, strict=True):
        if isinstance(part.node, Split):
            inner = room.copy()
            inner[split.along] = size
            _share(docks, part.node, window, inner)


def _folded_height(docks: Docks, part: Part, along: Along) -> int:
    """Return the height of a folded dock that stands in a column alone, 0 where it is none."""
    if along == "row" or isinstance(part.node, Split):
        return 0
    dock = docks[part.node.names[0]]
    return dock.folded_height if dock.folded else 0


def _sizes(parts: tuple[Part, ...], room: int, fixed: list[int]) -> list[int]:
    """Return the pixels of every part: the fixed ones theirs, the others their share within their limits."""
    free = room - sum(fixed)
    sizes = list(fixed)
    open_parts = [k for k, size in enumerate(fixed) if not size]
    while open_parts:
        total = sum(parts[k].share for k in open_parts)
        wanted = {k: int(free * parts[k].share / total) for k in open_parts}
        clipped = {k: min(max(w, parts[k].least), parts[k].most) for k, w in wanted.items()}
        bound = [k for k in open_parts if clipped[k] != wanted[k]]
        for k in bound or open_parts:
            sizes[k] = clipped[k]
            free -= clipped[k]
        open_parts = [k for k in open_parts if k in wanted and bound and k not in bound]
    return sizes


def _across(docks: Docks, node: Node, along: Along) -> Dock | None:
    """Return a dock of a node through which its size along a direction can be set."""
    if isinstance(node, Tabs):
        return next((docks[name] for name in node.names if not docks[name].isHidden()), None)
    if node.along == along:
        return None
    found = (_across(docks, part.node, along) for part in node.parts)
    return next((dock for dock in found if dock is not None), None)


def show_tabs(window: QMainWindow, docks: Docks) -> None:
    """Show the tabs of docks that share a place, and hide those of docks that are not in sight.

    Qt may leave a bar hidden that it uses again, and leave one in sight whose docks are gone: that one lies
    over the panels that have taken their place, or keeps them from being painted.
    """
    shown = {dock.windowTitle(): dock for dock in docks.values() if not dock.isHidden()}
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        under = [shown[title] for k in range(bar.count()) if (title := bar.tabText(k)) in shown]
        if not under:
            bar.hide()
        elif bar.count() > 1 and bar.isHidden() and any(_is_over(bar, dock) for dock in under):
            bar.show()


def _is_over(bar: QTabBar, dock: Dock) -> bool:
    place = bar.geometry()
    return (place.x(), place.bottom() + 1) == (dock.x(), dock.y())


def place_missing(window: QMainWindow, docks: Docks, tree: Node) -> None:
    """Tab docks that a saved layout does not know with those they share a place with."""
    nowhere = Qt.DockWidgetArea.NoDockWidgetArea
    for place in leaves(tree):
        names = [name for name in place.names if name in docks]
        placed = [docks[n] for n in names if window.dockWidgetArea(docks[n]) != nowhere]
        for dock in (docks[n] for n in names if docks[n] not in placed):
            if placed:
                window.tabifyDockWidget(placed[-1], dock)
            else:
                window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    for dock in docks.values():
        if window.dockWidgetArea(dock) == nowhere:
            window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
            dock.hide()
