"""The part of a session that holds runs: which are open, which one is looked at and which beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.frame_refs import FrameRefs, Located, locate_all, refs_of_role
from app.documents.run import RunDocument, RunState
from app.session.data import Data, absolute
from app.session.messages import Messages, Notification
from app.session.regions import Regions
from app.session.undo import UndoStack
from app.settings import examples_folder
from app.workers.example_sessions import describe
from app.workers.foreign import SharedModel
from app.workers.opening import OpenedRun, open_run
from app.workers.tasks import OPEN, Task, TaskRunner
from app.workers.turns import in_turn
from nnpcore.analyses.foretold import FRAME_FORETOLD
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.foreign_text import one_line
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.workers.importing import OpenedModel
    from nnpcore.analyses.foretold import FrameForetold
    from nnpcore.analyses.prediction import FramePrediction
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainingValues, TrainSettings

OfFrame = TypeVar("OfFrame", "FramePrediction", "FrameForetold")
NO_DATA = "Imported without its training data. Import it again with --data FILE."
"""What the panels say that compare with the training set."""

DESCRIBE, LOCATE = "describe", "locate"
"""Keys of the tasks that describe and find the frames of runs."""


class Runs(QObject):
    """All runs by id, oldest first; those who train them tell by :attr:`changed` and the like."""

    added = Signal(str)
    changed = Signal(str)
    removed = Signal(str)
    opened = Signal(str)
    current_changed = Signal()
    comparison_changed = Signal()
    epoch_finished = Signal(str)
    potential_changed = Signal(str)
    values_changed = Signal(str)

    def __init__(
        self, data: Data, regions: Regions, tasks: TaskRunner, messages: Messages, undo: UndoStack
    ) -> None:
        super().__init__()
        self._data, self._regions = data, regions
        self._tasks, self._messages, self._undo = tasks, messages, undo
        self.documents: dict[str, RunDocument] = {}
        self.current_id: str | None = None
        self.compared: frozenset[str] = frozenset()
        self._compared_folders: set[Path] = set()
        self._restored: dict[Path, int] = {}
        self._wanted: Path | None = None
        self._told_of_changed: set[tuple[str, int]] = set()
        self._undescribed: list[Path] = []
        self._sought: set[str] = set()
        """Runs whose frames are looked for soon."""
        self._seeking = QTimer(self, singleShot=True, interval=0)
        self._seeking.timeout.connect(self._locate_sought)
        tasks.finished.connect(self._on_task_finished)
        self._count = 0
        data.added.connect(self._on_dataset_added)
        data.completed.connect(self._on_dataset_added)
        data.removed.connect(self._on_frames_gone)
        data.reloaded.connect(self._on_frames_gone)

    # adding and removing ------------------------------------------------------------------------------
    def add(
        self,
        name: str,
        settings: TrainSettings,
        state: RunState = RunState.STOPPED,
        place: int | None = None,
    ) -> RunDocument:
        """Add an empty run, the last of all or in the ``place`` it had, which its colour follows."""
        self._count += 1
        color = self._count - 1 if place is None else place
        run = RunDocument(f"run-{self._count}", one_line(name), settings, state, color_index=color)
        self.documents[run.id] = run
        self.documents = dict(sorted(self.documents.items(), key=lambda entry: entry[1].color_index))
        self.added.emit(run.id)
        return run

    def add_model(self, opened: OpenedModel) -> str:
        """Add a calculator from elsewhere as a run that cannot be trained, show it and return its id."""
        from nnpcore.training import TrainSettings

        run = self.add(opened.model.name, TrainSettings(), RunState.IMPORTED)
        run.potential, run.message = opened.model, opened.text
        if opened.values is not None:
            run.values, run.whitening, run.functions = opened.values, opened.whitening, opened.functions
            datasets = list(self._data.datasets.values())
            run.train = refs_of_role(datasets, Role.TRAINING)
            run.valid = refs_of_role(datasets, Role.VALIDATION)
            self.values_changed.emit(run.id)
        self.changed.emit(run.id)
        self.potential_changed.emit(run.id)
        self.set_current(run.id)
        return run.id

    def restore(self, folders: Sequence[str], current: str = "") -> None:
        """Open runs in this order, whichever is read first, and show ``current`` or the last."""
        paths = [Path(folder).absolute() for folder in folders]
        self._restored = {path: self._count + k for k, path in enumerate(paths)}
        self._wanted = Path(current).absolute() if current else paths[-1] if paths else None
        for path in paths:
            self.open(path)

    def open(self, folder: str | Path) -> None:
        """Read a run folder in the background and show it; its data files are opened, too, if they exist."""
        path = Path(folder).absolute()
        for run in self.documents.values():
            if run.folder == path:
                self.set_current(run.id)
                return
        self._tasks.run(
            f"Opening run {path.name}",
            lambda progress: open_run(path, progress),
            self._put_opened,
            lambda error: self._messages.notify_error(f"The run {path.name} was not opened", error),
            key=f"open run {path}",
            lane=OPEN,
        )

    def _put_opened(self, opened: OpenedRun) -> None:
        run = self._add_opened(opened)
        trained_on = self._data.of_role(Role.TRAINING) or self._data.reading
        roles = {s.path: Role(s.role) for s in reversed(run.sources) if s.path}
        beside = {Role.TEST: Role.INSPECT}  # a run's test is not trained on beside other data
        wanted = {path: beside.get(role) if trained_on else role for path, role in roles.items()}
        self._data.open_missing(wanted, {s.path: s.read_with for s in run.sources})
        self._regions.take(opened.regions)
        if run.values is None and not run.no_values and opened.folder.path.is_relative_to(examples_folder()):
            self._undescribed.append(opened.folder.path)
            self._describe_soon()
        if run.folder in self._compared_folders:
            self._set_compared(self.compared | {run.id})
        beside = self._restored.pop(opened.folder.path, None) is not None
        if not beside or run.folder == self._wanted or self.current is None:
            self.set_current(run.id)

    def _add_opened(self, opened: OpenedRun) -> RunDocument:
        folder = opened.folder
        run = self.add(folder.path.name, folder.settings, place=self._restored.get(folder.path))
        run.folder, run.sources = folder.path, folder.sources
        run.history, run.potential, run.values = opened.history, opened.potential, opened.values
        run.whitening, run.functions = opened.potential.metric, opened.potential.functions
        run.n_epochs, run.note, run.no_note = opened.n_epochs, opened.note, opened.no_note
        if run.history and run.history[0].epoch == 1 and run.history[0].messages:
            run.sentence = run.history[0].messages[0].text
        if run.n_epochs and run.epoch >= run.n_epochs:
            run.state = RunState.FINISHED
        if folder.imported:
            run.state, run.message = RunState.IMPORTED, f"Imported from {folder.imported}"
            if opened.values is None:
                run.no_values = NO_DATA
        for source in run.sources:
            part = FrameRefs((("", np.array(source.indices, dtype=np.int64)),))
            if source.role == "training":
                run.train = FrameRefs(run.train.parts + part.parts)
            elif source.role == "validation":
                run.valid = FrameRefs(run.valid.parts + part.parts)
            else:
                run.test = FrameRefs(run.test.parts + part.parts)
        self.locate_frames(run)
        self.changed.emit(run.id)
        self.values_changed.emit(run.id)
        self.potential_changed.emit(run.id)
        self.opened.emit(run.id)
        return run

    def _describe_soon(self) -> None:
        """Work out the training atoms' descriptors of open runs of examples that came without them."""
        if self._undescribed and not self._tasks.busy(DESCRIBE):
            self._tasks.run(
                "Describing the training atoms",
                lambda progress: describe(list(self._undescribed), progress),
                self._take_values,
                self._on_undescribed,
                key=DESCRIBE,
                lane=OPEN,  # when the runs are open
            )

    def _on_undescribed(self, error: BaseException) -> None:
        self._undescribed.clear()
        self._messages.notify_error("The training atoms of an example are not described", error)

    def _take_values(self, found: Mapping[Path, TrainingValues]) -> None:
        self._undescribed = [path for path in self._undescribed if path not in found]
        for run in list(self.documents.values()):
            if run.values is None and run.folder is not None and run.folder in found:
                run.values = found[run.folder]
                self.values_changed.emit(run.id)
        self._describe_soon()

    # where frames are ---------------------------------------------------------------------------------
    def _on_dataset_added(self, _dataset_id: str) -> None:
        for run in self.documents.values():
            self.locate_frames(run)

    def _on_frames_gone(self, dataset_id: str) -> None:
        """A data set was closed or read again: what is open under its name is no longer a run's."""
        for run in self.documents.values():
            refs = (run.train, run.valid, run.test)
            if any(key == dataset_id for part in refs for key, _ in part.parts):
                run.train, run.valid, run.test = (part.without(dataset_id) for part in refs)
                self.locate_frames(run)
                self.changed.emit(run.id)

    def locate_frames(self, run: RunDocument) -> None:
        """Look soon, in the background, for frames of a run that are not known to be open."""
        complete = all(refs.complete for refs in (run.train, run.valid, run.test))
        if run.sources and not (complete and len(run.train)):
            self._sought.add(run.id)
            self._seeking.start()

    def _on_task_finished(self, task: Task) -> None:
        if self._sought and (task.reads or task.key == LOCATE):
            self._seeking.start()

    def _locate_sought(self) -> None:
        """Look for frames of all runs that lack some, at once; not while more of their files are read."""
        if self._tasks.busy(LOCATE):
            return
        coming = set(map(absolute, self._tasks.being_read()))
        sought = [self.documents[key] for key in self._sought if key in self.documents]
        ready = [run for run in sought if not any(source.path in coming for source in run.sources)]
        self._sought = {run.id for run in sought if run not in ready}
        if not ready:
            return
        sources = {run.id: run.sources for run in ready}
        open_frames = {key: document.frames for key, document in self._data.datasets.items()}

        def work(progress: Progress) -> dict[str, Located]:
            return locate_all(sources, open_frames, progress)

        def done(found: dict[str, Located]) -> None:
            for run in ready:
                in_turn(self, partial(self._put_located, run, open_frames, found[run.id]))

        self._tasks.run("Finding the frames of runs", work, done, key=LOCATE, quiet=True)

    def _put_located(
        self, run: RunDocument, looked_at: Mapping[str, Sequence[Frame]], found: Located
    ) -> None:
        if run.id not in self.documents:
            return
        now = {key: document.frames for key, document in self._data.datasets.items()}
        if any(now.get(key) is not frames for key, frames in looked_at.items()):
            self.locate_frames(run)  # something was closed or read again in the meantime
            return
        run.train, run.valid, run.test = found.train, found.valid, found.test
        for key in found.changed:
            if not self._data.datasets[key].reading:  # else the rest is still to come
                self._tell_of_changed(run, key)
        self.changed.emit(run.id)

    def _tell_of_changed(self, run: RunDocument, dataset_id: str) -> None:
        """Say once that a file holds other frames than those a run was trained on."""
        known = (run.id, id(self._data.datasets[dataset_id].dataset))
        if known in self._told_of_changed:
            return
        self._told_of_changed.add(known)
        path = self._data.datasets[dataset_id].path
        text = (
            f"{path} no longer holds the frames that {run.name} was trained on: it was changed or shortened."
        )
        title = f"{run.name} was trained on other data"
        self._messages.notify(Notification("warning", title, text))

    def remove(self, run_id: str) -> None:
        """Take a run that does not train off the list; its folder stays."""
        if self.documents[run_id].state.active:
            return
        run = self.documents.pop(run_id)
        if self.current_id == run_id:
            self.current_id = next(reversed(self.documents), None)
            self.current_changed.emit()
        if run_id in self.compared:
            self._set_compared(self.compared - {run_id})
        self.removed.emit(run_id)
        if isinstance(run.potential, SharedModel):
            Thread(target=run.potential.close, name="close calculator", daemon=True).start()

    def shutdown(self) -> None:
        """Look for nothing any more, and end the processes of calculators from elsewhere."""
        self._seeking.stop()
        self._sought.clear()
        self._undescribed.clear()
        for run in self.documents.values():
            if isinstance(run.potential, SharedModel):
                run.potential.close()

    # looking ------------------------------------------------------------------------------------------
    @property
    def current(self) -> RunDocument | None:
        """The run whose analyses are shown, or None."""
        return self.documents.get(self.current_id or "")

    def set_current(self, run_id: str) -> None:
        """Show this run's curves, analyses and predictions."""
        if run_id in self.documents and run_id != self.current_id:
            self.current_id = run_id
            self.current_changed.emit()

    @property
    def prediction(self) -> FramePrediction | None:
        """The current run's prediction for the frame shown, or None while there is none."""
        return self._here(self.current.result(PREDICTION) if self.current else None)

    @property
    def foretold(self) -> FrameForetold | None:
        """The foretold spread of the shown frame's atoms by the current run's data, or None without one."""
        return self._here(self.current.result(FRAME_FORETOLD) if self.current else None)

    def prediction_of(self, run: RunDocument) -> FramePrediction | None:
        """Return what any run predicts of the frame shown, or None while that is not known."""
        return self._here(run.result(PREDICTION))

    def _here(self, result: OfFrame | None) -> OfFrame | None:
        """Return what is known of a frame if that is the one shown."""
        return result if result and result.frame is self._data.frame else None

    # comparing ----------------------------------------------------------------------------------------
    def shown(self) -> list[RunDocument]:
        """Return the current run and those compared with it, the current one first, then oldest first."""
        current = self.current
        others = [run for key, run in self.documents.items() if key in self.compared and run is not current]
        return others if current is None else [current, *others]

    def set_compared(self, run_id: str, compared: bool) -> None:
        """Show a run beside the current one in the EOS, mapping and connectivity panels, or no longer."""
        wanted = self.compared | {run_id} if compared else self.compared - {run_id}
        if run_id in self.documents and wanted != self.compared:
            text = (
                f"comparing {self.documents[run_id].name}"
                if compared
                else f"leaving out {self.documents[run_id].name}"
            )
            self._undo.change(text, self._set_compared, self.compared, wanted)

    def restore_compared(self, folders: Iterable[str]) -> None:
        """Compare the runs of these folders as soon as they are open (not undone)."""
        self._compared_folders |= {Path(folder).absolute() for folder in folders}
        known = {key for key, run in self.documents.items() if run.folder in self._compared_folders}
        self._set_compared(self.compared | known)

    def _set_compared(self, wanted: frozenset[str]) -> None:
        self.compared = wanted & self.documents.keys()
        self.comparison_changed.emit()
