"""Actions are data: id, title, shortcut, icon, callable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

from app.look import icons


@dataclass(frozen=True)
class Command:
    """Something a user can do: in a menu, on the toolbar, by shortcut or from the command palette.

    Attributes
    ----------
    id : unique and stable, "file.open". title : as in the menu. shortcut : "Ctrl+O" or "".
    menu : the menu it stands in, "" for the palette only; ``group`` separates parts of a menu.
    tip : one sentence more, shown in tool tips and searched by the palette.
    enabled : asked before the menu or palette is shown; None = always.
    checked : for switches: whether it is on.
    now : what it would do now, shown behind the title in the menu and in the tool tip; "" for nothing.
    """

    id: str
    title: str
    run: Callable[[], Any]
    shortcut: str = ""
    icon: str = ""
    menu: str = ""
    group: int = 0
    tip: str = ""
    enabled: Callable[[], bool] | None = None
    checked: Callable[[], bool] | None = None
    now: Callable[[], str] | None = None


class Commands:
    """All commands of a window with their actions."""

    def __init__(self, commands: Iterable[Command], parent: QObject) -> None:
        self.by_id: dict[str, Command] = {}
        self.actions: dict[str, QAction] = {}
        self._parent = parent
        for command in commands:
            self.add(command)

    def add(self, command: Command) -> QAction:
        """Add a command and return its action; ValueError if the id or the shortcut is taken."""
        taken = {c.shortcut for c in self.by_id.values() if c.shortcut}
        if command.id in self.by_id or command.shortcut in taken:
            raise ValueError(f"{command.id} or its shortcut {command.shortcut!r} exists already")
        action = QAction(command.title, self._parent)
        action.setObjectName(command.id)
        action.triggered.connect(lambda _checked=False: command.run())
        if command.shortcut:
            action.setShortcut(QKeySequence(command.shortcut))
        if command.icon:
            icons.follow(action, command.icon)
        action.setToolTip(_tip(command))
        action.setCheckable(command.checked is not None)
        self.by_id[command.id], self.actions[command.id] = command, action
        return action

    def refresh(self) -> None:
        """Enable and check the actions as things stand now."""
        for command_id, command in self.by_id.items():
            action = self.actions[command_id]
            if command.enabled is not None:
                action.setEnabled(command.enabled())
            if command.checked is not None:
                action.setChecked(command.checked())
            if command.now is not None:
                now = command.now()
                action.setText(f"{command.title}: {now}" if now else command.title)
                action.setToolTip(_tip(command, now))

    def shortcuts(self) -> list[tuple[str, str]]:
        """Return (keys, title) of all commands that have a shortcut; titles that are alike say their menu."""
        bound = [(c, c.title.rstrip("…")) for c in self.by_id.values() if c.shortcut]
        times = Counter(title for _, title in bound)
        return [(c.shortcut, f"{c.menu}: {title}" if times[title] > 1 else title) for c, title in bound]

    def run(self, command_id: str) -> None:
        """Run a command by its id."""
        self.by_id[command_id].run()


def _tip(command: Command, now: str = "") -> str:
    title = command.title.rstrip("…")
    keys = f" ({command.shortcut})" if command.shortcut else ""
    return f"{f'{title}: {now}' if now else command.tip or title}{keys}"
