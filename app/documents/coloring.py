"""How atoms are coloured: by what, relative to what, over which range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RangeMode = Literal["auto", "frame", "percentile", "locked"]
Baseline = Literal["ensemble", "reference"]

PREDICTED_KINDS = ("atomic_energy", "atomic_energy_std", "force_error")
LABELS = {
    "element": "Element",
    "atomic_energy": "Atomic energy",
    "atomic_energy_std": "Atomic energy std",
    "force_error": "Force error",
    "region": "Region",
    "rigidity": "Rigidity",
}


@dataclass(frozen=True)
class Coloring:
    """What the viewer colours by; immutable, so that undo just keeps the old one.

    Attributes
    ----------
    kind : "element", "atomic_energy", "atomic_energy_std", "force_error", "region", "rigidity" or the name of
        an array of the file.
    relative : show atomic energies relative to ``baseline`` (else absolute).
    baseline : the ensemble's or the reference's energy per atom of the crystal at its minimum.
    range_mode : "auto" (kept over the frames), "frame" (smallest to largest of the frame), "percentile"
        (most of the frame) or "locked" (``low`` to ``high``); the viewer finds it.
    reverse : turn the colour map around.
    """

    kind: str = "element"
    relative: bool = True
    baseline: Baseline = "ensemble"
    range_mode: RangeMode = "auto"
    low: float = 0.0
    high: float = 1.0
    reverse: bool = False

    @property
    def diverging(self) -> bool:
        """Whether zero is special, so that the map is diverging and centred on it."""
        return self.kind == "atomic_energy" and self.relative
