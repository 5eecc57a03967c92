"""Dividing groups of atoms by region or by temperature, for PCA and connectivity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from app.documents.analyses import AtomGroup
    from app.documents.dataset import DatasetDocument
    from app.documents.regions import RegionDocument
    from nnpcore.structures.frame import Frame

Grouping = Literal["dataset", "region", "temperature"]
GROUPING_TEXTS: dict[Grouping, str] = {
    "dataset": "Data set",
    "region": "Region",
    "temperature": "Temperature",
}
TEMPERATURE = "temperature"


@dataclass(frozen=True, eq=False)
class Part:
    """Some atoms of a group: name and colour of the part, and which rows of the group they are."""

    name: str
    color_index: int
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class DatasetLabels:
    """What divides the atoms of one data set.

    Attributes
    ----------
    regions : (n_frames,) number of the region set of each frame, -1 for none.
    sets : per region set: names and colours of its regions, and the region of every atom (-1: none).
    temperatures : (n_frames,) K, NaN where the frame does not know.
    """

    regions: np.ndarray
    sets: tuple[tuple[tuple[str, ...], tuple[int, ...], np.ndarray], ...]
    temperatures: np.ndarray


@dataclass(frozen=True, eq=False)
class Labels:
    """What divides the atoms of all open data sets; ``temperatures`` (n,) are all that occur, K, rising."""

    datasets: Mapping[str, DatasetLabels]
    temperatures: np.ndarray

    @classmethod
    def of(cls, sets: Mapping[str, RegionDocument], datasets: Iterable[DatasetDocument]) -> Labels:
        """Return what is known of the atoms of every open data set, by its id."""
        known = {d.id: _labels(sets, d) for d in datasets}
        found = [labels.temperatures for labels in known.values()]
        kelvin = np.unique(np.concatenate(found)) if found else np.empty(0)
        return cls(known, kelvin[np.isfinite(kelvin)])

    def groupings(self) -> list[Grouping]:
        """Return the ways in which the open data can be divided."""
        found: list[Grouping] = ["dataset"]
        if any(known.sets for known in self.datasets.values()):
            found.append("region")
        if len(self.temperatures) > 1:
            found.append("temperature")
        return found

    def parts(self, grouping: Grouping, dataset_id: str, frame: np.ndarray, atom: np.ndarray) -> list[Part]:
        """Divide atoms (frame (n,), atom (n,)) of one data set; [] where nothing is known to divide them by.

        Atoms in no region form a part called "rest"; those of unknown temperature one without a name.
        """
        known = self.datasets.get(dataset_id)
        if known is None or grouping == "dataset" or not len(frame):
            return []
        if grouping == "temperature":
            return self._by_temperature(known.temperatures[frame])
        return _by_region(known, frame, atom)

    def _by_temperature(self, kelvin: np.ndarray) -> list[Part]:
        rows = {k: np.flatnonzero(kelvin == value) for k, value in enumerate(self.temperatures)}
        parts = [Part(f"{self.temperatures[k]:.0f} K", k, found) for k, found in rows.items() if len(found)]
        rest = np.flatnonzero(~np.isfinite(kelvin))
        return [*parts, Part("", len(self.temperatures), rest)] if parts and len(rest) else parts


def _labels(sets: Mapping[str, RegionDocument], dataset: DatasetDocument) -> DatasetLabels:
    mine = {key: known for key, known in sets.items() if known.is_of(dataset)}
    numbers = np.full(dataset.n_frames, -1, dtype=np.int64)
    order = list(mine)
    if mine:
        for index, frame in enumerate(dataset.frames):
            fitting = [k for k, key in enumerate(order) if mine[key].fits(frame)]
            numbers[index] = fitting[-1] if fitting else -1
    parts = tuple(
        (tuple(r.name for r in known.regions), tuple(r.color_index for r in known.regions), known.labels())
        for known in mine.values()
    )
    return DatasetLabels(numbers, parts, temperatures_of(dataset.frames))


def temperatures_of(frames: Sequence[Frame]) -> np.ndarray:
    """Return the temperature each frame was sampled at, K (n_frames,); NaN where it does not say."""
    return np.array([_number(frame.info.get(TEMPERATURE)) for frame in frames], dtype=np.float64)


def _number(value: object) -> float:
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    return float(value) if is_number else float("nan")  # type: ignore[arg-type]


def _by_region(known: DatasetLabels, frame: np.ndarray, atom: np.ndarray) -> list[Part]:
    rows: dict[str, list[np.ndarray]] = {}
    colors: dict[str, int] = {}
    which = known.regions[frame]
    taken = np.zeros(len(frame), dtype=bool)
    for number, (names, shades, region_of_atom) in enumerate(known.sets):
        mine = np.flatnonzero(which == number)
        label = region_of_atom[atom[mine]]
        for k, (name, color) in enumerate(zip(names, shades, strict=True)):
            chosen = mine[label == k]
            if len(chosen):
                rows.setdefault(name, []).append(chosen)
                colors.setdefault(name, color)
                taken[chosen] = True
    if not rows:
        return []
    parts = [Part(name, colors[name], np.concatenate(found)) for name, found in rows.items()]
    rest = np.flatnonzero(~taken)
    return [*parts, Part("rest", max(colors.values()) + 1, rest)] if len(rest) else parts


def part_name(group: str, part: str, short: bool) -> str:
    """Return the name of a part of a group; ``short`` leaves out the group's."""
    if not part:
        return group
    return part if short else f"{group}: {part}"


def divided(group: AtomGroup, grouping: Grouping, labels: Labels, alone: bool) -> list[AtomGroup]:
    """Return the parts of a group, or the group itself where nothing divides it; validation atoms stay one.

    Parts of a training set that stands ``alone`` go by their own names.
    """
    whole = group.path or group.role == "validation"
    parts = [] if whole else labels.parts(grouping, group.dataset_id, group.frame, group.atom)
    if not parts:
        return [group]
    return [
        replace(
            group,
            name=part_name(group.name, part.name, alone and group.role == "training"),
            color_index=part.color_index,
            part=part.name,
            frame=group.frame[part.rows],
            atom=group.atom[part.rows],
            scores=group.scores[part.rows],
            values={name: values[part.rows] for name, values in group.values.items()},
        )
        for part in parts
    ]
