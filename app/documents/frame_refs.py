"""Which frames of which open data sets a run uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.documents.dataset import DatasetDocument
from nnpcore.errors import TrainingError
from nnpcore.structures import Role
from nnpcore.structures.isolated import is_isolated
from nnpcore.structures.overlap import refuse_overlap
from nnpcore.training.data_sources import ROLES, DataSource, fingerprint

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings


@dataclass(frozen=True)
class FrameRefs:
    """Which frames of which data set a run uses: ``parts`` are (data set id, frame indices int64)."""

    parts: tuple[tuple[str, np.ndarray], ...] = ()

    def __len__(self) -> int:
        return sum(len(indices) for _, indices in self.parts)

    @property
    def complete(self) -> bool:
        """Whether all of its data sets are open."""
        return all(dataset_id for dataset_id, _ in self.parts)

    def without(self, dataset_id: str) -> FrameRefs:
        """Return the refs after a data set was closed or has other frames."""
        return FrameRefs(tuple(("" if key == dataset_id else key, found) for key, found in self.parts))

    def subset(self, frames: Sequence[int]) -> FrameRefs:
        """Return the refs of some frames (ascending indices)."""
        chosen = np.asarray(frames, dtype=np.int64)
        parts, start = [], 0
        for dataset_id, indices in self.parts:
            inside = chosen[(chosen >= start) & (chosen < start + len(indices))] - start
            if len(inside):
                parts.append((dataset_id, indices[inside]))
            start += len(indices)
        return FrameRefs(tuple(parts))


class RoleRefs(NamedTuple):
    """Which frames a training learns from, is validated on, and is tested on."""

    train: FrameRefs
    valid: FrameRefs
    test: FrameRefs = FrameRefs()


def refs_of_roles(datasets: Sequence[DatasetDocument], settings: TrainSettings) -> RoleRefs:
    """Return which frames are for training, validation and test; without files for these a part is put aside.

    Raises TrainingError where there are no training frames, or none with energies or forces, DataError where
    test frames are among the others.
    """
    training = [d for d in datasets if d.role == Role.TRAINING]
    validation, test = (refs_of_role(datasets, role) for role in (Role.VALIDATION, Role.TEST))
    if not training:
        raise TrainingError(
            "there are no training frames",
            fix="Open a trajectory with energies and give it the role Training",
        )
    if not any(d.summary.n_energies or d.summary.n_forces for d in training):
        names = ", ".join(d.name for d in training)
        raise TrainingError(
            "no training frame has an energy or forces",
            where=names,
            fix="Open a file with reference energies",
        )
    everything = refs_of_role(training, Role.TRAINING)
    frames = [frame for d in training for frame in d.frames]
    parts = settings.split_of(frames, valid=not validation.parts, test=not test.parts)
    train, rest, aside = (everything.subset(part) for part in parts)
    found = RoleRefs(train, validation if validation.parts else rest, test if test.parts else aside)
    if test.parts:
        _refuse_overlap(found, datasets)
    return found


def _refuse_overlap(refs: RoleRefs, datasets: Sequence[DatasetDocument]) -> None:
    """Raise DataError where test frames are among the others; isolated atoms only fix a zero."""
    known = {document.id: document.frames for document in datasets}
    train, valid, test = (
        [frame for frame in frames_of(part, known) if not is_isolated(frame)] for part in refs
    )
    refuse_overlap(test, {"training": train, "validation": valid})


def frames_of(refs: FrameRefs, frames: Mapping[str, Sequence[Frame]]) -> list[Frame]:
    """Return the frames themselves; ``frames`` are those of each data set by its id."""
    return [frames[dataset_id][index] for dataset_id, indices in refs.parts for index in indices]


def refs_of_role(datasets: Sequence[DatasetDocument], role: Role) -> FrameRefs:
    """Return all frames of the data sets of one role."""
    return FrameRefs(tuple((d.id, np.arange(d.n_frames)) for d in datasets if d.role == role))


def name_of(datasets: Iterable[DatasetDocument]) -> str:
    """Return what a training on these data sets is called."""
    return "+".join(Path(d.name).stem for d in datasets if d.role == Role.TRAINING)[:40]


@dataclass(frozen=True, eq=False)
class Located:
    """Where a run's frames are among the open data sets, and which data sets have other ones in their place.

    Attributes
    ----------
    train, valid, test : a part for every source; of an empty data set id where its frames are not open.
    changed : ids of data sets of a source's file that hold something else than it.
    """

    train: FrameRefs
    valid: FrameRefs
    test: FrameRefs
    changed: tuple[str, ...]


OpenFrames = Mapping[str, Sequence["Frame"]]


def locate_all(
    runs: Mapping[str, Sequence[DataSource]], open_frames: OpenFrames, progress: Progress
) -> dict[str, Located]:
    """Find the frames of runs (by id) among open data sets (by id), by what they hold; takes a while."""
    prints: Prints = {}
    return {run: _locate(sources, open_frames, prints, progress) for run, sources in runs.items()}


Prints = dict[tuple[str, tuple[int, ...]], "tuple[np.ndarray, str] | None"]
"""Where the frames of some indices are in a data set, and their fingerprint: runs are often of the same."""


def _locate(
    sources: Sequence[DataSource], open_frames: OpenFrames, prints: Prints, progress: Progress
) -> Located:
    parts: dict[str, list[tuple[str, np.ndarray]]] = {role: [] for role in ROLES}
    changed: list[str] = []
    for source in sources:
        progress.check()
        part = "", np.array(source.indices, dtype=np.int64)
        mine = {key: _is_from(source.path, frames) for key, frames in open_frames.items()}
        for key in sorted(open_frames, key=lambda key: not mine[key]):  # those of its file first
            asked = key, source.indices
            if asked not in prints:
                prints[asked] = _positions(source.indices, open_frames[key])
            found = prints[asked]
            if found is not None and found[1] == source.fingerprint:
                part = key, found[0]
                break
            if mine[key]:
                changed.append(key)
        parts[source.role].append(part)
    train, valid, test = (FrameRefs(tuple(parts[role])) for role in ROLES)
    return Located(train, valid, test, tuple(dict.fromkeys(changed)))


def _is_from(path: str, frames: Sequence[Frame]) -> bool:
    """Whether a data set was read from this file."""
    source = frames[0].source if frames else ""
    return bool(path) and bool(source) and path in (source, str(Path(source).absolute()))


def _positions(indices: Sequence[int], frames: Sequence[Frame]) -> tuple[np.ndarray, str] | None:
    """Return where frames of these indices are, and their fingerprint; None where not all are there."""
    position = {frame.index: place for place, frame in enumerate(frames)}
    if not all(index in position for index in indices):
        return None
    places = [position[index] for index in indices]
    return np.array(places, dtype=np.int64), fingerprint([frames[place] for place in places])
