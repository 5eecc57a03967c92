"""Measures how long the event loop is kept from its work, and names what keeps it.

A 5 ms timer notes how late it comes, and a thread beside it looks at the stack of the window's thread while
the timer is late. It looks through :mod:`faulthandler`, which holds nothing: frames held by another thread
keep alive what they know, and a Qt object that dies in that thread may wait for the window forever. What the
thread computed itself is told apart from what it waited for: on a machine with other work everybody waits.
"""

from __future__ import annotations

import faulthandler
import re
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from PySide6.QtCore import QObject, Qt, QTimer

INTERVAL_MS = 5
LONG_MS = 100.0
"""A stall from here on has a name."""
LOOK_SECONDS = 0.02
HOUSE = Path(__file__).resolve().parents[1]
_CALL = re.compile(r'  File "(.+)", line (\d+) in (.+)')


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
        with tempfile.TemporaryFile("w+") as file:
            while not self._ended.wait(LOOK_SECONDS):
                late = 1000 * (time.perf_counter() - self._last)
                if late > LONG_MS / 2 and (calls := calls_of(self._watched, file)):
                    self._seen.append(calls)


def calls_of(thread: int, file: IO[str]) -> tuple[str, ...]:
    """Return the calls of a thread, outermost first; of those outside this project the innermost alone.

    ``file`` is written over.
    """
    file.seek(0)
    file.truncate()
    faulthandler.dump_traceback(file, all_threads=True)
    file.seek(0)
    for part in file.read().split("\n\n"):
        if re.match(rf"(Current thread|Thread) 0x0*{thread:x} ", part):
            calls = [(Path(name), f":{line} {call}") for name, line, call in _CALL.findall(part)]
            inner = [path.name + call for path, call in calls[:1] if not _is_ours(path)]
            own = [f"{path.relative_to(HOUSE)}{call}" for path, call in calls if _is_ours(path)]
            return (*reversed(own), *inner)
    return ()


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(HOUSE) and ".venv" not in path.parts


def percentile(values: list[float], percent: float) -> float:
    """Return the value that ``percent`` of all stay below; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(int(percent / 100 * len(ordered)), len(ordered) - 1)] if ordered else 0.0
