"""Groups of atoms as the map shows them, and what divides them: the regions and temperatures of open data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.division import Grouping, Labels, SourceLabels, part_name, temperatures_of
from nnpcore.analyses.inputs import EOS_ROLE, TEST, VALIDATION
from nnpcore.structures.groups import FIRST_FOUND

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from app.documents.regions import RegionDocument
    from nnpcore.analyses.pca import AtomMap, MapDistances, MapEnergies

GROUPING_TEXTS: dict[Grouping, str] = {
    "dataset": "Data set",
    "group": "Group",
    "region": "Region",
    "temperature": "Temperature",
}


@dataclass(frozen=True)
class AtomGroup:
    """Atoms of one data set in one role, with where each comes from.

    Attributes
    ----------
    name : shown in legends. dataset_id : "" where the data set is not known.
    role : "training", "validation", "test", "eos" or "inspect".
    frame, atom : (n,) int32: where each point comes from, for selection and the viewer.
    scores : (n, n_components) principal components (PCA) or empty.
    values : per-point numbers to colour by: "atomic_energy", "atomic_energy_std" (eV), "distance".
    part : name of the region or temperature, where the data set is divided.
    """

    name: str
    dataset_id: str
    role: str
    color_index: int
    frame: np.ndarray
    atom: np.ndarray
    scores: np.ndarray
    values: dict[str, np.ndarray]
    part: str = ""

    @property
    def path(self) -> bool:
        """Whether it is drawn as a path: invariant points along their volume."""
        return self.role == EOS_ROLE


def atom_groups(
    shown: AtomMap,
    energies: MapEnergies | None,
    datasets: Mapping[str, DatasetDocument],
    distances: MapDistances | None = None,
) -> tuple[AtomGroup, ...]:
    """Return the groups of a map in the colours of their data sets, with the numbers that are known."""
    values: list[dict[str, np.ndarray]] = [{} for _ in shown.groups]
    if energies is not None and energies.map is shown:
        pairs = zip(energies.mean, energies.std, strict=True)
        values = [{"atomic_energy": mean, "atomic_energy_std": std} for mean, std in pairs]
    if distances is not None and distances.map is shown:
        for mine, distance in zip(values, distances.distances, strict=True):
            mine["distance"] = distance
    return tuple(
        AtomGroup(g.name, g.key, g.role, color_of(g.key, datasets), g.frame, g.atom, scores, known)
        for g, scores, known in zip(shown.groups, shown.scores, values, strict=True)
    )


def color_of(dataset_id: str, datasets: Mapping[str, DatasetDocument]) -> int:
    """Return the palette number of a data set, the first where it is not open."""
    known = datasets.get(dataset_id)
    return 0 if known is None else known.color_index


def labels_of(
    sets: Mapping[str, RegionDocument], datasets: Iterable[DatasetDocument], group_key: str = FIRST_FOUND
) -> Labels:
    """Return what is known of the atoms of every open data set, by its id; ``group_key`` tells groups."""
    return Labels({d.id: _labels(sets, d, group_key) for d in datasets})


def _labels(sets: Mapping[str, RegionDocument], dataset: DatasetDocument, group_key: str) -> SourceLabels:
    """Return what divides a data set's atoms; its regions are its own, else those of what its frames show."""
    mine = [known for known in sets.values() if known.is_of(dataset)]
    if not mine and dataset.n_frames:
        mine = [known for known in sets.values() if known.moved_to(dataset.frames[0])]
    numbers = np.full(dataset.n_frames, -1, dtype=np.int64)
    for number, known in enumerate(mine):
        numbers[[known.fits(frame) for frame in dataset.frames]] = number
    groups = dataset.dataset.groups(group_key)
    return SourceLabels(numbers, tuple(known.set for known in mine), temperatures_of(dataset.frames), groups)


def in_shown_frames(group: AtomGroup, shown: np.ndarray | None) -> AtomGroup:
    """Return a group less the atoms of frames that are not ``shown`` (n,); all where that is None."""
    return group if shown is None or group.path else _rows(group, np.flatnonzero(np.isin(group.frame, shown)))


def _rows(group: AtomGroup, rows: np.ndarray) -> AtomGroup:
    return replace(
        group,
        frame=group.frame[rows],
        atom=group.atom[rows],
        scores=group.scores[rows],
        values={name: values[rows] for name, values in group.values.items()},
    )


def _as_a_whole(group: AtomGroup, labels: Labels) -> AtomGroup:
    """Return a group that stays one among groups of frames, in the color of its own or of none of these."""
    known = labels.by_source.get(group.dataset_id)
    names = set() if known is None else set(known.groups)
    color = labels.groups.index(names.pop()) if len(names) == 1 else len(labels.groups)
    return replace(group, color_index=color)


def divided(group: AtomGroup, grouping: Grouping, labels: Labels, alone: bool) -> list[AtomGroup]:
    """Return the parts of a group, or the group itself where nothing divides it.

    Atoms of the validation and of the test stay one. By groups of frames what stays one has a color of its
    own, or that of its one group. Parts of a training set that stands ``alone`` go by their own names.
    """
    whole = group.path or group.role in (VALIDATION, TEST)
    parts = [] if whole else labels.parts(grouping, group.dataset_id, group.frame, group.atom)
    if not parts:
        return [group if group.path or grouping != "group" else _as_a_whole(group, labels)]
    return [
        replace(
            _rows(group, part.rows),
            name=part_name(group.name, part.name, alone and group.role == "training"),
            color_index=part.color_index,
            part=part.name,
        )
        for part in parts
    ]
