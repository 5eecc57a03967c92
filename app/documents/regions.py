"""Regions as the window holds them: named groups of atoms of one structure, and of all frames like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from nnpcore.mapping import Region, RegionSet
    from nnpcore.structures.frame import Frame

Rule = Literal["depth", "distance", "selection"]
RULE_TEXTS: dict[Rule, str] = {
    "depth": "by depth",
    "distance": "by distance to the crystal",
    "selection": "by hand",
}

MOST_MOVED = 1.0
"""Å that half of the atoms of a structure have moved at most where its regions hold for them still."""


@dataclass(frozen=True, eq=False)
class RegionDocument:
    """The regions of one structure; immutable, so that undo just keeps the old one.

    Attributes
    ----------
    id : unique in the session.
    dataset_id : the data set the structure is from; it may be closed meanwhile, and is found again by the
        structure's file.
    set : the structure with its regions, which hold for every frame of the data set with the same atoms.
    rule : how they were made.
    """

    id: str
    dataset_id: str
    set: RegionSet
    rule: Rule = "selection"

    @property
    def name(self) -> str:
        """Name of the structure."""
        return self.set.name or self.dataset_id

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions."""
        return self.set.regions

    @property
    def frame(self) -> Frame:
        """The structure they were made on."""
        return self.set.frame

    def is_of(self, dataset: DatasetDocument) -> bool:
        """Whether the structure is of this data set: by its file, else by its name."""
        source, index = self.frame.source, self.frame.index
        theirs = dataset.frames[0].source if dataset.frames else ""
        if not source or not theirs:
            return dataset.id in (self.dataset_id, "" if self.dataset_id else self.set.name)
        if Path(theirs).absolute() == Path(source).absolute():
            return True
        moved = Path(theirs).name == Path(source).name and index < dataset.n_frames
        return moved and _same_positions(dataset.frames[index], self.frame)

    def fits(self, frame: Frame) -> bool:
        """Whether a frame has the same atoms in the same order."""
        return np.array_equal(frame.numbers, self.frame.numbers)

    def moved_to(self, frame: Frame) -> bool:
        """Whether a frame of any file is the structure with its atoms moved a little, as in its dynamics."""
        if not self.fits(frame):
            return False
        moves = frame.positions - self.frame.positions
        if frame.volume > 0:
            through = np.round(moves @ np.linalg.inv(frame.cell))
            moves = moves - np.where(frame.pbc, through, 0.0) @ frame.cell
        return float(np.median(np.linalg.norm(moves, axis=1))) < MOST_MOVED

    def labels(self) -> np.ndarray:
        """Return the region of every atom (n_atoms,), -1 for atoms in none."""
        found = np.full(self.frame.n_atoms, -1, dtype=np.int64)
        for number, region in enumerate(self.regions):
            found[region.atoms] = number
        return found

    def with_set(self, regions: Iterable[Region]) -> RegionDocument:
        """Return the same structure with other regions."""
        return replace(self, set=replace(self.set, regions=tuple(regions)))

    def with_region(self, number: int, **changes: Any) -> RegionDocument:
        """Return the same with one region changed, e.g. ``name="top"``."""
        regions = list(self.regions)
        regions[number] = replace(regions[number], **changes)
        return self.with_set(regions)

    def without_region(self, number: int) -> RegionDocument:
        """Return the same without one region."""
        return self.with_set(region for k, region in enumerate(self.regions) if k != number)

    def with_selection(self, added: Region) -> RegionDocument:
        """Return the same with one region more; its atoms leave the others, and emptied ones go."""
        return replace(self, set=self.set.with_region(added), rule="selection")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the session file, the structure included."""
        return {"dataset": self.dataset_id, "rule": self.rule, **self.set.to_dict()}


def _same_positions(one: Frame, other: Frame) -> bool:
    same = one.positions.shape == other.positions.shape
    return same and np.allclose(one.positions, other.positions, atol=1e-5)


def document_from_dict(values: Mapping[str, Any], set_id: str) -> RegionDocument:
    """Rebuild from :meth:`RegionDocument.to_dict` or ``RegionSet.to_dict``; AnalysisError where damaged."""
    from nnpcore.mapping import RegionSet

    rule = cast(Rule, values.get("rule") if values.get("rule") in RULE_TEXTS else "selection")
    return RegionDocument(set_id, str(values.get("dataset", "")), RegionSet.from_dict(values), rule)


def regions_of(
    sets: Mapping[str, RegionDocument], dataset: DatasetDocument, frame: Frame
) -> RegionDocument | None:
    """Return the regions that hold for a frame of a data set, the latest ones, or None."""
    return next((d for d in reversed([*sets.values()]) if d.is_of(dataset) and d.fits(frame)), None)


def free_id(sets: Mapping[str, RegionDocument]) -> str:
    """Return an id that is not taken."""
    return next(key for number in count(1) if (key := f"regions-{number}") not in sets)


def free_region_name(regions: Sequence[Region], wanted: str) -> str:
    """Return a region name that is not taken."""
    taken = {region.name for region in regions}
    names = (wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)


def free_color(regions: Sequence[Region]) -> int:
    """Return the first colour number no region has."""
    taken = {region.color_index for region in regions}
    return next(k for k in range(len(taken) + 1) if k not in taken)
