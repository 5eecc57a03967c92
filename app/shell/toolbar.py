"""The toolbar: workspaces, open, train, colour, undo, export, and the search box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QAction, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolBar,
    QToolButton,
    QWidget,
)

from app.look import icons
from app.look.style_sheet import styled
from app.shell.commands import Commands
from app.shell.dock import Dock
from app.shell.trained_on import TrainedOn
from app.shell.workspaces import WORKSPACES
from app.widgets.controls import filled, refill
from app.widgets.labels import ElidedLabel
from app.widgets.quiet import Choice

if TYPE_CHECKING:
    from app.session.session import Session

SEARCH_WIDTH, MARGIN = 200, 4
NARROW = 1220
"""Pixels below which buttons are icons alone and Undo and Redo are in the menu only: all else has room."""

SEARCH = "Find a command"
BESIDE = Qt.ToolButtonStyle.ToolButtonTextBesideIcon


class MainToolbar(QToolBar):
    """Built from the window's commands."""

    def __init__(
        self, session: Session, commands: Commands, docks: Mapping[str, Dock], parent: QWidget
    ) -> None:
        super().__init__("Toolbar", parent)
        self._session, self._commands, self._docks = session, commands, docks
        self.setObjectName("main_toolbar")
        self.setMovable(False)
        self.setIconSize(QSize(18, 18))
        self.toggleViewAction().setEnabled(False)
        self.strip = WorkspaceStrip(commands, self)
        self.addWidget(self.strip)
        self.addSeparator()
        self._worded = [self._add("file.open", "Open")]
        self.addWidget(PrimaryButton(self._commands.actions["training.start"], "train", "Train", self))
        self._add_trained_on()
        self._add("training.pause")
        self._add("training.resume")
        self._add("training.stop")
        self.addSeparator()
        self._add_coloring()
        before = self.addSeparator()
        self._add("edit.undo")
        self._add("edit.redo")
        self._left_out = self.actions()[self.actions().index(before) :]
        self.addSeparator()
        self.export_menu = QMenu("Export", parent)
        self.export_menu.aboutToShow.connect(self._fill_export)
        self._add_export()
        spacer = QWidget(self)
        spacer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(spacer)
        self.addWidget(SearchField(commands, self))

    def changeEvent(self, event: QEvent) -> None:
        """Keep the margins, which Qt forgets when the style sheet changes."""
        super().changeEvent(event)
        layout = self.layout()
        if event.type() == QEvent.Type.StyleChange and layout is not None:
            layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep all that has no place elsewhere in sight on a small screen."""
        narrow = self.width() < NARROW
        for button in self._worded:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly if narrow else BESIDE)
        for action in self._left_out:
            action.setVisible(not narrow)
        super().resizeEvent(event)

    def _add(self, command_id: str, text: str = "") -> QToolButton:
        button = QToolButton(self)
        button.setDefaultAction(self._commands.actions[command_id])
        if text:
            button.setToolButtonStyle(BESIDE)
            self._commands.actions[command_id].setIconText(text)
        self.addWidget(button)
        return button

    def _add_trained_on(self) -> None:
        holder = QWidget(self)  # a toolbar does not see that a widget of its own is shown later
        filled(QHBoxLayout(holder), TrainedOn(self._session.data, holder))
        self.addWidget(holder)

    # colour by ----------------------------------------------------------------------------------------
    def _add_coloring(self) -> None:
        self.coloring = Choice(self)
        self.coloring.setToolTip("Colour atoms by")
        self.coloring.setObjectName("coloring")
        self.coloring.setMinimumWidth(130)
        self.coloring.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.coloring.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.coloring.activated.connect(self._on_coloring_chosen)
        self.addWidget(self.coloring)
        data, runs = self._session.data, self._session.runs
        for signal in (
            self._session.coloring.changed, data.current_changed, runs.added, runs.removed,
            runs.potential_changed, runs.current_changed,
        ):  # fmt: skip
            signal.connect(self._refresh_coloring)
        self._refresh_coloring()

    def _on_coloring_chosen(self, index: int) -> None:
        self._session.coloring.set(kind=self.coloring.itemData(index))

    def _refresh_coloring(self, _run_id: str = "") -> None:
        refill(self.coloring, ((label, kind) for kind, label in self._session.coloring.kinds()))
        self.coloring.setCurrentIndex(self.coloring.findData(self._session.coloring.current.kind))

    # export -------------------------------------------------------------------------------------------
    def _add_export(self) -> None:
        button = QToolButton(self)
        icons.follow(button, "export")
        button.setText("Export")
        button.setToolButtonStyle(BESIDE)
        button.setToolTip("Export the potential, figures and tables")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(self.export_menu)
        self.addWidget(button)
        self._worded.append(button)

    def _fill_export(self) -> None:
        self.export_menu.clear()
        self._commands.refresh()
        for command_id in ("file.potential", "file.report"):
            self.export_menu.addAction(self._commands.actions[command_id])
        self.export_menu.addSeparator()
        for dock in self._docks.values():
            if dock.entry.exports and dock.panel_class.has_content(self._session):
                self.export_menu.addAction(self._commands.actions[f"figure.{dock.entry.name}"])
                if dock.entry.name == "structure":
                    self.export_menu.addAction(self._commands.actions["figure.movie"])


class PrimaryButton(QToolButton):
    """The button of the one action that matters most; its icon is in the colour of text on the accent."""

    def __init__(self, action: QAction, icon: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._action = action
        self.setObjectName("train_button")
        self.setToolButtonStyle(BESIDE)
        self.setText(text)
        icons.follow(self, icon, color="on_accent")
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(self._action.toolTip())


class SearchField(QFrame):
    """Looks like a search box; a click opens the command palette."""

    def __init__(self, commands: Commands, parent: QWidget) -> None:
        super().__init__(parent)
        self._commands = commands
        self.setObjectName("search_field")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(88)
        self.setMaximumWidth(260)
        icon = QToolButton(self)
        icon.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, True)
        icon.setObjectName("search_icon")
        icon.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        icon.setIconSize(QSize(14, 14))
        icons.follow(icon, "search")
        self._text = text = styled(ElidedLabel(self), "muted")
        text.set_text(SEARCH)
        keys = styled(QLabel("Ctrl+K", self), "muted", "small")
        filled(QHBoxLayout(self), icon, (text, 1), keys, margins=(8, 3, 8, 3), spacing=6)

    def sizeHint(self) -> QSize:
        """Return a width for all of it; less shows the keys alone."""
        return QSize(SEARCH_WIDTH, super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say it in one word where there is no room for more."""
        super().resizeEvent(event)
        fits = self._text.fontMetrics().horizontalAdvance(SEARCH) <= self._text.width()
        self._text.set_text(SEARCH if fits else "Find", tip=SEARCH)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Open the palette."""
        event.accept()
        self._commands.run("help.palette")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the palette from the keyboard, too."""
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._commands.run("help.palette")
        else:
            super().keyPressEvent(event)


class WorkspaceStrip(QWidget):
    """A button for every workspace; the one at hand is underlined."""

    def __init__(self, commands: Commands, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("workspaces")
        self.buttons: dict[str, QToolButton] = {}
        row = filled(QHBoxLayout(self), spacing=2)
        for workspace in WORKSPACES:
            button = self.buttons[workspace.name] = QToolButton(self)
            button.setDefaultAction(commands.actions[f"space.{workspace.name}"])
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
