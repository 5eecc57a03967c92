"""Dividing groups of atoms by region or by temperature, as the open data and their regions say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.division import Grouping, Labels, SourceLabels, part_name, temperatures_of

if TYPE_CHECKING:
    from app.documents.analyses import AtomGroup
    from app.documents.dataset import DatasetDocument
    from app.documents.regions import RegionDocument

GROUPING_TEXTS: dict[Grouping, str] = {
    "dataset": "Data set",
    "region": "Region",
    "temperature": "Temperature",
}


def labels_of(sets: Mapping[str, RegionDocument], datasets: Iterable[DatasetDocument]) -> Labels:
    """Return what is known of the atoms of every open data set, by its id."""
    return Labels.of({d.id: _labels(sets, d) for d in datasets})


def _labels(sets: Mapping[str, RegionDocument], dataset: DatasetDocument) -> SourceLabels:
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
    return SourceLabels(numbers, parts, temperatures_of(dataset.frames))


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
