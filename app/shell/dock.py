"""A dock with one slim row on top: title, the panel's own tools, and a menu for everything else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QShowEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from app.look import icons
from app.look.style_sheet import styled
from app.panels import PanelEntry
from app.session.session import Session
from app.shell.tab_order import TabOrder
from app.widgets.controls import filled, tool_button
from app.widgets.flow import FlowRow
from app.widgets.labels import ElidedLabel
from app.workers.turns import in_turn

if TYPE_CHECKING:
    from app.panels.base import Panel

MAX_HEIGHT = 16_777_215
ROW_HEIGHT = 28
MOST_NEEDED = QSize(440, 240)


class Dock(QDockWidget):
    """Holds a panel, built when it is first seen; its title row also holds the panel's tools.

    The title hides while a tab shows it. While ``lazy``, showing the dock does not build the panel yet: Qt
    shows docks behind tabs for a moment. A folded dock is its title row alone, with a summary in it.
    ``wanted``: the user has not closed it; it may be hidden all the same where it has nothing to show.
    """

    fold_wanted = Signal(bool)
    help_wanted = Signal()
    closed = Signal()

    def __init__(self, entry: PanelEntry, session: Session, window: QMainWindow) -> None:
        super().__init__(entry.title, window)
        self.setObjectName(f"dock_{entry.name}")
        self.entry, self._session = entry, session
        self._panel: Panel | None = None
        self._building = False
        self._awaited: list[Callable[[Panel], object]] = []
        self.lazy, self.wanted, self.folded = True, False, False
        self.row = _TitleRow(self, entry.title, entry.foldable)
        self.setTitleBarWidget(self.row)
        self._holder = _Holder(self)
        self._column = filled(QVBoxLayout(self._holder))
        self.setWidget(self._holder)
        if entry.eager:
            _ = self.panel

    @property
    def panel_class(self) -> type[Panel]:
        """The panel's class, loaded on first use."""
        return self.entry.panel_class

    @property
    def panel(self) -> Panel:
        """The panel, built and whole if it was not yet."""
        panel = self._begun()
        if not panel.whole:
            panel.complete()
            self._show_panel()
        return panel

    @property
    def built(self) -> bool:
        """Whether the panel is there already, and whole."""
        return self._panel is not None and self._panel.whole

    def _begun(self) -> Panel:
        """Return the panel, begun if it was not yet; until it is whole nobody sees it, nothing asks it."""
        if self._panel is None:
            from app.panels.base import in_turns  # not needed for the window's first picture

            with in_turns():
                self._panel = self.panel_class(self._session)
            self._panel.hide()
            self._column.addWidget(self._panel)
            self.row.hold(self._panel.toolbar)
            self._show_panel()
        return self._panel

    def _show_panel(self) -> None:
        """Show panel and tools, unless the dock is folded or the panel is not whole yet."""
        if self._panel is not None:
            for widget in (self._panel, self._panel.toolbar):
                widget.setVisible(self._panel.whole and not self.folded)
            while self._panel.whole and self._awaited:
                self._awaited.pop(0)(self._panel)

    def when_whole(self, run: Callable[[Panel], object]) -> None:
        """Call ``run`` with the panel: now, or when it has been built in turns."""
        if self.built:
            run(self.panel)
        else:
            self._awaited.append(run)
            self._build_in_turns()

    def build_more(self) -> None:
        """Begin the panel, or build its next part."""
        if self._panel is None:
            self._begun()
        elif not self._panel.whole and not self._session.ended:
            self._panel.build_more()
            self._show_panel()

    def _build_in_turns(self) -> None:
        """Build the panel, the window getting a turn between any two parts; then it is shown."""
        if not (self.built or self._building or self._session.ended):
            self._building = True
            in_turn(self, self._next_part)

    def _next_part(self) -> None:
        self._building = False
        self.build_more()
        self._build_in_turns()

    def showEvent(self, event: QShowEvent) -> None:
        """Build the panel in time."""
        super().showEvent(event)
        if not self.lazy and not self.folded:
            self._build_in_turns()

    def build(self) -> None:
        """Build the panel now if it is to be seen."""
        self.lazy = False
        if not self.folded:
            self._build_in_turns()

    def focusNextPrevChild(self, next: bool) -> bool:
        """Let the Tab key go through a torn-off panel as through the window."""
        return self._tab_order.move(next) if self.isFloating() else super().focusNextPrevChild(next)

    @cached_property
    def _tab_order(self) -> TabOrder:
        return TabOrder(self)

    # folding ------------------------------------------------------------------------------------------
    @property
    def folded_height(self) -> int:
        """Height of the title row, which is what a folded dock shows."""
        return max(self.row.sizeHint().height(), ROW_HEIGHT)

    def set_folded(self, folded: bool) -> None:
        """Show the title row alone, or everything."""
        if folded == self.folded:
            return
        self.folded = folded
        self._show_panel()
        if not folded and not self.built and self.isVisible():
            self.build()
        self.setMaximumHeight(self.folded_height if folded else MAX_HEIGHT)
        self.row.show_folded(folded)

    def show_summary(self, text: str) -> None:
        """Say in the title row what the panel holds, while it is folded."""
        self.row.summary.set_text(text)

    # title and menu -----------------------------------------------------------------------------------
    def refresh_title(self) -> None:
        """Show the title unless a tab does."""
        window = self.parentWidget()
        tabbed = (
            isinstance(window, QMainWindow)
            and not self.isFloating()
            and any(not other.isHidden() for other in window.tabifiedDockWidgets(self))
        )
        self.row.label.setVisible(not tabbed)

    def fill_menu(self, menu: QMenu) -> None:
        """Fill the menu of the title row: export, tearing off, closing."""
        menu.clear()
        menu.addAction("What Does This Say?", self.help_wanted.emit)
        menu.addSeparator()
        if self.entry.exports:
            menu.addAction("Export…", lambda: self.panel.ask_export())
            menu.addSeparator()
        text = "Put Back" if self.isFloating() else "Tear Off"
        menu.addAction(text, lambda: self.setFloating(not self.isFloating()))
        menu.addAction("Close (View › Panels brings it back)", self.close_by_user)

    def close_by_user(self) -> None:
        """Close it until the user wants it again."""
        self.wanted = False
        self.close()
        self.closed.emit()


