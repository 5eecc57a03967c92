"""Ctrl+C that ends long work with everything kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_once(stop: Callable[[], None], stopping: Callable[[], bool]) -> Iterator[None]:
    """Let Ctrl+C (and a request to end) call ``stop``; a second Ctrl+C gives up at once.

    Parameters
    ----------
    stop : asks the work to end soon, and says so.
    stopping : whether it has been asked already.

    Outside the main thread, where signals cannot be received, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stopping():
            raise KeyboardInterrupt
        stop()

    kept = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
