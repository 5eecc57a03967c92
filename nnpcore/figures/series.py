"""The curves of a training as arrays, for plots, figures and tables: RMSEs and monitored mapping errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.training.history import best_record
from nnpcore.training.monitoring import last_gain
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.training.history import EpochRecord

PARTS = ("train", "valid")
SMALLEST_ERROR = 1e-2
"""meV/atom: smaller mapping errors are drawn as this on a logarithmic axis."""

IN_REACH = ", in reach"
"""How the name of a crystal's curve ends that is the RMSE over the volumes in reach of the data."""


@dataclass(frozen=True, eq=False)
class RmseSeries:
    """RMSE of one quantity on one part of the data, NaN in epochs without it.

    Attributes
    ----------
    epochs : (n,) from 1. mean : (n,) of the ensemble's mean prediction. members : (n, n_members).
    """

    epochs: np.ndarray
    mean: np.ndarray
    members: np.ndarray

    @property
    def low(self) -> np.ndarray:
        """Best member (n,)."""
        return _over_members(np.fmin, self.members)

    @property
    def high(self) -> np.ndarray:
        """Worst member (n,)."""
        return _over_members(np.fmax, self.members)

    @property
    def known(self) -> bool:
        """Whether any epoch has a value."""
        return bool(np.isfinite(self.mean).any())


@dataclass(frozen=True)
class Ending:
    """Which epoch the potential is of, and where a training ended before the epochs asked for, and why.

    ``kept`` and ``ended`` are epochs from 1, None where there is nothing to tell; ``asked`` 0 where unknown.
    """

    kept: int | None = None
    ended: int | None = None
    asked: int = 0
    why: str = ""


def ending_of(
    history: Sequence[EpochRecord], n_epochs: int = 0, *, patience: int | None = None, why: str = ""
) -> Ending:
    """Return how a training that does not run any more ended; without ``n_epochs`` only what is kept.

    ``why`` is told where it was not for the ``patience`` of its settings.
    """
    record = best_record(history)
    if record is None:
        return Ending()
    last = history[-1].epoch
    if not n_epochs or last >= n_epochs:
        return Ending(record.epoch)
    if patience is not None and last - max(record.epoch, last_gain(history)) >= patience:
        why = f"nothing became better in {patience} epochs"
    return Ending(record.epoch, last, n_epochs, why or "it was stopped")


def _over_members(pick: np.ufunc, members: np.ndarray) -> np.ndarray:
    if members.shape[1] == 0:
        return np.full(len(members), np.nan)
    return pick.reduce(members, axis=1)


def rmse_series(history: Sequence[EpochRecord], part: str, quantity: str) -> RmseSeries:
    """Return one curve of a history with its members; ``part`` is "train" or "valid"."""
    rmses = [getattr(record, part).get(quantity) for record in history]
    mean = np.array([np.nan if rmse is None else rmse["mean"] for rmse in rmses], dtype=np.float64)
    members = np.full((len(rmses), max((len(record.alive) for record in history), default=0)), np.nan)
    for row, rmse in enumerate(rmses):
        if rmse is not None:
            members[row, : len(rmse["members"])] = rmse["members"]
    return RmseSeries(_epochs(history), mean, members)


def kept_rmse(history: Sequence[EpochRecord], quantity: str) -> float:
    """Return the validation RMSE of the members as they are kept, each from its own best epoch.

    That of the training frames where there is no validation; NaN where nothing is known.
    """
    record = best_record(history)
    rmse = None if record is None else record.valid.get(quantity) or record.train.get(quantity)
    return float("nan") if rmse is None else float(rmse["mean"])


def known_quantities(history: Sequence[EpochRecord]) -> list[str]:
    """Return the quantities any epoch knows the RMSE of."""
    rmses = [rmse for record in history for rmse in (record.train, record.valid)]
    return [q for q in QUANTITIES if any(q in rmse and np.isfinite(rmse[q]["mean"]) for rmse in rmses)]


def _epochs(history: Sequence[EpochRecord]) -> np.ndarray:
    return np.array([record.epoch for record in history], dtype=np.float64)


# mapping errors ---------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class MappingCurve:
    """One monitored quantity.

    Attributes
    ----------
    key : its name in the history. name : as shown. color : "reference", "muted" or "series:n".
    epochs : (n,). errors : (n,) signed, meV/atom, NaN in epochs without it.
    """

    key: str
    name: str
    color: str
    epochs: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True, eq=False)
