"""Dividing the atoms of one source by region or by temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.structures.frame import Frame

Grouping = Literal["dataset", "group", "region", "temperature"]
TEMPERATURE = "temperature"
REST = "rest"
"""Name of the part that holds the atoms of no region."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some atoms of a group: name and palette number of the part, and which rows of the group they are."""

    name: str
    color_index: int
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class SourceLabels:
    """What divides the atoms of the frames of one source.

    Attributes
    ----------
    regions : (n_frames,) number of the region set of each frame, -1 for none.
    sets : the region sets.
    temperatures : (n_frames,) K, NaN where the frame does not know.
    groups : (n_frames,) the group of each frame, see ``nnpcore.structures.groups``; () where not asked for.
    """

    regions: np.ndarray
    sets: tuple[RegionSet, ...]
    temperatures: np.ndarray
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Labels:
    """What divides the atoms of all sources, by key."""

    by_source: Mapping[str, SourceLabels]

    @cached_property
    def temperatures(self) -> np.ndarray:
        """All that occur (n,), K, rising."""
        found = [labels.temperatures for labels in self.by_source.values()]
        kelvin = np.unique(np.concatenate([np.empty(0), *found]))
        return kelvin[np.isfinite(kelvin)]

    def groupings(self) -> list[Grouping]:
        """Return the ways in which the atoms can be divided."""
        found: list[Grouping] = ["dataset"]
        if any(len(set(known.groups)) > 1 for known in self.by_source.values()):
            found.append("group")
        if any(known.sets for known in self.by_source.values()):
            found.append("region")
        if len(self.temperatures) > 1:
            found.append("temperature")
        return found

    def parts(self, grouping: Grouping, key: str, frame: np.ndarray, atom: np.ndarray) -> list[Part]:
        """Divide atoms (frame (n,), atom (n,)) of one source; [] where nothing is known to divide them by.

        Atoms in no region form a part called "rest"; those of unknown temperature one without a name.
        """
        known = self.by_source.get(key)
        if known is None or grouping == "dataset" or not len(frame):
            return []
        if grouping == "group":
            return self._by_group(known.groups, frame)
        if grouping == "temperature":
            return self._by_temperature(known.temperatures[frame])
        return _by_region(known, frame, atom)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """All groups that occur, each once."""
        return tuple(dict.fromkeys(name for known in self.by_source.values() for name in known.groups))

    def _by_group(self, groups: Sequence[str], frame: np.ndarray) -> list[Part]:
        if len(set(groups)) < 2:
            return []
        numbers = {name: k for k, name in enumerate(self.groups)}
        which = np.array([numbers[name] for name in groups], dtype=np.int64)[frame]
        return [Part(self.groups[k], k, np.flatnonzero(which == k)) for k in np.unique(which).tolist()]

    def _by_temperature(self, kelvin: np.ndarray) -> list[Part]:
        rows = {k: np.flatnonzero(kelvin == value) for k, value in enumerate(self.temperatures)}
        parts = [Part(f"{self.temperatures[k]:.0f} K", k, found) for k, found in rows.items() if len(found)]
        rest = np.flatnonzero(~np.isfinite(kelvin))
        return [*parts, Part("", len(self.temperatures), rest)] if parts and len(rest) else parts


def temperatures_of(frames: Sequence[Frame]) -> np.ndarray:
    """Return the temperature each frame was sampled at, K (n_frames,); NaN where it does not say."""
    found = [frame.info.get(TEMPERATURE) for frame in frames]
    number = (int, float, np.integer, np.floating)
    return np.array([value if isinstance(value, number) else np.nan for value in found], dtype=np.float64)


def _by_region(known: SourceLabels, frame: np.ndarray, atom: np.ndarray) -> list[Part]:
    rows: dict[str, list[np.ndarray]] = {}
    colors: dict[str, int] = {}
    which = known.regions[frame]
    taken = np.zeros(len(frame), dtype=bool)
    for number, regions in enumerate(known.sets):
        mine = np.flatnonzero(which == number)
        for region in regions.regions:
            chosen = mine[np.isin(atom[mine], region.atoms)]
            if len(chosen):
                rows.setdefault(region.name, []).append(chosen)
                colors.setdefault(region.name, region.color_index)
                taken[chosen] = True
    if not rows:
        return []
    parts = [Part(name, colors[name], np.concatenate(found)) for name, found in rows.items()]
    rest = np.flatnonzero(~taken)
    return [*parts, Part(REST, max(colors.values()) + 1, rest)] if len(rest) else parts


def part_name(group: str, part: str, short: bool) -> str:
    """Return the name of a part of a group; ``short`` leaves out the group's."""
    if not part:
        return group
    return part if short else f"{group}: {part}"
