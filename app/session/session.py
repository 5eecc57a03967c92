"""The session: the one thing panels speak to. It holds the documents, the selection and the undo stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.atom_values import AtomValues, array_values, is_scalar, predicted_values, rigidity_values
from app.documents.coloring import LABELS, Coloring
from app.documents.run import RunDocument, RunState
from app.session.invariance import InvarianceChecks
from app.session.notifications import Notification
from app.session.regions import RegionSession
from app.session.runs import Runs
from app.session.scheduler import AnalysisScheduler
from app.session.sweeps import Sweeps
from app.settings import Settings
from app.workers.opening import open_run
from app.workers.priority import all_but_one
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.structures import KeyMemory, KeyNames, Role, example_path
from nnpcore.training import TrainSettings

if TYPE_CHECKING:
    from app.documents.analyses import FramePrediction, FrameRigidity
    from app.workers.opening import OpenedRun
    from nnpcore.mapping import RegionSet
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


class Session(RegionSession):
    """Data, regions, runs, selection, colouring and tasks of one window; all is for the main thread."""

    current_run_changed = Signal()
    run_added = Signal(str)
    run_changed = Signal(str)
    run_removed = Signal(str)
    comparison_changed = Signal()
    epoch_finished = Signal(str)
    analysis_changed = Signal(str, str)
    coloring_changed = Signal()
    settings_changed = Signal()
    export_wanted = Signal()
    closing = Signal()

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = settings or Settings()
        self.key_memory = KeyMemory.from_dict(self.settings.key_names)
        self.train_settings = _train_settings(self.settings.train_settings)
        self.current_run_id: str | None = None
        self.compared_runs: frozenset[str] = frozenset()
        self._compared_folders: set[Path] = set()
        self.coloring = Coloring()
        self._coloring_chosen = False
        self.trainings = Runs(self)
        self.dataset_added.connect(self._locate_frames)
        self.analyses = AnalysisScheduler(self)
        self.invariance = InvarianceChecks(self)
        self.sweeps = Sweeps(self)
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

    def _locate_frames(self, _dataset_id: str) -> None:
        for run in self.runs.values():
            self.trainings.locate_frames(run, list(self.datasets.values()))

    # data ---------------------------------------------------------------------------------------------
    def remember_keys(self, signature: str, names: KeyNames) -> None:
        """Read files with these names as the user has confirmed, from now on."""
        self.key_memory = self.key_memory.remember(signature, names)
        self.settings.key_names = self.key_memory.to_dict()

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

    def set_train_settings(self, wanted: TrainSettings, text: str = "Training settings") -> None:
        """Use other settings for the next training (can be undone; edits of one field in a row are one)."""
        if wanted != self.train_settings:
            self._change(text, self._set_train_settings, self.train_settings, wanted, merge_id=text)

    def _set_train_settings(self, wanted: TrainSettings) -> None:
        self.train_settings = wanted
        self.settings_changed.emit()

    def start_training(self, settings: TrainSettings | None = None) -> str | None:
        """Start a training with the open data sets by their roles; return its id, or None if it cannot."""
        chosen = self.with_threads(settings or self.train_settings)
        try:
            datasets, regions = list(self.datasets.values()), list(self.region_sets.values())
            run_id = self.trainings.start(chosen, datasets, self.settings.runs_folder, regions=regions)
        except (EatlasError, OSError) as error:
            self.notify_error("Training cannot start", error)
            return None
        self.show_started(run_id)
        return run_id

    def with_threads(self, settings: TrainSettings) -> TrainSettings:
        """Return settings with as many threads as the preferences say, where they say nothing themselves."""
        if settings.n_threads is not None:
            return settings
        return settings.replace(n_threads=self.settings.n_threads or all_but_one())

    def show_started(self, run_id: str) -> None:
        """Show a training that has just started, and its atomic energies unless the user looks at others."""
        self.set_current_run(run_id)
        if not self._coloring_chosen:
            self._set_coloring(Coloring(kind="atomic_energy"))

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
            self._restart(run_id)

    def stop(self, run_id: str | None = None) -> None:
        """End a training; its checkpoint is written and it can be resumed later."""
        self._steer(self.trainings.stop, run_id)

    def _steer(self, action: Callable[[str], None], run_id: str | None) -> None:
        chosen = run_id or self.current_run_id
        if chosen in self.runs:
            action(chosen)

    def train_longer(self, run_id: str, epochs: int) -> None:
        """Go on with a stopped or finished run until it has had this many epochs."""
        self._restart(run_id, epochs)

    def _restart(self, run_id: str, epochs: int | None = None) -> None:
        datasets, regions = list(self.datasets.values()), list(self.region_sets.values())
        self.trainings.restart(run_id, datasets, epochs, regions)

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
        self.take_regions(opened.regions)
        if opened.folder.absolute() in self._compared_folders:
            self._set_compared(self.compared_runs | {run_id})
        self.set_current_run(run_id)

    def remove_run(self, run_id: str) -> None:
        """Take a run off the list (its folder stays)."""
        self.trainings.remove(run_id)

    def _on_run_removed(self, run_id: str) -> None:
        if self.current_run_id == run_id:
            self.current_run_id = next(reversed(self.runs), None)
            self.current_run_changed.emit()
        if run_id in self.compared_runs:
            self._set_compared(self.compared_runs - {run_id})
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

    # regions ------------------------------------------------------------------------------------------
    def regions_by_distance(self, threshold: float | None = None) -> None:
        """Divide the frame shown by each atom's distance in G to the crystal of the EOS reference.

        ``threshold`` in whitened units of the current run; None puts it into the widest gap.
        """
        run, crystals = self.current_run, self.datasets_of(Role.EOS)
        if run is None or run.functions is None or run.whitening is None or not crystals:
            text = "Train or open a run and open a crystal with the role “EOS reference” first."
            self.notify(Notification("info", "Nothing tells what the crystal looks like", text))
            return
        functions, whitening, frames = run.functions, run.whitening, crystals[0].frames

        def divide(frame: Frame, name: str, progress: Progress) -> RegionSet:
            from nnpcore.mapping import distance_regions, invariant_points

            points = invariant_points(frames, functions, n_threads=1, progress=progress)
            return distance_regions(
                frame, functions, whitening, points.values, threshold, element=points.element, name=name
            )

        self.make_regions("distance", divide)

    # comparing ----------------------------------------------------------------------------------------
    def runs_shown(self) -> list[RunDocument]:
        """Return the current run and those compared with it, the current one first, then oldest first."""
        current = self.current_run
        others = [run for key, run in self.runs.items() if key in self.compared_runs and run is not current]
        return others if current is None else [current, *others]

    def set_compared(self, run_id: str, compared: bool) -> None:
        """Show a run beside the current one in the EOS, mapping and connectivity panels, or no longer."""
        wanted = self.compared_runs | {run_id} if compared else self.compared_runs - {run_id}
        if run_id in self.runs and wanted != self.compared_runs:
            text = f"{'Compare' if compared else 'Do not compare'} {self.runs[run_id].name}"
            self._change(text, self._set_compared, self.compared_runs, wanted)

    def restore_compared(self, folders: Iterable[str]) -> None:
        """Compare the runs of these folders as soon as they are open (not undone)."""
        self._compared_folders |= {Path(folder).absolute() for folder in folders}
        known = {key for key, run in self.runs.items() if run.folder in self._compared_folders}
        self._set_compared(self.compared_runs | known)

    def _set_compared(self, wanted: frozenset[str]) -> None:
        self.compared_runs = wanted & self.runs.keys()
        self.comparison_changed.emit()

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
        if self.coloring.kind == "region":
            return None
        if self.coloring.kind == "rigidity":
            return rigidity_values(self.current_rigidity)
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

    @property
    def current_rigidity(self) -> FrameRigidity | None:
        """The rigidity of the current frame's atoms by the current run, or None while there is none."""
        run = self.current_run
        shown = run.analyses.get("rigidity_frame") if run else None
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


def _train_settings(remembered: dict[str, Any]) -> TrainSettings:
    """Return the training settings last used; the defaults where they no longer fit."""
    try:
        return TrainSettings(**remembered)
    except SettingsError:
        return TrainSettings()
