"""Jobs that do not depend on each other, and the protocol of who runs them; in this process by default.

What goes in and comes out are plain values: dictionaries and lists of numbers, texts, None, bytes and arrays.
So they can be sent as they are, and nothing that arrives is run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nnpcore.errors import EatlasError
from nnpcore.progress import Progress

Values = Mapping[str, Any]
"""Plain values by name."""


@dataclass(frozen=True, eq=False)
class Shared:
    """Values that many jobs need: sent once, known by their content."""

    values: Values


@dataclass(frozen=True, eq=False)
class Job:
    """One independent piece of work.

    Attributes
    ----------
    title : what to call it in messages.
    function : of a module of the core, ``function(given, hand)``; it returns plain values.
    given : what it works with, or what makes that when the job's turn has come.
    shared : further values under their names in ``given``.
    cost : its share of the time of all, in any unit.
    """

    title: str
    function: JobFunction
    given: Values | Callable[[], Values]
    shared: Mapping[str, Shared] = field(default_factory=dict)
    cost: float = 1.0

    def own(self) -> Values:
        """Return its own values."""
        return self.given() if callable(self.given) else self.given


class Hand:
    """What a job has to work with beside its values.

    Attributes
    ----------
    progress : told how much is done; cancels.
    n_threads : of the processor; None for all that the process may use.
    apart : whether it runs in another process than what asked for it, perhaps on another computer.
    stopping : set where the job is to come to an end with what it has.
    """

    def __init__(
        self,
        progress: Progress,
        n_threads: int | None,
        tell: Callable[[Values], None],
        stopping: threading.Event,
        *,
        apart: bool,
    ) -> None:
        self.progress, self.n_threads, self.apart = progress, n_threads, apart
        self.stopping = stopping
        self._tell = tell

    def tell(self, news: Values) -> None:
        """Send small plain values to whoever waits for the job."""
        self._tell(news)


JobFunction = Callable[[Values, Hand], Values]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What has become of the job of an index: its values, or why there are none."""

    index: int
    values: Values | None = None
    error: EatlasError | None = None

    def taken(self) -> Values:
        """Return the values; raise the error where there are none."""
        if self.error is not None:
            raise self.error
        assert self.values is not None
        return self.values


Heard = Callable[[int, Values], object]
"""``heard(index, news)``, called in the thread that gathers."""


_JOBS_A_PLACE = 4
"""A worker that is lost costs that part of its work."""


class Executor(Protocol):
    """Runs jobs that do not depend on each other."""

    @property
    def here(self) -> bool:
        """Whether jobs run in this process."""
        ...

    @property
    def places(self) -> int:
        """How many jobs can run at once, one at least."""
        ...

    def run(
        self, jobs: Sequence[Job], progress: Progress | None = None, heard: Heard | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcome of every job, in the order in which they end.

        An :class:`EatlasError` of one job is its outcome; other errors are raised. A generator that is not
        gone through to its end ends the jobs.

        Parameters
        ----------
        jobs : the work.
        progress : told how much of all is done; may cancel.
        heard : told what a job tells.

        Raises
        ------
        EatlasError : the cluster is lost. Cancelled : by ``progress``; jobs that run are ended.
        """
        ...

    def stop(self) -> None:
        """Let jobs end with what they have, and begin no others; may be called from another thread."""
        ...


class InProcess:
    """Runs jobs one after the other in the calling thread; each has all threads.

    Parameters
    ----------
    n_threads : of every job; None for all that the process may use.
    """

    here = True
    places = 1

    def __init__(self, n_threads: int | None = None) -> None:
        self._n_threads = n_threads
        self._stopping = threading.Event()

    def run(
        self, jobs: Sequence[Job], progress: Progress | None = None, heard: Heard | None = None
    ) -> Iterator[Outcome]:
        """See :class:`Executor`."""
        whole = progress or Progress()
        parts = whole.split([job.cost for job in jobs])
        for index, (job, part) in enumerate(zip(jobs, parts, strict=True)):
            if self._stopping.is_set():
                return
            whole.check()

            def tell(news: Values, index: int = index) -> None:
                if heard is not None:
                    heard(index, news)

            hand = Hand(part, self._n_threads, tell, self._stopping, apart=False)
            given = {**job.own(), **{name: shared.values for name, shared in job.shared.items()}}
            try:
                outcome = Outcome(index, job.function(given, hand))
            except EatlasError as error:
                outcome = Outcome(index, error=error)
            yield outcome

    def stop(self) -> None:
        """See :class:`Executor`."""
        self._stopping.set()


def in_order(executor: Executor, jobs: Sequence[Job], progress: Progress | None = None) -> Iterator[Values]:
    """Yield the values of all jobs in their order; the first error is raised and ends the others."""
    waiting: dict[int, Values] = {}
    wanted = 0
    for outcome in executor.run(jobs, progress):
        waiting[outcome.index] = outcome.taken()
        while wanted in waiting:
            yield waiting.pop(wanted)
            wanted += 1


def portions(n: int, executor: Executor, whole: int = 1) -> list[range]:
    """Divide ``n`` things into jobs: one here, some for every place elsewhere; ``whole`` stay together."""
    jobs = 1 if executor.here else _JOBS_A_PLACE * executor.places
    size = max(whole, whole * -(-n // (whole * jobs)))
    return [range(k, min(k + size, n)) for k in range(0, n, size)]
