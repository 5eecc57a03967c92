"""Pause, resume and stop for a training that runs in another thread."""

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
