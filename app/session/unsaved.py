"""The part of a session for trainings that cannot be written: told of, tried again, kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from app.documents.run import RunDocument
from app.session.messages import Messages, Notification
from app.session.runs import Runs
from app.workers.opening import free_folder
from app.workers.tasks import TaskRunner
from app.workers.training import News, TrainingJob
from nnpcore.errors import EatlasError

AGAIN_MS = 10_000
"""Between two tries to write what has ended and could not be written."""


class UnsavedTrainings(QObject):
    """Trainings whose last state is in memory only: those that train, and those that have ended."""

    def __init__(
        self, runs: Runs, tasks: TaskRunner, messages: Messages, training: Mapping[str, TrainingJob]
    ) -> None:
        super().__init__()
        self._runs, self._tasks, self._messages, self._training = runs, tasks, messages, training
        self.ask_folder: Callable[[str], Path | None] = lambda _name: None
        """Asked where to save a training, by its name, that cannot be written where it should be."""
        self._ended: dict[str, TrainingJob] = {}
        self._timer = QTimer(self, interval=AGAIN_MS)
        self._timer.timeout.connect(self.save_again)
        runs.removed.connect(self._forget)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    # news ---------------------------------------------------------------------------------------------
    def hear(self, run: RunDocument, news: News) -> bool:
        """Say where a training cannot be written, and where it is; return whether that has changed."""
        if news.folder is not None:
            run.folder = news.folder
        for note in news.notes:
            self._messages.notify(Notification("warning", run.name, f"{note[:1].upper()}{note[1:]}."))
        if news.trouble == run.unsaved:
            return bool(news.notes)
        before, run.unsaved = run.unsaved, news.trouble
        if not news.trouble:
            self._messages.notify(Notification("info", f"{run.name} is written again"))
        elif not before and not news.ended:
            text = f"{news.trouble} It trains on in memory and is written as soon as that is possible."
            self.warn(run, f"{run.name} cannot be written", text)
        return True

    def take(self, run: RunDocument, job: TrainingJob, error: BaseException) -> None:
        """Look after a training that has ended and could not be written."""
        run.unsaved = run.message = str(error)
        self._ended[run.id] = job
        self._timer.start()
        text = f"{error} What it has reached is in memory: save it elsewhere, or make room."
        self.warn(run, f"Training {run.name} ended and is not saved", text)

    def warn(self, run: RunDocument, title: str, text: str) -> None:
        """Say that a run is not saved, and offer to save it elsewhere."""
        elsewhere = ("Save elsewhere…", lambda: self.save_elsewhere(run.id))
        self._messages.notify(Notification("warning", title, text, actions=(elsewhere,)))

    # saving -------------------------------------------------------------------------------------------
    def save_elsewhere(self, run_id: str) -> None:
        """Ask for a folder and keep a training there."""
        run = self._runs.documents.get(run_id)
        job = self._training.get(run_id) or self._ended.get(run_id)
        parent = None if run is None or job is None else self.ask_folder(run.name)
        if run is None or job is None or parent is None:
            return
        folder = free_folder(parent, run.name, {known.folder for known in self._runs.documents.values()})
        if run_id in self._training:
            job.save_to(folder)
        else:
            self._save(run, lambda: job.save_to(folder), folder)

    def save_again(self) -> None:
        """Try to write what has ended and could not be written."""
        for run_id, job in list(self._ended.items()):
            run = self._runs.documents[run_id]
            if run.folder is not None and not self._tasks.busy(f"save {run_id}"):
                self._save(run, job.save, run.folder, quiet=True)

    def _save(self, run: RunDocument, save: Callable[[], None], folder: Path, quiet: bool = False) -> None:
        def done(_: None) -> None:
            run.folder, run.unsaved, run.message = folder, "", ""
            self._forget(run.id)
            self._runs.changed.emit(run.id)
            self._messages.notify(Notification("info", f"{run.name} is saved", str(folder)))

        def failed(error: BaseException) -> None:
            if not quiet:
                self.warn(run, f"{run.name} could not be saved", str(error))

        title, key = f"Saving {run.name}", f"save {run.id}"
        self._tasks.run(title, lambda _: save(), done, failed, key=key, quiet=quiet)

    def _forget(self, run_id: str) -> None:
        self._ended.pop(run_id, None)
        if not self._ended:
            self._timer.stop()

    def shutdown(self) -> None:
        """Try a last time."""
        self._timer.stop()
        for job in self._ended.values():
            with suppress(EatlasError):  # it was told of
                job.save()
