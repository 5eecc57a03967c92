"""Runs whose folders another process trains in: their curves and maps follow it, read only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from app.documents.run import ENDED_EARLY, RunDocument, RunState
from app.session.messages import Messages, Notification
from app.session.runs import Runs
from app.workers.following import News, look_at
from app.workers.tasks import TaskRunner
from nnpcore.training.watching import Activity, RunWatch

if TYPE_CHECKING:
    from nnpcore.progress import Progress

INTERVAL_MS = 1500
"""Between two looks at the folders of open runs."""

_KEY = "follow runs"


@dataclass
class _Followed:
    """A run, how its folder is looked at, the stamp of its potential, and whether it was lost sight of."""

    watch: RunWatch
    stamp: tuple[int, int] | None = None
    lost: bool = False


class Following(QObject):
    """Looks at the folders of open runs that this window does not train, in the background."""

    def __init__(self, runs: Runs, tasks: TaskRunner, messages: Messages) -> None:
        super().__init__()
        self._runs, self._tasks, self._messages = runs, tasks, messages
        self._followed: dict[str, _Followed] = {}
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.timeout.connect(self.look)
        runs.opened.connect(self._begin)
        runs.removed.connect(self._end)

    def _begin(self, run_id: str) -> None:
        folder = self._runs.documents[run_id].folder
        if folder is not None:
            self._followed[run_id] = _Followed(RunWatch(folder))
            self._timer.start()
            self.look()  # a folder that is trained in is not to be shown as one that has stopped

    def _end(self, run_id: str) -> None:
        self._followed.pop(run_id, None)
        if not self._followed:
            self._timer.stop()

    def shutdown(self) -> None:
        """Look no more."""
        self._timer.stop()

    def look(self) -> None:
        """Look at the folders of all runs that are not trained here; nothing while the last look goes on."""
        mine = {
            run_id: followed
            for run_id, followed in self._followed.items()
            if not self._runs.documents[run_id].state.active
        }
        if not mine or self._tasks.busy(_KEY):
            return
        states = {key: self._runs.documents[key].state is RunState.ELSEWHERE for key in mine}
        lacking = {key for key in mine if self._runs.documents[key].values is None}

        def work(progress: Progress) -> dict[str, News]:
            return {
                key: look_at(one.watch, one.stamp, states[key], key in lacking) for key, one in mine.items()
            }

        self._tasks.run("Looking at run folders", work, self._take, key=_KEY, quiet=True)

    def _take(self, found: dict[str, News]) -> None:
        for run_id, news in found.items():
            run = self._runs.documents.get(run_id)
            if run is not None and not run.state.active and run_id in self._followed:
                self._apply(run, news)

    def _apply(self, run: RunDocument, news: News) -> None:
        followed, was = self._followed[run.id], run.state is RunState.ELSEWHERE
        if news.sight.replaced:
            self._open_again(run)
            return
        if news.sight.activity is Activity.TROUBLE:
            if was:
                self._lose(run, str(news.sight.trouble))
            return
        going = news.sight.activity in (Activity.TRAINING, Activity.SILENT)
        if not going and not was:
            return
        if followed.lost:
            followed.lost = False
            self._messages.notify(Notification("info", f"{run.name} is followed again"))
        run.state = RunState.ELSEWHERE if going else _ended(run, news)
        run.message = _why_ended(news) if run.state is RunState.STOPPED else news.message
        if run.state is RunState.STOPPED and news.sight.broken_off:
            self._tell_broken_off(run)
        if news.sight.goal:
            run.n_epochs = news.sight.goal
        grown = bool(news.sight.records) and news.sight.records[-1].epoch != run.epoch
        if grown:
            run.history[:] = news.sight.records
            self._runs.epoch_finished.emit(run.id)
        if news.values is not None:
            run.values = news.values
            self._runs.values_changed.emit(run.id)
        if news.potential is not None:
            followed.stamp, run.potential = news.stamp, news.potential
            self._runs.potential_changed.emit(run.id)
        self._runs.changed.emit(run.id)

    def _open_again(self, run: RunDocument) -> None:
        """Another training has taken the folder: show that one in place of what is no longer there."""
        folder = run.folder or Path()
        text = f"{folder} holds another training now, which is shown in its place."
        self._messages.notify(Notification("warning", f"{run.name} is no longer there", text))
        self._runs.remove(run.id)
        self._runs.open(folder)

    def _tell_broken_off(self, run: RunDocument) -> None:
        """Say that a training has lost its process; the epochs that it has written are there."""
        text = "Its process was ended from outside or broke off. What it had written is kept: it can go on."
        self._messages.notify(Notification("warning", f"{run.name} is no longer trained", text))

    def _lose(self, run: RunDocument, why: str) -> None:
        run.state, run.message, self._followed[run.id].lost = RunState.STOPPED, why, True
        text = f"{why} What was read before is kept."
        self._messages.notify(Notification("warning", f"{run.name} can no longer be followed", text))
        self._runs.changed.emit(run.id)


def _why_ended(news: News) -> str:
    """Return why a training ended before its goal, where more is known than that it was stopped."""
    return f"{ENDED_EARLY} its process was ended from outside" if news.sight.broken_off else ""


def _ended(run: RunDocument, news: News) -> RunState:
    """Return how a training that was followed has ended."""
    reached = news.sight.records[-1].epoch if news.sight.records else run.epoch
    return RunState.FINISHED if run.n_epochs and reached >= run.n_epochs else RunState.STOPPED
