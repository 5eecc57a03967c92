"""Jobs on the workers of a dask scheduler: sent as bytes, gathered as they end, ended with their user."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from distributed import Client, Future, KilledWorker

from nnpcore.cluster import worker
from nnpcore.cluster.executor import Heard, Job, Outcome, Shared, Values
from nnpcore.cluster.packing import content_key, pack, unpack
from nnpcore.cluster.versions import misfit, versions
from nnpcore.errors import Cancelled, EatlasError
from nnpcore.progress import Progress

_TICK = 0.1  # s between two looks at what the user wants
_SECONDS_BETWEEN_COUNTS = 2.0
_RESULT_SECONDS = 300.0
_AHEAD, _FEWEST_AHEAD = 2, 4
"""Jobs sent for every place where one can run, so that none waits for the next; and how many at least."""


class DaskExecutor:
    """Runs jobs on the workers of a scheduler.

    Parameters
    ----------
    client : of the scheduler.
    n_threads : processor threads of a job; None for the worker's share of its computer.
    on_text : told sentences about lost workers.
    expected : how many jobs will run at once when all workers have come.

    Raises
    ------
    EatlasError : a worker that is there has other versions than this process.
    """

    here = False

    def __init__(
        self,
        client: Client,
        n_threads: int | None = None,
        on_text: Callable[[str], object] | None = None,
        expected: int = 1,
    ) -> None:
        self.client: Any = client  # whose methods may be coroutines, by their types
        self.on_text = on_text
        self._n_threads = n_threads
        self._expected = expected
        self._stopping = False
        self._data: dict[str, Future] = {}
        self._keys: dict[int, tuple[Shared, str]] = {}
        self._check_versions()

    def _check_versions(self) -> None:
        """Compare the versions of all workers that are there; those that come later do it themselves."""
        here = versions()
        for address, there in self.client.run(versions, on_error="return").items():
            if isinstance(there, ModuleNotFoundError):
                raise lacking(str(address))
            if isinstance(there, BaseException):
                raise EatlasError(f"it does not work ({there})", where=f"worker {address}") from there
            other = misfit(here, there, str(address))
            if other is not None:
                raise other

    def run(
        self, jobs: Sequence[Job], progress: Progress | None = None, heard: Heard | None = None
    ) -> Iterator[Outcome]:
        """See :class:`~nnpcore.cluster.executor.Executor`."""
        running = _Running(self, jobs, progress or Progress(), heard)
        try:
            yield from running.outcomes()
        finally:
            running.end()

    @property
    def places(self) -> int:
        """Jobs that can run at once on the workers that are there, or that were asked for."""
        with suppress(OSError):
            return max(Places.of(self.client).all, self._expected, 1)
        return max(self._expected, 1)

    def stop(self) -> None:
        """See :class:`~nnpcore.cluster.executor.Executor`."""
        self._stopping = True

    def end_soon(self, topic: str) -> None:
        """Let jobs of a topic that run end with what they have; in a thread, since a worker may be dead."""
        asked = {"on_error": "ignore"}
        told = threading.Thread(target=self.client.run, args=(worker.stop, topic), kwargs=asked, daemon=True)
        told.start()

    @property
    def stopping(self) -> bool:
        """Whether no further jobs are to begin."""
        return self._stopping

    def sent(self, shared: Shared) -> Future:
        """Return values of many jobs on the cluster, sent when they are first asked for."""
        if id(shared) not in self._keys:
            content = pack(dict(shared.values))
            key = f"eatlas-data-{content_key(content)}"
            self._keys[id(shared)] = shared, key  # the values are kept, so that their id stays theirs
            if key not in self._data:
                self._data[key] = self.client.submit(worker.kept, content, key=key)
        return self._data[self._keys[id(shared)][1]]

    def submitted(self, job: Job, index: int, topic: str, at_once: int) -> Future:
        """Send a job."""
        order = {
            "function": worker.name_of(job.function),
            "given": dict(job.own()),
            "shared": list(job.shared),
            "index": index,
            "topic": topic,
            "n_threads": self._n_threads,
            "at_once": at_once,
            "versions": versions(),
        }
        data = [self.sent(shared) for shared in job.shared.values()]
        key = f"eatlas-{topic}-{index}"
        return self.client.submit(worker.run_packed, pack(order), *data, key=key, pure=False)


class _Running:
    """The jobs of one call of :meth:`DaskExecutor.run`."""

    def __init__(
        self, executor: DaskExecutor, jobs: Sequence[Job], progress: Progress, heard: Heard | None
    ) -> None:
        self.topic = uuid.uuid4().hex
        self._executor, self._jobs, self._progress, self._heard = executor, jobs, progress, heard
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._next = 0
        self._ending = False
        self._done = [0.0] * len(jobs)
        self._text = ""
        self._had: dict[int, str] = {}
        self._counted, self._places = -_SECONDS_BETWEEN_COUNTS, Places(0, 1)
        executor.client.subscribe_topic(self.topic, lambda event: self._queue.put(("told", event[1])))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes until all jobs have ended, or those that run where no others are to begin."""
        while self._send() or self._futures:
            try:
                kind, what = self._queue.get(timeout=_TICK)
            except queue.Empty:
                kind, what = "", {}
            if kind == "told":
                self._hear(what)
            elif kind == "ended" and what in self._futures:  # else let go of meanwhile
                outcome = self._outcome(what)
                if outcome is None:
                    self._wait_for(what)
                else:
                    self._done[what], self._text = 1.0, ""
                    yield outcome
            self._report()

    def end(self) -> None:
        """Let go of what still runs."""
        with suppress(Exception):  # the scheduler may be gone
            self._executor.client.unsubscribe_topic(self.topic)
            left = list(self._futures.values())
            if left:
                self._executor.client.cancel(left, force=True)
        self._futures.clear()

    def _send(self) -> bool:
        """Send as many jobs as keep all workers busy; tell whether some are still to be sent."""
        if self._executor.stopping:
            if not self._ending:
                self._ending = True
                self._executor.end_soon(self.topic)
            for index in [i for i in self._futures if i not in self._had]:  # not begun
                self._futures.pop(index).cancel()
            return False
        while self._next < len(self._jobs):
            most = max(_FEWEST_AHEAD, _AHEAD * self._count().all)
            if len(self._futures) >= most:
                return True
            index, self._next = self._next, self._next + 1
            at_once = self._places.of_a_host
            job = self._jobs[index]
            self._futures[index] = self._executor.submitted(job, index, self.topic, at_once)
            self._wait_for(index)
        return False

    def _wait_for(self, index: int) -> None:
        self._futures[index].add_done_callback(lambda _: self._queue.put(("ended", index)))

    def _count(self) -> Places:
        """Return how many jobs can run at once, asked for now and then."""
        now = time.monotonic()
        if now - self._counted >= _SECONDS_BETWEEN_COUNTS:
            self._counted = now
            with suppress(OSError):
                self._places = Places.of(self._executor.client)
        return self._places

    def _hear(self, message: dict[str, Any]) -> None:
        """Take what a job tells: that it begins, how far it is, or news of its own."""
        index = int(message["index"])
        if index not in self._futures:
            return  # late: it has ended
        if "started" in message:
            self._begun(index, f"{message['started']} (process {message['pid']})")
        elif "news" in message:
            if self._heard is not None:
                self._heard(index, unpack(message["news"]))
        else:
            self._done[index] = min(max(message["fraction"] or 0.0, self._done[index]), 1.0)
            self._text = f"{self._jobs[index].title}: {message['text']}".rstrip(": ")

    def _begun(self, index: int, who: str) -> None:
        before = self._had.get(index)
        self._had[index] = who
        self._done[index] = 0.0
        if before is not None and self._executor.on_text is not None:
            title = self._jobs[index].title
            self._executor.on_text(f"worker {before} is lost with {title}; worker {who} begins it again")

    def _report(self) -> None:
        costs = [job.cost for job in self._jobs]
        whole = sum(c * d for c, d in zip(costs, self._done, strict=True)) / sum(costs)
        n_done = self._next - len(self._futures)
        text = f"{n_done} of {len(self._jobs)} done" if len(self._jobs) > 1 else ""
        waits = "" if self._had or not self._futures else "waiting for a worker"
        self._progress.report(whole, ", ".join(part for part in (text, self._text, waits) if part))

    def _outcome(self, index: int) -> Outcome | None:
        """Return what has become of a job whose future has ended; None where that was lost with a worker.

        Such a job begins again by itself.
        """
        future, title = self._futures[index], self._jobs[index].title
        if future.status == "error":
            raise_of(future.exception(), title)
        if future.status == "cancelled":
            raise connection_lost(title)
        if future.status != "finished":
            return None
        try:
            answer: dict[str, Values] = unpack(future.result(timeout=_RESULT_SECONDS))
        except TimeoutError:
            return None
        del self._futures[index]
        if "error" in answer:
            return Outcome(index, error=worker.error_of(dict(answer["error"])))
        if "cancelled" in answer:
            raise Cancelled
        return Outcome(index, answer["values"])


