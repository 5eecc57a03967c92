"""The graph of analyses: what each needs, what it gives, and which results are out of date.

An analysis is declared once, as a record of its name, its needs and a plain function. An :class:`Evaluation`
holds the inputs of one potential and computes what is asked for, each result once. What a changed input makes
out of date follows from the needs alone. ``value`` computes on the spot; a window takes a ``job``, a snapshot
that any thread may run, and puts its outcome back on the thread that owns the evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Generic, TypeVar, cast

from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.progress import Progress

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True)
class Missing:
    """Why a result is not there, and what to do about it.

    ``error`` is what was raised, if anything was. ``awaited``: an input merely has not been given yet.
    """

    reason: str
    fix: str = ""
    error: EatlasError | None = field(default=None, compare=False)
    awaited: bool = False

    @classmethod
    def of(cls, error: EatlasError) -> Missing:
        """Return what an error says."""
        return cls(error.what, error.fix, error)

    def as_error(self) -> EatlasError:
        """Return what to raise where the result cannot be done without."""
        return self.error or AnalysisError(self.reason, fix=self.fix)

    def __str__(self) -> str:
        return str(self.as_error())


@dataclass(frozen=True, eq=False)
class ByKey(Generic[T]):
    """What was found by key, and why a key has nothing."""

    found: dict[str, T] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)


def found(value: T | Missing | None) -> T | None:
    """Return a result, None where it is missing."""
    return None if isinstance(value, Missing) else value


def required(value: T | Missing) -> T:
    """Return a result; raise the reason (an EatlasError) where it is missing."""
    if isinstance(value, Missing):
        raise value.as_error()
    return value


@dataclass(frozen=True, eq=False)
class Node(Generic[R_co]):
    """Something with a value of one type: an input or an analysis. ``title`` is for people."""

    name: str
    title: str


@dataclass(frozen=True, eq=False)
class Input(Node[R_co]):
    """A value that is given. ``reason`` and ``fix`` say what its lack means."""

    reason: str = ""
    fix: str = ""

    @property
    def missing(self) -> Missing:
        """What stands for it while it is not given."""
        return Missing(self.reason or f"{self.title.lower()} not given", self.fix, awaited=True)


@dataclass(frozen=True, eq=False)
class Analysis(Node[R_co]):
    """A plain function of its needs, without side effects.

    Attributes
    ----------
    function : takes what is :class:`Given`; gives the result, or why there is none. An EatlasError it raises
        counts as the latter.
    needs : without any one of these there is no result: the reason is handed on.
    uses : what it takes into account where it is there.
    notices : costly analyses that it takes into account once they have been computed for somebody else.
    costly : it takes seconds to minutes: computed only where somebody looks at it.
    inner : a step towards others, which nobody looks at by itself.
    """

    function: Callable[[Given], R_co | Missing]
    needs: tuple[Node[object], ...] = ()
    uses: tuple[Node[object], ...] = ()
    notices: tuple[Analysis[object], ...] = ()
    costly: bool = False
    inner: bool = False

    @property
    def sources(self) -> tuple[Node[object], ...]:
        """The nodes this one is computed from."""
        return self.needs + self.uses + self.notices

    def depends_on(self, node: Node[object]) -> bool:
        """Whether a change of ``node`` can change the result."""
        return any(
            source is node or (isinstance(source, Analysis) and source.depends_on(node))
            for source in self.sources
        )


@dataclass(frozen=True, eq=False)
class Given:
    """What an analysis may look at: its needs, what it uses, and its own result before."""

    _analysis: Analysis[object]
    _values: Mapping[Node[object], object]
    _before: object
    progress: Progress
    n_threads: int | None

    def __getitem__(self, node: Node[T]) -> T:
        """Return the value of a need."""
        if node not in self._analysis.needs:
            raise KeyError(f"'{self._analysis.name}' does not declare that it needs '{node.name}'")
        return cast(T, self._values[node])

    def get(self, node: Node[T]) -> T | None:
        """Return the value of something used, or None."""
        if node not in self._analysis.uses + self._analysis.notices:
            raise KeyError(f"'{self._analysis.name}' does not declare that it uses '{node.name}'")
        return cast("T | None", found(self._values[node]))

    def before(self, analysis: Analysis[T]) -> T | None:
        """Return the analysis' own last result, to take over what is the same, or None."""
        if analysis is not self._analysis:
            raise KeyError(f"'{self._analysis.name}' knows its own last result only")
        return cast("T | None", found(self._before))


