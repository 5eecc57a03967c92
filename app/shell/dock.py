"""A dock with one slim row on top: title, the panel's own tools, float and close."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QSizePolicy, QWidget

from app.panels.base import Panel
from app.session.session import Session
from app.widgets.controls import filled, tool_button


class Dock(QDockWidget):
    """Holds a panel, built when it is first needed; its title row also holds the panel's tools.

    The title hides while a tab shows it. While ``lazy``, showing the dock does not build the panel yet: Qt
    shows docks behind tabs for a moment.
    """

    def __init__(self, panel_class: type[Panel], session: Session, window: QMainWindow) -> None:
        super().__init__(panel_class.title, window)
        self.setObjectName(f"dock_{panel_class.name}")
        self._panel_class, self._session = panel_class, session
        self._panel: Panel | None = None
        self.lazy, self.eager = False, panel_class.eager
        self.row = _TitleRow(self, panel_class.title)
        self.setTitleBarWidget(self.row)
        if self.eager:
            self.panel.show()

    @property
    def panel(self) -> Panel:
        """The panel, built if it was not yet."""
        if self._panel is None:
            self._panel = self._panel_class(self._session)
            self.setWidget(self._panel)
            self.row.hold(self._panel.toolbar)
        return self._panel

    def showEvent(self, event: QShowEvent) -> None:
        """Build the panel in time."""
        super().showEvent(event)
        if not self.lazy:
            self.panel.show()

    def refresh_title(self) -> None:
        """Show the title unless a tab does."""
        window = self.parentWidget()
        tabbed = (
            isinstance(window, QMainWindow)
            and not self.isFloating()
            and any(other.isVisibleTo(window) for other in window.tabifiedDockWidgets(self))
        )
        self.row.label.setVisible(not tabbed)


class _TitleRow(QWidget):
    """Leaves the mouse to the dock where it has no button, so that the dock can be dragged by it."""

    def __init__(self, dock: Dock, title: str) -> None:
        super().__init__(dock)
        self.setObjectName("dock_title")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setMinimumHeight(26)
        self.label = QLabel(title, self)
        self.label.setObjectName("dock_label")
        self._row = filled(QHBoxLayout(self), self.label, margins=(10, 1, 4, 1))
        self._row.addStretch(0)
        float_tip, close_tip = "Tear off or put back", "Close (the View menu brings it back)"
        self._add_button("undock", float_tip, lambda: dock.setFloating(not dock.isFloating()))
        self._add_button("close", close_tip, dock.close)

    def hold(self, toolbar: QWidget) -> None:
        """Show a panel's tools beside the title."""
        toolbar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._row.insertWidget(1, toolbar, 1)

    def _add_button(self, icon: str, tip: str, run: Callable[[], object]) -> None:
        self._row.addWidget(tool_button(self, tip, run, icon=icon, size=12, muted=True))
