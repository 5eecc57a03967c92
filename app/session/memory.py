"""The part of a session that gives memory back a while after something large was closed or has ended."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.session.data import Data
from app.session.runs import Runs
from app.session.trainings import Trainings
from app.workers.memory import give_back
from app.workers.tasks import TaskRunner

REST_MS = 5000


class FreedMemory(QObject):
    """Gives back in the background what closed data, removed runs and ended trainings have left."""

    def __init__(self, data: Data, runs: Runs, trainings: Trainings, tasks: TaskRunner) -> None:
        super().__init__()
        self._tasks = tasks
        self._timer = QTimer(self, singleShot=True, interval=REST_MS)
        self._timer.timeout.connect(self._give_back)
        for signal in (data.removed, data.reloaded, runs.removed, trainings.followed, trainings.idle):
            signal.connect(self._soon)

    def _soon(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _give_back(self) -> None:
        self._tasks.run("Giving memory back", lambda _: give_back(), lambda _: None, key="memory", quiet=True)

    def shutdown(self) -> None:
        """Do nothing any more."""
        self._timer.stop()
