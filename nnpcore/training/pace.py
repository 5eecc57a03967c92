"""How a running training listens to its user: pause, stop, cancel, and progress within an epoch."""

from __future__ import annotations

import threading
import time

from nnpcore.progress import Progress
from nnpcore.training.control import ControlState, TrainControl

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
