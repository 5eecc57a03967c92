"""Work spread over the processor's threads, by functions that hold no interpreter lock; and sums that do not
depend on how many there are."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import LibController

Task = TypeVar("Task")
Result = TypeVar("Result")


_share: int | None = None


def share_threads(n_threads: int | None) -> None:
    """Let this process use at most so many threads where nobody says how many; None for all."""
    global _share
    _share = n_threads


def default_threads() -> int:
    """Physical cores this process may use, or its share of them."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))
    return most if _share is None else min(most, _share)


class _Blas:
    """The libraries of matrix products that this process has loaded, and who wants one thread of them."""

    _SOURCES = ("numpy", "scipy.linalg", "torch")

    def __init__(self) -> None:
        self.lock = Lock()
        self.holders = 0
        self._sources: tuple[str, ...] = ()
        self._libraries: list[LibController] = []
        self._before: dict[str, int | None] = {}

    def hold(self) -> None:
        """Go down to one thread, in libraries, too, that were loaded since the last one asked."""
        sources = tuple(name for name in self._SOURCES if name in sys.modules)
        if sources != self._sources:  # looking for libraries takes milliseconds
            from threadpoolctl import ThreadpoolController

            self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
            self._sources = sources
        self.holders += 1
        for library in self._libraries:
            self._before.setdefault(str(library.filepath), library.num_threads)
        self._set(lambda _: 1)

    def release(self) -> None:
        """Give the threads back where nobody else holds them."""
        self.holders -= 1
        if not self.holders:
            self._set(lambda library: self._before.pop(str(library.filepath), library.num_threads))

    def _set(self, number_of: Callable[[LibController], int | None]) -> None:
        for library in self._libraries:
            # of a pool that all threads share only one may change the size: see threadpoolctl's OpenBLAS
            clear = getattr(library, "clear_controlling_thread", None)
            if clear is not None:
                clear(force=True)
            library.set_num_threads(number_of(library))


_blas = _Blas()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let matrix products and factorisations run on one thread, so that their sums have one order.

    The number of threads belongs to the process: it is given back when the last of those that asked for one
    thread leaves, so that jobs in several threads do not take it from each other.
    """
    with _blas.lock:
        _blas.hold()
    try:
        yield
    finally:
        with _blas.lock:
            _blas.release()


class ProcessorTime:
    """What a block takes of the processor: of its own thread, and of those that work for it by
    :func:`in_order`.

    Attributes
    ----------
    seconds : once the block has ended.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = Lock()

    def __enter__(self) -> ProcessorTime:
        self._outer = _counting.set(self)
        self._started = time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.add(time.thread_time() - self._started)
        _counting.reset(self._outer)

    def add(self, seconds: float) -> None:
        """Count what another thread has worked for the block."""
        with self._lock:
            self.seconds += seconds

    def of(self, work: Callable[[Task], Result], task: Task) -> Result:
        """Return ``work(task)``, done in another thread and counted here."""
        started = time.thread_time()
        _counting.set(self)
        try:
            return work(task)
        finally:
            self.add(time.thread_time() - started)


_counting: ContextVar[ProcessorTime | None] = ContextVar("_counting", default=None)


def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], n_threads: int | None = None
) -> Iterator[Result]:
    """Yield ``work(task)`` for every task, in order, computed ahead by some tasks on ``n_threads`` threads.

    Tasks are drawn lazily, so that only those in flight exist, at least one for every thread. A failure or an
    abandoned iteration stops the threads before it returns. ``n_threads`` None means
    :func:`default_threads`.
    """
    threads = default_threads() if n_threads is None else n_threads
    if threads <= 1 or (isinstance(tasks, Sized) and len(tasks) <= 1):
        yield from map(work, tasks)
        return
    waiting: deque[Future[Result]] = deque()
    counting = _counting.get()
    counted = work if counting is None else partial(counting.of, work)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="eatlas-work")
    try:
        for task in tasks:
            waiting.append(pool.submit(counted, task))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@cache
def lock_free(module: str, name: str, n_arguments: int) -> Callable[..., None]:
    """Return a routine of ``scipy.linalg``'s module "cython_blas" or "cython_lapack", which holds no lock.

    It computes in place. As in Fortran every argument is an address, and matrices lie column by column.
    """
    api: Any = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    capsule = import_module(f"scipy.linalg.{module}").__pyx_capi__[name]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * n_arguments)(address)
