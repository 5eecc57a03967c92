"""The way of the Tab key through the window: bar by bar and panel by panel, each in reading order."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import (
    QDockWidget,
    QMainWindow,
    QScrollArea,
    QStatusBar,
    QTabBar,
    QToolBar,
    QWidget,
)

from app.widgets.focus_ring import FocusRing

SAME_LINE = 10
"""Pixels between the middles of controls that stand in one line."""


KEYS = (("Tab, Shift+Tab", "The next and the previous control, in reading order"),)
"""What the class below does with keys."""


class TabOrder:
    """Moves the focus through what can be seen of a window or a torn-off panel, and shows where it is."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self.ring = FocusRing(window)

    def move(self, forward: bool) -> bool:
        """Give the focus to the next or the previous control; False where there is none.

        Qt also asks where what has the focus is hidden: nobody has pressed a key then, and nothing is ringed.
        """
        current = self._window.focusWidget()
        if current is not None and not current.isVisible():
            self._window.setFocus()
            return True
        order = self.stops()
        if not order:
            return False
        if current in order:
            wanted = order[(order.index(current) + (1 if forward else -1)) % len(order)]
        else:
            wanted = order[0 if forward else -1]
        reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
        wanted.setFocus(reason)
        _reveal(wanted)
        self.ring.show_around(wanted)
        return True

    def stops(self) -> list[QWidget]:
        """Return the controls that the Tab key reaches now, in its order."""
        by_place: dict[QWidget, list[QWidget]] = {}
        for widget in self._window.findChildren(QWidget):
            if self._is_stop(widget):
                by_place.setdefault(self._place_of(widget), []).append(widget)
        places = sorted(by_place, key=self._rank)
        return [widget for place in places for widget in self._in_lines(by_place[place])]

    def _is_stop(self, widget: QWidget) -> bool:
        if not widget.focusPolicy() & Qt.FocusPolicy.TabFocus or widget.focusProxy() is not None:
            return False
        if widget.window() is not self._window or not widget.isVisible() or not widget.isEnabled():
            return False
        if widget.visibleRegion().isEmpty() and not _scrolled_away(widget):
            return False
        if isinstance(widget, QTabBar) and not widget.count():
            return False
        return not isinstance(widget, QScrollArea) or widget.verticalScrollBar().maximum() > 0

    def _place_of(self, widget: QWidget) -> QWidget:
        place = widget
        while (parent := place.parentWidget()) is not None and parent is not self._window:
            place = parent
        return place

    def _rank(self, place: QWidget) -> tuple[int, int, int]:
        corner = place.geometry().topLeft()
        if place.objectName() == "toast":
            return 0, corner.y(), corner.x()
        if isinstance(place, QStatusBar):
            return 4, 0, 0
        if isinstance(place, QToolBar):
            window, bottom = self._window, Qt.ToolBarArea.BottomToolBarArea
            below = isinstance(window, QMainWindow) and window.toolBarArea(place) == bottom
            return (3 if below else 1), corner.y(), corner.x()
        column = corner.x() if isinstance(place, (QDockWidget, QTabBar)) else 0
        return 2, column, corner.y()

    def _in_lines(self, widgets: list[QWidget]) -> list[QWidget]:
        """Return controls of one place line by line, each from the left."""
        middles = {w: w.mapTo(self._window, w.rect().center()) for w in widgets}
        lines: list[list[QWidget]] = []
        for widget in sorted(widgets, key=lambda w: middles[w].y()):
            if lines and middles[widget].y() - middles[lines[-1][0]].y() <= SAME_LINE:
                lines[-1].append(widget)
            else:
                lines.append([widget])
        return [widget for line in lines for widget in sorted(line, key=lambda w: middles[w].x())]


def _scroll_areas(widget: QWidget) -> list[QScrollArea]:
    found: list[QScrollArea] = []
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            found.append(parent)
        parent = parent.parentWidget()
    return found


def _scrolled_away(widget: QWidget) -> bool:
    """Whether only scrolling is needed to see a widget."""
    areas = _scroll_areas(widget)
    return bool(areas) and not areas[-1].visibleRegion().isEmpty()


def _reveal(widget: QWidget) -> None:
    """Scroll to a widget."""
    for area in _scroll_areas(widget):
        content = area.widget()
        if content is not None:
            corner = widget.mapTo(content, QPoint(0, 0))
            area.ensureVisible(corner.x(), corner.y() + widget.height(), 0, 8)
            area.ensureVisible(corner.x(), corner.y(), 0, 8)
