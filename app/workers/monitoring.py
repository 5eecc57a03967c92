"""What a training in the window monitors: the EOS reference, and regions that have reference values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.errors import EatlasError

if TYPE_CHECKING:
    from app.documents.regions import RegionDocument
    from nnpcore.analyses import MappingMonitor
    from nnpcore.mapping import RegionSet
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Monitored:
    """A snapshot taken on the main thread: crystals along their volume, and regions."""

    crystal: tuple[Frame, ...] = ()
    regions: tuple[RegionDocument, ...] = ()


def make_monitor(wanted: Monitored, train: Sequence[Frame]) -> MappingMonitor | None:
    """Return a monitor of what can be followed, None where that is nothing.

    Crystals that are no invariant points, and structures with elements that no training frame has, are left
    out: a training must not fail because of what merely looks on.
    """
    from nnpcore.analyses import MappingMonitor
    from nnpcore.mapping import check_invariant

    known = {int(number) for frame in train for number in frame.numbers}
    crystal = wanted.crystal if _elements(wanted.crystal) <= known else ()
    if crystal and not all(check.ok for check in check_invariant(crystal, n_threads=1)):
        crystal = ()
    sets = [s for s in _referenced(wanted.regions, crystal) if _elements([s.frame]) <= known]
    try:
        return MappingMonitor(crystal or None, _told_apart(sets))
    except EatlasError:
        return None


def old_monitor(folder: Path) -> MappingMonitor | None:
    """Return what a run monitored before, None where it did not or the file is damaged."""
    from nnpcore.analyses import MappingMonitor

    try:
        return MappingMonitor.load(folder)
    except EatlasError:
        return None


def _referenced(regions: Sequence[RegionDocument], crystal: Sequence[Frame]) -> list[RegionSet]:
    """Return the regions that have reference values."""
    from nnpcore.analyses import Evaluation, found
    from nnpcore.analyses.inputs import CRYSTAL, EOS_ROLE, REGION_SETS, FrameGroup
    from nnpcore.analyses.regions import REFERENCES

    evaluation = Evaluation()
    evaluation.set(CRYSTAL, FrameGroup("", "", EOS_ROLE, tuple(crystal)) if crystal else None)
    evaluation.set(REGION_SETS, {known.id: known.set for known in regions} or None)
    references = found(evaluation.value(REFERENCES, n_threads=1))
    sets = [] if references is None else list(references.found.values())
    return [s for s in sets if any(region.reference is not None for region in s.regions)]


def _elements(frames: Sequence[Frame]) -> set[int]:
    return {int(number) for frame in frames for number in frame.numbers}


def _told_apart(sets: Sequence[RegionSet]) -> list[RegionSet]:
    """Return the sets whose regions have names of their own; later ones of the same name go."""
    taken: set[str] = set()
    kept = []
    for regions in sets:
        titles = {regions.title_of(region) for region in regions.regions}
        if not titles & taken:
            taken |= titles
            kept.append(regions)
    return kept
