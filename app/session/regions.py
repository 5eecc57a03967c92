"""The part of a session that holds regions: making, changing and keeping them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from operator import is_not
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.documents.grouping import labels_of
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
from app.session.data import Data
from app.session.groups import Groups
from app.session.messages import Messages, Notification
from app.session.selection import SharedSelection
from app.session.undo import UndoStack
from app.workers.tasks import TaskRunner
from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.graph import Evaluation, required
from nnpcore.analyses.inputs import CRYSTAL, EOS_ROLE, FUNCTIONS, FrameGroup
from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from nnpcore.analyses.division import Labels
    from nnpcore.mapping import RegionSet
    from nnpcore.structures.frame import Frame

NO_FRAME = "Open a slab or a cluster first."
NO_ATOMS = "Choose atoms of this frame with the lasso or by clicking them (Ctrl adds), then try again."
ALL_ATOMS = "All atoms of the frame are chosen: leave some to compare them with."

Divide = Callable[["Frame", str, Progress], "RegionSet"]


class Regions(QObject):
    """Named groups of atoms: by rule in the background, or from the selection; every change can be undone."""

    changed = Signal()

    def __init__(
        self,
        data: Data,
        groups: Groups,
        selection: SharedSelection,
        tasks: TaskRunner,
        messages: Messages,
        undo: UndoStack,
    ) -> None:
        super().__init__()
        self._data, self.groups, self._selection = data, groups, selection
        self._tasks, self._messages, self._undo = tasks, messages, undo
        self.sets: dict[str, RegionDocument] = {}
        self._labels: tuple[tuple[object, ...], Labels] | None = None

    def labels(self) -> Labels:
        """Return what divides the atoms of the open data sets, by region, temperature and group."""
        key = (self.sets, self.groups.key, *(d.dataset for d in self._data.datasets.values()))
        known = self._labels
        if known is None or len(known[0]) != len(key) or any(map(is_not, known[0], key)):
            known = self._labels = key, labels_of(self.sets, self._data.datasets.values(), self.groups.key)
        return known[1]

    def current(self) -> RegionDocument | None:
        """Return the regions of the frame shown, or None."""
        document, frame = self._data.current, self._data.frame
        if document is None or frame is None:
            return None
        return regions_of(self.sets, document, frame)

    # making -------------------------------------------------------------------------------------------
    def make(self, rule: Rule, divide: Divide) -> None:
        """Divide the frame shown by ``divide(frame, name, progress)`` in the background.

        New regions replace those the frame had.
        """
        document, frame = self._data.current, self._data.frame
        if document is None or frame is None:
            self._messages.notify(Notification("info", "There is no structure to divide", NO_FRAME))
            return
        dataset_id, name = document.id, document.name
        self._tasks.run(
            f"Regions of {name}",
            lambda progress: divide(frame, name, progress),
            lambda found: self._put(dataset_id, found, rule),
            lambda error: self._messages.notify_error(f"{name} was not divided into regions", error),
            key="regions",
        )

    def by_depth(self, surface_depth: float | None = None, axis: int = 2) -> None:
        """Divide the frame shown into bulk and surface by the depth below its faces, Å (None: the usual)."""

        def divide(frame: Frame, name: str, _progress: Progress) -> RegionSet:
            from nnpcore.mapping import depth_regions

            return depth_regions(frame, surface_depth=surface_depth, axis=axis, name=name)

        self.make("depth", divide)

    def by_distance(self, run: RunDocument | None) -> None:
        """Divide the frame shown by each atom's distance in G to the crystal of the EOS reference.

        The border, in whitened units of ``run``, lies in the widest gap.
        """
        crystals = self._data.of_role(Role.EOS)
        if run is None or run.functions is None or run.whitening is None or not crystals:
            text = "Train or open a run and open a crystal with the role “EOS reference” first."
            self._messages.notify(Notification("info", "Nothing tells what the crystal looks like", text))
            return
        functions, whitening, known = run.functions, run.whitening, crystals[0]
        evaluation = Evaluation()
        evaluation.set(CRYSTAL, FrameGroup(known.id, known.name, EOS_ROLE, known.frames))
        evaluation.set(FUNCTIONS, functions)

        def divide(frame: Frame, name: str, progress: Progress) -> RegionSet:
            from nnpcore.mapping import distance_regions

            points = required(evaluation.value(POINTS, n_threads=1, progress=progress))
            return distance_regions(
                frame, functions, whitening, points.values, element=points.element, name=name
            )

        self.make("distance", divide)

    def from_selection(self, name: str = "") -> None:
        """Make the selected atoms of the frame shown a region; they leave the regions they were in."""
        document, frame = self._data.current, self._data.frame
        if document is None or frame is None:
            self._messages.notify(Notification("info", "There is no structure to divide", NO_FRAME))
            return
        atoms = self._selection.current.in_frame(document.id, document.frame_index)
        if not 0 < len(atoms) < frame.n_atoms:
            text = ALL_ATOMS if len(atoms) else NO_ATOMS
            self._messages.notify(Notification("info", "No region was made", text))
            return
        from nnpcore.mapping import RegionSet, indices_region

        known = self.current() or RegionDocument(
            free_id(self.sets), document.id, RegionSet(frame, (), document.name)
        )
        chosen = free_region_name(known.regions, name or "selection")
        added = indices_region(frame, chosen, atoms, free_color(known.regions))
        self._change(f"region {chosen}", self.sets | {known.id: known.with_selection(added)})

    def _put(self, dataset_id: str, found: RegionSet, rule: Rule) -> None:
        dataset = self._data.datasets.get(dataset_id)
        kept = {
            key: known
            for key, known in self.sets.items()
            if not (dataset is not None and known.is_of(dataset) and known.fits(found.frame))
        }
        key = free_id(kept)
        taken = max((r.color_index + 1 for known in kept.values() for r in known.regions), default=0)
        made = RegionDocument(key, dataset_id, found, rule)
        kept[key] = made.with_set(replace(r, color_index=r.color_index + taken) for r in made.regions)
        self._change(f"regions {RULE_TEXTS[rule]}", kept)

    # changing -----------------------------------------------------------------------------------------
    def rename(self, set_id: str, number: int, name: str) -> None:
        """Give a region another name, made unique in its set; an empty one changes nothing."""
        known, name = self.sets[set_id], name.strip()
        if name and name != known.regions[number].name:
            changed = known.with_region(number, name=free_region_name(known.regions, name))
            self._change("renaming a region", self.sets | {set_id: changed})

    def recolor(self, set_id: str, number: int, color_index: int) -> None:
        """Give a region another colour."""
        known = self.sets[set_id]
        if color_index != known.regions[number].color_index:
            changed = known.with_region(number, color_index=color_index)
            self._change("colour of a region", self.sets | {set_id: changed})

    def delete(self, set_id: str, number: int) -> None:
        """Take a region away; a set without regions goes, too."""
        changed = self.sets[set_id].without_region(number)
        kept = self.sets | {set_id: changed}
        if not changed.regions:
            del kept[set_id]
        self._change("deleting a region", kept)

    def delete_all(self, set_id: str) -> None:
        """Take all regions of a structure away."""
        kept = {key: known for key, known in self.sets.items() if key != set_id}
        self._change("deleting regions", kept)

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Add saved regions (not undone); damaged ones are told of and left out."""
        wanted = dict(self.sets)
        for values in saved:
            key = free_id(wanted)
            try:
                wanted[key] = document_from_dict(values, key)
            except AnalysisError as error:
                self._messages.notify_error("Some regions were not restored", error)
        self._set(wanted)

    def take(self, sets: Iterable[RegionSet]) -> None:
        """Add the regions a reopened run was followed by, of structures that have none yet (not undone)."""
        wanted = dict(self.sets)
        taken = {known.name for known in wanted.values()}
        for regions in sets:
            if regions.name not in taken:
                key = free_id(wanted)
                wanted[key] = RegionDocument(key, "", regions)
        if len(wanted) > len(self.sets):
            self._set(wanted)

    def _change(self, text: str, wanted: dict[str, RegionDocument]) -> None:
        self._undo.change(text, self._set, self.sets, wanted)

    def _set(self, wanted: dict[str, RegionDocument]) -> None:
        self.sets = wanted
        self.changed.emit()
