"""The part of a session that trains: starts, queues and steers trainings, and keeps their runs current."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.counting import from_one
from app.documents.frame_refs import FrameRefs, RoleRefs, frames_of, name_of, refs_of_roles
from app.documents.run import RunDocument, RunState
from app.session.data import Data
from app.session.messages import Messages, Notification, from_error
from app.session.regions import Regions
from app.session.runs import Runs
from app.session.undo import UndoStack
from app.session.unsaved import UnsavedTrainings
from app.settings import Settings
from app.workers.monitoring import Monitored
from app.workers.opening import free_folder
from app.workers.tasks import TaskRunner
from app.workers.training import News, Start, TrainingJob, TrainingOrder
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.structures import Role
from nnpcore.training.control import ControlState
from nnpcore.training.history import EpochRecord, thin
from nnpcore.training.quantities import rmse_text

if TYPE_CHECKING:
    from nnpcore.training import TrainSettings

OF_DATA = ("group_weights", "left_out", "stress_order")
"""Settings that belong to the data: sessions remember them, preferences do not."""

CANNOT_START = "Training cannot start"
TICK_MS = 100
WAIT_MS = 50
_NOT_OURS = (RunState.IMPORTED, RunState.WAITING, RunState.ELSEWHERE)
"""States of runs that do not go on here."""

ENDS = {
    "no progress": "Ended early: no member became better.",
    "converged": "Ended early: it has converged.",
}


class Trainings(QObject):
    """Owns the training threads and the settings of the next training."""

    settings_changed = Signal()
    asked_for_settings = Signal()
    """The settings are about to be used: who edits them takes over what is being typed."""
    started = Signal(str)
    """A training that is to be looked at: its run's id."""
    followed = Signal(str, str)
    """A training ended and one that waited started: their ids."""
    idle = Signal()

    def __init__(
        self,
        preferences: Settings,
        data: Data,
        regions: Regions,
        runs: Runs,
        tasks: TaskRunner,
        messages: Messages,
        undo: UndoStack,
    ) -> None:
        super().__init__()
        self._preferences, self._data, self._regions = preferences, data, regions
        self._runs, self._messages, self._undo = runs, messages, undo
        self.refused: dict[str, str] = {}
        """What was typed into fields of the settings and cannot be used: why, by the field's label."""
        self.confirm: Callable[[Sequence[str]], bool] = lambda _warnings: True
        """Asked before a training on files that do not fit together: whether to train all the same."""
        self._confirmed: tuple[str, ...] = ()
        self._of_data: dict[str, Any] = {}
        self._jobs: dict[str, TrainingJob] = {}
        self._waiting: dict[str, TrainingOrder] = {}
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self.tick)
        self.unsaved = UnsavedTrainings(runs, tasks, messages, self._jobs)
        self.unsaved.setParent(self)
        runs.removed.connect(lambda run_id: self._waiting.pop(run_id, None))

    @property
    def active(self) -> bool:
        """Whether a training thread works."""
        return bool(self._jobs)

    @property
    def n_waiting(self) -> int:
        """How many trainings wait for those before them."""
        return len(self._waiting)

    @cached_property
    def settings(self) -> TrainSettings:
        """Those of the next training, made when they are first asked for."""
        usual = _settings_of(self._preferences.train_settings)
        return self._with_data(usual, self._of_data) if self._of_data else usual

    def of_data(self) -> dict[str, Any]:
        """Return the settings that belong to the data, not to the user: what a session remembers of them."""
        if "settings" not in vars(self):
            return self._of_data
        return self.settings.model_dump(mode="json", include=set(OF_DATA), exclude_defaults=True)

    def restore_of_data(self, saved: dict[str, Any]) -> None:
        """Take over what a session remembered of :meth:`of_data` (not undone), if anything."""
        known = {name: value for name, value in saved.items() if name in OF_DATA}
        if known and "settings" in vars(self):
            self._set_settings(self._with_data(self.settings, known))
        elif known:
            self._of_data = known  # settings are made when they are first asked for

    def _with_data(self, settings: TrainSettings, of_data: dict[str, Any]) -> TrainSettings:
        """Return settings with those of the data; without, and saying so, where these cannot be used."""
        try:
            return settings.replace(**of_data)
        except SettingsError as error:
            self._messages.notify_error("Weights of groups and frames left out were not restored", error)
            return settings

    def remember_settings(self) -> None:
        """Put the settings of the next training among the preferences."""
        if "settings" in vars(self):
            known = self.settings.model_dump(mode="json", exclude_defaults=True)
            self._preferences.train_settings = known

    def set_settings(self, wanted: TrainSettings, text: str = "training settings") -> None:
        """Use other settings for the next training (can be undone; edits of one field in a row are one)."""
        if wanted != self.settings:
            self._undo.change(text, self._set_settings, self.settings, wanted, merge_id=text)

    def _set_settings(self, wanted: TrainSettings) -> None:
        self.settings = wanted
        self.settings_changed.emit()

    def checked_settings(self) -> TrainSettings:
        """Return the settings with what is being typed; SettingsError where a field cannot be used."""
        self.asked_for_settings.emit()
        for label, reason in self.refused.items():
            raise SettingsError(reason, where=label, fix="Correct the field in the Model panel")
        return self.settings

    # starting -----------------------------------------------------------------------------------------
    def start(self, settings: TrainSettings | None = None) -> str | None:
        """Start a training with the open data sets by their roles; return its id, or None if it cannot.

        Files that do not fit together are asked about once.
        """
        try:
            chosen = settings or self.checked_settings()
            warnings = self._data.training_warnings()
            if warnings and warnings != self._confirmed:
                if not self.confirm(warnings):
                    return None
                self._confirmed = warnings
            run_id = self.launch(chosen)
        except (EatlasError, OSError) as error:
            self._messages.notify_error(CANNOT_START, error)
            return None
        self.show_started(run_id)
        return run_id

    def start_when_read(self) -> None:
        """Start a training as soon as the files being read are open."""
        if self._data.reading:
            QTimer.singleShot(WAIT_MS, self, self.start_when_read)
        else:
            self.start()

    def launch(
        self,
        settings: TrainSettings,
        name: str = "",
        queue: bool = False,
        refs: RoleRefs | None = None,
        parent: Path | None = None,
        counts: Sequence[float] = (),
    ) -> str:
        """Start a training on the data sets by their roles; TrainingError where there is nothing to train on.

        Returns the run's id. Mapping errors of the EOS reference and of the regions are followed. With
        ``queue`` it waits for the trainings before it, and takes the data as they are now. ``refs`` are
        frames to train, validate and test on in place of those by role, ``parent`` is the run they add to,
        ``counts`` says how many times each training frame counts.
        """
        settings = self._as_preferred(settings)
        datasets = list(self._data.datasets.values())
        used = refs or refs_of_roles(datasets, settings)
        frames = {document.id: document.frames for document in datasets}
        train, valid, test = (frames_of(part, frames) for part in used)
        if settings.group_weights:
            from nnpcore.training.group_weights import check_group_weights

            check_group_weights(train, valid, settings)
        taken = {run.folder for run in self._runs.documents.values()}
        folder = free_folder(self._preferences.runs_folder, name or name_of(datasets), taken)
        known = {run.name for run in self._runs.documents.values()}
        run = self._runs.add(
            name if name and name not in known else folder.name, settings, RunState.PREPARING
        )
        run.folder, (run.train, run.valid, run.test) = folder, used
        run.n_epochs = settings.epochs or 0
        order = TrainingOrder(
            settings,
            train,
            valid,
            test,
            folder,
            monitored=self.monitored(),
            parent=parent,
            counts=tuple(counts),
            drawn=None if refs else not self._data.of_role(Role.VALIDATION),
        )
        if queue and self._jobs:
            self._waiting[run.id] = order
            self._set_state(run.id, RunState.WAITING)
        else:
            self._begin(run, order)
        return run.id

    def _as_preferred(self, settings: TrainSettings) -> TrainSettings:
        """Return settings with the preferences' threads and memory, unless they name their own."""
        from nnpcore.training import TrainSettings

        if settings.n_threads is None:
            settings = settings.replace(n_threads=self._preferences.threads)
        if self._preferences.memory_gb and settings.memory_gb == TrainSettings().memory_gb:
            settings = settings.replace(memory_gb=self._preferences.memory_gb)
        return settings

    def show_started(self, run_id: str) -> None:
        """Show a training that has just started; what hindered one before is said no more."""
        self._messages.outdated.emit(CANNOT_START)
        self._runs.set_current(run_id)
        self.started.emit(run_id)

    def train_longer(self, run_id: str, epochs: int | None = None) -> None:
        """Go on with a run that was stopped, where it was, from its folder; ``epochs`` sets a new goal.

        Frames are taken from the open data sets where all are there, else read from the files again.
        """
        run = self._runs.documents[run_id]
        if run.folder is None or run_id in self._jobs or run.state in _NOT_OURS:
            return
        if run_id in self.unsaved:
            self.unsaved.warn(run, f"{run.name} is not saved", f"{run.unsaved} It goes on once it is saved.")
            return
        if epochs is not None:
            run.settings = run.settings.replace(epochs=epochs)
        run.state, run.message = RunState.PREPARING, ""
        frames = {document.id: document.frames for document in self._data.datasets.values()}
        refs = (run.train, run.valid, run.test)
        used = {dataset_id for part in refs for dataset_id, _ in part.parts}
        known = bool(used) and used <= set(frames)
        train, valid, test = (frames_of(part, frames) if known else [] for part in refs)
        monitored = self.monitored() if known else Monitored()
        self._begin(
            run, TrainingOrder(run.settings, train, valid, test, run.folder, resume=True, monitored=monitored)
        )
        self._runs.changed.emit(run_id)

    def monitored(self) -> Monitored:
        """Return what trainings follow the mapping errors of, as things stand now."""
        crystal = next((d.frames for d in self._data.of_role(Role.EOS)), ())
        return Monitored(crystal, tuple(self._regions.sets.values()))

    def _begin(self, run: RunDocument, order: TrainingOrder) -> None:
        job = TrainingJob(order)
        self._jobs[run.id] = job
        job.start()
        self._timer.start()

    # steering -----------------------------------------------------------------------------------------
    def steered(self) -> str | None:
        """Return the run to pause, resume or stop: the one looked at if it trains, else one that does.

        Where none trains, the first one that waits; None without any.
        """
        busy = [*self._jobs, *self._waiting]
        current = self._runs.current_id
        return current if current in busy else next(iter(busy), None)

    def pause(self, run_id: str | None = None) -> None:
        """Let a running training wait: this one, or the one that trains, whichever is looked at."""
        chosen = run_id or self.steered() or ""
        job = self._jobs.get(chosen)
        if job is not None and self._runs.documents[chosen].state == RunState.RUNNING:
            job.control.pause()
            self._set_state(chosen, RunState.PAUSED)

    def resume(self, run_id: str | None = None) -> None:
        """Let a paused training go on (this one, or the one that waits), or restart a stopped one."""
        chosen = run_id or self.steered() or self._runs.current_id or ""
        if chosen not in self._runs.documents:
            return
        if self._runs.documents[chosen].state is not RunState.PAUSED:
            self.train_longer(chosen)
        elif chosen in self._jobs:
            self._jobs[chosen].control.resume()
            self._set_state(chosen, RunState.RUNNING)

    def stop(self, run_id: str | None = None) -> None:
        """Let a training end (this one, or the one that trains); it writes its checkpoint and can be resumed.

        One that waits is dropped.
        """
        chosen = run_id or self.steered() or ""
        if chosen in self._waiting:
            self._runs.remove(chosen)
        job = self._jobs.get(chosen)
        if job is not None and self._runs.documents[chosen].state != RunState.STOPPING:
            job.stop()
            self._set_state(chosen, RunState.STOPPING)

    def stop_all(self) -> None:
        """Ask every training to end and drop those that wait."""
        self.drop_waiting()
        for run_id in list(self._jobs):
            self.stop(run_id)

    def drop_waiting(self) -> None:
        """Drop all trainings that wait; they have no folder yet."""
        for run_id in list(self._waiting):
            self._runs.remove(run_id)

    def shutdown(self) -> None:
        """Stop everything and wait for the threads."""
        self.drop_waiting()
        for job in self._jobs.values():
            job.stop()
        for job in self._jobs.values():
            job.join()
        self.tick()
        self._timer.stop()
        self.unsaved.shutdown()

    def _set_state(self, run_id: str, state: RunState) -> None:
        self._runs.documents[run_id].state = state
        self._runs.changed.emit(run_id)

    # news ---------------------------------------------------------------------------------------------
    def tick(self) -> None:
        """Take what the training threads have to tell (called at 10 Hz)."""
        for run_id, job in list(self._jobs.items()):
            news = job.take_news()
            self._apply(self._runs.documents[run_id], news)
            if news.ended:
                job.join()
                del self._jobs[run_id]
                self._end(self._runs.documents[run_id], job, news)
                self._start_next(run_id)
        if not self._jobs and self._timer.isActive():
            self._timer.stop()
            self.idle.emit()

    def _start_next(self, ended: str) -> None:
        """Start the training that has waited longest, if none trains any more."""
        if self._waiting and not self._jobs:
            run_id = next(iter(self._waiting))
            order = self._waiting.pop(run_id)
            self._runs.documents[run_id].state = RunState.PREPARING
            self._begin(self._runs.documents[run_id], order)
            self._runs.changed.emit(run_id)
            self.followed.emit(ended, run_id)

    def _apply(self, run: RunDocument, news: News) -> None:
        changed = news.text != run.progress_text
        run.progress_text = news.text
        if news.start is not None:
            self._on_prepared(run, news.start)
            changed = True
        if news.records:
            run.history.extend(news.records)
            thin(run.history)
            for record in news.records:
                self._tell_messages(run, record)
            self._runs.epoch_finished.emit(run.id)
            changed = True
        if news.potential is not None:
            run.potential, run.potential_epoch = news.potential, news.epoch
            self._runs.potential_changed.emit(run.id)
        if self.unsaved.hear(run, news) or changed:
            self._runs.changed.emit(run.id)

    def _on_prepared(self, run: RunDocument, start: Start) -> None:
        run.values, run.whitening, run.functions = start.values, start.whitening, start.functions
        run.n_epochs, run.used_device, run.sentence = start.n_epochs, start.device, start.sentence
        run.sources, run.settings = start.sources, start.settings
        for name, role in (("train", "training"), ("valid", "validation"), ("test", "test")):
            number = sum(len(source.indices) for source in run.sources if source.role == role)
            if number != len(getattr(run, name)):  # isolated atoms were left out
                setattr(run, name, FrameRefs((("", np.arange(number)),)) if number else FrameRefs())
        self._runs.locate_frames(run)
        run.history[:] = start.history
        if run.state == RunState.PREPARING:
            run.state = RunState.RUNNING
        self._messages.notify(Notification("info", run.name, start.sentence, silent=True))
        self._runs.values_changed.emit(run.id)

    def _tell_messages(self, run: RunDocument, record: EpochRecord) -> None:
        for message in record.messages:
            if message.text != run.sentence:
                run.message, note = from_one(message.text), message.is_note
                level, title = "info" if note else "warning", f"{run.name}, epoch {record.epoch}"
                self._messages.notify(Notification(level, title, run.message, silent=note))

    def _end(self, run: RunDocument, job: TrainingJob, news: News) -> None:
        stopped = job.control.state is ControlState.STOPPING
        if news.unsaved and news.error is not None:
            run.state = RunState.STOPPED if stopped else RunState.FINISHED
            self.unsaved.take(run, job, news.error)
        elif news.error is not None:
            run.state, run.message = RunState.FAILED, from_one(str(news.error))
            self._messages.notify(from_error(f"Training {run.name} ended with an error", news.error))
        elif stopped:
            run.state = RunState.STOPPED
        else:
            run.state = RunState.FINISHED
            run.message = ENDS.get(news.result.reason, "") if news.result else ""
        run.progress_text = ""
        self._runs.changed.emit(run.id)
        if run.state is RunState.FINISHED and not news.unsaved:
            title, silent = f"Training {run.name} finished", bool(self._waiting)
            self._messages.notify(Notification("info", title, _ended_text(run), silent=silent))


def _ended_text(run: RunDocument) -> str:
    best = run.best()
    reached = "" if best is None else f" Best energy RMSE {best:.3g} meV/atom."
    reached += f" On the test: {rmse_text(test)}." if (test := run.test_errors()) else ""
    return f"{run.epoch} epochs.{reached} {run.message}".strip()


def _settings_of(remembered: dict[str, Any]) -> TrainSettings:
    """Return the training settings last used; the defaults where they no longer fit."""
    from nnpcore.training import TrainSettings

    try:
        return TrainSettings(**{name: v for name, v in remembered.items() if name not in OF_DATA})
    except SettingsError:
        return TrainSettings()
