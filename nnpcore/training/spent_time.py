"""How long the epochs of a training took, by the clock and of the processor."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nnpcore.threads import ProcessorTime
from nnpcore.training.control import Pace


@dataclass
class SpentTime:
    """What the epochs took so far, those before a resume included.

    Attributes
    ----------
    seconds : by the clock, without pauses.
    cpu_seconds : of the processor, all threads of the training; None where it was begun by a version that did
        not keep them.
    """

    seconds: float = 0.0
    cpu_seconds: float | None = 0.0

    @contextmanager
    def counting(self, pace: Pace, device: str) -> Iterator[None]:
        """Count a block; on torch's ``device``, which has threads of its own, all that the process does."""
        started, paused, whole = time.perf_counter(), pace.paused_seconds, time.process_time()
        own = ProcessorTime()
        try:
            with own:
                yield
        finally:
            self.seconds += time.perf_counter() - started - (pace.paused_seconds - paused)
            if self.cpu_seconds is not None:
                self.cpu_seconds += own.seconds if device == "cpu" else time.process_time() - whole

    def to_dict(self) -> dict[str, float | None]:
        """Return plain values for a checkpoint."""
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SpentTime:
        """Rebuild from a checkpoint's values, of older versions, too; KeyError, TypeError or ValueError where
        they are damaged."""
        cpu = values.get("cpu_seconds")
        return cls(float(values["seconds"]), None if cpu is None else float(cpu))
