"""Measures how long the event loop is kept from its work, and names what keeps it.

A 5 ms timer notes how late it comes, and a thread beside it looks at the stack of the window's thread while
the timer is late. What the thread computed itself is told apart from what it waited for: on a machine with
other work everybody waits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_stack
from types import FrameType

from PySide6.QtCore import QObject, Qt, QTimer

INTERVAL_MS = 5
LONG_MS = 100.0
"""A stall from here on has a name."""
LOOK_SECONDS = 0.02
HOUSE = str(Path(__file__).resolve().parents[1])


@dataclass
class Stall:
    """The loop was kept for ``ms``, of which its thread computed ``cpu_ms``; ``stacks`` as seen meanwhile."""

    ms: float
    cpu_ms: float
    stacks: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def named(self) -> str:
        """The call of ours that was seen most often, with those above it; "" where nothing was seen."""
        if not self.stacks:
            return ""
        seen = Counter(call for stack in self.stacks for call in dict.fromkeys(stack))
        deepest = max(self.stacks, key=lambda stack: (sum(seen[call] for call in stack), len(stack)))
        most = [call for call in deepest if seen[call] > len(self.stacks) / 2] or list(deepest)
        return " > ".join(most[-4:])


class StallProbe(QObject):
    """Start it, let things happen, read :attr:`worst_ms` and :attr:`stalls`; stop it before the loop ends."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._on_timeout)
        self.delays_ms: list[float] = []
        self.stalls: list[Stall] = []
        self._last, self._cpu = 0.0, 0.0
        self._seen: list[tuple[str, ...]] = []
        self._watched = threading.get_ident()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Forget earlier delays and measure from now on."""
        self.stop()
        self.delays_ms.clear()
        self.stalls.clear()
        self._last, self._cpu = time.perf_counter(), time.thread_time()
        self._ended.clear()
        self._thread = threading.Thread(target=self._watch, name="stall probe", daemon=True)
        self._thread.start()
        self._timer.start()

    def stop(self) -> None:
        """Measure no more."""
        self._timer.stop()
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def worst_ms(self) -> float:
        """The longest time the loop was late, in ms."""
        return max(self.delays_ms, default=0.0)

    def percentile_ms(self, percent: float) -> float:
        """Return the delay that ``percent`` of all rounds stay below, in ms."""
        return percentile(self.delays_ms, percent)

    def _on_timeout(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        late = max(0.0, 1000 * (now - self._last) - INTERVAL_MS)
        self.delays_ms.append(late)
        seen, self._seen = self._seen, []
        if late >= LONG_MS:
            self.stalls.append(Stall(late, 1000 * (cpu - self._cpu), seen))
        self._last, self._cpu = now, cpu

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            late = 1000 * (time.perf_counter() - self._last)
            if late > LONG_MS / 2:
                frame = sys._current_frames().get(self._watched)
                if frame is not None:
                    self._seen.append(_calls(frame))


def _calls(frame: FrameType) -> tuple[str, ...]:
    """Return the calls of a stack, outermost first; of those outside this project the innermost alone."""
    stack = extract_stack(frame)
    own = [call for call in stack if call.filename.startswith(HOUSE) and ".venv" not in call.filename]
    shown = own if own and own[-1] is stack[-1] else [*own, stack[-1]]
    return tuple(
        f"{Path(call.filename).relative_to(HOUSE) if call in own else Path(call.filename).name}"
        f":{call.lineno} {call.name}"
        for call in shown
    )


def percentile(values: list[float], percent: float) -> float:
    """Return the value that ``percent`` of all stay below; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(int(percent / 100 * len(ordered)), len(ordered) - 1)] if ordered else 0.0
