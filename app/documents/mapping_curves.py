"""Mapping errors against the epoch, as they were monitored while a run trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from app.documents.regions import RegionDocument
    from nnpcore.training import EpochRecord

CRYSTAL = ("EOS rmse in range", "E_at(V0)")
"""Entries of a crystal, see ``nnpcore.analyses.MappingMonitor``: at the end of a name."""

CRYSTAL_TEXTS = {CRYSTAL[0]: "crystal, in reach", CRYSTAL[1]: "crystal at V₀"}


@dataclass(frozen=True, eq=False)
class MappingCurve:
    """One monitored quantity.

    Attributes
    ----------
    key : its name in the history. name : as shown. color : a theme name or ``series:n``.
    epochs : (n,). errors : (n,) signed, meV/atom, NaN in epochs without it.
    """

    key: str
    name: str
    color: str
    epochs: np.ndarray
    errors: np.ndarray


def mapping_curves(history: Sequence[EpochRecord], sets: Iterable[RegionDocument] = ()) -> list[MappingCurve]:
    """Return the curves a history holds, the crystal's first; regions have the colours they have now."""
    keys = {key: None for record in history for key in record.mapping}
    colors = {known.set.title_of(r): r.color_index for known in sets for r in known.regions}
    epochs = np.array([record.epoch for record in history], dtype=np.float64)
    found = []
    for key in sorted(keys, key=lambda key: not key.endswith(CRYSTAL)):
        errors = np.array([record.mapping.get(key, np.nan) for record in history], dtype=np.float64)
        ending = next((c for c in CRYSTAL if key.endswith(c)), "")
        if ending:
            name = key.removesuffix(ending) + CRYSTAL_TEXTS[ending]
            color = "muted" if ending == CRYSTAL[0] else "reference"
        else:
            name = key
            color = f"series:{colors.get(key, len(found))}"
        found.append(MappingCurve(key, name, color, epochs, errors))
    return found


def without_doubles(curves: Sequence[MappingCurve]) -> list[MappingCurve]:
    """Return what is shown: of a crystal only the error at V₀, where it is known."""
    at_v0 = {c.key.removesuffix(CRYSTAL[1]) for c in curves if c.key.endswith(CRYSTAL[1])}
    return [c for c in curves if not (c.key.endswith(CRYSTAL[0]) and c.key.removesuffix(CRYSTAL[0]) in at_v0)]
