"""The RMSE curves of a training as arrays, for plots and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnpcore.training.history import EpochRecord

PARTS = ("train", "valid")
QUANTITY_UNITS = {"energy": "meV/atom", "force": "eV/Å", "stress": "GPa"}


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

    def best(self) -> tuple[int, float] | None:
        """Return (epoch, value) of the lowest mean, or None."""
        if not self.known:
            return None
        at = int(np.nanargmin(np.where(np.isfinite(self.mean), self.mean, np.nan)))
        return int(self.epochs[at]), float(self.mean[at])


def _over_members(pick: np.ufunc, members: np.ndarray) -> np.ndarray:
    if members.shape[1] == 0:
        return np.full(len(members), np.nan)
    return pick.reduce(members, axis=1)


class HistoryColumns:
    """Grows with a history: :meth:`extend` reads only the records it has not seen."""

    def __init__(self) -> None:
        self._seen = 0
        self._last: EpochRecord | None = None
        self.epochs: list[int] = []
        self.seconds: list[float] = []
        self._means: dict[tuple[str, str], list[float]] = {}
        self._members: dict[tuple[str, str], list[np.ndarray]] = {}
        self._n_members = 0

    def extend(self, history: Sequence[EpochRecord]) -> None:
        """Take over new records; starts anew where the history is another one."""
        if self._seen and (len(history) < self._seen or history[self._seen - 1] is not self._last):
            self.__init__()
        for record in history[self._seen :]:
            self._add(record)
        self._seen = len(history)
        self._last = history[-1] if history else None

    def _add(self, record: EpochRecord) -> None:
        self.epochs.append(record.epoch)
        self.seconds.append(record.seconds)
        self._n_members = max(self._n_members, len(record.alive))
        for part in PARTS:
            for quantity in QUANTITY_UNITS:
                rmse = getattr(record, part).get(quantity)
                key = (part, quantity)
                nothing = np.full(len(record.alive), np.nan)
                self._means.setdefault(key, []).append(np.nan if rmse is None else float(rmse["mean"]))
                members = nothing if rmse is None else np.asarray(rmse["members"], dtype=np.float64)
                self._members.setdefault(key, []).append(members)

    def series(self, part: str, quantity: str) -> RmseSeries:
        """Return one curve with its members; ``part`` is "train" or "valid"."""
        key = (part, quantity)
        members = np.full((len(self.epochs), self._n_members), np.nan)
        for row, values in enumerate(self._members.get(key, [])):
            members[row, : len(values)] = values
        epochs = np.array(self.epochs, dtype=np.float64)
        return RmseSeries(epochs, np.array(self._means.get(key, []), dtype=np.float64), members)

    def quantities(self) -> list[str]:
        """Return the quantities any epoch knows."""
        return [q for q in QUANTITY_UNITS if any(self.series(part, q).known for part in PARTS)]


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
    columns = HistoryColumns()
    columns.extend(history)
    table: dict[str, list[float]] = {"epoch": list(columns.epochs)}
    table["training time (s)"] = list(columns.seconds)
    for part in PARTS:
        for quantity, unit in QUANTITY_UNITS.items():
            series = columns.series(part, quantity)
            if not series.known:
                continue
            table[f"{part} {quantity} RMSE, ensemble mean ({unit})"] = list(series.mean)
            for member in range(series.members.shape[1]):
                head = f"{part} {quantity} RMSE, member {member + 1} ({unit})"
                table[head] = list(series.members[:, member])
    return table
