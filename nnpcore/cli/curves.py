"""Training curves in a line of text each, for terminals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from nnpcore.cli.result_tables import number, plain_table
from nnpcore.training.history import EpochRecord, best_record
from nnpcore.training.quantities import QUANTITIES

BARS = "▁▂▃▄▅▆▇█"
_NARROWEST, _WIDEST = 10, 60


def curves(records: Sequence[EpochRecord], width: int) -> Table:
    """Return RMSEs and mapping errors of all epochs: a curve a line (logarithmic), the values of the networks
    as they are kept and after the last epoch.

    ``width`` : of the terminal, in characters.
    """
    room = min(max(width - 62, _NARROWEST), _WIDEST)
    best = best_record(records)
    found = plain_table("", "", "by epoch", "kept", "last")
    found.title = None
    found.columns[1].no_wrap, found.columns[1].justify = True, "left"
    part = "validation" if any(record.valid for record in records) else "training"
    for name, quantity in QUANTITIES.items():
        values = [_rmse(record, part, name) for record in records]
        if np.isfinite(values).any():
            at_best = np.nan if best is None else _rmse(best, part, name)
            title = f"{name} ({part}), {quantity.unit}"
            found.add_row(title, curve(values, room), number(at_best), number(values[-1]))
    for name in dict.fromkeys(name for record in records for name in record.mapping):
        values = [abs(record.mapping.get(name, np.nan)) for record in records]
        at_best = np.nan if best is None else best.mapping.get(name, np.nan)
        last = records[-1].mapping.get(name, np.nan)
        found.add_row(f"mapping: {name}, meV/atom", curve(values, room), number(at_best), number(last))
    return found


def _rmse(record: EpochRecord, part: str, name: str) -> float:
    rmses = record.valid if part == "validation" else record.train
    return rmses[name]["mean"] if name in rmses else np.nan


def curve(values: Sequence[float], width: int) -> str:
    """Return positive values as a row of at most ``width`` bars, by their logarithm.

    Where there is no value stands a blank; of several values in one place their median is drawn.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)
    parts = np.array_split(numbers, min(width, len(numbers))) if len(numbers) else []
    heights = [
        np.log(np.median(part[~np.isnan(part)])) if not np.isnan(part).all() else np.nan for part in parts
    ]
    known = [height for height in heights if np.isfinite(height)]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    top = len(BARS) - 1
    return "".join(
        " " if np.isnan(height) else BARS[round(top * (height - low) / span) if span else 0]
        for height in heights
    )