class _Holder(QWidget):
    """Stays when the panel in it is hidden, else Qt would narrow the dock; no panel claims a whole window."""

    def minimumSizeHint(self) -> QSize:
        """Return what the panel needs, within reason."""
        return super().minimumSizeHint().boundedTo(MOST_NEEDED)


class _TitleRow(QWidget):
    """Leaves the mouse to the dock where it has no button, so that the dock can be dragged by it."""

    def __init__(self, dock: Dock, title: str, foldable: bool) -> None:
        super().__init__(dock)
        self._dock = dock
        self.setObjectName("dock_title")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setMinimumHeight(ROW_HEIGHT)
        self.chevron = tool_button(self, "Fold or unfold", self._toggle, icon="chevron", size=12, muted=True)
        self.chevron.setVisible(foldable)
        self.label = QLabel(title, self)
        self.label.setObjectName("dock_label")
        self.summary = styled(ElidedLabel(self), "muted", "small")
        self.summary.hide()
        items = (self.chevron, self.label, (self.summary, 1))
        self._row = filled(QHBoxLayout(self), *items, margins=(4 if foldable else 10, 1, 4, 1), spacing=4)
        self._row.addStretch(0)
        ask = dock.help_wanted.emit
        self.help = tool_button(self, f"What does {title} say?", ask, icon="help", size=14, muted=True)
        self._row.addWidget(self.help)
        menu = QMenu(self)
        menu.aboutToShow.connect(lambda: dock.fill_menu(menu))
        tip = f"{title}: export, tear off, close"
        self.more = tool_button(self, tip, icon="more", size=14, muted=True, menu=menu)
        self._row.addWidget(self.more)
        for widget in (
            self.chevron,
            self.label,
            self.summary,
            self.help,
            self.more,
        ):  # beside the first line of tools
            widget.setMinimumHeight(ROW_HEIGHT - 2)
            self._row.setAlignment(widget, Qt.AlignmentFlag.AlignTop)

    def hold(self, toolbar: FlowRow) -> None:
        """Show a panel's tools beside the title, in as many lines as they need."""
        self._row.insertWidget(3, toolbar, 1)

    def show_folded(self, folded: bool) -> None:
        """Show the summary while folded."""
        self.summary.setVisible(folded)
        icons.follow(self.chevron, "chevron-right" if folded else "chevron", muted=True)

    def _toggle(self) -> None:
        self._dock.fold_wanted.emit(not self._dock.folded)

    def minimumSizeHint(self) -> QSize:
        """Return what the tools need, within reason."""
        return super().minimumSizeHint().boundedTo(MOST_NEEDED)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the mouse where a click unfolds."""
        event.setAccepted(self._dock.folded)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Unfold a folded dock by a click anywhere in its row."""
        event.setAccepted(self._dock.folded)
        if self._dock.folded:
            self._dock.fold_wanted.emit(False)
