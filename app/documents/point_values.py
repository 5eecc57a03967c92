"""Numbers of a map's points: components, predicted ones, and whatever the files hold for atom or frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """One kind of number: ``kind`` is its key; ``diverging`` says that 0 is special; ``short``: for menus."""

    kind: str
    label: str
    unit: str = ""
    diverging: bool = False
    short: str = ""

    @property
    def text(self) -> str:
        """Label with unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def entry(self) -> str:
        """What a list of kinds calls it."""
        return self.short or self.label


DISTANCE = ValueKind("distance", "Distance to the training set", short="Distance")
PREDICTED = (
    ValueKind("atomic_energy", "Eₐₜ", "meV", diverging=True),
    ValueKind("atomic_energy_std", "Std of Eₐₜ", "meV"),
)
ERROR = ValueKind("reference_error", "Eₐₜ − reference", "meV", diverging=True)
FORCE = ValueKind("force", "Force", "eV/Å")
VOLUME = ValueKind("volume", "Volume", "Å³/atom")


def component(k: int, shares: np.ndarray) -> ValueKind:
    """Return principal component ``k``, from 0, with its share of the variance."""
    share = f" ({100 * shares[k]:.0f} %)" if k < len(shares) else ""
    return ValueKind(f"pc:{k}", f"PC {k + 1}{share}", short=f"PC {k + 1}")


def value_kinds(groups: Sequence[AtomGroup], frames_of: FramesOf) -> list[ValueKind]:
    """Return what is known of the points, judged by each group's first frame."""
    found = [kind for kind in PREDICTED if any(kind.kind in group.values for group in groups)]
    firsts = [frames[0] for group in groups if (frames := frames_of(group.dataset_id)) and not group.path]
    if found and any(frame.exact_energies is not None for frame in firsts):
        found.append(ERROR)
    found.append(DISTANCE)
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
    if kind.kind.startswith("pc:"):
        k = int(kind.kind[3:])
        return group.scores[:, k] if k < group.scores.shape[1] else np.zeros(len(group.scores))
    if kind == DISTANCE:
        return group.values.get(kind.kind)
    if kind in PREDICTED:
        values = group.values.get(kind.kind)
        return None if values is None else MEV_PER_EV * (values - (energy_zero if kind.diverging else 0.0))
    energies, frames = group.values.get("atomic_energy"), frames_of(group.dataset_id)
    if frames is None or (kind == ERROR and energies is None):
        return None
    result = np.full(len(group.frame), np.nan)
    for index, rows in rows_by_frame(group.frame):
        if index < len(frames):
            result[rows] = _of_frame(kind.kind, frames[index], group.atom[rows])
    if kind == ERROR and energies is not None:
        result = MEV_PER_EV * (energies - result)
    return result if np.isfinite(result).any() else None


def rows_by_frame(frame: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield every number among ``frame`` (n,) and the rows that have it."""
    if not len(frame):
        return
    order = np.argsort(frame, kind="stable")
    starts = np.flatnonzero(np.diff(frame[order], prepend=-1))
    for first, last in zip(starts, [*starts[1:], len(order)], strict=True):
        yield int(frame[order[first]]), order[first:last]


def _of_frame(kind: str, frame: Frame, atoms: np.ndarray) -> np.ndarray | float:
    """Return the value of a kind for some atoms of a frame: (n,), or one number for all."""
    what, _, name = kind.partition(":")
    if what == "reference_error":
        return np.nan if frame.exact_energies is None else frame.exact_energies[atoms]
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
