"""What the analyses of a run are given, as things stand in the window now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from app.documents.dataset import free_name
from app.documents.run import Evaluated, RunDocument
from app.session.data import Data
from app.session.regions import Regions
from nnpcore.analyses import inputs as given
from nnpcore.analyses.errors import GROUP_KEY, RUN_FRAMES
from nnpcore.analyses.foretold import LEARNED_FROM, learned_from
from nnpcore.analyses.graph import Input, Missing, same
from nnpcore.analyses.inputs import FrameGroup, RunPart, ShownFrame
from nnpcore.analyses.parity import COMPARED_FRAMES, ComparedFrames, thinned
from nnpcore.structures import Dataset, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.documents.dataset import DatasetDocument
    from app.documents.run import FrameRefs
    from nnpcore.structures.frame import Frame

T = TypeVar("T")

N_COMPONENTS = 5
"""Principal components one can look at."""

MOST_FRAMES, MOST_LIVE_FRAMES = 400, 30
"""Frames of a data set and role whose predictions are compared with the reference, the latter in training."""

LINKED_ROLES = (given.TRAINING, given.EOS_ROLE, given.INSPECT, given.TEST)
SUFFIXES = {given.VALIDATION: " (validation)", given.TEST: " (test)"}
NOT_OPEN = Missing(
    "what the training data determine cannot be told: they are not open",
    "Open the files this run was trained on",
)


@dataclass(frozen=True, eq=False)
class _PartFrames:
    """The frames of a part of a run's data, and their places in the data set."""

    dataset: Dataset
    indices: np.ndarray
    frames: tuple[Frame, ...]
    places: tuple[int, ...]