@dataclass(frozen=True, eq=False)
class Job(Generic[R_co]):
    """A snapshot of what an analysis needs, and the steps that lead to it; any thread may run it once.

    Attributes
    ----------
    analysis : what is wanted. steps : what has to be computed for it, in order, itself last.
    number : rises from job to job of an evaluation.
    """

    analysis: Analysis[R_co]
    steps: tuple[Analysis[object], ...]
    number: int
    _values: Mapping[Node[object], object]
    _serials: Mapping[Node[object], int]
    _before: Mapping[Node[object], object]

    def run(self, progress: Progress | None = None, n_threads: int | None = None) -> Outcome:
        """Compute the steps; raises what is no EatlasError, and Cancelled."""
        whole = progress or Progress()
        values = dict(self._values)
        for k, step in enumerate(self.steps):
            part = whole.part(k / len(self.steps), (k + 1) / len(self.steps))
            part.report(0.0, step.title)
            lack = next((v for n in step.needs if isinstance(v := values[n], Missing)), None)
            try:
                given = Given(step, values, self._before.get(step), part, n_threads)
                values[step] = step.function(given) if lack is None else lack
            except EatlasError as error:
                values[step] = Missing.of(error)
        whole.report(1.0, self.analysis.title)
        return {step: values[step] for step in self.steps}


Outcome = Mapping[Analysis[object], object]
"""What a job has found, by analysis; a Missing where it found none."""


@dataclass
class _Entry:
    """A value, its serial number, that of the job it is from, and the nodes it was made of with theirs.

    ``made_of`` is None where it has to be computed again.
    """

    value: object
    serial: int
    job: int = 0
    made_of: Mapping[Node[object], int] | None = None


