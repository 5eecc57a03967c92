"""The workspace at hand: chooses and remembers it, and gives room to panels that have something to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QMainWindow, QToolBar, QWidget

from app.panels.base import OPEN, OPEN_SCAN, TRAIN, Lack
from app.settings import Settings
from app.shell import docks as layout
from app.shell.dock import Dock
from app.shell.workspaces import BY_NAME, FIRST, Workspace, leaves, panel_names, swapped
from app.workers.turns import in_turn

if TYPE_CHECKING:
    from app.session.session import Session

LAYOUT_VERSION = 3
REFRESH_MS, SETTLED_MS = 60, 300
ROOMY = 1100
"""In a window of this height nothing has to fold."""

REASONS = {
    TRAIN: ("comes with a training", "come with a training"),
    OPEN: ("needs data", "need data"),
    OPEN_SCAN: ("needs a crystal's volume scan", "need a crystal's volume scan"),
}
"""What is said of one panel, and of several, that lack the same thing."""

BARE = ("data", "model", "structure")

Line = tuple[str, str]


class Spaces(QObject):
    """Arranges the docks of a window by workspace; the welcome page stands in their place until data come."""

    changed = Signal()
    lines_changed = Signal(list)
    """What panels lack: (text, command or "") for each line."""

    def __init__(
        self, window: QMainWindow, docks: Mapping[str, Dock], session: Session, settings: Settings
    ) -> None:
        super().__init__(window)
        self._window, self._docks, self._session, self._settings = window, docks, session, settings
        wanted = settings.first_workspace or settings.workspace
        self.name = wanted if wanted in BY_NAME else FIRST
        self.welcome: QWidget | None = None
        self.lines: list[Line] = []
        self._welcoming, self._busy = True, False
        self._customized = self._bare = False
        self._forced: set[str] = set()
        self._folds: dict[str, bool] = {}
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(lambda: in_turn(self, self.refresh))
        self._to_build: list[Dock] = []
        self._reveal_timer = QTimer(self, singleShot=True, interval=0)
        self._reveal_timer.timeout.connect(self._reveal)
        window.installEventFilter(self)
        self._connect()

    def _connect(self) -> None:
        session = self._session
        for signal in (session.data.added, session.runs.added):
            signal.connect(self._leave_welcome)
        for signal in (session.data.removed, session.runs.removed):
            signal.connect(self._welcome_again)
        for signal in (
            session.data.added, session.data.changed, session.data.removed, session.runs.added,
            session.runs.removed, session.runs.current_changed, session.runs.changed,
            session.analyses.changed, session.regions.changed, session.sweeps.changed,
            session.learning.changed,
            session.trainings.settings_changed, session.tasks.started, session.tasks.finished,
            session.told.changed,
        ):  # fmt: skip
            signal.connect(self.refresh_soon)
        for name, dock in self._docks.items():
            dock.fold_wanted.connect(lambda folded, name=name: self.fold(name, folded))
            dock.closed.connect(self._on_arranged)
            dock.topLevelChanged.connect(self._on_arranged)
            dock.visibilityChanged.connect(self._on_seen)

    # choosing -----------------------------------------------------------------------------------------
    @property
    def workspace(self) -> Workspace:
        """The workspace at hand."""
        return BY_NAME[self.name]

    @property
    def welcoming(self) -> bool:
        """Whether the welcome page is shown in place of the panels."""
        return self._welcoming

    def begin(self, welcome: QWidget) -> None:
        """Show the welcome page until something is open."""
        self.welcome = welcome
        self.changed.emit()

    def choose(self, name: str) -> None:
        """Show a workspace as it was left."""
        if name == self.name and not self._welcoming:
            return
        if not self._welcoming:
            self.keep()
        self.name = self._settings.workspace = name
        self._put(lambda: self._restore() or self._arrange())

    def reset(self) -> None:
        """Put the panels of this workspace back where they stand by default."""
        self._settings.workspaces.pop(self.name, None)
        self._put(self._arrange)

    def swap(self) -> None:
        """Exchange the places of the two panels that are looked at by turns."""
        if self.workspace.swapped is None:
            return
        kept = self._kept()
        self._settings.workspaces[self.name] = {"swapped": not kept.get("swapped", False)}
        self._put(self._arrange)

    @property
    def can_swap(self) -> bool:
        """Whether this workspace has two panels to exchange."""
        return self.workspace.swapped is not None and not self._welcoming

    def show_panel(self, name: str, shown: bool = True) -> None:
        """Show a panel, in front of those it shares a place with, or close it."""
        self._leave_welcome()
        dock = self._docks[name]
        if not shown:
            dock.close_by_user()
            return
        dock.wanted = True
        self._forced.add(name)
        self.refresh()
        dock.raise_()
        dock.build()
        dock.panel.take_keys()

    def bring(self, name: str, what: str = "") -> None:
        """Let a panel show ``what``, and bring it to the front if it has something to show."""
        dock = self._docks[name]
        if what:
            dock.when_whole(lambda panel: panel.look_at(what))
        self.refresh()
        if not dock.isHidden():
            dock.raise_()
            dock.build()

    def keep(self) -> None:
        """Remember how the user has arranged this workspace."""
        if self._customized and not self._welcoming:
            state = bytes(self._window.saveState(LAYOUT_VERSION).toBase64().data()).decode()
            wanted = [name for name, dock in self._docks.items() if dock.wanted]
            self._settings.workspaces[self.name] = self._kept() | {"state": state, "wanted": wanted}

    def _kept(self) -> dict[str, Any]:
        kept = self._settings.workspaces.get(self.name)
        return kept if isinstance(kept, dict) else {}

    # arranging ----------------------------------------------------------------------------------------
    def _put(self, arrange: Callable[[], object]) -> None:
        self._window.setUpdatesEnabled(False)
        self._busy, self._welcoming = True, False
        self._forced.clear()
        self._folds.clear()
        if self.welcome is not None:
            self.welcome.hide()
        for dock in self._docks.values():
            dock.lazy = True
        arrange()
        self._busy = False
        self.refresh(anew=True)
        self._reveal_timer.start()
        self.changed.emit()

    def _reveal(self) -> None:
        """Show the new arrangement once it is laid out: what came before stays in sight until then."""
        self._share_out()
        layout.show_tabs(self._window, self._docks)
        self._window.setUpdatesEnabled(True)
        self._window.repaint()  # Qt forgets about what was to be painted when updates were stopped

    def _arrange(self) -> None:
        self._customized, self._bare = False, self._is_bare()
        tree, pair = self.workspace.tree, self.workspace.swapped
        shown = swapped(tree, *pair) if pair and self._kept().get("swapped") else tree
        if self._bare and self.workspace.bare is not None:
            shown = self.workspace.bare
        names = panel_names(self.workspace)
        for name, dock in self._docks.items():
            dock.wanted = name in names
        self._tree = shown
        layout.arrange(self._window, self._docks, shown)

    def _is_bare(self) -> bool:
        """Whether only the list and the structure have something to show."""
        names = [n for n in panel_names(self.workspace) if n in self._docks and n not in BARE]
        return all(self._lack(name, self._docks[name]) is not None for name in names)

    def _restore(self) -> bool:
        """Arrange as the user has left it; False where that is not known."""
        kept = self._kept()
        state, wanted = kept.get("state"), kept.get("wanted")
        if not isinstance(state, str) or not isinstance(wanted, list):
            return False
        layout.clear(self._window, self._docks)
        if not self._window.restoreState(QByteArray.fromBase64(state.encode()), LAYOUT_VERSION):
            return False
        self._customized, self._tree = True, self.workspace.tree
        for name, dock in self._docks.items():
            dock.wanted = name in wanted
        layout.place_missing(self._window, self._docks, self._tree)
        return True

    def _share_out(self) -> None:
        """Give the panels their shares of the window, unless the user has."""
        if self._welcoming or self._customized:
            return
        window = self._window
        bars = [window.menuBar(), window.statusBar(), *window.findChildren(QToolBar)]
        used = sum(bar.height() for bar in bars if not bar.isHidden())
        layout.share_out(self._docks, self._tree, window, window.width(), window.height() - used)

    def _on_arranged(self, *_: object) -> None:
        if not self._busy:
            self._customized = True
            self.refresh_soon()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice that the user moves a separator, and share out the room when the window has another size."""
        if event.type() == QEvent.Type.Resize:
            self._share_out()
        elif isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonPress:
            self._customized |= self._window.isSeparator(event.position().toPoint())
        return False

    # what there is to show ----------------------------------------------------------------------------
    def refresh_soon(self, *_: object) -> None:
        """Look in a moment which panels have something to show."""
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self, anew: bool = False) -> None:
        """Show the panels that have something to show, and say of the others what they lack."""
        if self._welcoming:
            return
        if self.workspace.bare and not self._customized and self._bare != self._is_bare():
            self._put(self._arrange)
            return
        lacks = {n: self._lack(n, dock) for n, dock in self._docks.items() if dock.wanted}
        shown = {name for name, lack in lacks.items() if lack is None}
        before = {name for name, dock in self._docks.items() if not dock.isHidden()}
        self._busy = True
        for name, dock in self._docks.items():
            if (name in shown) != (name in before):
                dock.setVisible(name in shown)
        moved = self._fold_all()
        self._busy = False
        if anew or moved or shown != before:
            self._share_out()
            self._raise_first(shown if anew else shown - before)
            self._refresh_titles()
            for wait in (0, SETTLED_MS):
                QTimer.singleShot(wait, self, lambda: layout.show_tabs(self._window, self._docks))
        opening = self._session.tasks.opening()  # it may bring what they lack
        self._show_lines({} if opening else {name: lack for name, lack in lacks.items() if lack is not None})

    def _lack(self, name: str, dock: Dock) -> Lack | None:
        return None if name in self._forced else dock.panel_class.lacks(self._session)

    def _raise_first(self, new: set[str]) -> None:
        """Bring the first panel of a place to the front where it is new."""
        for place in leaves(self._tree):
            names = [n for n in place.names if n in self._docks and not self._docks[n].isHidden()]
            if names and names[0] in new:
                self._docks[names[0]].raise_()
                self._to_build.append(self._docks[names[0]])
        in_turn(self, self._build_next)

    def _build_next(self) -> None:
        """Build one of the panels that have come to the front; the window gets a turn between any two."""
        if self._to_build:
            self._to_build.pop(0).build()
            in_turn(self, self._build_next)

    def _refresh_titles(self) -> None:
        for dock in self._docks.values():
            dock.refresh_title()

    def _on_seen(self, seen: bool) -> None:
        dock = self.sender()
        if seen and not self._busy and isinstance(dock, Dock) and dock.lazy:
            in_turn(dock, lambda: self._build_seen(dock))

    def _build_seen(self, dock: Dock) -> None:
        if not self._busy and not dock.visibleRegion().isEmpty():
            dock.build()

    # folding ------------------------------------------------------------------------------------------
    def fold(self, name: str, folded: bool) -> None:
        """Fold or unfold a panel as the user wants."""
        self._docks[name].set_folded(folded)
        self._share_out()

    def _fold_all(self) -> bool:
        """Fold what is in the way and unfold it when it no longer is; return whether anything changed."""
        moved = False
        for name, dock in self._docks.items():
            if not dock.entry.foldable or dock.isHidden():
                continue
            dock.show_summary(dock.panel_class.summary(self._session))
            folds = dock.panel_class.folds(self._session) and self._window.height() < ROOMY
            if folds != self._folds.get(name, False):
                moved |= folds != dock.folded
                dock.set_folded(folds)
            self._folds[name] = folds
        return moved

    # what panels lack ---------------------------------------------------------------------------------
    def _show_lines(self, lacks: Mapping[str, Lack]) -> None:
        by_command: dict[str, list[str]] = {}
        lines: list[Line] = []
        for name, lack in lacks.items():
            title = self._docks[name].entry.title
            if lack.silent:
                continue
            if lack.command in REASONS:
                by_command.setdefault(lack.command, []).append(title)
            else:
                said = lack.text if lack.text.lower().startswith(title.lower()) else f"{title}: {lack.text}"
                lines.append((f"{said[:1].upper()}{said[1:]}", lack.command))
        grouped = [(f"{_listed(t)} {REASONS[c][len(t) > 1]}", c) for c, t in by_command.items()]
        missing = [n for n in panel_names(self.workspace) if n not in self._docks]
        lines = [*grouped, *lines, *((f"{n.title()} is not part of this version", "") for n in missing)]
        if lines != self.lines:
            self.lines = lines
            self.lines_changed.emit(lines)

    # welcome ------------------------------------------------------------------------------------------
    def _leave_welcome(self, *_: object) -> None:
        if self._welcoming:
            self._put(lambda: self._restore() or self._arrange())

    def _welcome_again(self, *_: object) -> None:
        """Show the welcome page when everything has been closed."""
        if (
            self._welcoming
            or self.welcome is None
            or self._session.data.datasets
            or self._session.runs.documents
        ):
            return
        self.keep()
        self._welcoming = self._busy = True
        for dock in self._docks.values():
            dock.hide()
        self._busy = False
        self.welcome.show()
        self.lines = []
        self.lines_changed.emit([])
        self.changed.emit()


def _listed(titles: list[str]) -> str:
    """Return names as in a sentence: "A, B and C"."""
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