class RunInputs:
    """Sets the inputs of runs from the session's data and regions, and from what panels have chosen."""

    def __init__(self, data: Data, regions: Regions) -> None:
        self._data, self._regions = data, regions
        self.chosen: dict[Input[object], object] = {}
        """What every run is given alike, as panels have chosen; None for what was taken away."""
        self._frames: dict[str, tuple[tuple[object, ...], tuple[Frame, ...]]] = {}
        self._of_parts: dict[tuple[str, str, str], _PartFrames] = {}
        self._put_right: dict[tuple[str, str, str], tuple[tuple[object, ...], tuple[Frame, ...]]] = {}

    def forget(self, run_id: str) -> None:
        """Forget a run."""
        self._frames.pop(run_id, None)
        self._keep_parts(lambda run, _data: run != run_id)

    def _keep_parts(self, kept: Callable[[str, str], bool]) -> None:
        """Let go of the frames put together, but those of runs and data sets (ids) that are ``kept``."""
        self._of_parts = {key: known for key, known in self._of_parts.items() if kept(*key[:2])}
        self._put_right = {key: known for key, known in self._put_right.items() if kept(*key[:2])}

    def refresh(self, run: RunDocument) -> None:
        """Give a run's evaluation everything it can look at now; what has not changed changes nothing."""
        evaluation = run.evaluation
        for node, value in self.chosen.items():
            evaluation.set(node, value)
        evaluation.set(given.N_COMPONENTS, N_COMPONENTS)
        evaluation.set(given.LINKED_ROLES, LINKED_ROLES)
        self._set_potential(run)
        self._set_data(run)
        sets = {key: known.set for key, known in self._regions.sets.items()}
        evaluation.set(given.REGION_SETS, sets or None)
        divided = self.chosen.get(given.GROUPING) not in (None, "dataset")
        evaluation.set(given.LABELS, self._regions.labels() if divided else None)

    def refresh_data(self, document: Evaluated) -> None:
        """Give the evaluation of the data alone the frames that are shown, and what divides them."""
        known, labels = self._data.current, self._regions.labels()
        document.evaluation.set(given.SHOWN_FRAMES, None if known is None else _group(known))
        mine = None if known is None else labels.by_source.get(known.id)
        divided = mine is not None and bool(mine.sets)
        document.evaluation.set(given.LABELS, labels if divided else None)

    def _set_potential(self, run: RunDocument) -> None:
        evaluation = run.evaluation
        evaluation.set(given.POTENTIAL, run.potential)
        evaluation.set(given.ENERGY_RMSE, run.rmse_of_potential())
        evaluation.set(given.FUNCTIONS, run.functions)
        evaluation.set(LEARNED_FROM, learned_from(run.settings))
        evaluation.set(GROUP_KEY, self._regions.groups.key)
        evaluation.set(given.METRIC, run.whitening)
        why = Missing(run.no_values) if run.no_values else None
        evaluation.set(given.TRAINING_VALUES, run.values if run.values is not None else why)

    def _set_data(self, run: RunDocument) -> None:
        data, evaluation = self._data, run.evaluation
        self._keep_parts(lambda _run, key: key in data.datasets)
        crystal = next(iter(data.of_role(Role.EOS)), None)
        evaluation.set(given.CRYSTAL, None if crystal is None else _group(crystal))
        frame, key = data.frame, data.current_id
        shown = None if frame is None or key is None else ShownFrame(key, data.frame_index, frame)
        evaluation.set(given.SHOWN_FRAME, shown)
        evaluation.set(given.SHOWN_FRAMES, None if data.current is None else _group(data.current))
        mine = {dataset_id for refs in (run.train, run.valid, run.test) for dataset_id, _ in refs.parts}
        others = tuple(_group(d) for d in data.datasets.values() if d.id not in mine or d.role == Role.EOS)
        test = self._parts(run.test, given.TEST)
        evaluation.set(given.ONLOOKERS, (*self._test_frames(run, test), *others))
        parts = (*self._parts(run.train, given.TRAINING), *self._parts(run.valid, given.VALIDATION))
        evaluation.set(given.TRAINING_PARTS, parts or None)
        evaluation.set(given.TRAINING_FRAMES, self._training_frames(run) or NOT_OPEN)
        parts = (*parts, *test)
        evaluation.set(COMPARED_FRAMES, self._compared_frames(run, parts) or None)
        wait = Missing("errors by group and outliers are worked out when the training has ended")
        evaluation.set(RUN_FRAMES, wait if run.state.active else self._run_frames(run, parts) or None)

    def _parts(self, refs: FrameRefs, role: str) -> list[RunPart]:
        found: dict[str, RunPart] = {}
        for key, indices in refs.parts:
            known = self._data.datasets.get(key)
            name = role if known is None else known.name
            suffix = "" if known is None else SUFFIXES.get(role, "")
            named = free_name(f"{name}{suffix}", found)
            found[named] = RunPart(key, named, role, indices)
        return list(found.values())

    def _training_frames(self, run: RunDocument) -> tuple[Frame, ...]:
        """Return the training frames of a run; () where some of their files are not open."""
        from nnpcore.training.group_weights import counted_labels

        documents = [self._data.datasets.get(key) for key, _ in run.train.parts]
        known = [document for document in documents if document is not None]
        if len(known) < len(documents):
            return ()
        weights = tuple(sorted((name, own.numbers) for name, own in run.settings.group_weights.items()))
        orders = tuple(sorted(run.settings.stress_order.items()))
        stamp = (run.train, weights, orders, *(document.dataset for document in known))
        before = self._frames.get(run.id)
        if before is None or not same(before[0], stamp):
            parts = zip(known, run.train.parts, strict=True)
            frames = tuple(d.frames[k] for d, (_, indices) in parts for k in indices.tolist())
            before = self._frames[run.id] = stamp, counted_labels(frames, run.settings)
        return before[1]

    def _test_frames(self, run: RunDocument, parts: list[RunPart]) -> list[FrameGroup]:
        """Return the frames of a test whose files are open; they look on, for nothing learns from them."""
        found = [(part, self._frames_of(run, part)) for part in parts]
        return [
            FrameGroup(part.key, part.name, part.role, known.frames, known.places)
            for part, known in found
            if known is not None
        ]

    def _run_frames(self, run: RunDocument, parts: tuple[RunPart, ...]) -> tuple[ComparedFrames, ...]:
        """Return all frames of a run whose files are open."""
        found = [(part, self._frames_of(run, part)) for part in parts]
        return tuple(
            ComparedFrames(part, self._in_order(run, part, "all", known.frames), len(known.frames))
            for part, known in found
            if known is not None
        )

    def _frames_of(self, run: RunDocument, part: RunPart) -> _PartFrames | None:
        """Return the frames of a part, put together once; None where its file is not open."""
        document = self._data.datasets.get(part.key)
        if document is None:
            return None
        key = (run.id, part.key, f"{part.role}:{part.name}")
        known = self._of_parts.get(key)
        if known is None or known.indices is not part.indices or known.dataset is not document.dataset:
            places = tuple(part.indices.tolist())
            frames = tuple(document.frames[k] for k in places)
            known = self._of_parts[key] = _PartFrames(document.dataset, part.indices, frames, places)
        return known

    def _in_order(
        self, run: RunDocument, part: RunPart, which: str, frames: tuple[Frame, ...]
    ) -> tuple[Frame, ...]:
        """Return frames with the stresses that the run has put right, made once; often the same frames."""
        orders = tuple(sorted(run.settings.stress_order.items()))
        if not orders:
            return frames
        from nnpcore.training.stress_order import stresses_in_order

        key, stamp = (run.id, part.key, f"{which}:{part.role}:{part.name}"), (orders, frames)
        before = self._put_right.get(key)
        if before is None or not same(before[0], stamp):
            before = self._put_right[key] = stamp, stresses_in_order(frames, run.settings)
        return before[1]

    def _compared_frames(self, run: RunDocument, parts: tuple[RunPart, ...]) -> tuple[ComparedFrames, ...]:
        """Return the frames of the run whose files are open, thinned evenly."""
        most = MOST_LIVE_FRAMES if run.state.active else MOST_FRAMES
        found = []
        for part in parts:
            known = self._data.datasets.get(part.key)
            if known is not None:
                indices = thinned(part.indices, most)
                frames = tuple(known.frames[i] for i in indices)
                name = part.name.replace(" (validation)", " (valid)")
                chosen = RunPart(part.key, name, part.role, indices)
                frames = self._in_order(run, part, "some", frames)
                found.append(ComparedFrames(chosen, frames, len(part.indices)))
        return tuple(found)


def _group(document: DatasetDocument) -> FrameGroup:
    """Return a data set as one that looks on, whatever it is used for now."""
    role = given.EOS_ROLE if document.role == Role.EOS else given.INSPECT
    return FrameGroup(document.id, document.name, role, document.frames)
