"""Decides which analyses are out of date and computes them in the background: the current run's, and those
that compare other runs with it.

Every kind of every run knows whether it is out of date; only the runs in sight are brought up to date, the
current one first. At most one task per kind and run is at work, for other runs one at all. While a training
runs, one at all: a kind is started at most once a second, less often where it takes long, and the next one a
moment later, so that panels are not all repainted at once. Results are applied on the main thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.run import RunDocument
from app.session.coloring import SharedColoring
from app.session.data import Data
from app.session.jobs import TITLES, Job, Jobs
from app.session.messages import Messages
from app.session.regions import Regions
from app.session.runs import Runs
from app.session.trainings import Trainings
from app.settings import Settings
from app.workers.tasks import Task, TaskRunner
from nnpcore.errors import AnalysisError

MIN_SECONDS = 1.0
LOAD = 5.0
"""A kind that took t seconds rests LOAD * t seconds while a training runs."""

STAGGER_MS = 150
"""Between the starts of two kinds while a training runs."""

AFTER_POTENTIAL = ("predictions", "eos", "mapping", "pca_values", "rigidity")
AFTER_GROUPS = ("pca", "distance", "connectivity")
AFTER_REGIONS = ("mapping", "connectivity", "rigidity")
COMPARED = ("groups", "distance", "eos", "mapping", "connectivity")
"""What is computed for runs that are compared with the current one."""

ON_DEMAND = ("rigidity", "rigidity_frame")
"""Kinds that wait until somebody watches and no training runs, or until they are asked for."""


@dataclass
class _Kind:
    """Where one kind of analysis of one run stands."""

    dirty: bool = False
    running: bool = False
    asked: bool = False
    rested_at: float = 0.0
    task: Task | None = None


class AnalysisScheduler(QObject):
    """Keeps the analyses of the runs in sight up to date."""

    changed = Signal(str, str)
    """Something of a run's analysis is new: the run's id and the kind."""

    def __init__(
        self,
        settings: Settings,
        data: Data,
        regions: Regions,
        runs: Runs,
        trainings: Trainings,
        coloring: SharedColoring,
        tasks: TaskRunner,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._documents, self._trainings, self._coloring = runs, trainings, coloring
        self._tasks, self._messages = tasks, messages
        self._jobs = Jobs(settings, data, regions, trainings)
        self._runs: dict[str, dict[str, _Kind]] = {}
        self._watchers: dict[str, set[object]] = {kind: set() for kind in ON_DEMAND}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start_due)
        self._closed = False
        for signal in (data.added, data.removed, data.changed):
            signal.connect(self._on_data_changed)
        data.current_changed.connect(lambda: self.invalidate("predictions", "rigidity_frame"))
        regions.changed.connect(lambda: self.invalidate(*AFTER_REGIONS))
        for signal in (runs.current_changed, runs.comparison_changed):
            signal.connect(self._on_sight_changed)
        coloring.changed.connect(self._on_coloring_changed)
        runs.removed.connect(self._forget)
        runs.potential_changed.connect(self.on_potential_changed)
        runs.values_changed.connect(self.on_values_changed)
        tasks.finished.connect(self._on_task_finished)
        trainings.idle.connect(lambda: self._wake(0))

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """How kinds are computed, by kind."""
        return self._jobs.options

    def set_option(self, kind: str, **options: Any) -> None:
        """Change how a kind is computed and compute it again, e.g. ``("connectivity", groups=("nvt",))``."""
        self._jobs.options.setdefault(kind, {}).update(options)
        self.invalidate(kind)

    def invalidate(self, *kinds: str) -> None:
        """Compute these kinds again, of every run, as soon as it is in sight."""
        for run_id in self._documents.documents:
            self._mark(run_id, *kinds)
        self._wake(0)

    def ask(self, kind: str) -> None:
        """Compute a kind of the current run now, even while a training runs."""
        run_id = self._documents.current_id
        if run_id is not None:
            entry = self._entry(run_id, kind)
            entry.dirty = entry.asked = True
            self._wake(0)

    def watch(self, kind: str, watcher: object, watching: bool) -> None:
        """Keep a kind that is made on demand up to date while anybody watches and no training runs."""
        (self._watchers[kind].add if watching else self._watchers[kind].discard)(watcher)
        self._wake(0)

    def is_pending(self, kind: str) -> bool:
        """Whether a kind of the current run is being computed, or will be without being asked for."""
        run = self._documents.current
        if run is None:
            return False
        entry = self._entry(run.id, kind)
        return entry.running or (entry.dirty and self._is_wanted(kind, entry))

    def up_to_date(self) -> bool:
        """Whether everything that is wanted of the runs in sight has been computed."""
        for run in self._documents.shown():
            kinds = tuple(TITLES) if run.id == self._documents.current_id else COMPARED
            if self._next_of(run, kinds)[0] or any(k.running for k in self._runs.get(run.id, {}).values()):
                return False
        return True

    def on_potential_changed(self, run_id: str) -> None:
        """React to new weights of a run."""
        self._mark(run_id, *AFTER_POTENTIAL)
        self._wake(0)

    def on_values_changed(self, run_id: str) -> None:
        """React to a run whose training atoms are known now."""
        self._jobs.forget(run_id)
        self._mark(run_id, "groups")
        self._wake(0)

    def shutdown(self) -> None:
        """Start nothing any more."""
        self._closed = True
        self._timer.stop()

    def _on_data_changed(self, _dataset_id: str) -> None:
        self.invalidate("groups", "distance", "eos", "mapping", "predictions", "rigidity")

    def _on_sight_changed(self) -> None:
        """Begin with runs that were not in sight before."""
        for run in self._documents.shown():
            if run.id not in self._runs:
                self._mark(run.id, *TITLES)
        self._wake(0)

    def _on_coloring_changed(self) -> None:
        for kind in ON_DEMAND:
            self.watch(kind, "colouring", self._coloring.current.kind == "rigidity")

    def _forget(self, run_id: str) -> None:
        self._jobs.forget(run_id)
        self._runs.pop(run_id, None)

    def _entry(self, run_id: str, kind: str) -> _Kind:
        return self._runs.setdefault(run_id, {}).setdefault(kind, _Kind())

    def _mark(self, run_id: str, *kinds: str) -> None:
        for kind in kinds:
            self._entry(run_id, kind).dirty = True

    # starting -----------------------------------------------------------------------------------------
    def _wake(self, milliseconds: int) -> None:
        if not self._closed and (not self._timer.isActive() or self._timer.remainingTime() > milliseconds):
            self._timer.start(milliseconds)

    def _start_due(self) -> None:
        """Start the kind that has waited longest, of the current run before any other."""
        busy = any(kind.running for kinds in self._runs.values() for kind in kinds.values())
        if busy and self._trainings.active:
            return
        now, soonest = time.monotonic(), float("inf")
        for run in self._documents.shown():
            is_current = run.id == self._documents.current_id
            if busy and not is_current:
                return
            name, rested_at = self._next_of(run, tuple(TITLES) if is_current else COMPARED)
            if name and (rested_at <= now or not self._trainings.active):
                self._begin(name, run)
                self._wake(0)
                return
            soonest = min(soonest, rested_at)
        if soonest < float("inf"):
            self._wake(int(1000 * max(soonest - now, 0)) + 1)

    def _next_of(self, run: RunDocument, kinds: tuple[str, ...]) -> tuple[str, float]:
        """Return the kind of a run that has waited longest and when it may start; ("", inf) for none."""
        known = self._runs.get(run.id, {})
        waiting = [
            (known[name].rested_at, name)
            for name in kinds
            if name in known
            and known[name].dirty
            and not known[name].running
            and self._is_wanted(name, known[name])
        ]
        if not waiting:
            return "", float("inf")
        rested_at, name = min(waiting, key=lambda entry: entry[0])
        return name, rested_at

    def _is_wanted(self, name: str, entry: _Kind) -> bool:
        if name not in ON_DEMAND or entry.asked:
            return True
        return bool(self._watchers[name]) and not self._trainings.active

    def _begin(self, name: str, run: RunDocument) -> None:
        entry = self._entry(run.id, name)
        entry.dirty = entry.asked = False
        job = self._jobs.make(name, run)
        if job is not None:
            self._start(name, run.id, job)
        else:
            self._drop(name, run)

    def _drop(self, name: str, run: RunDocument) -> None:
        """Take away a result whose data are gone."""
        if run.analyses.pop(name, None) is not None:
            self.changed.emit(run.id, name)
        self._judge(name, run)

    def _judge(self, name: str, run: RunDocument) -> None:
        """Bring the verdict up to date: on regions and crystal, or on what there is of them."""
        if name not in ("eos", "mapping"):
            return
        if name == "eos" and "mapping" in run.analyses:
            self._mark(run.id, "mapping")
        source = run.analyses.get("mapping") or run.analyses.get("eos")
        verdict = source.verdict if source is not None else None
        if verdict is run.analyses.get("verdict"):
            return
        if verdict is None:
            del run.analyses["verdict"]
        else:
            run.analyses["verdict"] = verdict
        self.changed.emit(run.id, "verdict")

    def _start(self, name: str, run_id: str, job: Job) -> None:
        kind = self._entry(run_id, name)
        kind.running = True
        started = time.monotonic()

        def done(value: Any) -> None:
            ended(None)
            if run_id in self._documents.documents:
                self._apply(name, self._documents.documents[run_id], value)

        def ended(error: BaseException | None) -> None:
            kind.running = False
            now = time.monotonic()
            kind.rested_at = started + max(MIN_SECONDS, LOAD * (now - started))
            if error is not None:
                self._on_failed(name, run_id, error)
            self._wake(STAGGER_MS)

        quiet = name != "rigidity"
        kind.task = self._tasks.run(TITLES[name], job, done, ended, quiet=quiet)

    def _on_task_finished(self, task: Task) -> None:
        """Note that a task is over, also where the user cancelled it."""
        for kinds in self._runs.values():
            for kind in kinds.values():
                if kind.task is task:
                    kind.running, kind.task = False, None

    def _on_failed(self, name: str, run_id: str, error: BaseException) -> None:
        if isinstance(error, AnalysisError) and run_id in self._documents.documents:
            run = self._documents.documents[run_id]
            run.analysis_messages[name] = str(error)
            self._drop(name, run)
            self.changed.emit(run_id, name)
        else:
            self._messages.notify_error(f"{TITLES[name]} failed", error)

    # results ------------------------------------------------------------------------------------------
    def _apply(self, name: str, run: RunDocument, value: Any) -> None:
        if name == "groups":
            self._jobs.keep_groups(run.id, value)
            self._mark(run.id, *AFTER_GROUPS)
            self._wake(0)
            return
        kind = "pca" if name == "pca_values" else name
        run.analyses[kind] = value
        run.analysis_messages.pop(kind, None)
        for changed, kind_after in (("distance", "eos"), ("rigidity", "rigidity_frame")):
            if name == changed:
                self._mark(run.id, kind_after)
                self._wake(0)
        self.changed.emit(run.id, kind)
        self._judge(name, run)
