"""The menu of groups of frames: a tick for each that is shown; it stays open while ticks are set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QMenu, QWidget, QWidgetAction

from app.look.ink import follow_font, ink
from app.widgets.controls import filled, plain_action, tool_button

if TYPE_CHECKING:
    from app.session.session import Session

SIDE = 10
"""Pixels of the square in a group's color."""

MOST = 40
"""Groups that are offered: the largest. Some files have another value in every frame."""


class GroupsTool(QObject):
    """A button with the menu; seen where open files have frames of several groups."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._groups, self._data = session.groups, session.data
        self.menu = QMenu(parent)
        self.menu.aboutToShow.connect(self.fill)
        tip = "Groups of frames that are shown here, in the map of atoms and in the structure"
        self.button = tool_button(parent, tip, text="Groups ▾", menu=self.menu)
        self.boxes: dict[str, QCheckBox] = {}
        for signal in (
            session.groups.changed,
            session.data.added,
            session.data.removed,
            session.data.changed,
        ):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_changed: object) -> None:
        """Say on the button how many groups are shown; bring ticks up to date."""
        names, hidden = self._groups.names, self._groups.hidden
        n_hidden = len(hidden.intersection(names))
        of = f" {len(names) - n_hidden} of {len(names)}" if n_hidden else ""
        self.button.setText(f"Groups{of} ▾")
        self.button.setVisible(self._groups.can_divide or n_hidden > 0)
        for name, box in self.boxes.items():
            box.setChecked(name not in hidden)

    def fill(self) -> None:
        """Offer the groups of open data, with their colors and how many frames are of each."""
        self.menu.clear()
        self.boxes = {}
        counts: Counter[str] = Counter()
        for key in self._data.datasets:
            counts.update(self._groups.counts(key))
        largest = {name for name, _ in counts.most_common(MOST)}
        for number, (name, count) in enumerate(counts.items()):
            if name not in largest:
                continue
            row = QWidget(self.menu)
            box = QCheckBox(f"{plain_action(name)}  ({count})", row)
            follow_font(box)
            square = QPixmap(SIDE, SIDE)
            square.fill(ink(f"series:{number}"))
            box.setIcon(QIcon(square))
            box.setChecked(name not in self._groups.hidden)
            box.clicked.connect(lambda on, name=name: self._groups.show(name, on))
            filled(QHBoxLayout(row), (box, 1), margins=(10, 3, 10, 3))
            action = QWidgetAction(self.menu)
            action.setDefaultWidget(row)
            self.menu.addAction(action)
            self.boxes[name] = box
        if len(counts) > len(largest):
            self.menu.addAction(f"and {len(counts) - len(largest)} smaller ones").setEnabled(False)
        self.menu.addSeparator()
        self.menu.addAction("Show All", self._groups.show_all)
