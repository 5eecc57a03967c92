"""Work spread over the processor's threads, by functions that hold no interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def default_threads() -> int:
    """Physical cores this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


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
    pool = ThreadPoolExecutor(threads, thread_name_prefix="eatlas-work")
    try:
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
