"""The part of a session that trains on ever more frames: its points as they come, stopping and going on."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.frame_refs import frames_of, name_of, refs_of_role
from app.session.data import Data
from app.session.messages import Messages, Notification
from app.session.runs import Runs
from app.session.trainings import Trainings
from app.settings import Settings
from app.workers.learning import LearningWish, Stopping, train_curve
from app.workers.opening import free_folder
from app.workers.tasks import Task, TaskRunner
from nnpcore.errors import EatlasError, TrainingError
from nnpcore.structures import Role

if TYPE_CHECKING:
    from nnpcore.analyses.learning import LearningCurve
    from nnpcore.structures.frame import Frame
    from nnpcore.training.learning_curve import LearningPoint

KEY = "learning curve"
LOOK_MS = 200


class Learning(QObject):
    """The latest learning curve.

    Attributes
    ----------
    sizes : numbers of training frames, the usual ones where empty. n_seeds : trainings of each.
    points : done so far. n_planned : trainings in all, 0 while unknown. folder : where they are.
    """

    changed = Signal()
    wanted = Signal()
    """Somebody wants to see it: the panel is to be shown."""

    def __init__(
        self,
        settings: Settings,
        data: Data,
        runs: Runs,
        trainings: Trainings,
        tasks: TaskRunner,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._settings, self._data, self._runs = settings, data, runs
        self._trainings, self._tasks, self._messages = trainings, tasks, messages
        self.sizes: tuple[int, ...] = ()
        self.n_seeds = 2
        self.points: list[LearningPoint] = []
        self.n_planned = 0
        self.folder: Path | None = None
        self._wish: LearningWish | None = None
        self._task: Task | None = None
        self._stopping = Stopping()
        self._lock = threading.Lock()
        self._news: list[LearningPoint] = []
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._take)
        tasks.finished.connect(self._on_finished)

    @property
    def busy(self) -> bool:
        """Whether it trains."""
        return self._task is not None

    @property
    def can_go_on(self) -> bool:
        """Whether trainings of it are missing."""
        return not self.busy and self._wish is not None and len(self.points) < self.n_planned

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to end."""
        return self.busy and self._stopping.wanted

    def open(self) -> None:
        """Show it."""
        self.wanted.emit()

    # training -----------------------------------------------------------------------------------------
    def start(self) -> None:
        """Train on ever more of the training data, in the background; a message where that cannot be."""
        try:
            wish = self._new_wish()
        except (EatlasError, OSError) as error:
            self._messages.notify_error("No learning curve", error)
            return
        self.points, self.n_planned, self.folder = [], 0, wish.folder
        self._run(wish)

    def go_on(self) -> None:
        """Train what is missing."""
        if self._wish is not None and not self.busy:
            self._run(replace(self._wish, resume=True))

    def stop(self) -> None:
        """End with what there is; the training at work ends after its epoch and is done again later."""
        self._stopping.ask()
        self.changed.emit()

    def _new_wish(self) -> LearningWish:
        documents = list(self._data.datasets.values())
        frames = self._frames(Role.TRAINING)
        if not any(frame.energy is not None or frame.forces is not None for frame in frames):
            raise TrainingError(
                "there are no training frames with energies or forces", fix="Open a file to train on"
            )
        settings = self._trainings.checked_settings()
        if settings.split == "frames":
            settings = settings.replace(split="blocks")
        if settings.n_threads is None and not self._settings.scheduler:  # elsewhere each has its share
            settings = settings.replace(n_threads=self._settings.threads)
        folder = free_folder(self._settings.runs_folder, f"{name_of(documents)}-learning-curve")
        return LearningWish(
            frames, self._frames(Role.VALIDATION), self._frames(Role.TEST), settings, self.sizes,
            self.n_seeds, self._trainings.monitored(), folder, scheduler=self._settings.scheduler,
        )  # fmt: skip

    def _frames(self, role: Role) -> tuple[Frame, ...]:
        documents = list(self._data.datasets.values())
        return tuple(frames_of(refs_of_role(documents, role), {d.id: d.frames for d in documents}))

    def _run(self, wish: LearningWish) -> None:
        stopping = self._stopping = Stopping()
        self._wish = wish
        with self._lock:
            self._news = []

        def planned(n: int) -> None:
            self.n_planned = n

        def heard(point: LearningPoint) -> None:
            with self._lock:
                self._news.append(point)

        self._task = self._tasks.run(
            "Learning curve",
            lambda progress: train_curve(wish, stopping, planned, heard, progress),
            self._put,
            lambda error: self._messages.notify_error("The learning curve cannot go on", error),
            key=KEY,
        )
        self._timer.start()
        self.changed.emit()

    def _take(self) -> None:
        """Take over the points that have come."""
        with self._lock:
            news, self._news = self._news, []
        if news:
            known = {(point.n, point.seed): point for point in (*self.points, *news)}
            self.points = [known[pair] for pair in sorted(known)]
            self.changed.emit()

    def _put(self, curve: LearningCurve) -> None:
        from nnpcore.training.learning_curve import sentence

        self._take()
        self.points = list(curve.points)
        for name, error in curve.errors.items():
            self._messages.notify_error(f"{name} failed", error)
        if not curve.stopped:
            text = sentence(self.points, self.n_planned)
            self._messages.notify(Notification("info", "The learning curve is done", text))

    def _on_finished(self, task: Task) -> None:
        if task is self._task:
            self._timer.stop()
            self._take()
            self._task = None
            self.changed.emit()

    def show_run(self, index: int) -> None:
        """Open the run of a point."""
        if self.folder is not None and index < len(self.points):
            self._runs.open(self.folder / self.points[index].name)

    def shutdown(self) -> None:
        """Stop; what is done is kept in the folder."""
        self._timer.stop()
        self._stopping.ask()
