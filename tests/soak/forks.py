"""Tries in processes of their own: one that hangs, dies or eats the memory ends only itself."""

from __future__ import annotations

import os
import pickle
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_MEMORY = 3 * 1024**3
_PATIENCE = 8
"""How much longer a try may take than it works: other programs may want the processor."""


@dataclass(frozen=True)
class Ended:
    """How a try ended: what it returned or the text of its error, or by which signal it died (0: none)."""

    value: Any = None
    error: str = ""
    signal: int = 0


def in_fork(function: Callable[[], Any], seconds: float = 60.0, memory: int = MOST_MEMORY) -> Ended:
    """Run a function in a fork of this process, which must have no threads; wait for its end.

    ``memory`` is how much more than now it may take, bytes. A try that takes longer than ``seconds`` of the
    processor is ended by SIGPROF, one that waits for much longer by SIGALRM.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(function, writing, seconds, memory)
    os.close(writing)
    content = b""
    end = time.monotonic() + _PATIENCE * seconds + 20
    while time.monotonic() < end:
        ready, _, _ = select.select([reading], [], [], 1.0)
        if ready:
            part = os.read(reading, 1 << 20)
            if not part:
                break
            content += part
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return Ended(signal=os.WTERMSIG(status))
    value, error = pickle.loads(content) if content else (None, "ended without a word")
    return Ended(value, error)


def _work(function: Callable[[], Any], writing: int, seconds: float, memory: int) -> None:
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE * seconds)
        now = _address_space() + memory
        resource.setrlimit(resource.RLIMIT_AS, (now, now))
        answer = function(), ""
    except BaseException:
        answer = None, traceback.format_exc()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