class RunCurves:
    """What one run shows: its mapping curves, and its energy RMSE (epochs (n,), meV/atom (n,))."""

    name: str
    curves: tuple[MappingCurve, ...]
    rmse: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(cls, name: str, history: Sequence[EpochRecord], regions: Iterable[RegionSet] = ()) -> RunCurves:
        """Return the curves of a history: of a crystal its RMSE in reach and its error at V₀."""
        rmses = [(record.valid or record.train).get("energy") for record in history]
        values = np.array([np.nan if rmse is None else rmse["mean"] for rmse in rmses], dtype=np.float64)
        curves = mapping_curves(history, regions)
        return cls(name, tuple(curves), (_epochs(history), values) if np.isfinite(values).any() else None)


def crystal_curve(
    epochs: np.ndarray, errors: np.ndarray, *, at_v0: bool = False, name: str = ""
) -> MappingCurve:
    """Return the curve of a crystal: its RMSE in reach of the data, or its error at V₀ (n,), meV/atom."""
    from nnpcore.analyses.monitor import AT_V0, RANGE

    ending, text = (AT_V0, "crystal at V₀") if at_v0 else (RANGE, f"crystal{IN_REACH}")
    return MappingCurve(name + ending, name + text, "series:6" if at_v0 else "reference", epochs, errors)


def mapping_curves(history: Sequence[EpochRecord], regions: Iterable[RegionSet] = ()) -> list[MappingCurve]:
    """Return the curves a history holds, the crystal's first; regions have the colours they have now."""
    from nnpcore.analyses.monitor import AT_V0, RANGE

    keys = {key: None for record in history for key in record.mapping}
    colors = {known.title_of(r): r.color_index for known in regions for r in known.regions}
    epochs = _epochs(history)
    found = []
    for key in sorted(keys, key=lambda key: not key.endswith((RANGE, AT_V0))):
        errors = np.array([record.mapping.get(key, np.nan) for record in history], dtype=np.float64)
        if key.endswith((RANGE, AT_V0)):
            name, at_v0 = key.removesuffix(AT_V0).removesuffix(RANGE), key.endswith(AT_V0)
            found.append(crystal_curve(epochs, errors, at_v0=at_v0, name=name))
        else:
            found.append(MappingCurve(key, key, f"series:{colors.get(key, len(found))}", epochs, errors))
    return found


def without_doubles(curves: Sequence[MappingCurve]) -> list[MappingCurve]:
    """Return one curve a crystal: its RMSE in reach, where it is known, else its error at V₀.

    At the volume of the training data the error says least: total energies alone make it small.
    """
    from nnpcore.analyses.monitor import AT_V0, RANGE

    in_reach = {curve.key.removesuffix(RANGE) for curve in curves if curve.key.endswith(RANGE)}
    return [c for c in curves if not (c.key.endswith(AT_V0) and c.key.removesuffix(AT_V0) in in_reach)]


# tables and smooth curves -----------------------------------------------------------------------------
def smoothed(values: np.ndarray, amount: float) -> np.ndarray:
    """Exponential moving average of the logarithm, (n,); ``amount`` in [0, 1), 0 changes nothing.

    Values that are not finite stay as they are and do not count.
    """
    if amount <= 0:
        return values
    result = np.array(values, dtype=np.float64)
    total, weight = 0.0, 0.0
    for i in np.flatnonzero(np.isfinite(values) & (values > 0)):
        total = amount * total + (1 - amount) * np.log(values[i])
        weight = amount * weight + (1 - amount)
        result[i] = np.exp(total / weight)
    return result


def history_table(history: Sequence[EpochRecord]) -> dict[str, list[float]]:
    """Return the curves as named columns with units: epoch, seconds, then mean and members of each RMSE."""
    table: dict[str, list[float]] = {"epoch": [record.epoch for record in history]}
    table["training time (s)"] = [record.seconds for record in history]
    if any(record.cpu_seconds is not None for record in history):
        cpu = [record.cpu_seconds for record in history]
        table["CPU time (s)"] = [float("nan") if seconds is None else seconds for seconds in cpu]
    for part in PARTS:
        for quantity, declared in QUANTITIES.items():
            series = rmse_series(history, part, quantity)
            if not series.known:
                continue
            table[f"{part} {quantity} RMSE, ensemble mean ({declared.unit})"] = list(series.mean)
            for member in range(series.members.shape[1]):
                head = f"{part} {quantity} RMSE, member {member + 1} ({declared.unit})"
                table[head] = list(series.members[:, member])
    return table
