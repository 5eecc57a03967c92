"""How long-running core functions report progress and learn that they are cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from nnpcore.errors import Cancelled


class Progress:
    """Progress sink and cancel flag, safe to share between threads.

    Parameters
    ----------
    on_report : callable, optional
        Called as ``on_report(fraction, text)`` from the working thread; ``fraction`` in [0, 1] or None
        when unknown.
    within : a progress with which this one is cancelled, too; it is told nothing, as for a part whose
        fractions are not the whole's.
    """

    def __init__(
        self, on_report: Callable[[float | None, str], None] | None = None, within: Progress | None = None
    ) -> None:
        self._on_report = on_report
        self._within = within
        self._cancelled = threading.Event()

    def report(self, fraction: float | None, text: str = "") -> None:
        """Tell how far the work is and raise :class:`Cancelled` if it should stop."""
        self.check()
        if self._on_report is not None:
            self._on_report(fraction, text)

    def part(self, start: float, end: float, text: str = "") -> Progress:
        """Return a progress whose 0 to 1 is ``start`` to ``end`` of this one; ``text`` precedes its own.

        A place it does not know is its start.
        """

        def on_report(fraction: float | None, own: str) -> None:
            place = start + (end - start) * min(max(fraction or 0.0, 0.0), 1.0)
            self.report(place, ", ".join(t for t in (text, own) if t))

        return Progress(on_report, within=self)

    def split(self, costs: int | Sequence[float]) -> list[Progress]:
        """Return parts of this one, one after the other: as many as said, or each by its cost."""
        shares = [1.0] * costs if isinstance(costs, int) else costs
        edges = [edge / sum(shares) for edge in accumulate(shares, initial=0.0)]
        return [self.part(start, end) for start, end in pairwise(edges)]

    def cancel(self) -> None:
        """Ask the work to stop at its next report or check."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the work was asked to stop."""
        if self._within is not None:
            self._within.check()
        if self._cancelled.is_set():
            raise Cancelled
