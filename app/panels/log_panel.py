"""The log: everything the application said, with times, to be searched, read and copied."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit, QWidget

from app.look import theme
from app.look.ink import follow_font
from app.panels.base import Lack, Panel
from app.session.messages import Level, Notification
from app.widgets.controls import refill, tool_button
from app.workers.tasks import Task, TaskState

if TYPE_CHECKING:
    from app.session.session import Session

MAX_ENTRIES = 5000
LEVELS: tuple[Level, ...] = ("info", "warning", "error")
SHOWN = (("Everything", 0), ("Warnings and errors", 1), ("Errors", 2))
SEARCH_WIDTH = 130


@dataclass(frozen=True)
class Entry:
    """One thing that was said: time of day, level and text."""

    clock: str
    level: Level
    text: str

    @property
    def plain(self) -> str:
        """The entry as one text."""
        mark = "" if self.level == "info" else f"{self.level}: "
        return f"{self.clock}  {mark}{self.text}"


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
        self.entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self.level = self.add_choice("What is shown, by how grave it is", self._fill)
        refill(self.level, SHOWN)
        self.search = QLineEdit(self, placeholderText="Search", clearButtonEnabled=True)
        follow_font(self.search)
        self.search.setFixedWidth(SEARCH_WIDTH)
        self.search.setToolTip("Show only what has these words")
        self.search.textChanged.connect(self._fill)
        self.add_tool(self.search)
        self.text = QPlainTextEdit(self)
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.text.setMaximumBlockCount(MAX_ENTRIES)
        self.text.setPlaceholderText("Nothing has happened yet.")
        self.set_body(self.text)
        self.copy_button = tool_button(self, "Copy what is shown", self.copy, icon="copy")
        self.add_tool(self.copy_button, at_end=True)
        session.messages.notified.connect(self._on_notified)
        session.tasks.finished.connect(self._on_task_finished)
        theme.signals().changed.connect(self._fill)

    def add_line(self, text: str, level: Level = "info") -> None:
        """Add an entry with the time of day."""
        entry = Entry(time.strftime("%H:%M:%S"), level, text)
        self.entries.append(entry)
        if self._is_shown(entry):
            self._append(entry)

    def shown(self) -> list[Entry]:
        """Return the entries that level and search leave."""
        return [entry for entry in self.entries if self._is_shown(entry)]

    def copy(self) -> None:
        """Copy what is shown."""
        QGuiApplication.clipboard().setText("\n".join(entry.plain for entry in self.shown()))

    def _is_shown(self, entry: Entry) -> bool:
        words = self.search.text().lower().split()
        grave = LEVELS.index(entry.level) >= (self.level.currentData() or 0)
        return grave and all(word in entry.plain.lower() for word in words)

    def _fill(self, *_changed: object) -> None:
        self.text.clear()
        found = self.shown()
        for entry in found:
            self._append(entry)
        none_fits = bool(self.entries) and not found
        text = "Nothing that was said fits." if none_fits else "Nothing has happened yet."
        self.text.setPlaceholderText(text)

    def _append(self, entry: Entry) -> None:
        now = theme.current()
        color = {"warning": now.warning, "error": now.error}.get(entry.level, "")
        body = escape(entry.text, quote=False).replace("\n", "<br>")
        colored = f'<span style="color:{color}">{body}</span>' if color else body
        self.text.appendHtml(f'<span style="color:{now.muted}">{entry.clock}</span>&nbsp; {colored}')

    def _on_notified(self, notification: Notification) -> None:
        parts = (notification.title, notification.text)
        text = ": ".join(part for part in parts if part)
        details = f"\n{notification.details}" if notification.details else ""
        self.add_line(f"{text}{details}", notification.level)

    def _on_task_finished(self, task: Task) -> None:
        if not task.quiet and task.state in (TaskState.DONE, TaskState.CANCELLED):
            self.add_line(f"{task.title}: {task.state.value}")
