"""What a session does besides holding documents: background tasks, messages to the user, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from app.session.notifications import Notification, from_error
from app.shell.commands import Change
from app.workers.tasks import Task, TaskRunner
from nnpcore.progress import Progress


class SessionBase(QObject):
    """Tasks, messages and the undo stack; every method is for the main thread."""

    notified = Signal(object)
    task_started = Signal(object)
    task_progressed = Signal(object)
    task_finished = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = QUndoStack(self)
        self.tasks = TaskRunner(self)
        self.tasks.started.connect(self.task_started)
        self.tasks.progressed.connect(self.task_progressed)
        self.tasks.finished.connect(self.task_finished)

    def run_task(
        self,
        title: str,
        function: Callable[[Progress], Any],
        on_done: Callable[[Any], None],
        on_failed: Callable[[BaseException], None] | None = None,
        key: str | None = None,
        quiet: bool = False,
        lane: str = "",
    ) -> Task:
        """Run ``function(progress)`` on a background thread; its value or error comes back here.

        A task with a ``key`` cancels its predecessor of the same key. A failure becomes a notification unless
        ``on_failed`` is given. ``quiet`` tasks are not shown in the status bar.
        """
        failed = on_failed or (lambda error: self.notify_error(f"{title} failed", error))
        return self.tasks.run(Task(title, function, on_done, failed, key, quiet, lane))

    def notify(self, notification: Notification) -> None:
        """Show a message to the user."""
        self.notified.emit(notification)

    def notify_error(self, title: str, error: BaseException) -> None:
        """Show an exception to the user, with details to copy."""
        self.notify(from_error(title, error))

    def _change(
        self, text: str, apply: Callable[[Any], None], old: Any, new: Any, merge_id: str = ""
    ) -> None:
        self.undo_stack.push(Change(text, apply, old, new, merge_id=merge_id))
