"""Decides which analyses of the current run are out of date and computes them in the background.

At most one task per kind runs. While a training runs, one at all: a kind is started at most once a second,
less often where it takes long, and the next one a moment later, so that panels are not all repainted at once.
Snapshots are taken on the main thread, results applied there, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer

from app.documents.run import RunDocument
from app.workers import compute
from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.session import Session

Job = Callable[[Progress], Any]

MIN_SECONDS = 1.0
LOAD = 5.0
"""A kind that took t seconds rests LOAD * t seconds while a training runs."""

STAGGER_MS = 150
"""Between the starts of two kinds while a training runs."""

AFTER_POTENTIAL = ("predictions", "eos", "pca_values")
AFTER_GROUPS = ("pca", "distance", "connectivity")
TITLES = {
    "groups": "Describing atoms",
    "predictions": "Predicting this frame",
    "eos": "Equation of state",
    "distance": "Distance to the training set",
    "pca": "Principal components",
    "pca_values": "Atomic energies of the training set",
    "connectivity": "Connectivity",
}


@dataclass
class _Kind:
    """Where one kind of analysis stands."""

    dirty: bool = False
    running: bool = False
    rested_at: float = 0.0


class AnalysisScheduler(QObject):
    """Keeps the analyses of the session's current run up to date."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._kinds = {name: _Kind() for name in TITLES}
        self._groups: dict[str, compute.Groups] = {}
        self.options: dict[str, dict[str, Any]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start_due)
        self._closed = False
        for signal in (session.dataset_added, session.dataset_removed, session.dataset_changed):
            signal.connect(self._on_data_changed)
        session.current_changed.connect(lambda: self.invalidate("predictions"))

    def set_option(self, kind: str, **options: Any) -> None:
        """Change how a kind is computed and compute it again, e.g. ``("connectivity", groups=("nvt",))``."""
        self.options.setdefault(kind, {}).update(options)
        self.invalidate(kind)

    def invalidate(self, *kinds: str) -> None:
        """Compute these kinds again as soon as they are due."""
        for kind in kinds:
            self._kinds[kind].dirty = True
        self._wake(0)

    def on_potential_changed(self, run_id: str) -> None:
        """React to new weights of a run."""
        if run_id == self._session.current_run_id:
            self.invalidate(*AFTER_POTENTIAL)

    def on_values_changed(self, run_id: str) -> None:
        """React to a run whose training atoms are known now."""
        self._groups.pop(run_id, None)
        if run_id == self._session.current_run_id:
            self.invalidate("groups")

    def shutdown(self) -> None:
        """Start nothing any more."""
        self._closed = True
        self._timer.stop()

    def _on_data_changed(self, _dataset_id: str) -> None:
        self.invalidate("groups", "distance", "eos", "predictions")

    # starting -----------------------------------------------------------------------------------------
    def _wake(self, milliseconds: int) -> None:
        if not self._closed and (not self._timer.isActive() or self._timer.remainingTime() > milliseconds):
            self._timer.start(milliseconds)

    def _start_due(self) -> None:
        """Start the kind that has waited longest."""
        run = self._session.current_run
        if run is None or (run.state.active and any(kind.running for kind in self._kinds.values())):
            return
        now = time.monotonic()
        waiting = {n: k.rested_at for n, k in self._kinds.items() if k.dirty and not k.running}
        if not waiting:
            return
        name, rested_at = min(waiting.items(), key=lambda entry: entry[1])
        if run.state.active and rested_at > now:
            self._wake(int(1000 * (rested_at - now)) + 1)
            return
        self._kinds[name].dirty = False
        job = self._job_of(name, run)
        if job is not None:
            self._start(name, run.id, job)
        else:
            self._drop(name, run)
        self._wake(0)

    def _drop(self, name: str, run: RunDocument) -> None:
        """Take away a result whose data are gone."""
        for kind in (name, "verdict") if name == "eos" else (name,):
            if run.analyses.pop(kind, None) is not None:
                self._session.analysis_changed.emit(run.id, kind)

    def _start(self, name: str, run_id: str, job: Job) -> None:
        kind = self._kinds[name]
        kind.running = True
        started = time.monotonic()

        def done(value: Any) -> None:
            ended(None)
            if run_id in self._session.runs:
                self._apply(name, self._session.runs[run_id], value)

        def ended(error: BaseException | None) -> None:
            kind.running = False
            now = time.monotonic()
            kind.rested_at = started + max(MIN_SECONDS, LOAD * (now - started))
            if error is not None:
                self._on_failed(name, run_id, error)
            self._wake(STAGGER_MS)

        self._session.run_task(TITLES[name], job, done, ended, quiet=True)

    def _job_of(self, name: str, run: RunDocument) -> Job | None:
        return getattr(self, f"_job_{name}")(run)

    def _on_failed(self, name: str, run_id: str, error: BaseException) -> None:
        if isinstance(error, AnalysisError) and run_id in self._session.runs:
            run = self._session.runs[run_id]
            run.analysis_messages[name] = str(error)
            run.analyses.pop(name, None)
            self._session.analysis_changed.emit(run_id, name)
        else:
            self._session.notify_error(f"{TITLES[name]} failed", error)

    # snapshots ----------------------------------------------------------------------------------------
    def _threads(self) -> int | None:
        return 1 if self._session.trainings.active else (self._session.settings.n_threads or None)

    def _job_groups(self, run: RunDocument) -> Job | None:
        if run.values is None or run.whitening is None or run.functions is None:
            return None
        session = self._session
        mine = {dataset_id for refs in (run.train, run.valid) for dataset_id, _ in refs.parts}
        others = [
            compute.GroupSource(d.id, d.name, d.role.value, d.color_index, d.frames)
            for d in session.datasets.values()
            if d.id not in mine or d.role == Role.EOS
        ]
        named = {d.id: (d.name, d.color_index) for d in session.datasets.values()}
        order = compute.GroupsOrder(
            run.values,
            run.train,
            run.valid,
            run.whitening,
            run.functions,
            tuple(others),
            named,
            self._threads(),
        )
        known = self._groups.get(run.id)
        return lambda progress: compute.groups(order, known, progress)

    def _job_pca(self, run: RunDocument) -> Job | None:
        groups, epoch, potential = self._groups.get(run.id), run.epoch, run.potential
        options = dict(self.options.get("pca", {}))
        if groups is None:
            return None
        return lambda progress: compute.pca(groups, potential, epoch, **options)

    def _job_pca_values(self, run: RunDocument) -> Job | None:
        groups, epoch, potential = self._groups.get(run.id), run.epoch, run.potential
        known = run.analyses.get("pca")
        if groups is None or potential is None or known is None:
            return None
        return lambda progress: compute.with_energies(known, groups, potential, epoch)

    def _job_distance(self, run: RunDocument) -> Job | None:
        groups, epoch, crystal = self._groups.get(run.id), run.epoch, self._crystal()
        if groups is None or crystal is None:
            return None
        return lambda progress: compute.distance(groups, crystal, epoch, progress)

    def _job_connectivity(self, run: RunDocument) -> Job | None:
        groups, epoch = self._groups.get(run.id), run.epoch
        options = dict(self.options.get("connectivity", {}))
        if groups is None:
            return None
        return lambda progress: compute.connectivity_of(groups, epoch, progress, **options)

    def _job_eos(self, run: RunDocument) -> Job | None:
        potential, epoch, crystal = run.potential, run.epoch, self._crystal()
        if potential is None or crystal is None:
            return None
        distance = run.analyses.get("distance")
        rmse = run.best("energy")
        return lambda progress: compute.eos(potential, crystal, distance, epoch, rmse)

    def _job_predictions(self, run: RunDocument) -> Job | None:
        session = self._session
        potential, epoch, frame = run.potential, run.epoch, session.current_frame
        if potential is None or frame is None or session.current_dataset_id is None:
            return None
        where = (run.id, session.current_dataset_id, session.current_frame_index)
        threads = self._threads()
        return lambda progress: compute.predict(potential, frame, where, epoch, threads, progress)

    def _crystal(self) -> compute.GroupSource | None:
        """Return the EOS reference: the one chosen, else the first."""
        chosen = self.options.get("eos", {}).get("dataset_id")
        found = self._session.datasets_of(Role.EOS)
        found.sort(key=lambda d: d.id != chosen)
        if not found:
            return None
        d = found[0]
        return compute.GroupSource(d.id, d.name, d.role.value, d.color_index, d.frames)

    # results ------------------------------------------------------------------------------------------
    def _apply(self, name: str, run: RunDocument, value: Any) -> None:
        if name == "groups":
            self._groups[run.id] = value
            self.invalidate(*AFTER_GROUPS)
            return
        kind = "pca" if name == "pca_values" else name
        if name == "eos":
            run.analyses["verdict"] = value.verdict
        run.analyses[kind] = value
        run.analysis_messages.pop(kind, None)
        if name == "distance":
            self.invalidate("eos")
        self._session.analysis_changed.emit(run.id, kind)
        if name == "eos":
            self._session.analysis_changed.emit(run.id, "verdict")
