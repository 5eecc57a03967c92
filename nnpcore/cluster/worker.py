"""What a worker of dask runs: one function, bytes in and bytes out."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nnpcore.errors
from nnpcore.cluster.executor import Hand, JobFunction, Values
from nnpcore.cluster.packing import pack, unpack
from nnpcore.cluster.versions import misfit, versions
from nnpcore.errors import Cancelled, EatlasError
from nnpcore.progress import Progress
from nnpcore.threads import default_threads, share_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Worker

_SECONDS_BETWEEN_NEWS = 0.25
_SECONDS_BETWEEN_LOOKS = 0.25
_CORE = "nnpcore"

_stopped: dict[str, threading.Event] = {}


def name_of(function: JobFunction) -> str:
    """Return by what name a worker finds a job's function; ValueError where it would not."""
    name = f"{function.__module__}:{function.__qualname__}"
    if found(name) is not function:
        raise ValueError(f"{name} cannot be found by its name")
    return name


def found(name: str) -> JobFunction:
    """Return the function of a name, which must be of the core."""
    module, _, function = name.partition(":")
    if module.partition(".")[0] != _CORE:
        raise ValueError(f"{name} is not of the core")
    return getattr(importlib.import_module(module), function)


def stop(topic: str) -> None:
    """Let the jobs of a topic in this process end with what they have."""
    _stopped.setdefault(topic, threading.Event()).set()


def kept(content: bytes) -> bytes:
    """Return bytes as they are: data as a task, so that they are there again when a worker is lost."""
    return content


def run_packed(content: bytes, *shared: bytes) -> bytes:
    """Run a job on a worker: its values or its error, packed."""
    from distributed import get_worker

    worker = get_worker()
    order = unpack(content)
    teller = _Teller(worker, order["topic"], order["index"])
    other = misfit(order["versions"], versions(), str(worker.address))
    if other is not None:
        return pack({"error": _told(other)})
    key = str(worker.get_current_task())
    given = {**order["given"], **{n: unpack(c) for n, c in zip(order["shared"], shared, strict=True)}}
    progress = Progress(teller.report)
    share_threads(None)
    threads = order["n_threads"] or max(1, default_threads() // order["at_once"])
    share_threads(threads)
    hand = Hand(progress, threads, teller.news, _event(order["topic"]), apart=True)
    teller.send({"started": str(worker.name), "pid": os.getpid()})
    try:
        with _watched(lambda: _is_wanted(worker, key), progress):
            return pack({"values": found(order["function"])(given, hand)})
    except EatlasError as error:
        return pack({"error": _told(error)})
    except Cancelled:
        return pack({"cancelled": True})


def _event(topic: str) -> threading.Event:
    return _stopped.setdefault(topic, threading.Event())


@contextmanager
def _watched(wanted: Callable[[], bool], progress: Progress) -> Iterator[None]:
    """Cancel a progress as soon as nobody wants the result any more."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            if not wanted():
                progress.cancel()
                return

    thread = threading.Thread(target=watch, name="eatlas-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _is_wanted(worker: Worker, key: str) -> bool:
    """Whether the scheduler still asks for a task; one that was cancelled, or whose user has gone, is not."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state not in ("cancelled", "forgotten", "released")


class _Teller:
    """Sends what a job tells by way of the scheduler, progress at most some times a second."""

    def __init__(self, worker: Worker, topic: str, index: int) -> None:
        self._worker, self._topic, self._index = worker, topic, index
        self._last = 0.0

    def send(self, message: dict[str, Any]) -> None:
        self._worker.log_event(self._topic, {"index": self._index, **message})

    def report(self, fraction: float | None, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_NEWS:
            self._last = now
            self.send({"fraction": fraction, "text": text})

    def news(self, values: Values) -> None:
        self.send({"news": pack(dict(values))})


def _told(error: EatlasError) -> dict[str, str]:
    """Return an error as plain values."""
    kinds = (kind.__name__ for kind in type(error).__mro__)
    known = next(name for name in kinds if name in vars(nnpcore.errors))
    return {"kind": known, "what": error.what, "where": error.where, "fix": error.fix}


def error_of(told: dict[str, str]) -> EatlasError:
    """Rebuild an error from :func:`_told`."""
    kind = getattr(nnpcore.errors, told["kind"], EatlasError)
    kind = kind if isinstance(kind, type) and issubclass(kind, EatlasError) else EatlasError
    return kind(told["what"], where=told["where"], fix=told["fix"])