class Evaluation:
    """The inputs and results of the analyses of one potential; it belongs to one thread.

    A result is current while every node it was computed from still has the value it was computed with. The
    last one is kept until there is another, so that a window has something to show.
    """

    def __init__(self) -> None:
        self._entries: dict[Node[object], _Entry] = {}
        self._running: dict[Analysis[object], Job[object]] = {}
        self._numbers = count(1)
        self._changed: dict[Analysis[object], None] = {}

    # inputs -------------------------------------------------------------------------------------------
    def set(self, node: Input[T], value: T | Missing | None) -> bool:
        """Give an input its value, None or a Missing to take it away; whether that is anything new."""
        wanted = node.missing if value is None else value
        entry = self._entries.get(node)
        if entry is not None and same(entry.value, wanted):
            return False
        if entry is None and isinstance(wanted, Missing) and wanted == node.missing:
            return False
        self._entries[node] = _Entry(wanted, next(self._numbers))
        return True

    # results ------------------------------------------------------------------------------------------
    def value(
        self, node: Node[T], *, n_threads: int | None = None, progress: Progress | None = None
    ) -> T | Missing:
        """Return the value of an analysis or an input as things stand now; computed where it is not known.

        Raises Cancelled, and what is no EatlasError.
        """
        if isinstance(node, Analysis):
            job = self.job(node)
            if job is not None:
                try:
                    self.put(job, job.run(progress, n_threads))
                finally:
                    self._release(job)
        return cast("T | Missing", self._value(node))

    def known(self, node: Node[T]) -> T | Missing | None:
        """Return the last value of an analysis, current or not; None before the first."""
        entry = self._entries.get(node)
        if entry is None:
            return node.missing if isinstance(node, Input) else None
        return cast("T | Missing", entry.value)

    def is_current(self, node: Node[object]) -> bool:
        """Whether the last value is that of the inputs as they are now."""
        if not isinstance(node, Analysis):
            return True
        entry = self._entries.get(node)
        if entry is None or entry.made_of is None:
            return False
        return all(
            self._serial(n) == serial and (n in node.notices or self.is_current(n))
            for n, serial in entry.made_of.items()
        )

    def is_running(self, node: Analysis[object]) -> bool:
        """Whether a job that computes it has been handed out and not come back."""
        return node in self._running

    def take_changed(self) -> list[Analysis[object]]:
        """Return the analyses whose values have changed since this was asked last."""
        changed, self._changed = list(self._changed), {}
        return changed

    def forget(self, analysis: Analysis[object]) -> None:
        """Compute an analysis again when it is asked for, whatever is known."""
        entry = self._entries.get(analysis)
        if entry is not None:
            self._entries[analysis] = replace(entry, made_of=None)

    def copy(self) -> Evaluation:
        """Return an evaluation of the same inputs and results, to go on with others."""
        other = Evaluation()
        other._entries = dict(self._entries)
        other._numbers = count(next(self._numbers))
        return other

    # jobs ---------------------------------------------------------------------------------------------
    def job(self, analysis: Analysis[T]) -> Job[T] | None:
        """Return what brings an analysis up to date; None where it is, or where a job at work comes first."""
        steps: dict[Analysis[object], None] = {}
        self._collect(analysis, steps)
        if not steps or any(step in self._running for step in steps):
            return None
        outside = {source for step in steps for source in step.sources if source not in steps}
        job = Job(
            analysis,
            tuple(steps),
            next(self._numbers),
            {node: self._value(node) for node in outside},
            {node: self._serial(node) for node in outside},
            {step: self.known(step) for step in steps},
        )
        self._running |= dict.fromkeys(steps, job)
        return job

    def _collect(self, analysis: Analysis[object], steps: dict[Analysis[object], None]) -> None:
        """Add the analyses to be computed, in order; what lacks a need is settled at once."""
        if analysis in steps or self.is_current(analysis):
            return
        before = tuple(steps)
        for source in analysis.needs + analysis.uses:
            if isinstance(source, Analysis):
                self._collect(source, steps)
            value = None if source in steps else self._value(source)
            if isinstance(value, Missing) and source in analysis.needs:
                for step in set(steps).difference(before):
                    del steps[step]
                self._store(analysis, value, next(self._numbers), {source: self._serial(source)})
                return
        steps[analysis] = None

    def put(self, job: Job[object], outcome: Outcome) -> bool:
        """Take over what a job has found; False where it came too late.

        Too late is what a later job has overtaken, and what was made of an input that is gone by now. Where
        an input has merely changed, the result is kept until the next one, but it is not current.
        """
        self._release(job)
        if self._outdated(job):
            return False
        self._take_over(job, outcome)
        return True

    def give_up(self, job: Job[object]) -> None:
        """Let what a job was to compute rest until an input changes: it was cancelled, or has failed."""
        self._release(job)
        cancelled = Missing("the computation was cancelled")
        known = {step: self.known(step) for step in job.steps}
        self._take_over(job, {step: cancelled if value is None else value for step, value in known.items()})

    def _take_over(self, job: Job[object], outcome: Outcome) -> None:
        for step in job.steps:
            made_of = {s: self._serial(s) if s in job.steps else job._serials[s] for s in step.sources}
            self._store(step, outcome[step], job.number, made_of)

    def _outdated(self, job: Job[object]) -> bool:
        if any((e := self._entries.get(step)) is not None and e.job > job.number for step in job.steps):
            return True
        return any(
            isinstance(self._value(node), Missing) and not isinstance(value, Missing)
            for node, value in job._values.items()
            if isinstance(node, Input) and any(node in step.needs for step in job.steps)
        )

    def _release(self, job: Job[object]) -> None:
        for step in job.steps:
            if self._running.get(step) is job:
                del self._running[step]

    def _store(
        self, analysis: Analysis[object], value: object, job: int, made_of: Mapping[Node[object], int]
    ) -> None:
        entry = self._entries.get(analysis)
        if entry is not None and same(entry.value, value):
            self._entries[analysis] = replace(entry, job=job, made_of=made_of)
            return
        self._entries[analysis] = _Entry(value, next(self._numbers), job, made_of)
        self._changed[analysis] = None

    def _serial(self, node: Node[object]) -> int:
        entry = self._entries.get(node)
        return 0 if entry is None else entry.serial

    def _value(self, node: Node[object]) -> object:
        entry = self._entries.get(node)
        if entry is not None:
            return entry.value
        return node.missing if isinstance(node, Input) else Missing(f"{node.title.lower()} not computed")


def same(one: object, other: object) -> bool:
    """Whether two values are known to be alike: the same object, equal plain ones, or collections of such."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return list(one) == list(other) and same([*one.values()], [*other.values()])
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        return bool(one == other)
    except ValueError:  # arrays: alike only where they are the same
        return False
