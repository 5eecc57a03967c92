"""A dock with one slim row on top: title, the panel's own tools, float and close."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QSizePolicy, QToolButton, QWidget

from app import icons
from app.panels.base import Panel


class Dock(QDockWidget):
    """Holds a panel; its title row also holds the panel's tools. The title hides while a tab shows it."""

    def __init__(self, panel: Panel, window: QMainWindow) -> None:
        super().__init__(panel.title, window)
        self.panel = panel
        self.setObjectName(f"dock_{panel.name}")
        self.setWidget(panel)
        self.row = _TitleRow(self, panel)
        self.setTitleBarWidget(self.row)

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
    """Ignores the mouse where it has no button, so that the dock can be dragged by it."""

    def __init__(self, dock: Dock, panel: Panel) -> None:
        super().__init__(dock)
        self.setObjectName("dock_title")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 1, 4, 1)
        row.setSpacing(0)
        self.setMinimumHeight(26)
        self.label = QLabel(panel.title, self)
        self.label.setObjectName("dock_label")
        row.addWidget(self.label)
        panel.toolbar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row.addWidget(panel.toolbar, 1)
        float_tip, close_tip = "Tear off or put back", "Close (the View menu brings it back)"
        row.addWidget(self._button("undock", float_tip, lambda: dock.setFloating(not dock.isFloating())))
        row.addWidget(self._button("close", close_tip, dock.close))

    def _button(self, icon: str, tip: str, run: object) -> QToolButton:
        button = QToolButton(self)
        icons.follow(button, icon, muted=True)
        button.setIconSize(QSize(12, 12))
        button.setToolTip(tip)
        button.clicked.connect(run)
        return button

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Leave it to the dock."""
        event.ignore()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Leave it to the dock."""
        event.ignore()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Leave it to the dock."""
        event.ignore()
