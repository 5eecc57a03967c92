"""Numbers to colour the points of a map by: predicted ones, and whatever the files hold for atom or frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.documents.atom_values import is_scalar
from app.documents.grouping import AtomGroup
from nnpcore.structures.frame import Frame
from nnpcore.units import MEV_PER_EV

FramesOf = Callable[[str], Sequence[Frame] | None]
"""Data set id -> its frames, None where it is not open."""


@dataclass(frozen=True)
class ValueKind:
    """One kind of number: ``kind`` is its key; ``diverging`` says that 0 is special."""

    kind: str
    label: str
    unit: str = ""
    diverging: bool = False

    @property
    def text(self) -> str:
        """Label with unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


PREDICTED = (
    ValueKind("atomic_energy", "Eₐₜ", "meV", diverging=True),
    ValueKind("atomic_energy_std", "Std of Eₐₜ", "meV"),
    ValueKind("distance", "Distance"),
)
FORCE = ValueKind("force", "Force", "eV/Å")
VOLUME = ValueKind("volume", "Volume", "Å³/atom")


def value_kinds(groups: Sequence[AtomGroup], frames_of: FramesOf) -> list[ValueKind]:
    """Return what the points can be coloured by, judged by each group's first frame."""
    found = [kind for kind in PREDICTED if any(kind.kind in group.values for group in groups)]
    firsts = [frames[0] for group in groups if (frames := frames_of(group.dataset_id)) and not group.path]
    if any(frame.forces is not None for frame in firsts):
        found.append(FORCE)
    if any(frame.volume > 0 for frame in firsts):
        found.append(VOLUME)
    arrays = {name for frame in firsts for name, values in frame.arrays.items() if is_scalar(values)}
    infos = {name for frame in firsts for name, value in frame.info.items() if _is_number(value)}
    found += [ValueKind(f"array:{name}", name) for name in sorted(arrays)]
    return found + [ValueKind(f"info:{name}", name) for name in sorted(infos)]


def point_values(
    kind: ValueKind, group: AtomGroup, frames_of: FramesOf, energy_zero: float
) -> np.ndarray | None:
    """Return the numbers (n,) of a group's points, NaN where unknown, or None where none is known.

    Atomic energies (meV) are relative to ``energy_zero``, eV.
    """
    if kind in PREDICTED:
        values = group.values.get(kind.kind)
        if values is None or kind.kind == "distance":
            return values
        return MEV_PER_EV * (values - (energy_zero if kind.diverging else 0.0))
    frames = frames_of(group.dataset_id)
    if frames is None:
        return None
    result = np.full(len(group.frame), np.nan)
    for index in np.unique(group.frame):
        if index < len(frames):
            rows = group.frame == index
            result[rows] = _of_frame(kind.kind, frames[index], group.atom[rows])
    return result if np.isfinite(result).any() else None


def _of_frame(kind: str, frame: Frame, atoms: np.ndarray) -> np.ndarray | float:
    """Return the value of a kind for some atoms of a frame: (n,), or one number for all."""
    what, _, name = kind.partition(":")
    if what == "force":
        return np.nan if frame.forces is None else np.linalg.norm(frame.forces[atoms], axis=1)
    if what == "volume":
        return frame.volume / max(frame.n_atoms, 1) or np.nan
    if what == "array":
        values = frame.arrays.get(name)
        return np.nan if values is None or not is_scalar(values) else values[atoms].astype(np.float64)
    value = frame.info.get(name)
    return float(value) if value is not None and _is_number(value) else np.nan


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
