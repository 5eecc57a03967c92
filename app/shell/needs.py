"""One line for all panels that have nothing to show: what they lack, with the button that brings it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QToolBar, QWidget

from app.look.style_sheet import styled
from app.shell.commands import Commands
from app.widgets.controls import filled
from app.widgets.labels import NoteLabel


class NeedsBar(QToolBar):
    """Stands above the verdict while there is something to say."""

    def __init__(self, commands: Commands, parent: QWidget) -> None:
        super().__init__("What panels lack", parent)
        self._commands = commands
        self.setObjectName("needs_bar")
        self.setMovable(False)
        self.toggleViewAction().setEnabled(False)
        self.buttons: dict[str, QPushButton] = {}
        self._row: QWidget | None = None
        self.hide()

    def show_lines(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show (text, command or "") side by side; nothing where there are none."""
        self.clear()
        self.buttons = {}
        if self._row is not None:
            self._row.deleteLater()
            self._row = None
        self.setVisible(bool(lines))
        if not lines:
            return
        self._row = QWidget(self)
        row = filled(QHBoxLayout(self._row), margins=(8, 0, 8, 0), spacing=8)
        for text, command in lines:
            label = NoteLabel(self._row, "muted", lines=1)
            label.set_text(text)
            label.setMaximumWidth(label.sizeHint().width() + 8)
            row.addWidget(label, len(text))
            if command:
                row.addWidget(self._button(command))
            row.addSpacing(16)
        row.addStretch(1)
        self.addWidget(self._row)

    def _button(self, command_id: str) -> QPushButton:
        command = self._commands.by_id[command_id]
        button = styled(QPushButton(command.title, self._row), "small")
        button.setToolTip(command.tip)
        button.clicked.connect(lambda _checked=False: self._commands.run(command_id))
        self.buttons[command_id] = button
        return button
