"""The runs of a session: starting, steering and reopening trainings, keeping their documents current."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.dataset import DatasetDocument
from app.documents.run import FrameRefs, RunDocument, RunState
from app.session.notifications import Notification, from_error
from app.workers.foreign import SharedModel
from app.workers.monitoring import Monitored
from app.workers.opening import OpenedRun, free_folder
from app.workers.training import News, Start, TrainingJob, TrainingOrder
from nnpcore.errors import TrainingError
from nnpcore.structures import Role, split_frames
from nnpcore.training import ControlState, EpochRecord, TrainSettings
from nnpcore.training.history import is_note

if TYPE_CHECKING:
    from app.documents.regions import RegionDocument
    from app.workers.importing import OpenedModel
    from nnpcore.structures.frame import Frame

TICK_MS = 100
ENDS = {
    "no progress": "Ended early: no member became better.",
    "converged": "Ended early: it has converged.",
}

NO_DATA = "Imported without its training data. Import it again with --data FILE."
"""What the panels say that compare with the training set."""


class Runs(QObject):
    """Owns the training threads; only the session speaks to it."""

    added = Signal(str)
    changed = Signal(str)
    removed = Signal(str)
    epoch_finished = Signal(str)
    potential_changed = Signal(str)
    values_changed = Signal(str)
    notified = Signal(object)
    followed = Signal(str, str)
    """A training ended and one that waited started: their ids."""
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.documents: dict[str, RunDocument] = {}
        self._jobs: dict[str, TrainingJob] = {}
        self._waiting: dict[str, TrainingOrder] = {}
        self._count = 0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    @property
    def active(self) -> bool:
        """Whether a training thread works."""
        return bool(self._jobs)

    @property
    def n_waiting(self) -> int:
        """How many trainings wait for those before them."""
        return len(self._waiting)

    # starting -----------------------------------------------------------------------------------------
    def start(
        self,
        settings: TrainSettings,
        datasets: Sequence[DatasetDocument],
        runs_folder: Path,
        name: str = "",
        regions: Sequence[RegionDocument] = (),
        queue: bool = False,
    ) -> str:
        """Start a training on the data sets by their roles; TrainingError where there is nothing to train on.

        Returns the run's id. The folder of the run is made in ``runs_folder``. Mapping errors of the EOS
        reference and of ``regions`` are followed. With ``queue`` it waits for the trainings before it, and
        takes the data as they are now.
        """
        train, valid = frames_of_roles(datasets, settings)
        taken = {run.folder for run in self.documents.values()}
        folder = free_folder(runs_folder, name or name_of(datasets), taken)
        known = {run.name for run in self.documents.values()}
        run = self._add(name if name and name not in known else folder.name, settings)
        run.folder, run.train, run.valid = folder, train, valid
        run.n_epochs = settings.epochs or 0
        frames = {document.id: document.frames for document in datasets}
        monitored = _monitored(datasets, regions)
        parts = _frames(train, frames), _frames(valid, frames)
        order = TrainingOrder(settings, *parts, folder, monitored=monitored)
        if queue and self._jobs:
            self._waiting[run.id] = order
            self._set_state(run.id, RunState.WAITING)
        else:
            self._launch(run, order)
        return run.id

    def restart(
        self,
        run_id: str,
        datasets: Sequence[DatasetDocument],
        epochs: int | None = None,
        regions: Sequence[RegionDocument] = (),
    ) -> None:
        """Go on with a run that was stopped, where it was, from its folder; ``epochs`` sets a new goal.

        Frames are taken from the open data sets where all are there, else read from the files again.
        """
        run = self.documents[run_id]
        if run.folder is None or run_id in self._jobs or run.state in (RunState.IMPORTED, RunState.WAITING):
            return
        if epochs is not None:
            run.settings = run.settings.replace(epochs=epochs)
        run.state, run.message = RunState.PREPARING, ""
        frames = {document.id: document.frames for document in datasets}
        used = {dataset_id for refs in (run.train, run.valid) for dataset_id, _ in refs.parts}
        known = bool(used) and used <= set(frames)
        train, valid = (_frames(refs, frames) if known else [] for refs in (run.train, run.valid))
        monitored = _monitored(datasets, regions) if known else Monitored()
        order = TrainingOrder(run.settings, train, valid, run.folder, resume=True, monitored=monitored)
        self._launch(run, order)
        self.changed.emit(run_id)

    def _launch(self, run: RunDocument, order: TrainingOrder) -> None:
        job = TrainingJob(order)
        self._jobs[run.id] = job
        job.start()
        self._timer.start()

    def _add(self, name: str, settings: TrainSettings) -> RunDocument:
        self._count += 1
        run = RunDocument(f"run-{self._count}", name, settings, color_index=self._count - 1)
        self.documents[run.id] = run
        self.added.emit(run.id)
        return run

    def add_opened(self, opened: OpenedRun, datasets: Sequence[DatasetDocument]) -> str:
        """Add a run read from its folder and return its id."""
        run = self._add(opened.folder.name, opened.settings)
        run.folder, run.state = opened.folder, RunState.STOPPED
        run.history, run.potential, run.values = opened.history, opened.potential, opened.values
        run.whitening, run.functions = opened.potential.metric, opened.potential.functions
        run.n_epochs = opened.n_epochs
        if run.history and run.history[0].epoch == 1 and run.history[0].messages:
            run.sentence = run.history[0].messages[0]
        if run.n_epochs and run.epoch >= run.n_epochs:
            run.state = RunState.FINISHED
        if opened.imported:
            run.state, run.message = RunState.IMPORTED, f"Imported from {opened.imported}"
            if opened.values is None:
                run.analysis_messages = dict.fromkeys(("pca", "distance", "connectivity"), NO_DATA)
        run.sources = opened.sources
        self.locate_frames(run, datasets)
        self.changed.emit(run.id)
        self.values_changed.emit(run.id)
        self.potential_changed.emit(run.id)
        return run.id

    def add_model(self, opened: OpenedModel, datasets: Sequence[DatasetDocument]) -> str:
        """Add a calculator from elsewhere as a run that cannot be trained; return its id."""
        run = self._add(opened.model.name, TrainSettings())
        run.state, run.message = RunState.IMPORTED, opened.text
        run.potential = opened.model  # type: ignore[assignment]  # whatever predicts will do
        if opened.values is not None:
            run.values, run.whitening, run.functions = opened.values, opened.whitening, opened.functions
            run.train, run.valid = _all_of(datasets, Role.TRAINING), _all_of(datasets, Role.VALIDATION)
            self.values_changed.emit(run.id)
        self.changed.emit(run.id)
        self.potential_changed.emit(run.id)
        return run.id

    def locate_frames(self, run: RunDocument, datasets: Sequence[DatasetDocument]) -> None:
        """Find the frames of a reopened run among the open data sets."""
        if run.sources:
            run.train = _locate(run, "training", datasets)
            run.valid = _locate(run, "validation", datasets)

    # steering -----------------------------------------------------------------------------------------
    def pause(self, run_id: str) -> None:
        """Let a running training wait."""
        job = self._jobs.get(run_id)
        if job is not None and self.documents[run_id].state == RunState.RUNNING:
            job.control.pause()
            self._set_state(run_id, RunState.PAUSED)

    def resume(self, run_id: str) -> None:
        """Let a paused training go on."""
        job = self._jobs.get(run_id)
        if job is not None and self.documents[run_id].state == RunState.PAUSED:
            job.control.resume()
            self._set_state(run_id, RunState.RUNNING)

    def stop(self, run_id: str) -> None:
        """Let a training end; it writes its checkpoint and keeps what it has. One that waits is dropped."""
        if run_id in self._waiting:
            self.remove(run_id)
        job = self._jobs.get(run_id)
        if job is not None and self.documents[run_id].state != RunState.STOPPING:
            job.stop()
            self._set_state(run_id, RunState.STOPPING)

    def stop_all(self) -> None:
        """Ask every training to end and drop those that wait."""
        self.drop_waiting()
        for run_id in list(self._jobs):
            self.stop(run_id)

    def drop_waiting(self) -> None:
        """Drop all trainings that wait; they have no folder yet."""
        for run_id in list(self._waiting):
            self.remove(run_id)

    def remove(self, run_id: str) -> None:
        """Take a run that does not train off the list; its folder stays."""
        if run_id not in self._jobs:
            self._waiting.pop(run_id, None)
            run = self.documents.pop(run_id)
            self.removed.emit(run_id)
            if isinstance(run.potential, SharedModel):
                Thread(target=run.potential.close, name="close calculator", daemon=True).start()

    def shutdown(self) -> None:
        """Stop everything and wait for the threads."""
        self.drop_waiting()
        for job in self._jobs.values():
            job.stop()
        for job in self._jobs.values():
            job.join()
        self.tick()
        self._timer.stop()
        for run in self.documents.values():
            if isinstance(run.potential, SharedModel):
                run.potential.close()

    def _set_state(self, run_id: str, state: RunState) -> None:
        self.documents[run_id].state = state
        self.changed.emit(run_id)

    # news ---------------------------------------------------------------------------------------------
    def tick(self) -> None:
        """Take what the training threads have to tell (called at 10 Hz)."""
        for run_id, job in list(self._jobs.items()):
            news = job.take_news()
            self._apply(self.documents[run_id], job, news)
            if news.ended:
                job.join()
                del self._jobs[run_id]
                self._end(self.documents[run_id], job, news)
                self._start_next(run_id)
        if not self._jobs and self._timer.isActive():
            self._timer.stop()
            self.idle.emit()

    def _start_next(self, ended: str) -> None:
        """Start the training that has waited longest, if none trains any more."""
        if self._waiting and not self._jobs:
            run_id = next(iter(self._waiting))
            order = self._waiting.pop(run_id)
            self.documents[run_id].state = RunState.PREPARING
            self._launch(self.documents[run_id], order)
            self.changed.emit(run_id)
            self.followed.emit(ended, run_id)

    def _apply(self, run: RunDocument, job: TrainingJob, news: News) -> None:
        changed = news.text != run.progress_text
        run.progress_text = news.text
        if news.start is not None:
            self._begin(run, news.start)
            changed = True
        if news.records:
            run.history.extend(news.records)
            for record in news.records:
                self._tell_messages(run, record)
            self.epoch_finished.emit(run.id)
            changed = True
        if news.potential is not None:
            run.potential = news.potential
            self.potential_changed.emit(run.id)
        if changed:
            self.changed.emit(run.id)

    def _begin(self, run: RunDocument, start: Start) -> None:
        run.values, run.whitening, run.functions = start.values, start.whitening, start.functions
        run.n_epochs, run.used_device, run.sentence = start.n_epochs, start.device, start.sentence
        run.history[:] = start.history
        if run.state == RunState.PREPARING:
            run.state = RunState.RUNNING
        self.notified.emit(Notification("info", run.name, start.sentence, silent=True))
        self.values_changed.emit(run.id)

    def _tell_messages(self, run: RunDocument, record: EpochRecord) -> None:
        for message in record.messages:
            if message != run.sentence:
                run.message = message
                note = is_note(message)
                level, title = "info" if note else "warning", f"{run.name}, epoch {record.epoch}"
                self.notified.emit(Notification(level, title, message, silent=note))

    def _end(self, run: RunDocument, job: TrainingJob, news: News) -> None:
        stopped = job.control.state is ControlState.STOPPING
        if news.error is not None:
            run.state, run.message = RunState.FAILED, str(news.error)
            self.notified.emit(from_error(f"Training {run.name} ended with an error", news.error))
        elif stopped:
            run.state = RunState.STOPPED
        else:
            run.state = RunState.FINISHED
            run.message = ENDS.get(news.result.reason, "") if news.result else ""
        run.progress_text = ""
        self.changed.emit(run.id)
        if run.state is RunState.FINISHED:
            title, silent = f"Training {run.name} finished", bool(self._waiting)
            self.notified.emit(Notification("info", title, _ended_text(run), silent=silent))


def frames_of_roles(
    datasets: Sequence[DatasetDocument], settings: TrainSettings
) -> tuple[FrameRefs, FrameRefs]:
    """Return which frames are for training and validation; without validation data a part is put aside.

    Raises TrainingError where there are no training frames, or none with energies or forces.
    """
    training = [d for d in datasets if d.role == Role.TRAINING]
    validation = [d for d in datasets if d.role == Role.VALIDATION]
    if not training:
        raise TrainingError(
            "there are no training frames",
            fix="Open a trajectory with energies and give it the role Training",
        )
    if not any(d.summary.n_energies or d.summary.n_forces for d in training):
        names = ", ".join(d.name for d in training)
        raise TrainingError(
            "no training frame has an energy or forces",
            where=names,
            fix="Open a file with reference energies",
        )
    everything = FrameRefs(tuple((d.id, np.arange(d.n_frames)) for d in training))
    if validation:
        return everything, FrameRefs(tuple((d.id, np.arange(d.n_frames)) for d in validation))
    frames = [frame for d in training for frame in d.frames]
    train, valid = split_frames(frames, settings.valid_fraction, settings.seed)
    return everything.subset(train), everything.subset(valid)


def _frames(refs: FrameRefs, frames: dict[str, tuple[Frame, ...]]) -> list[Frame]:
    return [frames[dataset_id][index] for dataset_id, indices in refs.parts for index in indices]


def _all_of(datasets: Sequence[DatasetDocument], role: Role) -> FrameRefs:
    return FrameRefs(tuple((d.id, np.arange(d.n_frames)) for d in datasets if d.role == role))


def _monitored(datasets: Sequence[DatasetDocument], regions: Sequence[RegionDocument]) -> Monitored:
    crystal = next((d.frames for d in datasets if d.role == Role.EOS), ())
    return Monitored(crystal, tuple(regions))


def name_of(datasets: Sequence[DatasetDocument]) -> str:
    """Return what a training on these data sets is called."""
    return "+".join(Path(d.name).stem for d in datasets if d.role == Role.TRAINING)[:40]


def _locate(run: RunDocument, role: str, datasets: Sequence[DatasetDocument]) -> FrameRefs:
    parts = []
    for source in (s for s in run.sources if s.role == role):
        parts.append(_find_source(source.path, source.indices, datasets))
    return FrameRefs(tuple(parts))


def _find_source(
    path: str, indices: Sequence[int], datasets: Sequence[DatasetDocument]
) -> tuple[str, np.ndarray]:
    for document in datasets:
        position = document.positions_of(path)
        if position and all(index in position for index in indices):
            return document.id, np.array([position[index] for index in indices])
    return "", np.array(indices)


def _ended_text(run: RunDocument) -> str:
    best = run.best("energy")
    reached = "" if best is None else f" Best energy RMSE {best:.3g} meV/atom."
    return f"{run.epoch} epochs.{reached} {run.message}".strip()
