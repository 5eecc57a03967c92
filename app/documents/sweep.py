"""The runs of a sweep in the window, and what they have reached; see :mod:`nnpcore.training.sweeping`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.documents.run import RunDocument, RunState
from nnpcore.training.sweeping import (
    SETTINGS,
    Choice,
    SweepPlan,
    SweepPoint,
    SweptSetting,
    best_of,
    choose,
    plan_sweep,
    positions,
    reached,
    sentence,
    setting_named,
    value_text,
)

if TYPE_CHECKING:
    from nnpcore.training import EpochRecord

__all__ = [
    "SETTINGS",
    "Choice",
    "Sweep",
    "SweepPlan",
    "SweepPoint",
    "SweptSetting",
    "best_record",
    "choose",
    "plan_sweep",
    "positions",
    "sentence",
    "setting_named",
    "sweep_points",
    "value_text",
]


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep by their folders, which stay the same when a session is opened again."""

    setting: SweptSetting
    folders: tuple[Path, ...]

    def runs_of(self, runs: Iterable[RunDocument]) -> list[RunDocument]:
        """Return those of ``runs`` that belong to it."""
        found = [run for run in runs if run.folder in self.folders]
        return [run for run in found if self.setting.read(run.settings) is not None]


def sweep_points(setting: SweptSetting, runs: Sequence[RunDocument]) -> list[SweepPoint]:
    """Return a point for every run, along the axis."""
    values = [setting.read(run.settings) for run in runs]
    places = positions(values, setting.shown.logarithmic)
    points = [_point(run, value, x) for run, value, x in zip(runs, values, places, strict=True)]
    return sorted(points, key=lambda point: point.x)


def _point(run: RunDocument, value: Any, x: float) -> SweepPoint:
    done = not run.state.active and run.state is not RunState.WAITING
    return reached(SweepPoint(run.id, run.name, value_text(value), x, done), run.history, run.settings)


def best_record(run: RunDocument) -> EpochRecord | None:
    """Return the epoch with the lowest mean logarithm of the RMSEs that are in the loss, or None."""
    return best_of(run.history, run.settings)
