"""The part of a session that holds regions: making, changing and keeping them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import is_not
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.documents.grouping import Labels
from app.documents.regions import (
    RULE_TEXTS,
    RegionDocument,
    Rule,
    document_from_dict,
    free_color,
    free_id,
    free_region_name,
    regions_of,
)
from app.session.data import DataSession
from app.session.notifications import Notification
from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.structures.frame import Frame

NO_FRAME = "Open a slab or a cluster first."
NO_ATOMS = "Choose atoms of this frame with the lasso or by clicking them (Ctrl adds), then try again."
ALL_ATOMS = "All atoms of the frame are chosen: leave some to compare them with."

Divide = Callable[["Frame", str, Progress], "RegionSet"]


class RegionSession(DataSession):
    """Named groups of atoms: by rule in the background, or from the selection; every change can be undone."""

    regions_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.region_sets: dict[str, RegionDocument] = {}
        self._labels: tuple[tuple[object, ...], Labels] | None = None

    def labels(self) -> Labels:
        """Return what divides the atoms of the open data sets, by region and temperature."""
        key = (self.region_sets, *(d.dataset for d in self.datasets.values()))
        known = self._labels
        if known is None or len(known[0]) != len(key) or any(map(is_not, known[0], key)):
            known = self._labels = key, Labels.of(self.region_sets, self.datasets.values())
        return known[1]

    def current_regions(self) -> RegionDocument | None:
        """Return the regions of the frame shown, or None."""
        document, frame = self.current_dataset, self.current_frame
        if document is None or frame is None:
            return None
        return regions_of(self.region_sets, document, frame)

    # making -------------------------------------------------------------------------------------------
    def make_regions(self, rule: Rule, divide: Divide) -> None:
        """Divide the frame shown by ``divide(frame, name, progress)`` in the background.

        New regions replace those the frame had.
        """
        document, frame = self.current_dataset, self.current_frame
        if document is None or frame is None:
            self.notify(Notification("info", "There is no structure to divide", NO_FRAME))
            return
        dataset_id, name = document.id, document.name
        self.run_task(
            f"Regions of {name}",
            lambda progress: divide(frame, name, progress),
            lambda found: self._put_regions(dataset_id, found, rule),
            lambda error: self.notify_error(f"{name} was not divided into regions", error),
            key="regions",
        )

    def regions_by_depth(self, surface_depth: float | None = None, axis: int = 2) -> None:
        """Divide the frame shown into bulk and surface by the depth below its faces, Å (None: the usual)."""

        def divide(frame: Frame, name: str, _progress: Progress) -> RegionSet:
            from nnpcore.mapping import depth_regions

            return depth_regions(frame, surface_depth=surface_depth, axis=axis, name=name)

        self.make_regions("depth", divide)

    def region_from_selection(self, name: str = "") -> None:
        """Make the selected atoms of the frame shown a region; they leave the regions they were in."""
        document, frame = self.current_dataset, self.current_frame
        if document is None or frame is None:
            self.notify(Notification("info", "There is no structure to divide", NO_FRAME))
            return
        atoms = self.selection.in_frame(document.id, document.frame_index)
        if not 0 < len(atoms) < frame.n_atoms:
            text = ALL_ATOMS if len(atoms) else NO_ATOMS
            self.notify(Notification("info", "No region was made", text))
            return
        from nnpcore.mapping import RegionSet, indices_region

        known = self.current_regions() or RegionDocument(
            free_id(self.region_sets), document.id, RegionSet(frame, (), document.name)
        )
        chosen = free_region_name(known.regions, name or "selection")
        added = indices_region(frame, chosen, atoms, free_color(known.regions))
        self._change_regions(f"Region {chosen}", self.region_sets | {known.id: known.with_selection(added)})

    def _put_regions(self, dataset_id: str, found: RegionSet, rule: Rule) -> None:
        dataset = self.datasets.get(dataset_id)
        kept = {
            key: known
            for key, known in self.region_sets.items()
            if not (dataset is not None and known.is_of(dataset) and known.fits(found.frame))
        }
        key = free_id(kept)
        taken = max((r.color_index + 1 for known in kept.values() for r in known.regions), default=0)
        made = RegionDocument(key, dataset_id, found, rule)
        kept[key] = made.with_set(replace(r, color_index=r.color_index + taken) for r in made.regions)
        self._change_regions(f"Regions {RULE_TEXTS[rule]}", kept)

    # changing -----------------------------------------------------------------------------------------
    def rename_region(self, set_id: str, number: int, name: str) -> None:
        """Give a region another name, made unique in its set; an empty one changes nothing."""
        known, name = self.region_sets[set_id], name.strip()
        if name and name != known.regions[number].name:
            changed = known.with_region(number, name=free_region_name(known.regions, name))
            self._change_regions("Rename region", self.region_sets | {set_id: changed})

    def recolor_region(self, set_id: str, number: int, color_index: int) -> None:
        """Give a region another colour."""
        known = self.region_sets[set_id]
        if color_index != known.regions[number].color_index:
            changed = known.with_region(number, color_index=color_index)
            self._change_regions("Recolour region", self.region_sets | {set_id: changed})

    def delete_region(self, set_id: str, number: int) -> None:
        """Take a region away; a set without regions goes, too."""
        changed = self.region_sets[set_id].without_region(number)
        kept = self.region_sets | {set_id: changed}
        if not changed.regions:
            del kept[set_id]
        self._change_regions("Delete region", kept)

    def delete_regions(self, set_id: str) -> None:
        """Take all regions of a structure away."""
        kept = {key: known for key, known in self.region_sets.items() if key != set_id}
        self._change_regions("Delete regions", kept)

    def restore_regions(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Add saved regions (not undone); damaged ones are told of and left out."""
        wanted = dict(self.region_sets)
        for values in saved:
            key = free_id(wanted)
            try:
                wanted[key] = document_from_dict(values, key)
            except AnalysisError as error:
                self.notify_error("Some regions were not restored", error)
        self._set_regions(wanted)

    def take_regions(self, sets: Iterable[RegionSet]) -> None:
        """Add the regions a reopened run was followed by, of structures that have none yet (not undone)."""
        wanted = dict(self.region_sets)
        taken = {known.name for known in wanted.values()}
        for regions in sets:
            if regions.name not in taken:
                key = free_id(wanted)
                wanted[key] = RegionDocument(key, "", regions)
        if len(wanted) > len(self.region_sets):
            self._set_regions(wanted)

    def _change_regions(self, text: str, wanted: dict[str, RegionDocument]) -> None:
        self._change(text, self._set_regions, self.region_sets, wanted)

    def _set_regions(self, wanted: dict[str, RegionDocument]) -> None:
        self.region_sets = wanted
        self.regions_changed.emit()