class Places:
    """How many jobs can run at once: on all workers, and at most on those of one computer."""

    def __init__(self, everywhere: int, of_a_host: int) -> None:
        self.all, self.of_a_host = everywhere, of_a_host

    @classmethod
    def of(cls, client: Any) -> Places:
        """Ask a scheduler."""
        hosts: dict[str, int] = {}
        for address, n in client.nthreads().items():
            host = address.rpartition(":")[0]
            hosts[host] = hosts.get(host, 0) + n
        return cls(sum(hosts.values()), max(hosts.values(), default=1))


def raise_of(error: BaseException | None, title: str) -> None:
    """Raise what a job's failure means for the user."""
    if isinstance(error, KilledWorker):
        raise EatlasError(
            "every worker that began it was killed",
            where=title,
            fix="Most often memory is short: give workers more, or let fewer share a computer",
        ) from None
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("nnpcore"):
        raise lacking("of the scheduler")
    assert error is not None
    raise error


def lacking(place: str) -> EatlasError:
    """Return what is to be said where a worker has no Eatlas."""
    return EatlasError(
        "it has no Eatlas, or another version",
        where=f"worker {place}",
        fix='Install the same there: pip install "eatlas[cluster]"',
    )


def connection_lost(title: str) -> EatlasError:
    """Return what is to be said where the scheduler has gone."""
    return EatlasError(
        f"the connection to the scheduler is lost, and {title} with it",
        where="scheduler",
        fix="See whether it still runs, and start again; what has ended is kept",
    )
