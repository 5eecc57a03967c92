"""How long-running core functions report progress and learn that they are cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nnpcore.errors import Cancelled


class Progress:
    """Progress sink and cancel flag, safe to share between threads.

    Parameters
    ----------
    on_report : callable, optional
        Called as ``on_report(fraction, text)`` from the working thread; ``fraction`` in [0, 1] or None
        when unknown.
    """

    def __init__(self, on_report: Callable[[float | None, str], None] | None = None) -> None:
        self._on_report = on_report
        self._cancelled = threading.Event()

    def report(self, fraction: float | None, text: str = "") -> None:
        """Tell how far the work is and raise :class:`Cancelled` if it should stop."""
        self.check()
        if self._on_report is not None:
            self._on_report(fraction, text)

    def cancel(self) -> None:
        """Ask the work to stop at its next report or check."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the work was asked to stop."""
        if self._cancelled.is_set():
            raise Cancelled


class Quiet(Progress):
    """Cancelled with another progress, without reporting: for a part whose fractions are not the whole's."""

    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self._whole = whole

    def check(self) -> None:
        """Raise :class:`Cancelled` if either was asked to stop."""
        self._whole.check()
        super().check()


class Part(Progress):
    """A part of a whole: its fractions are mapped onto ``start`` to ``start + share`` of the whole's."""

    def __init__(self, whole: Progress, start: float, share: float) -> None:
        super().__init__(
            lambda fraction, text: whole.report(start + share * min(max(fraction or 0.0, 0.0), 1.0), text)
        )
        self._whole = whole

    def check(self) -> None:
        """Raise :class:`Cancelled` if either was asked to stop."""
        self._whole.check()
        super().check()
