"""A process of its own for foreign code: it may hold the interpreter, hang or crash, and can be killed."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.potential.external.worker import Arrays, raised, read_message, write_message
from nnpcore.progress import Progress

_POLL_SECONDS = 0.1
_TAIL_CHARS = 4000
_TAIL_LINES = 4
_MESSAGES, _MESSAGE_CHARS = 20, 300
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


_ELSEWHERE = """
import os, sys, types
for name in ("nnpcore", "nnpcore.potential", "nnpcore.potential.external"):
    package = types.ModuleType(name)
    package.__path__ = [os.path.join(sys.argv[1], *name.split(".")[1:])]
    sys.modules[name] = package
sys.path = [path for path in sys.path if path] + [os.getcwd()]
from nnpcore.potential.external.worker import main
main()
"""
"""Starts the worker in a Python without Eatlas: of Eatlas it sees these packages and nothing beside them."""


class WorkerProcess:
    """One child that answers messages; killed when it is late, cancelled, collected, or its parent ends.

    Parameters
    ----------
    title : what to call it in messages.
    n_threads : threads its numerical libraries may use; None leaves that to them.
    python : the interpreter of another environment, or its folder; empty for this one.

    Attributes
    ----------
    messages : the first lines that it has written to standard error, each once.

    Raises :class:`PotentialError` where there is no such interpreter.
    """

    def __init__(self, title: str, n_threads: int | None = None, python: str = "") -> None:
        self.title = title
        self.messages: list[str] = []
        self._process = _start(n_threads, python)
        self._replies: queue.SimpleQueue[tuple[dict[str, Any], Arrays] | None] = queue.SimpleQueue()
        self._tail: list[str] = []
        self._threads = [
            threading.Thread(target=_receive, args=(self._process.stdout, self._replies), daemon=True),
            threading.Thread(
                target=_keep_tail, args=(self._process.stderr, self._tail, self.messages), daemon=True
            ),
        ]
        for thread in self._threads:
            thread.start()
        self._finalizer = weakref.finalize(self, _kill, self._process, self._threads)

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._finalizer.alive and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def ask(
        self,
        body: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        *,
        seconds: float | None,
        late: str,
        progress: Progress | None = None,
        where: str = "",
    ) -> tuple[dict[str, Any], Arrays]:
        """Send a message and wait for its answer; whatever else goes wrong ends the process.

        Raises
        ------
        PotentialError
            When it answers with an error (about ``where``), has no answer after ``seconds`` (``late`` says
            what took too long), or has ended.
        Cancelled
            When the user has cancelled.
        """
        try:
            with contextlib.suppress(BrokenPipeError):  # the answer will be that it has ended
                assert self._process.stdin is not None
                write_message(self._process.stdin, body, arrays)
            answer = self._wait(seconds, late, progress)
        except BaseException:
            self.stop()
            raise
        if answer is None:
            raise self._ended()
        if "error" in answer[0]:
            raise raised(answer[0]["error"], where)
        return answer

    def _wait(
        self, seconds: float | None, late: str, progress: Progress | None
    ) -> tuple[dict[str, Any], Arrays] | None:
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                return self._replies.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if progress is not None:
                    progress.check()
                if end is not None and time.monotonic() > end:
                    raise PotentialError(
                        f"{late} took more than {seconds:g} s and was ended{self._last_words()}",
                        where=self.title,
                        fix="Give it more time, or choose a faster calculator",
                    ) from None

    def _ended(self) -> PotentialError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2.0)
        status = self._process.poll()
        self.stop()
        return PotentialError(
            f"the calculator's process has {_status_text(status)}{self._last_words()}",
            where=self.title,
            fix="Try it in Python on the same structure, or choose other arguments",
        )

    def _last_words(self) -> str:
        """What it wrote to standard error last, in one line."""
        self._threads[1].join(timeout=0.5)
        lines = [line.strip() for line in "".join(self._tail).splitlines() if line.strip()]
        return f"; its last words: {' | '.join(lines[-_TAIL_LINES:])}" if lines else ""

    def stop(self) -> None:
        """Kill it and what it has started, and wait until it is gone."""
        self._finalizer()


def _start(n_threads: int | None, python: str) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if n_threads is not None:
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(n_threads))
    if python:
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):  # those of this environment
            environment.pop(name, None)
        command = [str(interpreter(python)), "-c", _ELSEWHERE, str(Path(__file__).parents[2])]
    else:
        here = [path for path in sys.path if path]
        environment["PYTHONPATH"] = os.pathsep.join([*here, os.getcwd()])  # last: it must not hide a library
        command = [sys.executable, "-P", "-m", "nnpcore.potential.external.worker"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl+C is for us; and its own children can be killed with it
    )


def interpreter(python: str) -> Path:
    """Return the interpreter that a path names, itself or its environment; PotentialError for others."""
    path = Path(python).expanduser()
    inside = (path / "bin" / "python", path / "Scripts" / "python.exe")
    found = next((p for p in inside if p.is_file()), path)
    if not (found.is_file() and os.access(found, os.X_OK)):
        raise PotentialError(
            "this is no Python",
            where=python,
            fix="Give the interpreter of an environment, such as env/bin/python, or its folder",
        )
    return found.absolute()


def _receive(stream: IO[bytes], replies: queue.SimpleQueue[tuple[dict[str, Any], Arrays] | None]) -> None:
    try:
        while True:
            replies.put(read_message(stream))
    except (EOFError, ValueError, OSError):  # ended, or the pipe was closed meanwhile
        replies.put(None)


def _keep_tail(stream: IO[bytes], tail: list[str], messages: list[str]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for raw in stream:
            line = _COLORS.sub("", raw.decode("utf-8", errors="replace"))[:_TAIL_CHARS]
            tail.append(line)
            del tail[:-_TAIL_LINES]
            if (said := line.strip()[:_MESSAGE_CHARS]) and said not in messages and len(messages) < _MESSAGES:
                messages.append(said)


def _kill(process: subprocess.Popen[bytes], threads: list[threading.Thread]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(timeout=2.0)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _status_text(status: int | None) -> str:
    if status is None:
        return "closed its pipe"
    if status >= 0:
        return f"ended by itself (exit status {status})"
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"crashed (signal {-status})"
