"""Pause, resume and stop for a training in another thread, and how that one listens."""

from __future__ import annotations

import threading
import time
from enum import StrEnum

from nnpcore.progress import Progress


class ControlState(StrEnum):
    """What the user has last asked for."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


class TrainControl:
    """The user's hand on a running training, safe to share between threads.

    The training calls :meth:`wait` between two batches of frames; the rest is for the user's side. A stop
    is final: the training saves its state and returns what it has.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state = ControlState.RUNNING

    @property
    def state(self) -> ControlState:
        """What was last asked for."""
        with self._changed:
            return self._state

    def pause(self) -> None:
        """Let the training wait before its next batch."""
        self._switch(ControlState.PAUSED)

    def resume(self) -> None:
        """Let a paused training go on."""
        self._switch(ControlState.RUNNING)

    def stop(self) -> None:
        """Let the training end before its next batch, paused or not."""
        self._switch(ControlState.STOPPING)

    def _switch(self, state: ControlState) -> None:
        with self._changed:
            if self._state is not ControlState.STOPPING:
                self._state = state
            self._changed.notify_all()

    def wait(self, progress: Progress | None = None) -> float:
        """Block while paused and return the seconds spent waiting.

        Raises :class:`~nnpcore.errors.Cancelled` within 50 ms of ``progress.cancel()``. After it the caller
        asks :attr:`state` whether to stop.
        """
        if progress is not None:
            progress.check()
        if self.state is not ControlState.PAUSED:
            return 0.0
        started = time.perf_counter()
        with self._changed:
            while self._state is ControlState.PAUSED:
                self._changed.wait(timeout=0.05)
                if progress is not None:
                    progress.check()
        return time.perf_counter() - started


_SECONDS_BETWEEN_REPORTS = 0.1


class Pace:
    """The meeting point of control, progress and working threads.

    Attributes
    ----------
    paused_seconds : time the training has stood still since this object was made.
    """

    def __init__(self, control: TrainControl | None = None, progress: Progress | None = None) -> None:
        self._control = control or TrainControl()
        self._progress = progress
        self._lock = threading.Lock()
        self._last_report = 0.0
        self._pausing = threading.Lock()
        self.paused_seconds = 0.0

    def go_on(self) -> bool:
        """Wait while paused; return False where the user wants to stop. Called between two batches.

        Raises :class:`~nnpcore.errors.Cancelled` where the progress was cancelled.
        """
        if self._control.state is ControlState.PAUSED:
            with self._pausing:  # one thread waits and counts, the others wait for it
                self.paused_seconds += self._control.wait(self._progress)
        elif self._progress is not None:
            self._progress.check()
        return self._control.state is not ControlState.STOPPING

    def tell(self, fraction: float, text: str) -> None:
        """Report progress, at most some times a second; raises Cancelled where it was cancelled."""
        if self._progress is None:
            return
        with self._lock:
            now = time.perf_counter()
            if now - self._last_report < _SECONDS_BETWEEN_REPORTS:
                return
            self._last_report = now
            self._progress.report(fraction, text)
