"""The part of a session that heals: what is wanted, the pool, the frames found, and training on them."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.documents.counting import from_one
from app.documents.frame_refs import FrameRefs, RoleRefs, frames_of, refs_of_role, refs_of_roles
from app.session.data import Data
from app.session.messages import Messages, Notification
from app.session.regions import Regions
from app.session.runs import Runs
from app.session.selection import SharedSelection
from app.session.trainings import CANNOT_START, Trainings
from app.settings import Settings
from app.workers.curing import (
    CureWish,
    FoundCure,
    Knowledge,
    LabelledCure,
    Subject,
    Wanted,
    collect_labels,
    explored_candidates,
    export_cure,
    look_for_cure,
    run_exploration,
)
from app.workers.tasks import Task, TaskRunner
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.structures import Role
from nnpcore.training.counts import usual_count
from nnpcore.training.data_sources import counts_of

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from nnpcore.cure import Candidate, Exploration, ExploreSettings, Look
    from nnpcore.structures.frame import Frame

CRYSTAL, REGIONS, SELECTION, SHOWN = "crystal", "regions", "selection", "shown"
TARGETS = {
    CRYSTAL: "Crystal (EOS reference)",
    REGIONS: "Regions",
    SELECTION: "Selected atoms",
    SHOWN: "Frame shown",
}
"""What may be aimed at."""

FINDING, EXPLORING = "cure", "explore"
"""Keys of the tasks."""


class AddedFrames(TypedDict):
    """What a training is launched with where frames are added: frames by role, and how often each counts."""

    refs: RoleRefs
    counts: tuple[float, ...]


class Cures(QObject):
    """Looks for frames to add, and adds them.

    Attributes
    ----------
    targets, kinds, files : names in ``TARGETS``, kinds that are generated, ids of data sets in the pool.
    explored : candidates that dynamics has met.
    n, cost_exponent : how many frames to choose, and what they cost.
    count : how many times each added frame counts in a training; None for the usual number.
    found : the latest cure, with the id of its ``dataset_id``; ``labelled_id`` of what was computed of it.
    exploration : how the latest dynamics has ended.
    """

    changed = Signal()
    wanted = Signal()
    """Somebody wants to see the cure: the panel is to be shown."""

    def __init__(
        self,
        settings: Settings,
        data: Data,
        selection: SharedSelection,
        regions: Regions,
        runs: Runs,
        trainings: Trainings,
        tasks: TaskRunner,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._settings, self._data, self._selection, self._regions = settings, data, selection, regions
        self._runs, self._trainings, self._tasks, self._messages = runs, trainings, tasks, messages
        self.targets: frozenset[str] = frozenset({CRYSTAL, REGIONS})
        self.kinds: tuple[str, ...] = ("volumes", "shears", "rattled")
        self.files: frozenset[str] = frozenset()
        self.explored: tuple[Candidate, ...] = ()
        self.n, self.cost_exponent = 5, 2.0
        self.count: int | None = None
        self.found: FoundCure | None = None
        self.dataset_id = self.labelled_id = ""
        self.exploration: Exploration | None = None
        self._task: Task | None = None
        self._exploring: Task | None = None
        self._lock = threading.Lock()
        self._look: Look | None = None
        self._stop = threading.Event()
        self._known: dict[str, Knowledge] = {}
        data.removed.connect(self._on_removed)
        tasks.finished.connect(self._on_finished)

    # choosing -----------------------------------------------------------------------------------------
    def open(self, targets: frozenset[str] | None = None) -> None:
        """Show the cure, perhaps with what is to be aimed at: what the verdict's advice leads to."""
        if targets is not None:
            self.targets = targets
            self.changed.emit()
        self.wanted.emit()

    def choose(self, **values: object) -> None:
        """Set targets, kinds, files, n, cost_exponent or count."""
        for name, value in values.items():
            setattr(self, name, value)
        self.changed.emit()

    def forget_explored(self) -> None:
        """Take what dynamics has met out of the pool."""
        self.explored = ()
        self.changed.emit()

    @property
    def busy(self) -> bool:
        """Whether a cure is being looked for."""
        return self._task is not None

    @property
    def exploring(self) -> bool:
        """Whether dynamics runs."""
        return self._exploring is not None

    # looking for it -----------------------------------------------------------------------------------
    def subject(self) -> Subject:
        """Return what the cure is for: the current run, or without one the training data.

        AnalysisError where there is neither, or the run's files are not open.
        """
        from nnpcore.cure.finding import kinds_of_settings
        from nnpcore.training.group_weights import counted_labels

        run = self._runs.current
        frames = {document.id: document.frames for document in self._data.datasets.values()}
        if run is not None and len(run.train):
            if not all(key in frames for key, _ in run.train.parts):
                raise AnalysisError(
                    "the data of this run are not open",
                    where=run.name,
                    fix="Open the files it was trained on",
                )
            training = counted_labels(frames_of(run.train, frames), run.settings)
            kinds = kinds_of_settings(run.settings)
            return Subject(run.name, training, kinds, run.functions, run.potential, run.folder)
        refs = refs_of_role(list(self._data.datasets.values()), Role.TRAINING)
        training = tuple(frames_of(refs, frames))
        if not training:
            raise AnalysisError("there is nothing to heal", fix="Open training data, and train or open a run")
        model = None if run is None else run.potential
        name = self._data.of_role(Role.TRAINING)[0].name
        return Subject(name, training, kinds_of_settings(self._trainings.settings), None, model)

    def aimed_at(self) -> Wanted:
        """Return what is aimed at, of what there is."""
        crystals = tuple((d.name, d.frames) for d in self._data.of_role(Role.EOS) if CRYSTAL in self.targets)
        regions = tuple(known.set for known in self._regions.sets.values() if REGIONS in self.targets)
        atoms: list[tuple[str, Frame, np.ndarray]] = []
        document, frame = self._data.current, self._data.frame
        if document is not None and frame is not None:
            name = f"{document.name}, frame {self._data.frame_index}"
            chosen = self._selection.current.in_frame(document.id, self._data.frame_index)
            if SELECTION in self.targets and len(chosen):
                atoms.append((name, frame, chosen))
            if SHOWN in self.targets:
                atoms.append((name, frame, np.arange(frame.n_atoms)))
        return Wanted(crystals, regions, tuple(atoms))

    def start(self) -> None:
        """Look for the frames to add, in the background."""
        from nnpcore.cure import from_files

        try:
            subject, wanted = self.subject(), self.aimed_at()
            if wanted.empty:
                raise AnalysisError(
                    "nothing that is aimed at is there",
                    fix="Open a crystal's volume scan as EOS reference, make regions, or select atoms",
                )
        except EatlasError as error:
            self._messages.notify_error("No cure can be looked for", error)
            return
        chosen = [self._data.datasets[key] for key in sorted(self.files) if key in self._data.datasets]
        pool = [c for document in chosen for c in from_files(document.frames, document.name)]
        threads = self._settings.threads
        wish = CureWish(
            subject, wanted, (*pool, *self.explored), self.kinds, self.n, self.cost_exponent, threads,
            self._settings.scheduler,
        )  # fmt: skip
        self._task = self._tasks.run(
            "Looking for a cure",
            lambda progress: look_for_cure(wish, progress),
            self._put_found,
            lambda error: self._messages.notify_error("No cure was found", error),
            key=FINDING,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Look no further."""
        if self._task is not None:
            self._task.cancel()

    def _put_found(self, found: FoundCure) -> None:
        from nnpcore.cure import reasons_text

        self.found, self.labelled_id = found, ""
        looked_at = bool(self.dataset_id) and self.dataset_id == self._data.current_id
        if self.dataset_id in self._data.datasets:
            self._data.remove(self.dataset_id)
        self.dataset_id = ""
        if found.dataset is not None:
            text = "frames to add"
            self.dataset_id = self._data.add_made(found.dataset, Role.INSPECT, text, show=looked_at)
        out = found.cure.left_out
        notes = [*found.notes, *([f"{len(out)} left out: {reasons_text(out)}"] if out else [])]
        if notes:
            self._messages.notify(
                Notification("info", "Frames to add", from_one(" ".join(notes)), silent=True)
            )
        offer = (("Show the First", self._show_found),) if self.dataset_id and not looked_at else ()
        text = from_one(found.cure.sentence())
        self._messages.notify(Notification("info", "Frames to add", text, silent=not offer, actions=offer))
        self.changed.emit()

    def _show_found(self) -> None:
        self.wanted.emit()
        self.show_frame(0)

    def show_frame(self, rank: int) -> None:
        """Show a chosen frame, all of its atoms selected, so that maps show where they are."""
        if self.dataset_id in self._data.datasets:
            self._data.show(self.dataset_id, rank)
            self._selection.select_frame()

    # using it -----------------------------------------------------------------------------------------
    def put_labelled(self, labelled: LabelledCure, *, show: bool = False) -> None:
        """Open what was computed, to be trained on; ``show`` its first frame where somebody waits for it."""
        for why in labelled.failures:
            self._messages.notify(Notification("warning", "A frame was not computed", from_one(why)))
        if self.labelled_id in self._data.datasets:
            self._data.remove(self.labelled_id)
        text = "labelled frames"
        self.labelled_id = self._data.add_made(labelled.dataset, Role.TRAINING, text, show=show)
        if not show:
            self._data.offer(self.labelled_id)
        self.changed.emit()

    def export(self, folder: Path, template: str) -> None:
        """Write the frames ready to be computed elsewhere; a later collecting looks there, too."""
        found = self.found
        if found is None:
            return

        def done(target: Path) -> None:
            text = (
                f"Compute the structures in {target}; then Add and Train Again takes the results from there."
            )
            self._messages.notify(Notification("info", "Ready to be computed", text))
            self.found = FoundCure(found.cure, found.subject, target, found.dataset, found.notes)
            self.changed.emit()

        self._tasks.run(
            "Writing structures",
            partial(export_cure, found, folder, template),
            done,
            lambda error: self._messages.notify_error("The structures were not written", error),
        )

    def add_and_train(self) -> None:
        """Train anew on the old data and what is labelled of the cure, collected from its folder."""
        if self.labelled_id in self._data.datasets:
            self._train()
            return
        found = self.found
        if found is None:
            return

        def done(labelled: LabelledCure | None) -> None:
            if labelled is None:
                text = f"Press Label with…, or compute what is in {found.folder} and press this again."
                self._messages.notify(Notification("warning", "Nothing is computed yet", text))
                return
            self.put_labelled(labelled)
            self._train()

        self._tasks.run(
            "Collecting results",
            partial(collect_labels, found),
            done,
            lambda error: self._messages.notify_error("The results cannot be used", error),
        )

    def _train(self) -> None:
        """Start the training; the healed run stands beside the old one at once."""
        assert self.found is not None
        parent, trainings = self._parent(), self._trainings
        try:
            if parent is None:
                others = [d for d in self._data.datasets.values() if d.id != self.labelled_id]
                refs = refs_of_roles(others, trainings.settings)
                run_id = trainings.launch(trainings.settings, queue=True, **self._added_to(refs))
            else:
                refs = RoleRefs(parent.train, parent.valid, parent.test)
                more = self._added_to(refs, counts_of(parent.sources))
                name, folder = f"{parent.name}-healed", parent.folder
                run_id = trainings.launch(parent.settings, name, queue=True, parent=folder, **more)
        except (EatlasError, OSError) as error:
            self._messages.notify_error(CANNOT_START, error)
            return
        self._trainings.show_started(run_id)
        if parent is not None:
            self._runs.set_compared(parent.id, True)
        self.changed.emit()

    def _added_to(self, refs: RoleRefs, counts: tuple[float, ...] = ()) -> AddedFrames:
        """Return frames to train and validate on with the labelled ones added, and how often each counts."""
        labelled = self._data.datasets[self.labelled_id]
        own = FrameRefs((*refs.train.parts, (labelled.id, np.arange(labelled.n_frames))))
        each = usual_count(len(refs.train), labelled.n_frames) if self.count is None else float(self.count)
        old = counts or (1.0,) * len(refs.train)
        return {"refs": refs._replace(train=own), "counts": (*old, *(each,) * labelled.n_frames)}

    def _parent(self) -> RunDocument | None:
        """The run that the cure is for, if it is still open."""
        folder = self.found.subject.parent if self.found is not None else None
        runs = self._runs.documents.values()
        return next((run for run in runs if folder is not None and run.folder == folder), None)

    # exploring ----------------------------------------------------------------------------------------
    def explore(self, settings: ExploreSettings, factor: float = 1.0) -> None:
        """Let the current potential move the frame shown, from where it is.

        Foretold spreads are multiplied by ``factor``.
        """
        frame, document = self._data.frame, self._data.current
        try:
            subject = self.subject()
            if frame is None or document is None:
                raise AnalysisError("no structure is shown", fix="Show the one to start from")
        except EatlasError as error:
            self._messages.notify_error("Nothing can be explored", error)
            return
        name = f"{document.name} at {settings.temperature:g} K"
        key = f"{subject.parent}:{len(subject.training)}"
        self.exploration = None

        def put(value: tuple[Exploration, Knowledge]) -> None:
            self.exploration, self._known = value[0], {key: value[1]}
            self.explored = tuple(explored_candidates(value[0], name, self.explored))

        known, stop = self._known.get(key), threading.Event()
        self._stop, looked = stop, self._on_look
        self._exploring = self._tasks.run(
            "Exploring",
            lambda progress: run_exploration(
                subject, frame, settings, known, looked, stop.is_set, factor, progress
            ),
            put,
            lambda error: self._messages.notify_error("The dynamics cannot go on", error),
            key=EXPLORING,
        )
        self.changed.emit()

    def stop_exploring(self) -> None:
        """End the dynamics at its next look; what it has met goes into the pool."""
        self._stop.set()

    def _on_look(self, look: Look) -> None:
        """Keep the latest look; called in the dynamics' thread."""
        with self._lock:
            self._look = look

    def take_look(self) -> Look | None:
        """Return the latest look that has not been taken yet, or None."""
        with self._lock:
            look, self._look = self._look, None
        return look

    # changes ------------------------------------------------------------------------------------------
    def _on_finished(self, task: Task) -> None:
        if task is self._task:
            self._task = None
        if task is self._exploring:
            self._exploring = None
        if task.key in (FINDING, EXPLORING):
            self.changed.emit()

    def _on_removed(self, dataset_id: str) -> None:
        if dataset_id in self.files:
            self.files -= {dataset_id}
        self.changed.emit()
