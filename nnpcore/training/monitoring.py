"""Mapping errors beside the RMSEs: what a training asks of a monitor, and what counts as progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from nnpcore.training.history import gains

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential import Potential
    from nnpcore.training.history import EpochRecord
    from nnpcore.training.run_folder import TrainingValues


@runtime_checkable
class Monitor(Protocol):
    """Follows errors that no RMSE shows; ``nnpcore.analyses.MappingMonitor`` is one."""

    def prepare(
        self, functions: SymmetryFunctions, whitening: Whitening, values: TrainingValues | None = None
    ) -> None:
        """Do all that does not depend on the networks; called once before the first epoch."""
        ...

    def evaluate(self, model: Potential) -> dict[str, float]:
        """Return the errors by name, signed, meV/atom.

        Called after every epoch, and again for the networks as they are kept where these are of several.
        """
        ...

    def save(self, folder: str | Path) -> None:
        """Keep what is monitored in the run folder."""
        ...


MonitorLike = Monitor | Callable[["Potential"], Mapping[str, float]]
"""A monitor, or just a function of the potential."""


def mapping_errors(monitor: MonitorLike | None, potential: Callable[[], Potential]) -> dict[str, float]:
    """Ask the monitor; empty without one. ``potential`` is made only where it is needed."""
    if monitor is None:
        return {}
    found = monitor.evaluate(potential()) if isinstance(monitor, Monitor) else monitor(potential())
    return {str(name): float(error) for name, error in found.items()}


def last_gain(history: Sequence[EpochRecord]) -> int:
    """Return the last epoch whose largest absolute mapping error was a new smallest; 0 for none."""
    found = gains(history)
    return found[-1].epoch if found else 0


def epochs_without_gain(history: Sequence[EpochRecord]) -> int:
    """Return for how many epochs neither a member's score nor the mapping has become better."""
    last = max((record.epoch for record in history if record.best), default=0)
    return history[-1].epoch - max(last, last_gain(history)) if history else 0
