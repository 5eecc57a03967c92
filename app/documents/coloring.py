"""How atoms are coloured: by what, relative to what, over which range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RangeMode = Literal["auto", "frame", "percentile", "all", "all_percentile", "locked"]
Baseline = Literal["ensemble", "reference"]

PREDICTED_KINDS = (
    "atomic_energy", "atomic_energy_std", "reference_error", "run_difference", "force_error"
)  # fmt: skip
ALL_FRAMES: tuple[RangeMode, ...] = ("all", "all_percentile")
FRAME_GROUP = "frame_group"
"""By the group of the frame, see ``nnpcore.structures.groups``: all of its atoms alike."""

LABELS = {
    "element": "Element",
    "atomic_energy": "Atomic energy",
    "atomic_energy_std": "Atomic energy std",
    "reference_error": "Eₐₜ − reference",
    "run_difference": "Difference of two runs",
    "force_error": "Force error",
    "region": "Region",
    FRAME_GROUP: "Group of frames",
    "foretold": "Foretold spread",
}
OLD_KINDS = {"rigidity": "foretold"}
"""What colourings of older sessions are called now."""


@dataclass(frozen=True)
class Coloring:
    """What the viewer colours by; immutable, so that undo just keeps the old one.

    Attributes
    ----------
    kind : one of ``LABELS`` or the name of an array of the file.
    relative : show atomic energies relative to ``baseline`` (else absolute).
    baseline : the ensemble's or the reference's energy per atom of the crystal at its minimum.
    range_mode : "auto" (kept over the frames), "frame" (smallest to largest of the frame), "percentile"
        (2 to 98 % of the frame), "all" and "all_percentile" (the same of all frames), or "locked" (``low`` to
        ``high``); the viewer finds it.
    reverse : turn the colour map around.
    sequential, centered : names of the maps for magnitudes and for what has a special zero, or "".
    other : name of the run that is taken off in "run_difference"; "" takes the first other one.
    """

    kind: str = "element"
    relative: bool = True
    baseline: Baseline = "ensemble"
    range_mode: RangeMode = "auto"
    low: float = 0.0
    high: float = 1.0
    reverse: bool = False
    sequential: str = ""
    centered: str = ""
    other: str = ""

    @property
    def diverging(self) -> bool:
        """Whether zero is special, so that the map is diverging and centred on it."""
        return self.kind in ("reference_error", "run_difference") or (
            self.kind == "atomic_energy" and self.relative
        )

    @property
    def map_name(self) -> str:
        """The name of the colour map that is used; "" for the usual one."""
        return self.centered if self.diverging else self.sequential
