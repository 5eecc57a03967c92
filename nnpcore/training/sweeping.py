"""A sweep: trainings that differ in one setting, and which value RMSE and mapping error choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnpcore.errors import SettingsError
from nnpcore.training.declared import Declaration, Swept, declarations
from nnpcore.training.history import EpochRecord
from nnpcore.training.settings import TrainSettings

MOST = 40
"""Trainings of one sweep."""


@dataclass(frozen=True)
class SweptSetting:
    """A setting that can be swept, as its declaration says; ``shown`` is how."""

    declaration: Declaration
    shown: Swept

    @property
    def name(self) -> str:
        """For what is kept."""
        return self.declaration.name

    def parse(self, text: str) -> Any:
        """Return one value from its text (ValueError)."""
        return self.declaration.parse(text)

    def changes(self, settings: TrainSettings, value: Any) -> dict[str, Any]:
        """Return what a value changes in settings; SettingsError where it means nothing for these."""
        special = _CHANGES.get(self.name)
        return {self.declaration.path: value} if special is None else special(settings, value)

    def read(self, settings: TrainSettings) -> Any:
        """Return the value that settings have."""
        value = self.declaration.read(settings)
        return value / (settings.energy_weight or 1.0) if self.name == "force_weight" else value


def value_text(value: Any) -> str:
    """Return a value as short as it can be typed: 1e-4, 0.5, 30-30."""
    if isinstance(value, tuple):
        return "-".join(str(width) for width in value)
    if isinstance(value, int) or value == 0 or 0.1 <= abs(value) < 1e4:
        return f"{value:g}" if isinstance(value, float) else str(value)
    mantissa, _, power = f"{value:e}".partition("e")
    return f"{float(mantissa):g}e{int(power)}"


def _ridge(settings: TrainSettings, value: float) -> dict[str, Any]:
    if settings.baseline == "none":
        raise SettingsError(
            "the networks have no baseline under them",
            where="setting",
            fix="Choose one: Model panel, Loss weights, or --baseline",
        )
    return {"baseline_ridge": value}


def _force_weight(settings: TrainSettings, value: float) -> dict[str, Any]:
    if not settings.energy_weight:
        raise SettingsError(
            "the weight of the energies is 0",
            where="setting",
            fix="Give it another value: Model panel, Loss weights, or --energy-weight",
        )
    return {"force_weight": value * settings.energy_weight}


def _rate(settings: TrainSettings, value: float) -> dict[str, Any]:
    return {"learning_rate": value, "optimizer": "adam"}


_CHANGES: dict[str, Callable[[TrainSettings, Any], dict[str, Any]]] = {
    "baseline_ridge": _ridge,
    "force_weight": _force_weight,
    "learning_rate": _rate,
}
"""Of the settings whose values are not simply put in."""

SETTINGS: tuple[SweptSetting, ...] = tuple(
    SweptSetting(declaration, declaration.setting.swept)
    for declaration in declarations(TrainSettings)
    if declaration.setting.swept is not None
)


def setting_named(name: str) -> SweptSetting:
    """Return the setting of a name; KeyError for an unknown one."""
    return {setting.name: setting for setting in SETTINGS}[name]


# planning ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SweepPlan:
    """What is to be trained: a value and its settings for every training."""

    setting: SweptSetting
    values: tuple[Any, ...]
    settings: tuple[TrainSettings, ...]

    def names(self, data: str) -> list[str]:
        """Return what the runs are called, after the data."""
        return [f"{data} {self.setting.shown.short}={value_text(value)}" for value in self.values]


def plan_sweep(setting: SweptSetting, text: str, base: TrainSettings) -> SweepPlan:
    """Return the trainings for the values in ``text``; SettingsError where "values" or "setting" is wrong."""
    values = [_value(setting, word) for word in text.replace(",", " ").replace(";", " ").split()]
    if len(values) < 2:
        raise SettingsError("a sweep needs two values or more", where="values",
                            fix=f"Write them as {setting.shown.values}")  # fmt: skip
    if len(values) > MOST:
        raise SettingsError(f"{len(values)} trainings are too many", where="values",
                            fix=f"Choose {MOST} values at most")  # fmt: skip
    double = next((value for value in values if values.count(value) > 1), None)
    if double is not None:
        raise SettingsError(f"{value_text(double)} is there twice", where="values", fix="Take one out")
    return SweepPlan(setting, tuple(values), tuple(_settings(setting, base, value) for value in values))


def _value(setting: SweptSetting, word: str) -> Any:
    try:
        return setting.parse(word)
    except ValueError:
        raise SettingsError(f"“{word}” is no value of this setting", where="values",
                            fix=f"Write the values as {setting.shown.values}") from None  # fmt: skip


def _settings(setting: SweptSetting, base: TrainSettings, value: Any) -> TrainSettings:
    changes = setting.changes(base, value)
    try:
        return base.replace(**changes)
    except SettingsError as error:
        raise SettingsError(error.what, where="values", fix=error.fix) from None


# results ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SweepPoint:
    """What a run has reached at its best epoch.

    Attributes
    ----------
    x : where it stands on the axis. text : its value. done : whether the training has ended.
    epoch : the one with the lowest mean logarithm of the validation RMSEs in the loss; 0 before the first.
    energy : meV/atom. force : eV/Å. mapping : meV/atom, the largest absolute error of what was monitored,
        ``mapped``; NaN where unknown.
    """

    run_id: str
    name: str
    text: str
    x: float
    done: bool
    epoch: int = 0
    energy: float = math.nan
    force: float = math.nan
    mapping: float = math.nan
    mapped: str = ""


def positions(values: Sequence[Any], logarithmic: bool) -> list[float]:
    """Return where values stand on an axis: log10, 0 a decade below the smallest; else one by one."""
    if not logarithmic:
        order = sorted(set(values))
        return [float(order.index(value)) for value in values]
    logs = [math.log10(value) for value in values if value > 0]
    zero = min(logs, default=1.0) - 1.0
    return [math.log10(value) if value > 0 else zero for value in values]


def reached(point: SweepPoint, history: Sequence[EpochRecord], settings: TrainSettings) -> SweepPoint:
    """Return a point with what its training has reached at its best epoch."""
    record = best_of(history, settings)
    if record is None:
        return point
    rmse = record.valid or record.train
    energy, force = (float(rmse[q]["mean"]) if q in rmse else math.nan for q in ("energy", "force"))
    errors = {name: abs(error) for name, error in record.mapping.items() if np.isfinite(error)}
    mapped = max(errors, key=lambda name: errors[name], default="")
    mapping = errors.get(mapped, math.nan)
    return replace(point, epoch=record.epoch, energy=energy, force=force, mapping=mapping, mapped=mapped)


def best_of(history: Sequence[EpochRecord], settings: TrainSettings) -> EpochRecord | None:
    """Return the epoch with the lowest mean logarithm of the RMSEs that are in the loss, or None."""
    weights = {"energy": settings.energy_weight, "force": settings.force_weight,
               "stress": settings.loss_weights[2]}  # fmt: skip

    def score(record: EpochRecord) -> float:
        rmse = record.valid or record.train
        values = [float(rmse[name]["mean"]) for name, weight in weights.items() if weight and name in rmse]
        return float(np.log(np.maximum(values, 1e-30)).mean()) if values else math.nan

    scored = [(value, record) for record in history if math.isfinite(value := score(record))]
    return min(scored, key=lambda pair: pair[0])[1] if scored else None


@dataclass(frozen=True)
class Choice:
    """Indices of the points chosen by RMSE and by mapping error; None where there is nothing to compare."""

    by_rmse: int | None = None
    by_mapping: int | None = None


def choose(points: Sequence[SweepPoint]) -> Choice:
    """Return the best ended trainings: geometric mean of energy and force RMSE, and mapping error."""
    logs = np.full((len(points), 3), np.nan)
    for k, point in enumerate(points):
        if point.done and point.epoch:
            logs[k] = [math.log(max(v, 1e-30)) for v in (point.energy, point.force, point.mapping)]
    known = np.isfinite(logs)
    ended = known.any(axis=1)
    if ended.sum() < 2:
        return Choice()
    used = [k for k in (0, 1) if known[ended, k].all()]
    scores = np.where(ended, logs[:, used].mean(axis=1), np.inf) if used else np.full(len(points), np.inf)
    by_rmse = int(scores.argmin()) if used else None
    by_mapping = int(np.nanargmin(logs[:, 2])) if known[:, 2].sum() >= 2 else None
    return Choice(by_rmse, by_mapping)


def sentence(points: Sequence[SweepPoint]) -> str:
    """Say which value RMSE chooses, which one the mapping error, and what that brings."""
    n_done = sum(point.done for point in points)
    going = n_done < len(points)
    state = f"{n_done} of {len(points)} done." if going else ""
    text = _chosen_text(points, choose(points))
    if not text:
        return state or "Fewer than two of these trainings have results."
    return f"{state} So far, {text}" if going else text


def _chosen_text(points: Sequence[SweepPoint], choice: Choice) -> str:
    if choice.by_rmse is None:
        return ""
    rmse = points[choice.by_rmse]
    start = f"RMSE chooses {rmse.text} ({_rmse_text(rmse)})"
    if choice.by_mapping is None:
        return (
            f"{start}. No mapping error was followed: open an EOS reference or divide a structure into "
            "regions before the sweep."
        )
    best = points[choice.by_mapping]
    if best is rmse:
        both = f"{_rmse_text(rmse)}; {best.mapping:.3g} meV/atom"
        return f"RMSE and mapping error both choose {rmse.text} ({both})."
    instead = f" instead of {rmse.mapping:.3g}" if math.isfinite(rmse.mapping) else ""
    return f"{start}, the mapping error {best.text} ({best.mapping:.3g}{instead} meV/atom)."


def _rmse_text(point: SweepPoint) -> str:
    parts = [f"{point.energy:.3g} meV/atom"] if math.isfinite(point.energy) else []
    parts += [f"{point.force:.3g} eV/Å"] if math.isfinite(point.force) else []
    return ", ".join(parts)
