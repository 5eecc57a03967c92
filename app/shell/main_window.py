"""The window: menus, toolbar, docks, status line, drag and drop. It holds no state but the layout."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import (
    QInputDialog,
    QMainWindow,
    QMenu,
    QMessageBox,
    QTabWidget,
)

from app.dialogs import plain
from app.dialogs.every import Dialogs
from app.dialogs.key_names import KeyAsker
from app.dialogs.preferences import Preferences
from app.dialogs.questions import Questions
from app.look import theme
from app.look.preferred import use_look
from app.session.messages import Notification
from app.settings import Settings
from app.shell import docks as layout
from app.shell.command_palette import CommandPalette
from app.shell.commands import Commands
from app.shell.dock import Dock
from app.shell.drop_shade import DropShade
from app.shell.files import Files
from app.shell.gestures import everything
from app.shell.guide import Guide, GuideBar
from app.shell.needs import NeedsBar
from app.shell.panel_help import PAGE, PanelHelp, anchor_of
from app.shell.restoring import SessionKeeper
from app.shell.spaces import Spaces
from app.shell.tab_order import TabOrder
from app.shell.toasts import LEAST_WIDTH, MARGIN, WIDTH, Place, Toasts
from app.shell.toolbar import MainToolbar
from app.shell.verdict_bar import VerdictBar
from app.shell.welcome import Welcome
from app.shell.window_commands import MENUS, figure_commands, window_commands
from app.shell.workspaces import WORKSPACES
from nnpcore.errors import EatlasError

if TYPE_CHECKING:
    from app.dialogs.documentation import Documentation
    from app.session.session import Session

HIDDEN_PANELS_MS = 1200
BETWEEN_PANELS_MS = 60
STATUS_HEIGHT, FRAME_BAR = 34, 44
LEAST_SIZE, MOST_SIZE, LARGE_SCREEN = (1024, 660), (1920, 1160), (1600, 1000)
SHARE = 0.92
"""What a first window takes of a large screen; it fills a smaller one."""


class MainWindow(QMainWindow):
    """One window on one session."""

    complete = Signal()
    """All panels are there."""

    def __init__(self, session: Session, settings: Settings) -> None:
        super().__init__()
        session.setParent(self)
        self.session, self.settings = session, settings
        self.setWindowTitle("Eatlas")
        self.setObjectName("main_window")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.keeper = SessionKeeper(session, settings, self)
        self.dialogs = Dialogs(session, self)
        self.files = Files(session, self.dialogs, self)
        actions = window_commands(session, self.files, self.dialogs, self.keeper, self)
        self.commands = Commands(actions, self)
        self.toasts = Toasts(self, self._place_of_toasts)
        self.docks = layout.make_docks(session, self)
        self.toasts.follow(self.docks["data"], self.docks["model"], self.docks["structure"])
        for command in figure_commands(session, self.docks):
            self.commands.add(command)
        self.spaces = Spaces(self, self.docks, session, settings)
        self.toolbar = MainToolbar(session, self.commands, self.docks, self)
        self.addToolBar(self.toolbar)
        self.guide = Guide(session, self.spaces)
        self.addToolBarBreak()
        self.addToolBar(GuideBar(self.guide, self))
        self.needs = NeedsBar(self.commands, self)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, self.needs)
        self._follow_spaces()
        self._make_menus()
        self.verdict = VerdictBar(session, self)
        self._fill_status_bar()
        self.setMinimumSize(*LEAST_SIZE)
        self._fit_screen()
        self.welcome = Welcome(session, self.commands, settings, self)
        self.setCentralWidget(self.welcome)
        self.spaces.begin(self.welcome)
        self.tab_order, self.drop_shade = TabOrder(self), DropShade(self)
        self._closing = False
        self.questions = Questions(self)
        self.key_asker = KeyAsker(session, self.questions, self)
        self.confirm_close: Callable[[], bool] = self.ask_close
        self._answer_session()
        self._connect()
        self.commands.refresh()

    def _follow_spaces(self) -> None:
        """Show what a workspace lacks, and what can be done in it."""
        self.spaces.lines_changed.connect(self.needs.show_lines)
        self.spaces.lines_changed.connect(lambda _lines: self.toasts.arrange())
        self.spaces.changed.connect(self.refresh_commands)
        self.spaces.changed.connect(self.toasts.arrange)

    def _fill_status_bar(self) -> None:
        if "cure" in self.docks:
            self.verdict.offer_cure(self.show_cure)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().addWidget(self.verdict, 1)
        self.statusBar().setFixedHeight(STATUS_HEIGHT)

    def _answer_session(self) -> None:
        """Ask the user what the session cannot know."""
        session = self.session
        session.data.ask_names = self.key_asker.ask
        session.data.ask_types = self._ask_types
        session.trainings.confirm = lambda warnings: plain.ask_to_train(warnings, self)
        session.trainings.unsaved.ask_folder = self.files.ask_folder_for

    def _connect(self) -> None:
        session = self.session
        session.cures.wanted.connect(self.show_cure)
        session.learning.wanted.connect(self.show_learning)
        session.panel_wanted.connect(self.spaces.show_panel)
        session.messages.notified.connect(self.toasts.show)
        session.messages.outdated.connect(self.toasts.drop)
        for signal in (
            session.undo_stack.indexChanged, session.runs.changed, session.data.added,
            session.data.removed, session.runs.current_changed, session.coloring.changed,
        ):  # fmt: skip
            signal.connect(self.refresh_commands)
        session.export_wanted.connect(lambda: self.dialogs.open("export_potential"))
        session.trainings.idle.connect(self._on_trainings_idle)
        for name, dock in self.docks.items():
            dock.help_wanted.connect(partial(self.explain, name))
            for signal in (dock.dockLocationChanged, dock.topLevelChanged, dock.visibilityChanged):
                signal.connect(self._refresh_titles)

    def _place_of_toasts(self) -> Place:
        """Return the end of the list of data and runs, never over a row of it or what stands below it.

        Where the list has no room for them they are beside it: over the structure, where that is shown.
        """
        above = 0 if self.needs.isHidden() else self.needs.sizeHint().height()
        if self.spaces.welcoming:
            return Place(width=LEAST_WIDTH, above=above)
        data, structure = self.docks["data"], self.docks["structure"]
        if data.isHidden() or data.isFloating():
            return Place(above=above)
        width = min(max(data.width() - 2 * MARGIN, LEAST_WIDTH), WIDTH)
        if self._room_in_list() < self.toasts.needed(width):
            if structure.isVisible() and not structure.isFloating() and structure.width() > WIDTH:
                above, top = self._below(structure) + FRAME_BAR, structure.y() + structure.row.height()
                return Place(structure.x() + 2 * MARGIN, above=above, top=top)
            return Place(left=data.geometry().right() + 2 * MARGIN, above=above + FRAME_BAR)
        return Place(data.x() + MARGIN, width, self._below(data), data.y() + data.row.height())

    def _below(self, dock: Dock) -> int:
        """Return how many pixels lie between a dock and the status line."""
        return max(self.height() - self.statusBar().height() - dock.geometry().bottom(), 0)

    def _room_in_list(self) -> int:
        """Return how many pixels of the list of data and runs hold no row."""
        from app.panels.data_panel import DataPanel

        dock = self.docks["data"]
        panel = dock.panel if dock.built else None  # asked for, it would be built at once
        return panel.room_below if isinstance(panel, DataPanel) else 0

    def show_cure(self) -> None:
        """Show the workspace in which frames are found that heal a map."""
        self.spaces.choose("cure")
        self.spaces.show_panel("cure")

    def show_learning(self) -> None:
        """Show the workspace in which one trains, with the learning curve in front."""
        self.spaces.choose("train")
        self.spaces.show_panel("learning")

    # menus --------------------------------------------------------------------------------------------
    def _make_menus(self) -> None:
        menus = {name: self.menuBar().addMenu(name) for name in MENUS}
        self.examples = QMenu("Examples", self)
        self.recent = QMenu("Recent", self)
        self.appearance = QMenu("Appearance", self)
        self.color_by = QMenu("Colour By", self)
        self.workspace_menu = QMenu("Workspace", self)
        subs = (self.examples, self.appearance, self.color_by, self.workspace_menu)
        menus |= {menu.title(): menu for menu in (*subs, self.toolbar.export_menu)}
        last: dict[str, int] = {}
        for command_id, command in self.commands.by_id.items():
            if not command.menu:
                continue  # for the palette only
            menu = menus[command.menu]
            if last.setdefault(command.menu, command.group) != command.group:
                menu.addSeparator()
            last[command.menu] = command.group
            menu.addAction(self.commands.actions[command_id])
            if command_id == "file.run":
                menu.addMenu(self.recent)
                menu.addMenu(self.examples)
            elif command_id == "view.previous":
                menu.addMenu(self.workspace_menu)
                self.panels_menu = menu.addMenu("Panels")
                menu.addMenu(self.color_by)
                menu.addMenu(self.appearance)
            elif command_id == "file.report":
                menu.addMenu(self.toolbar.export_menu)
        self.panels_menu.aboutToShow.connect(self._fill_panels)
        self.recent.aboutToShow.connect(self._fill_recent)
        for menu in menus.values():
            menu.aboutToShow.connect(self.refresh_commands)

    def _fill_recent(self) -> None:
        self.recent.clear()
        for path in self.settings.recent_files:
            self.recent.addAction(_short(path), lambda path=path: self.session.data.open_paths([path]))
        if self.settings.recent_files and self.settings.recent_runs:
            self.recent.addSeparator()
        for path in self.settings.recent_runs:
            self.recent.addAction(f"Run {_short(path)}", lambda path=path: self.session.runs.open(path))
        self.recent.setEnabled(True)
        if self.recent.isEmpty():
            self.recent.addAction("Nothing yet").setEnabled(False)

    def _fill_panels(self) -> None:
        """List the panels; the ones that can be seen are ticked."""
        self.panels_menu.clear()
        for name, dock in self.docks.items():
            action = self.panels_menu.addAction(dock.entry.title)
            action.setCheckable(True)
            action.setChecked(not dock.isHidden())
            action.triggered.connect(lambda on, name=name: self.spaces.show_panel(name, on))

    def createPopupMenu(self) -> QMenu | None:
        """Offer no menu of Qt's own on toolbars and titles."""
        return None

    def refresh_commands(self, *_changed: object) -> None:
        """Enable, disable and check the actions."""
        self.commands.refresh()

    # layout -------------------------------------------------------------------------------------------
    def _fit_screen(self) -> None:
        """Take the place of last time where it still fits the screen, else a good part of the screen."""
        known = QByteArray.fromBase64(self.settings.geometry.encode())
        restored = bool(known) and self.restoreGeometry(known)
        screen = self.screen().availableGeometry()
        if restored and (self.isMaximized() or screen.contains(self.geometry())):
            return
        width, height = screen.width(), screen.height()
        if width < LARGE_SCREEN[0] or height < LARGE_SCREEN[1]:
            self.setGeometry(screen)
            self.setWindowState(Qt.WindowState.WindowMaximized)
            return
        self.resize(min(int(SHARE * width), MOST_SIZE[0]), min(int(SHARE * height), MOST_SIZE[1]))
        self.move(screen.center() - self.rect().center())

    def showEvent(self, event: QShowEvent) -> None:
        """Build the panels that are not seen yet a moment later."""
        super().showEvent(event)
        QTimer.singleShot(HIDDEN_PANELS_MS, self, self._build_hidden_panels)

    def _build_hidden_panels(self) -> None:
        """Build a part of a panel, and the next when the window has had time for what came meanwhile."""
        if self._closing or self.session.ended:
            return
        if self.spaces.welcoming or self.session.tasks.reading():
            QTimer.singleShot(HIDDEN_PANELS_MS, self, self._build_hidden_panels)
            return
        dock = next((dock for dock in self.docks.values() if not dock.built), None)
        if dock is not None:
            dock.build_more()
            QTimer.singleShot(BETWEEN_PANELS_MS, self, self._build_hidden_panels)
        else:
            self.complete.emit()

    def reset_layout(self) -> None:
        """Put the panels of this workspace back where they stand by default."""
        self.spaces.reset()

    def _refresh_titles(self, *_changed: object) -> None:
        QTimer.singleShot(0, self, lambda: [dock.refresh_title() for dock in self.docks.values()])

    def focusNextPrevChild(self, next: bool) -> bool:
        """Let the Tab key go through the window in reading order, and show where it is."""
        return self.tab_order.move(next)

    def toggle_full_screen(self) -> None:
        """Go to full screen and back."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def set_theme(self, mode: theme.Mode) -> None:
        """Use light, dark or the system's appearance from now on."""
        self.settings.theme = mode
        theme.set_mode(mode)
        self.save_settings()
        self.refresh_commands()

    # files --------------------------------------------------------------------------------------------
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files, and show that they would be opened."""
        files = [url for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            self.drop_shade.offer(len(files))
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Nothing is dropped."""
        self.drop_shade.hide()
        super().dragLeaveEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open dropped files and run folders."""
        self.drop_shade.hide()
        self.files.open_paths([url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()])
        event.acceptProposedAction()

    # dialogs ------------------------------------------------------------------------------------------
    def _ask_types(self, name: str, put: Callable[[str], None]) -> None:
        def ask(answered: Callable[[], None]) -> None:
            types = plain.ask_types(name, self)
            answered()
            put(types)

        self.questions.ask(ask)

    def ask_more_epochs(self) -> None:
        """Ask how many epochs more and go on with the current run."""
        run = self.session.runs.current
        if run is None:
            return
        text = f"{run.name} has had {run.epoch} epochs. Train until epoch:"
        goal, fine = QInputDialog.getInt(self, "Train longer", text, 2 * run.epoch, run.epoch + 1, 100_000)
        if fine:
            self.session.trainings.train_longer(run.id, goal)

    def open_palette(self) -> None:
        """Open the command palette."""
        self.palette_box.open()

    @cached_property
    def palette_box(self) -> CommandPalette:
        """The command palette, made when it is first wanted."""
        return CommandPalette(self.commands, self)

    def show_preferences(self) -> None:
        """Open the preferences."""
        spaces = [(workspace.title, workspace.name) for workspace in WORKSPACES]
        dialog = Preferences(self.settings, self, spaces)
        if dialog.exec() == Preferences.DialogCode.Accepted:
            dialog.apply(self.settings)
            use_look(self.settings)
            self.session.coloring.changed.emit()
            self.save_settings()
            self.session.trainings.settings_changed.emit()
            self.refresh_commands()
        dialog.deleteLater()

    @cached_property
    def documentation(self) -> Documentation:
        """The documentation's window, made when it is first asked for."""
        from app.dialogs.documentation import Documentation

        return Documentation(self)

    def explain(self, name: str = "") -> None:
        """Say what a panel says: the named one, or the one the keyboard or the mouse is in."""
        dock = self.docks.get(name) or self._dock_at_hand()
        if dock is not None:
            title = dock.entry.title
            PanelHelp(title, lambda: self.show_documentation(PAGE, anchor_of(title)), self).open_below(
                dock.row.help
            )

    def _dock_at_hand(self) -> Dock | None:
        shown = [dock for dock in self.docks.values() if not dock.visibleRegion().isEmpty()]
        focus = self.focusWidget()
        under = (dock for dock in shown if dock.underMouse())
        focused = (dock for dock in shown if focus is not None and dock.isAncestorOf(focus))
        return next(under, None) or next(focused, None) or next(iter(shown), None)

    def show_documentation(self, page: str = "", anchor: str = "") -> None:
        """Show the documentation beside the window, at a page and a heading where they are given."""
        if page:
            self.documentation.pages.open(page, anchor)
        self.documentation.show()
        self.documentation.raise_()
        self.documentation.activateWindow()

    def show_shortcuts(self) -> None:
        """List what keys and the mouse do."""
        plain.show_shortcuts(everything(self.commands), self)

    def show_about(self) -> None:
        """Show versions and the graphics driver."""
        plain.show_about(self)

    # session and end ----------------------------------------------------------------------------------
    def save_settings(self) -> None:
        """Write the settings; a failure is told, never raised."""
        try:
            self.settings.save()
        except EatlasError as error:
            self.session.messages.notify(Notification("warning", "The settings were not saved", str(error)))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop a training first (its checkpoint is written), then close and leave no thread behind."""
        if self.session.trainings.active:
            if not self._closing and not self.confirm_close():
                event.ignore()
                return
            self._closing = True
            self.session.trainings.stop_all()
            self.setEnabled(False)
            self.statusBar().showMessage("Stopping the training and writing its checkpoint…")
            event.ignore()
            return
        if self.session.trainings.unsaved and not self.confirm_close():
            event.ignore()
            return
        self._keep_layout()
        self.keeper.close()
        self.session.shutdown()
        self.save_settings()
        event.accept()

    def ask_close(self) -> bool:
        """Ask whether the training may be stopped, or given up where it could not be saved."""
        if not self.session.trainings.active:
            return plain.ask_to_lose(self)
        box = QMessageBox(QMessageBox.Icon.Question, "Eatlas", "A training is running.", parent=self)
        text = "Its checkpoint is kept: open the run later and press Resume to go on."
        n_waiting = self.session.trainings.n_waiting
        more = f" {n_waiting} more {'waits' if n_waiting == 1 else 'wait'} and will be dropped."
        box.setInformativeText(text + (more if n_waiting else ""))
        stop = box.addButton("Stop and Close", QMessageBox.ButtonRole.AcceptRole)
        box.addButton("Go On Training", QMessageBox.ButtonRole.RejectRole)
        box.exec()
        box.deleteLater()
        return box.clickedButton() is stop

    def _on_trainings_idle(self) -> None:
        self.refresh_commands()
        if self._closing and self.session.trainings.unsaved:
            self._closing = False
            self.setEnabled(True)
            self.statusBar().clearMessage()
        elif self._closing:
            self.close()

    def _keep_layout(self) -> None:
        self.settings.geometry = _text_of(self.saveGeometry())
        self.spaces.keep()
        self.session.trainings.remember_settings()


def _text_of(data: QByteArray) -> str:
    return bytes(data.toBase64().data()).decode()


def _short(path: str) -> str:
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(home) else path
