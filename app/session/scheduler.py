"""Computes in the background what is out of date: the current run's analyses, and those that compare others.

What an analysis needs, and what a change makes out of date, is the matter of ``nnpcore.analyses``. Here it
is decided when: only runs in sight are brought up to date, the current one first. For other runs one task is
at work at a time, and while a training runs, one at all: an analysis is started at most once a second, less
often where it takes long, and the next one a moment later, so that panels are not all repainted at once.
Results are put back on the main thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeVar, cast

from PySide6.QtCore import QObject, QTimer, Signal

from app.documents.coloring import ALL_FRAMES as OVER_ALL_FRAMES
from app.documents.coloring import PREDICTED_KINDS
from app.documents.run import Evaluated, RunDocument
from app.session.coloring import SharedColoring
from app.session.data import Data
from app.session.inputs import RunInputs
from app.session.messages import Messages
from app.session.regions import Regions
from app.session.runs import Runs
from app.session.trainings import Trainings
from app.settings import Settings
from app.workers.tasks import Task, TaskRunner, TaskState
from nnpcore.analyses.all_frames import ALL_FRAMES
from nnpcore.analyses.catalogue import ANALYSES
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.distance import DISTANCE
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import DATA_POSTERIOR, FRAME_FORETOLD
from nnpcore.analyses.graph import Analysis, Input, Job, Missing, Outcome
from nnpcore.analyses.inputs import POTENTIAL, TRAINING_FRAMES, TRAINING_VALUES
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.errors import AnalysisError, UnknownElementError

T = TypeVar("T")

MIN_SECONDS = 1.0
LOAD = 5.0
"""An analysis that took t seconds rests LOAD * t seconds while a training runs."""

STAGGER_MS = 150
"""Between the starts of two analyses while a training runs."""

OF_THE_DATA = (AnalysisError, UnknownElementError)
"""What the panels say themselves in place of a result."""

OF_RUNS = (POTENTIAL, TRAINING_VALUES, TRAINING_FRAMES)
"""What hangs on one of these is the matter of a run, everything else of the data."""


def _is_of_runs(analysis: Analysis[object]) -> bool:
    return any(analysis.depends_on(node) for node in OF_RUNS)


SHOWN = tuple(a for a in ANALYSES if not a.inner and _is_of_runs(a))
OF_DATA = tuple(a for a in ANALYSES if not a.inner and not _is_of_runs(a))
"""What is kept up to date for the current run, and for the data alone; costly ones while somebody watches."""

COMPARED: tuple[Analysis[object], ...] = (DISTANCE, EOS, REGION_ERRORS, VERDICT, CONNECTIVITY)
"""What is kept up to date for runs that are compared with the current one."""


@dataclass
class _Watch:
    """Who looks at a costly analysis, and how often it may be computed while a training runs."""

    watchers: set[object] = field(default_factory=set)
    while_training: bool = False
    rest: float = MIN_SECONDS


class AnalysisScheduler(QObject):
    """Keeps the analyses of the runs in sight up to date."""

    changed = Signal(str, object)
    """An analysis has another result, or none any more: the run's id ("" for the data), and the analysis."""

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
        self._settings, self._runs, self._trainings, self._coloring = settings, runs, trainings, coloring
        self._tasks, self._messages = tasks, messages
        self._inputs = RunInputs(data, regions)
        self.data = Evaluated()
        self._rested_at: dict[tuple[str, Analysis[object]], float] = {}
        self._asked: set[tuple[str, Analysis[object]]] = set()
        self._watches: dict[Analysis[object], _Watch] = {}
        self._at_work: dict[Task, tuple[Evaluated, Job[object]]] = {}
        self._closed = False
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._start_due)
        signals = (
            data.added, data.removed, data.changed, data.current_changed, regions.changed,
            runs.changed, runs.current_changed, runs.comparison_changed, runs.potential_changed,
            runs.values_changed, trainings.idle, regions.groups.changed,
        )  # fmt: skip
        for signal in signals:
            signal.connect(self._wake)
        coloring.changed.connect(self._on_coloring_changed)
        runs.removed.connect(self._forget)
        tasks.finished.connect(self._on_task_finished)

    # what is wanted -----------------------------------------------------------------------------------
    def choose(self, node: Input[T], value: T | None) -> None:
        """Look at things differently in every run, e.g. ``(CHOSEN_GROUPS, ("nvt", "npt"))``."""
        self._inputs.chosen[node] = value
        self._wake()

    def chosen(self, node: Input[T]) -> T | None:
        """Return what was chosen, or None."""
        return cast("T | None", self._inputs.chosen.get(node))

    def ask(self, analysis: Analysis[object]) -> None:
        """Compute an analysis of the current run anew, even while a training runs."""
        run = self._runs.current
        if run is not None:
            run.evaluation.forget(analysis)
            self._asked.add((run.id, analysis))
            self._wake()

    def watch(
        self,
        analysis: Analysis[object],
        watcher: object,
        watching: bool,
        *,
        while_training: bool = False,
        rest: float = MIN_SECONDS,
    ) -> None:
        """Keep a costly analysis up to date while anybody watches, and no training runs unless that is said.

        ``rest`` is the shortest time in seconds between two starts while a training runs.
        """
        watch = self._watches.setdefault(analysis, _Watch())
        watch.while_training, watch.rest = while_training, rest
        (watch.watchers.add if watching else watch.watchers.discard)(watcher)
        self._wake()

    def watched(self, analysis: Analysis[object]) -> bool:
        """Whether anybody looks at a costly analysis."""
        return analysis in self._watches and bool(self._watches[analysis].watchers)

    def is_pending(self, analysis: Analysis[object]) -> bool:
        """Whether an analysis of the current run is being computed, or will be without being asked for."""
        document = self._runs.current if _is_of_runs(analysis) else self.data
        if document is None:
            return False
        evaluation = document.evaluation
        due = not evaluation.is_current(analysis) and self._is_wanted(document, analysis)
        return due or evaluation.is_running(analysis)

    def up_to_date(self) -> bool:
        """Whether everything that is wanted of the runs in sight has been computed."""
        if self._at_work:
            return False
        self._refresh()
        return not any(self._due(document) for document in self._in_sight())

    def _in_sight(self) -> list[Evaluated]:
        """Return what is kept up to date: the current run, the data alone, and the runs compared."""
        runs, taken_off = self._runs.shown(), self._coloring.taken_off()
        if taken_off is not None and taken_off not in runs:
            runs = [*runs, taken_off]
        n_first = 1 if self._runs.current is not None else 0
        return [*runs[:n_first], self.data, *runs[n_first:]]

    def _refresh(self) -> None:
        for document in self._in_sight():
            if isinstance(document, RunDocument):
                self._inputs.refresh(document)
        self._inputs.refresh_data(self.data)

    def _is_wanted(self, document: Evaluated, analysis: Analysis[object]) -> bool:
        if not analysis.costly or (_id(document), analysis) in self._asked:
            return True
        at_once = not self._trainings.active
        return self.watched(analysis) and (at_once or self._watches[analysis].while_training)

    def _due(self, document: Evaluated) -> list[Analysis[object]]:
        """Return what is wanted of a run or the data and out of date."""
        targets = OF_DATA if document is self.data else SHOWN if document is self._runs.current else COMPARED
        if targets is COMPARED and document is self._coloring.taken_off():
            compared = isinstance(document, RunDocument) and document.id in self._runs.compared
            targets = (PREDICTION, *(COMPARED if compared else ()))
        current = document.evaluation.is_current
        return [a for a in targets if self._is_wanted(document, a) and not current(a)]

    def _on_coloring_changed(self) -> None:
        coloring = self._coloring.current
        for analysis in (DATA_POSTERIOR, FRAME_FORETOLD):
            self.watch(analysis, "colouring", coloring.kind == "foretold")
        all_frames = coloring.kind in PREDICTED_KINDS and coloring.range_mode in OVER_ALL_FRAMES
        self.watch(ALL_FRAMES, "colouring", all_frames)

    def _forget(self, run_id: str) -> None:
        self._inputs.forget(run_id)
        self._rested_at = {key: at for key, at in self._rested_at.items() if key[0] != run_id}

    def shutdown(self) -> None:
        """Start nothing any more."""
        self._closed = True
        self._timer.stop()

    # starting -----------------------------------------------------------------------------------------
    def _wake(self, *_: object) -> None:
        self._wake_in(0)

    def _wake_in(self, milliseconds: int) -> None:
        if not self._closed and (not self._timer.isActive() or self._timer.remainingTime() > milliseconds):
            self._timer.start(milliseconds)

    def _start_due(self) -> None:
        """Start what has waited longest, of the current run before any other."""
        self._refresh()
        if self._at_work and self._trainings.active:
            return
        now, soonest = time.monotonic(), float("inf")
        for document in self._in_sight():
            if self._at_work and document is not self._runs.current and document is not self.data:
                return
            for rested_at, analysis in self._waiting(document):
                if rested_at > now and self._trainings.active:
                    soonest = min(soonest, rested_at)
                    break
                job = document.evaluation.job(analysis)
                settled = self._announce(document)
                if job is not None:
                    self._start(document, job)
                if job is not None or settled:  # what notices it may be out of date by now
                    self._wake()
                    return
        if soonest < float("inf"):
            self._wake_in(int(1000 * max(soonest - now, 0)) + 1)

    def _waiting(self, document: Evaluated) -> list[tuple[float, Analysis[object]]]:
        """Return what is to be computed of a run or the data and when that may start, soonest first.

        While nothing trains costly ones come last, so that they take no quick ones along and hold them up.
        """
        idle = not self._trainings.active
        waiting = [
            (self._rested_at.get((_id(document), analysis), 0.0), analysis)
            for analysis in self._due(document)
            if not document.evaluation.is_running(analysis)
        ]
        return sorted(waiting, key=lambda entry: (idle and entry[1].costly, entry[0]))

    def _start(self, document: Evaluated, job: Job[object]) -> None:
        run_id, started = _id(document), time.monotonic()
        epoch = document.epoch if isinstance(document, RunDocument) else 0
        n_threads = 1 if self._trainings.active else (self._settings.n_threads or None)

        def done(outcome: Outcome) -> None:
            self._rest(run_id, job, started)
            self._put(document, job, outcome, epoch)

        def failed(error: BaseException) -> None:
            self._rest(run_id, job, started)
            document.evaluation.give_up(job)
            self._messages.notify_error(f"{job.analysis.title} failed", error)

        self._asked -= {(run_id, step) for step in job.steps}
        task = self._tasks.run(
            job.analysis.title,
            lambda progress: job.run(progress, n_threads),
            done,
            failed,
            quiet=DATA_POSTERIOR not in job.steps,
        )
        if task.state is not TaskState.CANCELLED:
            self._at_work[task] = document, job

    def _on_task_finished(self, task: Task) -> None:
        """Note that a task is over; one that the user has cancelled is not begun again by itself."""
        document, job = self._at_work.pop(task, (None, None))
        if document is not None and job is not None and task.state is TaskState.CANCELLED:
            document.evaluation.give_up(job)

    def _rest(self, run_id: str, job: Job[object], started: float) -> None:
        taken = time.monotonic() - started
        for step in job.steps:
            watch = self._watches.get(step)
            least = MIN_SECONDS if watch is None else watch.rest
            self._rested_at[run_id, step] = started + max(least, LOAD * taken)
        self._wake_in(STAGGER_MS)

    # results ------------------------------------------------------------------------------------------
    def _put(self, document: Evaluated, job: Job[object], outcome: Outcome, epoch: int) -> None:
        removed = isinstance(document, RunDocument) and document.id not in self._runs.documents
        if removed or not document.evaluation.put(job, outcome):
            return
        document.epochs |= dict.fromkeys(job.steps, epoch)
        self._tell_of_errors(outcome)
        self._announce(document)

    def _tell_of_errors(self, outcome: Outcome) -> None:
        """Tell of errors that are no matter of the data: a calculator that fails, say."""
        told: set[int] = set()
        for analysis, value in outcome.items():
            error = value.error if isinstance(value, Missing) else None
            if error is not None and not isinstance(error, OF_THE_DATA) and id(error) not in told:
                told.add(id(error))
                self._messages.notify_error(f"{analysis.title} failed", error)

    def _announce(self, document: Evaluated) -> bool:
        """Tell which results have changed; whether any has."""
        changed = document.evaluation.take_changed()
        for analysis in changed:
            self.changed.emit(_id(document), analysis)
        return bool(changed)


def _id(document: Evaluated) -> str:
    """Return the id of a run, "" for the data alone."""
    return document.id if isinstance(document, RunDocument) else ""
