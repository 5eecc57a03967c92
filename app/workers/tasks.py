"""Background tasks: a snapshot goes in, a pure function works on it, its value is applied on the main thread.

A task never touches widgets or documents. Starting a task with a key cancels the task that had this key;
results that come too late are dropped. Progress is collected and announced at 10 Hz.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.workers.turns import in_turn
from nnpcore.errors import Cancelled
from nnpcore.progress import Progress

READ, COMPARE, OPEN, DRAW = "read", "compare", "open", "draw"
"""Lanes of what reads files, compares them with those that are open, opens runs and examples, and draws
figures: none waits for an analysis."""
TRAINING, TASK = 10, 5
"""Niceness of the training's threads and of short tasks; the window's thread has 0."""

T = TypeVar("T")


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class Task:
    """One piece of background work; ``fraction`` is in [0, 1] or None when unknown.

    Tasks of one lane run one after the other, in the order they were started; without one, beside others.
    """

    title: str
    function: Callable[[Progress], Any]
    on_done: Callable[[Any], object]
    on_failed: Callable[[BaseException], object] | None = None
    key: str | None = None
    quiet: bool = False
    lane: str = ""
    state: TaskState = TaskState.WAITING
    fraction: float | None = None
    text: str = ""
    value: Any = None
    error: BaseException | None = None
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self._on_report)

    @property
    def opens(self) -> bool:
        """Whether it reads a file, or opens a run or an example."""
        return self.reads or self.lane == OPEN

    @property
    def reads(self) -> bool:
        """Whether a file comes of it."""
        return self.lane in (READ, COMPARE)

    def _on_report(self, fraction: float | None, text: str) -> None:
        self.fraction, self.text = fraction, text

    def take(self) -> tuple[Any, BaseException | None]:
        """Return its value and error, and drop what it worked with: for the thread of the widgets in it.

        The thread that did the work may be the last to let go of the task: nothing of the window is in it.
        """
        taken = self.value, self.error
        self.value = self.error = None
        self.function = _nothing
        return taken

    def cancel(self) -> None:
        """Ask it to stop; its result will be dropped."""
        self.progress.cancel()


class TaskRunner(QObject):
    """Runs tasks on a few threads and brings their values back to the thread it lives in."""

    started = Signal(object)
    progressed = Signal(object)
    finished = Signal(object)
    failed = Signal(str, object)
    """A task without ``on_failed`` ended with an error: what to tell the user, and the error."""
    _ended = Signal(object)

    def __init__(self, parent: QObject | None = None, n_threads: int = 3) -> None:
        super().__init__(parent)
        self._pools = {
            "": ThreadPoolExecutor(n_threads, "eatlas-task", step_back, (TASK,)),
            **{
                lane: ThreadPoolExecutor(1, f"eatlas-{lane}", step_back, (TASK,))
                for lane in (READ, COMPARE, OPEN, DRAW)
            },
        }
        self._tasks: list[Task] = []
        self._by_key: dict[str, Task] = {}
        self._ended.connect(self._on_work_done, Qt.ConnectionType.QueuedConnection)
        self._timer = QTimer(self, interval=100)
        self._timer.timeout.connect(self._announce_progress)
        self._closed = False

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks waiting or running, oldest first."""
        return tuple(self._tasks)

    def busy(self, key: str) -> bool:
        """Whether a task with this key waits or runs."""
        return key in self._by_key

    def cancel(self, key: str) -> None:
        """Ask the task with this key to stop, if there is one."""
        task = self._by_key.get(key)
        if task is not None:
            task.cancel()

    def reading(self) -> bool:
        """Whether files are being read."""
        return any(task.reads for task in self._tasks)

    def being_read(self) -> list[str]:
        """Return the paths of files that wait to be read or are being read."""
        keys = [task.key for task in self._tasks if task.reads and task.key]
        return [key.removeprefix("read ") for key in keys]

    def opening(self) -> bool:
        """Whether files are being read or runs opened."""
        return any(task.opens for task in self._tasks)

    def run(
        self,
        title: str,
        function: Callable[[Progress], T],
        on_done: Callable[[T], object],
        on_failed: Callable[[BaseException], object] | None = None,
        key: str | None = None,
        quiet: bool = False,
        lane: str = "",
    ) -> Task:
        """Run ``function(progress)`` on a background thread; its value or error comes back here.

        A task with a ``key`` cancels its predecessor of the same key. ``failed`` tells of an error unless
        ``on_failed`` takes it. ``quiet`` tasks are not shown in the status bar.
        """
        task = Task(title, function, on_done, on_failed, key, quiet, lane)
        if self._closed:
            task.cancel()
            return task
        if task.key is not None:
            predecessor = self._by_key.get(task.key)
            if predecessor is not None:
                predecessor.cancel()
            self._by_key[task.key] = task
        self._tasks.append(task)
        self._timer.start()
        self._pools[task.lane].submit(self._work, task)
        self.started.emit(task)
        return task

    def cancel_all(self) -> None:
        """Ask every task to stop."""
        for task in self._tasks:
            task.cancel()

    def shutdown(self) -> None:
        """Cancel everything and wait until the threads are gone."""
        self._closed = True
        self.cancel_all()
        self._timer.stop()
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, task: Task) -> None:
        task.state = TaskState.RUNNING
        try:
            task.progress.check()
            task.value = task.function(task.progress)
        except BaseException as caught:
            task.error = caught
        self._ended.emit(task)

    def _on_work_done(self, task: Task) -> None:
        in_turn(self, lambda: self._on_ended(task))  # many may end at once, and each shows something

    def _on_ended(self, task: Task) -> None:
        value, error = task.take()
        self._tasks.remove(task)
        if task.key is not None and self._by_key.get(task.key) is task:
            del self._by_key[task.key]
        if not self._tasks:
            self._timer.stop()
        if task.progress.cancelled or isinstance(error, Cancelled) or self._closed:
            task.state = TaskState.CANCELLED
        else:
            task.state = TaskState.DONE if error is None else TaskState.FAILED
        try:
            self._hand_over(task, value, error)
        finally:  # only now: what was opened is there, and what follows from it has begun
            task.on_done, task.on_failed = _nothing, None
            self.finished.emit(task)

    def _hand_over(self, task: Task, value: Any, error: BaseException | None) -> None:
        if task.state is TaskState.DONE:
            task.on_done(value)
        elif task.state is TaskState.FAILED and error is not None:
            if task.on_failed is not None:
                task.on_failed(error)
            else:
                self.failed.emit(f"{task.title} failed", error)

    def _announce_progress(self) -> None:
        for task in self._tasks:
            self.progressed.emit(task)


def _nothing(_: object) -> None:
    pass


def step_back(niceness: int) -> None:
    """Let the window's thread go first where threads have priorities of their own (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
