"""Which frames of which open data sets a run uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.documents.dataset import DatasetDocument
from nnpcore.errors import TrainingError
from nnpcore.structures import Role, split_frames

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings
    from nnpcore.training.data_sources import DataSource


@dataclass(frozen=True)
class FrameRefs:
    """Which frames of which data set a run uses: ``parts`` are (data set id, frame indices int64)."""

    parts: tuple[tuple[str, np.ndarray], ...] = ()

    def __len__(self) -> int:
        return sum(len(indices) for _, indices in self.parts)

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


def refs_of_roles(
    datasets: Sequence[DatasetDocument], settings: TrainSettings
) -> tuple[FrameRefs, FrameRefs]:
    """Return which frames are for training and validation; without validation data a part is put aside.

    Raises TrainingError where there are no training frames, or none with energies or forces.
    """
    training = [d for d in datasets if d.role == Role.TRAINING]
    validation = [d for d in datasets if d.role == Role.VALIDATION]
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
    if validation:
        return everything, refs_of_role(validation, Role.VALIDATION)
    frames = [frame for d in training for frame in d.frames]
    train, valid = split_frames(frames, settings.valid_fraction, settings.seed)
    return everything.subset(train), everything.subset(valid)


def frames_of(refs: FrameRefs, frames: Mapping[str, Sequence[Frame]]) -> list[Frame]:
    """Return the frames themselves; ``frames`` are those of each data set by its id."""
    return [frames[dataset_id][index] for dataset_id, indices in refs.parts for index in indices]


def refs_of_role(datasets: Sequence[DatasetDocument], role: Role) -> FrameRefs:
    """Return all frames of the data sets of one role."""
    return FrameRefs(tuple((d.id, np.arange(d.n_frames)) for d in datasets if d.role == role))


def name_of(datasets: Iterable[DatasetDocument]) -> str:
    """Return what a training on these data sets is called."""
    return "+".join(Path(d.name).stem for d in datasets if d.role == Role.TRAINING)[:40]


def located(sources: Iterable[DataSource], role: str, datasets: Sequence[DatasetDocument]) -> FrameRefs:
    """Return the frames of one role that a run came from, found among the open data sets."""
    return FrameRefs(tuple(_found(s.path, s.indices, datasets) for s in sources if s.role == role))


def _found(path: str, indices: Sequence[int], datasets: Sequence[DatasetDocument]) -> tuple[str, np.ndarray]:
    for document in datasets:
        position = document.positions_of(path)
        if position and all(index in position for index in indices):
            return document.id, np.array([position[index] for index in indices])
    return "", np.array(indices)
