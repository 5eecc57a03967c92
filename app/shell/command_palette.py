"""The command palette: type a few letters of what you want, press Enter."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.look import icons, theme
from app.shell.commands import Command, Commands
from app.widgets.controls import filled

WIDTH, HEIGHT = 520, 380
SHORTCUT = Qt.ItemDataRole.UserRole + 1
SUBMENUS = ("Examples", "Appearance", "Colour By")
Index = QModelIndex | QPersistentModelIndex


class _Delegate(QStyledItemDelegate):
    """Draws the shortcut at the right end of the row."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Give rows some air."""
        return QSize(super().sizeHint(option, index).width(), option.fontMetrics.height() + 12)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the row, then the shortcut."""
        super().paint(painter, option, index)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        current = theme.current()
        painter.setPen(QColor(current.on_accent if chosen else current.muted))
        place = option.rect.adjusted(0, 0, -10, 0)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(place, flags, index.data(SHORTCUT) or "")


class CommandPalette(QFrame):
    """A search box over all commands; open it with :meth:`open`."""

    def __init__(self, commands: Commands, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._commands = commands
        self.setObjectName("palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.resize(WIDTH, HEIGHT)
        self.search = QLineEdit(self, placeholderText="What do you want to do?")
        self.search.setObjectName("palette_search")
        self.search.textChanged.connect(self._fill)
        self.search.installEventFilter(self)
        self.list = QListWidget(self)
        self.list.setUniformItemSizes(True)
        self.list.setItemDelegate(_Delegate(self.list))
        self.list.itemClicked.connect(self._run)
        filled(QVBoxLayout(self), self.search, (self.list, 1), margins=(8, 8, 8, 8), spacing=6)

    def open(self) -> None:
        """Show it at the top centre of the window, empty."""
        window = self.parentWidget()
        if window is not None:
            corner = window.mapToGlobal(window.rect().topLeft())
            self.move(corner.x() + (window.width() - WIDTH) // 2, corner.y() + 64)
        self.search.clear()
        self._fill("")
        self.show()
        self.search.setFocus()

    def _fill(self, text: str) -> None:
        self.list.clear()
        self._commands.refresh()
        ranked = (
            ((rank, command.title, command.id), command)
            for command in self._commands.by_id.values()
            if (rank := match(text, command)) is not None and self._commands.actions[command.id].isEnabled()
        )
        for _, command in sorted(ranked, key=lambda pair: pair[0]):
            item = QListWidgetItem(palette_title(command))
            item.setData(Qt.ItemDataRole.UserRole, command.id)
            item.setData(SHORTCUT, command.shortcut)
            item.setToolTip(command.tip)
            if command.icon:
                item.setIcon(icons.icon(command.icon))
            self.list.addItem(item)
        if not self.list.count():
            item = QListWidgetItem(nothing_text(text, self._commands))
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def _run(self, item: QListWidgetItem | None) -> None:
        if item is None or item.data(Qt.ItemDataRole.UserRole) is None:
            return
        self.hide()
        self._commands.run(item.data(Qt.ItemDataRole.UserRole))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up, down and Enter work while the search box has the focus."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            key = event.key()
            if key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self.list.keyPressEvent(event)
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)


def nothing_text(text: str, commands: Commands) -> str:
    """Say that no command fits, or which would if it could be used now."""
    known = [command for command in commands.by_id.values() if match(text, command) in (0, 1, 2)]
    if known:
        return f"{palette_title(known[0])} cannot be used now"
    return f"Nothing is called “{text.strip()}”. Help › Documentation may know it."


def palette_title(command: Command) -> str:
    """Return the title, with the submenu where it says nothing without it."""
    title = command.title.rstrip("…")
    return f"{command.menu.capitalize()}: {title}" if command.menu in SUBMENUS else title


def match(text: str, command: Command) -> int | None:
    """Return how well a command fits (0 = best), or None: all words, or the letters in their order."""
    words = text.lower().split()
    title = palette_title(command).lower()
    everything = f"{title} {command.tip} {command.menu} {command.id}".lower()
    if not words:
        return 0
    if all(word in title for word in words):
        return 0 if title.startswith(words[0]) else 1
    if all(word in everything for word in words):
        return 2
    letters = iter(title)
    return 3 if all(letter in letters for letter in "".join(words)) else None
