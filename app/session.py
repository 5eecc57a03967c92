"""The session: the one thing panels speak to. It holds the documents, the selection and the undo stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.commands import Change
from app.documents.atom_values import AtomValues, array_values, is_scalar, predicted_values
from app.documents.coloring import LABELS, Coloring
from app.documents.dataset import DatasetDocument, free_name
from app.documents.run import RunDocument, RunState
from app.notifications import Notification
from app.runs import Runs
from app.selection import AtomRef, Selection, SelectionMode
from app.session_base import SessionBase
from app.settings import Settings
from app.workers.analysis import AnalysisScheduler
from app.workers.opening import open_run
from app.workers.priority import all_but_one
from app.workers.reading import describe_problems, read
from app.workers.tasks import READ
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.structures import Dataset, Role, example_path
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainSettings

if TYPE_CHECKING:
    from app.documents.analyses import FramePrediction
    from app.workers.opening import OpenedRun


class Session(SessionBase):
    """Data, runs, selection, colouring and tasks of one window; every method is for the main thread."""

    dataset_added = Signal(str)
    dataset_changed = Signal(str)
    dataset_removed = Signal(str)
    current_changed = Signal()
    current_run_changed = Signal()
    run_added = Signal(str)
    run_changed = Signal(str)
    run_removed = Signal(str)
    epoch_finished = Signal(str)
    analysis_changed = Signal(str, str)
    selection_changed = Signal()
    hover_changed = Signal()
    coloring_changed = Signal()
    settings_changed = Signal()
    closing = Signal()

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings or Settings()
        self.train_settings = _train_settings(self.settings.train_settings)
        self.datasets: dict[str, DatasetDocument] = {}
        self.current_dataset_id: str | None = None
        self.current_run_id: str | None = None
        self.selection = Selection()
        self.hovered: AtomRef | None = None
        self.coloring = Coloring()
        self._n_colors = 0
        self._coloring_chosen = False
        self.trainings = Runs(self)
        self.analyses = AnalysisScheduler(self)
        self._connect_runs()

    def _connect_runs(self) -> None:
        runs = self.trainings
        runs.added.connect(self.run_added)
        runs.changed.connect(self.run_changed)
        runs.removed.connect(self._on_run_removed)
        runs.epoch_finished.connect(self.epoch_finished)
        runs.notified.connect(self.notified)
        runs.potential_changed.connect(self.analyses.on_potential_changed)
        runs.values_changed.connect(self.analyses.on_values_changed)

    # data ---------------------------------------------------------------------------------------------
    def open_paths(self, paths: Iterable[str], roles: dict[str, Role] | None = None) -> None:
        """Read files in the background ("file.xyz@::10" takes a slice) and add them as data sets."""
        for path in paths:
            role = (roles or {}).get(path)
            self._read(path, lambda dataset, role=role: self._offer(dataset, role))

    def _read(self, path: str, on_done: Callable[[Dataset], Any]) -> None:
        name = Path(path).name
        self.run_task(
            f"Reading {name}",
            lambda progress: read(path, progress),
            on_done,
            lambda error: self.notify_error(f"{name} was not opened", error),
            key=f"read {path}",
            lane=READ,
        )

    def _offer(self, dataset: Dataset, role: Role | None) -> None:
        if not dataset.problems:
            self.add_dataset(dataset, role)
            return
        title, text, details = describe_problems(dataset)
        skip = (f"Skip and open {len(dataset.frames)}", lambda: self.add_dataset(dataset, role))
        self.notify(Notification("warning", title, text, details, actions=(skip,)))

    def open_example(self, train: bool = False) -> None:
        """Open the bundled silicon data: NVT to train on, the volume scan as reference, NPT to look at."""
        roles = {"nvt": Role.TRAINING, "npt": Role.INSPECT, "eos": Role.EOS}
        paths = {str(example_path(name)): role for name, role in roles.items()}
        open_now = {document.path for document in self.datasets.values()}
        self.open_paths([path for path in paths if path not in open_now], paths)
        if train:
            self.train_when_read()

    def train_when_read(self) -> None:
        """Start a training as soon as the files being read are open."""
        if self.tasks.reading():
            QTimer.singleShot(50, self, self.train_when_read)
        else:
            self.start_training()

    def restore_dataset(self, path: str, role: Role, color_index: int, frame_index: int, show: bool) -> None:
        """Open a file with the role, colour and frame it had; ``show`` makes it the current one."""

        def put(dataset: Dataset) -> None:
            dataset_id = self.add_dataset(dataset, role, color_index, frame_index)
            if show:
                self.set_current(dataset_id)

        self._read(path, put)

    def reload_dataset(self, dataset_id: str) -> None:
        """Read a file again, keeping its role and colour."""

        def put(dataset: Dataset) -> None:
            if dataset_id in self.datasets:
                self.datasets[dataset_id].replace(dataset)
                self.dataset_changed.emit(dataset_id)
                self.current_changed.emit()

        self._read(self.datasets[dataset_id].path, put)

    def elements(self) -> tuple[str, ...]:
        """Return the elements of all open data, by atomic number."""
        from ase.data import atomic_numbers

        found = {element for document in self.datasets.values() for element in document.summary.elements}
        return tuple(sorted(found, key=atomic_numbers.__getitem__))

    def has_eos(self) -> bool:
        """Whether an EOS reference is open."""
        return bool(self.datasets_of(Role.EOS))

    def add_dataset(
        self,
        dataset: Dataset,
        role: Role | None = None,
        color_index: int | None = None,
        frame_index: int = 0,
    ) -> str:
        """Add a data set, show it if nothing is shown, and return its id."""
        dataset_id = free_name(dataset.name, self.datasets)
        if color_index is None:
            color_index = self._n_colors
        self._n_colors = max(self._n_colors, color_index + 1)
        document = DatasetDocument(dataset_id, dataset, role or guess_role(dataset), color_index)
        document.frame_index = min(frame_index, max(document.n_frames - 1, 0))
        self.datasets[dataset_id] = document
        self.dataset_added.emit(dataset_id)
        if self.current_dataset_id is None:
            self.set_current(dataset_id, frame_index)
        for run in self.runs.values():
            self.trainings.locate_frames(run, list(self.datasets.values()))
        return dataset_id

    def remove_dataset(self, dataset_id: str) -> None:
        """Close a data set; undo reads the file again."""
        document = self.datasets[dataset_id]
        path, role = document.path, document.role
        self._remove(dataset_id)

        def toggle(is_open: bool) -> None:
            if is_open:
                self.open_paths([path], {path: role})
            elif dataset_id in self.datasets:
                self._remove(dataset_id)

        self.undo_stack.push(Change(f"Close {document.name}", toggle, True, False, done=True))

    def _remove(self, dataset_id: str) -> None:
        del self.datasets[dataset_id]
        if self.current_dataset_id == dataset_id:
            self.current_dataset_id = next(iter(self.datasets), None)
            self.current_changed.emit()
        if self.hovered is not None and self.hovered.dataset_id == dataset_id:
            self.set_hovered(None)
        self._set_selection(self.selection.without_dataset(dataset_id))
        self.dataset_removed.emit(dataset_id)

    def set_role(self, dataset_id: str, role: Role) -> None:
        """Give a data set a role (can be undone)."""
        document = self.datasets[dataset_id]
        if document.role != role:
            self._change(
                f"{document.name}: {role.value}", lambda r: self._set_role(dataset_id, r), document.role, role
            )

    def _set_role(self, dataset_id: str, role: Role) -> None:
        if dataset_id in self.datasets:
            self.datasets[dataset_id].role = role
            self.dataset_changed.emit(dataset_id)

    def datasets_of(self, role: Role) -> list[DatasetDocument]:
        """Return the data sets of one role, in the order they were opened."""
        return [document for document in self.datasets.values() if document.role == role]

    # what is shown ------------------------------------------------------------------------------------
    @property
    def current_dataset(self) -> DatasetDocument | None:
        """The data set shown, or None."""
        return self.datasets.get(self.current_dataset_id or "")

    @property
    def current_frame_index(self) -> int:
        """Index of the frame shown (0 when nothing is)."""
        document = self.current_dataset
        return document.frame_index if document else 0

    @property
    def current_frame(self) -> Frame | None:
        """The frame shown, or None."""
        document = self.current_dataset
        return document.frames[document.frame_index] if document and document.frames else None

    def set_current(self, dataset_id: str, frame_index: int | None = None) -> None:
        """Show a frame of a data set (its last one shown when no index is given; clipped to the range)."""
        document = self.datasets[dataset_id]
        index = document.frame_index if frame_index is None else frame_index
        index = min(max(index, 0), max(document.n_frames - 1, 0))
        if (dataset_id, index) != (self.current_dataset_id, document.frame_index):
            self.current_dataset_id, document.frame_index = dataset_id, index
            self.current_changed.emit()

    def show_atom(self, atom: tuple[str, int, int]) -> None:
        """Show the frame of an atom and select the atom: what a click on a point does."""
        dataset_id, frame, _ = atom
        if dataset_id in self.datasets:
            self.set_current(dataset_id, frame)
            self.select([atom])

    def select(self, atoms: Iterable[tuple[str, int, int]], mode: SelectionMode = "replace") -> None:
        """Replace, extend or reduce the shared selection."""
        self._set_selection(self.selection.combined(atoms, mode))

    def _set_selection(self, selection: Selection) -> None:
        if selection != self.selection:
            self.selection = selection
            self.selection_changed.emit()

    def set_hovered(self, atom: tuple[str, int, int] | None) -> None:
        """Tell every panel which atom the mouse is over (None: none)."""
        hovered = None if atom is None else AtomRef(*atom)
        if hovered != self.hovered:
            self.hovered = hovered
            self.hover_changed.emit()

    # runs ---------------------------------------------------------------------------------------------
    @property
    def runs(self) -> dict[str, RunDocument]:
        """All runs by id, oldest first."""
        return self.trainings.documents

    @property
    def current_run(self) -> RunDocument | None:
        """The run whose analyses are shown, or None."""
        return self.runs.get(self.current_run_id or "")

    def set_current_run(self, run_id: str) -> None:
        """Show this run's curves, analyses and predictions."""
        if run_id in self.runs and run_id != self.current_run_id:
            self.current_run_id = run_id
            self.current_run_changed.emit()
            self.analyses.on_values_changed(run_id)
            self.analyses.on_potential_changed(run_id)

    def set_train_settings(self, wanted: TrainSettings, text: str = "Training settings") -> None:
        """Use other settings for the next training (can be undone; edits of one field in a row are one)."""
        if wanted != self.train_settings:
            self._change(text, self._set_train_settings, self.train_settings, wanted, merge_id=text)

    def _set_train_settings(self, wanted: TrainSettings) -> None:
        self.train_settings = wanted
        self.settings_changed.emit()

    def start_training(self, settings: TrainSettings | None = None) -> str | None:
        """Start a training with the open data sets by their roles; return its id, or None if it cannot."""
        chosen = settings or self.train_settings
        if chosen.n_threads is None:
            chosen = chosen.replace(n_threads=self.settings.n_threads or all_but_one())
        try:
            run_id = self.trainings.start(chosen, list(self.datasets.values()), self.settings.runs_folder)
        except (EatlasError, OSError) as error:
            self.notify_error("Training cannot start", error)
            return None
        self.set_current_run(run_id)
        if not self._coloring_chosen:
            self._set_coloring(Coloring(kind="atomic_energy"))
        return run_id

    def pause(self, run_id: str | None = None) -> None:
        """Pause a running training (the current one)."""
        self._steer(self.trainings.pause, run_id)

    def resume(self, run_id: str | None = None) -> None:
        """Let a paused training go on, or restart a stopped one from its folder."""
        self._steer(self._resume, run_id)

    def _resume(self, run_id: str) -> None:
        if self.runs[run_id].state is RunState.PAUSED:
            self.trainings.resume(run_id)
        else:
            self.trainings.restart(run_id, list(self.datasets.values()))

    def stop(self, run_id: str | None = None) -> None:
        """End a training; its checkpoint is written and it can be resumed later."""
        self._steer(self.trainings.stop, run_id)

    def _steer(self, action: Callable[[str], None], run_id: str | None) -> None:
        chosen = run_id or self.current_run_id
        if chosen in self.runs:
            action(chosen)

    def train_longer(self, run_id: str, epochs: int) -> None:
        """Go on with a stopped or finished run until it has had this many epochs."""
        self.trainings.restart(run_id, list(self.datasets.values()), epochs)

    def open_run(self, folder: str | Path) -> None:
        """Read a run folder in the background and show it; its data files are opened, too, if they exist."""
        path = Path(folder).absolute()
        for run in self.runs.values():
            if run.folder == path:
                self.set_current_run(run.id)
                return
        self.run_task(
            f"Opening run {path.name}",
            lambda progress: open_run(path, progress),
            self._add_run,
            lambda error: self.notify_error(f"The run {path.name} was not opened", error),
        )

    def _add_run(self, opened: OpenedRun) -> None:
        run_id = self.trainings.add_opened(opened, list(self.datasets.values()))
        known = {document.path.partition("@")[0] for document in self.datasets.values()}
        wanted = {s.path: Role(s.role) for s in reversed(opened.sources) if s.path}
        missing = {
            path: role
            for path, role in wanted.items()
            if path not in known and not self.tasks.busy(f"read {path}") and Path(path).is_file()
        }
        self.open_paths(missing, missing)
        self.set_current_run(run_id)

    def remove_run(self, run_id: str) -> None:
        """Take a run off the list (its folder stays)."""
        self.trainings.remove(run_id)

    def _on_run_removed(self, run_id: str) -> None:
        if self.current_run_id == run_id:
            self.current_run_id = next(reversed(self.runs), None)
            self.current_run_changed.emit()
        self.run_removed.emit(run_id)

    def export_potential(self, folder: str | Path, run_id: str | None = None) -> None:
        """Write the potential of a run (the current one) as potential.json and potential.safetensors."""
        run = self.runs.get(run_id or self.current_run_id or "")
        if run is None or run.potential is None:
            text = "Train a potential or open a run first."
            self.notify(Notification("info", "There is no potential to export yet", text))
            return
        potential, target = run.potential, Path(folder)
        self.run_task(
            f"Exporting the potential of {run.name}",
            lambda progress: potential.save(target),
            lambda _: self.notify(Notification("info", "Potential exported", str(target))),
            lambda error: self.notify_error("The potential was not written", error),
        )

    # colouring ----------------------------------------------------------------------------------------
    def set_coloring(self, coloring: Coloring | None = None, **changes: Any) -> None:
        """Colour atoms differently (can be undone), e.g. ``set_coloring(kind="force_error")``."""
        wanted = coloring or replace(self.coloring, **changes)
        if wanted != self.coloring:
            self._coloring_chosen = True
            text = f"Colour by {LABELS.get(wanted.kind, wanted.kind).lower()}"
            self._change(text, self._set_coloring, self.coloring, wanted)

    def restore_coloring(self, values: dict[str, Any]) -> None:
        """Take over a saved colouring (not undone); wrong values leave the present one."""
        self._coloring_chosen = True
        try:
            values = values | {"percentiles": tuple(values.get("percentiles", (2.0, 98.0)))}
            self._set_coloring(Coloring(**values))
        except TypeError:
            self._set_coloring(Coloring())

    def select_frame(self) -> None:
        """Select all atoms of the frame shown."""
        frame, dataset_id = self.current_frame, self.current_dataset_id
        if frame is not None and dataset_id is not None:
            index = self.current_frame_index
            self.select((dataset_id, index, atom) for atom in range(frame.n_atoms))

    def _set_coloring(self, coloring: Coloring) -> None:
        self.coloring = coloring
        self.coloring_changed.emit()

    def coloring_kinds(self) -> list[tuple[str, str]]:
        """Return the (kind, label) pairs the current frame can be coloured by."""
        kinds = [(kind, label) for kind, label in LABELS.items()]
        frame = self.current_frame
        if frame is not None:
            kinds += [(name, name) for name in sorted(frame.arrays) if is_scalar(frame.arrays[name])]
        return kinds

    def atom_values(self) -> AtomValues | None:
        """Return (values (n_atoms,), label, unit) for the current frame and colouring, or None (elements).

        None also while there is no prediction for this frame yet.
        """
        frame = self.current_frame
        if frame is None or self.coloring.kind == "element":
            return None
        if self.coloring.kind not in LABELS:
            return array_values(frame, self.coloring.kind)
        shown = self.current_prediction
        if shown is None:
            return None
        return predicted_values(frame, shown.prediction, self.coloring, self.crystal_energy())

    @property
    def current_prediction(self) -> FramePrediction | None:
        """The current run's prediction for the current frame, or None while there is none."""
        run = self.current_run
        shown = run.analyses.get("predictions") if run else None
        here = (self.current_dataset_id, self.current_frame_index)
        return shown if shown and (shown.dataset_id, shown.frame_index) == here else None

    def crystal_energy(self) -> float | None:
        """Return the crystal's energy per atom (eV) that atomic energies are relative to, or None."""
        run = self.current_run
        eos = run.analyses.get("eos") if run else None
        if eos is None or len(self.elements()) > 1:
            return None
        report = eos.report
        fit = report.reference_fit if self.coloring.baseline == "reference" else report.mean_fit
        return fit.e0 if fit is not None else None

    def shutdown(self) -> None:
        """Stop everything that runs; no thread is left afterwards."""
        self.closing.emit()
        self.analyses.shutdown()
        self.trainings.shutdown()
        self.tasks.shutdown()


def guess_role(dataset: Dataset) -> Role:
    """Return the role a newly opened file gets: training if it has energies, else inspect only."""
    summary = dataset.summary()
    if "eos" in dataset.name.lower() and summary.n_energies:
        return Role.EOS
    return Role.TRAINING if summary.n_energies else Role.INSPECT


def _train_settings(remembered: dict[str, Any]) -> TrainSettings:
    """Return the training settings last used; the defaults where they no longer fit."""
    try:
        return TrainSettings(**remembered)
    except SettingsError:
        return TrainSettings()
