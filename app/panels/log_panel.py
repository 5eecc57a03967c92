"""The log: everything the application said, with times, to be read and copied."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.look import theme
from app.panels.base import Lack, Panel
from app.session.messages import Notification
from app.widgets.controls import tool_button
from app.workers.tasks import Task, TaskState

if TYPE_CHECKING:
    from app.session.session import Session

MAX_LINES = 5000


class LogPanel(Panel):
    """Messages, finished tasks and what trainings had to say."""

    title = "Log"
    name = "log"
    eager = True

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that no training has anything to say; who wants the log opens it."""
        return None if session.runs.documents else Lack("Nothing has been trained.", silent=True)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.text.setMaximumBlockCount(MAX_LINES)
        self.text.setPlaceholderText("Nothing has happened yet.")
        self.set_body(self.text)
        self.add_tool(tool_button(self, "Copy the whole log", self._copy, icon="copy"), at_end=True)
        session.messages.notified.connect(self._on_notified)
        session.tasks.finished.connect(self._on_task_finished)

    def add_line(self, text: str, color: str = "") -> None:
        """Add a line with the time of day."""
        clock = time.strftime("%H:%M:%S")
        body = escape(text, quote=False).replace("\n", "<br>")
        colored = f'<span style="color:{color}">{body}</span>' if color else body
        self.text.appendHtml(f'<span style="color:{theme.current().muted}">{clock}</span>&nbsp; {colored}')

    def _on_notified(self, notification: Notification) -> None:
        colors = {"warning": theme.current().warning, "error": theme.current().error}
        self.add_line(
            ": ".join(part for part in (notification.title, notification.text) if part),
            colors.get(notification.level, ""),
        )
        if notification.details:
            self.add_line(notification.details)

    def _on_task_finished(self, task: Task) -> None:
        if not task.quiet and task.state in (TaskState.DONE, TaskState.CANCELLED):
            self.add_line(f"{task.title}: {task.state.value}")

    def _copy(self) -> None:
        self.text.selectAll()
        self.text.copy()
        cursor = self.text.textCursor()
        cursor.clearSelection()
        self.text.setTextCursor(cursor)
