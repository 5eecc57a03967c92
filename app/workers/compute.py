"""What the analyses compute, as plain functions on snapshots; they run on background threads.

Everything heavy in here is numpy, scipy or compiled code that releases the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from app.documents.analyses import (
    AtomGroup,
    ConnectivityAnalysis,
    DistanceAnalysis,
    EosAnalysis,
    FramePrediction,
    PcaAnalysis,
)
from app.documents.frame_refs import FrameRefs
from app.documents.grouping import Grouping, Labels, part_name
from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress
from nnpcore.training import TrainingValues

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.mapping import PcaResult, Reach
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

MAX_ATOMS = 20_000
"""Atoms taken from a data set that only looks on (PCA, connectivity)."""


@dataclass(frozen=True, eq=False)
class GroupSource:
    """A data set as a task sees it."""

    id: str
    name: str
    role: str
    color_index: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True, eq=False)
class GroupsOrder:
    """What :func:`groups` needs: the run's atoms and the other data sets."""

    values: TrainingValues
    train: FrameRefs
    valid: FrameRefs
    whitening: Whitening
    functions: SymmetryFunctions
    others: tuple[GroupSource, ...]
    names: dict[str, tuple[str, int]]
    n_threads: int | None


@dataclass(frozen=True, eq=False)
class Group:
    """Atoms of one data set in one role: descriptors, whitened inputs, and where each comes from."""

    name: str
    dataset_id: str
    role: str
    color_index: int
    frame: np.ndarray
    atom: np.ndarray
    values: np.ndarray
    x: np.ndarray
    species: np.ndarray


@dataclass(frozen=True, eq=False)
class Groups:
    """All atoms the analyses look at; the training groups come first."""

    elements: tuple[str, ...]
    groups: tuple[Group, ...]
    functions: SymmetryFunctions
    whitening: Whitening
    described: dict[str, tuple[int, Group]] = field(default_factory=dict)

    def of_role(self, *roles: str) -> list[Group]:
        """Return the groups of these roles."""
        return [group for group in self.groups if group.role in roles]


def groups(order: GroupsOrder, known: Groups | None, progress: Progress) -> Groups:
    """Gather the run's atoms by data set, and describe the atoms of the other open data sets.

    Groups described before (``known``) are taken over where their frames are the same.
    """
    offset = 0
    found: list[Group] = []
    for role, refs, flag in (("training", order.train, True), ("validation", order.valid, False)):
        part = np.flatnonzero(order.values.is_training == flag)
        found += _run_groups(order, role, refs, part)
        offset += len(part)
    described: dict[str, tuple[int, Group]] = {}
    for number, source in enumerate(order.others):
        progress.report(number / len(order.others), f"Describing {source.name}")
        before = known.described.get(source.id) if known else None
        if before is not None and before[0] == id(source.frames):
            group = replace(before[1], role=source.role, name=source.name)
        else:
            group = _describe(source, order, progress)
        if group is not None:
            described[source.id] = (id(source.frames), group)
            found.append(group)
    return Groups(order.functions.elements, tuple(found), order.functions, order.whitening, described)


def _run_groups(order: GroupsOrder, role: str, refs: FrameRefs, rows: np.ndarray) -> list[Group]:
    """Split the run's atoms of one role by the data set they came from."""
    frame_of = order.values.frame[rows]
    result, start = [], 0
    for dataset_id, indices in refs.parts:
        mine = rows[(frame_of >= start) & (frame_of < start + len(indices))]
        frames = order.values.frame[mine]
        name, color = order.names.get(dataset_id, (role, 0))
        values, species = order.values.values[mine], order.values.species[mine]
        result.append(
            Group(
                name=name if role == "training" else f"{name} (validation)",
                dataset_id=dataset_id,
                role=role,
                color_index=color,
                frame=indices[frames - start].astype(np.int32),
                atom=_index_in_frame(frames),
                values=values,
                x=order.whitening.transform(values, species),
                species=species,
            )
        )
        start += len(indices)
    return [group for group in result if len(group.frame)]


def _index_in_frame(frames: np.ndarray) -> np.ndarray:
    """Return each atom's index in its frame, for atoms that stand frame by frame."""
    if not len(frames):
        return np.zeros(0, dtype=np.int32)
    starts = np.flatnonzero(np.diff(frames, prepend=frames[0] - 1))
    lengths = np.diff(np.append(starts, len(frames)))
    return (np.arange(len(frames)) - np.repeat(starts, lengths)).astype(np.int32)


def _describe(source: GroupSource, order: GroupsOrder, progress: Progress) -> Group | None:
    """Compute descriptors of a data set (every n-th frame of a large one); None for unknown elements."""
    from nnpcore.descriptors import compute_descriptors
    from nnpcore.errors import PotentialError

    total = sum(frame.n_atoms for frame in source.frames)
    step = max(1, -(-total // MAX_ATOMS)) if source.role != "eos" else 1
    indices = np.arange(0, len(source.frames), step)
    frames = [source.frames[i] for i in indices]
    try:
        found = compute_descriptors(
            frames, order.functions, derivatives=False, n_threads=order.n_threads, progress=progress
        )
    except PotentialError:
        return None
    sizes = np.diff(found.frame_start)
    return Group(
        name=source.name,
        dataset_id=source.id,
        role=source.role,
        color_index=source.color_index,
        frame=np.repeat(indices, sizes).astype(np.int32),
        atom=_index_in_frame(found.frames_of_atoms),
        values=found.values,
        x=order.whitening.transform(found.values, found.species),
        species=found.species,
    )


def pca(
    known: Groups, potential: Potential | None, epoch: int, element: str | None = None, n_components: int = 5
) -> PcaAnalysis:
    """Fit principal components to the training atoms of one element and project all groups.

    Without an ``element`` that of the invariant points is taken, else the first. Raises AnalysisError for
    fewer than two different atoms.
    """
    from nnpcore.mapping import pca_of

    index = _element_index(known, element)
    training = [group.values[group.species == index] for group in known.of_role("training")]
    if not training:
        raise AnalysisError("the training atoms of this run are not known", fix="Train it again")
    result = pca_of(np.concatenate(training), n_components)
    found = PcaAnalysis(
        epoch=epoch,
        element=known.elements[index],
        result=result,
        groups=tuple(_projected(group, index, result) for group in known.groups if _has(group, index)),
    )
    return found if potential is None else with_energies(found, known, potential, epoch)


def _element_index(known: Groups, element: str | None) -> int:
    if element in known.elements:
        return known.elements.index(element)
    points = known.of_role("eos")
    return int(points[0].species[0]) if points else 0


def _has(group: Group, index: int) -> bool:
    return bool(_rows(group, index).any())


def _rows(group: Group, index: int) -> np.ndarray:
    """Return which atoms of a group are shown: the element's, of an invariant point only the first."""
    rows = group.species == index
    return rows & (group.atom == 0) if group.role == "eos" else rows


def _projected(group: Group, index: int, result: PcaResult) -> AtomGroup:
    rows = _rows(group, index)
    return AtomGroup(
        name=group.name,
        dataset_id=group.dataset_id,
        role=group.role,
        color_index=group.color_index,
        frame=group.frame[rows],
        atom=group.atom[rows],
        scores=result.transform(group.values[rows]),
        path=group.role == "eos",
    )


def with_energies(found: PcaAnalysis, known: Groups, potential: Potential, epoch: int) -> PcaAnalysis:
    """Return the same points with the atomic energies (eV) of the potential at hand, and their spread.

    A potential that is no network of symmetry functions leaves them without.
    """
    from nnpcore.mapping.model import is_potential

    if not is_potential(potential):
        return replace(found, epoch=epoch)
    index = known.elements.index(found.element)
    sources = {(group.dataset_id, group.role): group for group in known.groups}
    shown = []
    for group in found.groups:
        source = sources.get((group.dataset_id, group.role))
        if source is None:
            shown.append(group)
            continue
        rows = _rows(source, index)
        energies = potential.atomic_energies_of(source.values[rows], source.species[rows])
        values = {"atomic_energy": energies.mean(axis=0), "atomic_energy_std": energies.std(axis=0)}
        shown.append(replace(group, values=values))
    return replace(found, epoch=epoch, groups=tuple(shown))


def distance(known: Groups, crystal: GroupSource | None, epoch: int, progress: Progress) -> DistanceAnalysis:
    """Measure which distances to the training set are usual, how far the invariant points are, the bracket.

    Without a ``crystal`` the points and the bracket are empty. Raises AnalysisError where the frames are no
    invariant points or the training set lacks their element.
    """
    from nnpcore.mapping import bracket_from_distances, invariant_points, nearest_distances, reference_fit

    reaches = _reaches(known, progress)
    if crystal is None:
        return _without_points(epoch, reaches)
    points = invariant_points(crystal.frames, known.functions, n_threads=1)
    train, _ = _atoms(known, "training", known.elements.index(points.element))
    x = points.mean_of(known.whitening.transform(points.values, points.species).T).T
    distances = nearest_distances(x, train, progress=progress)
    fit, _ = reference_fit(points)
    v0 = fit.v0 if fit else float(np.median(points.volumes))
    threshold = reaches[points.element].threshold
    return DistanceAnalysis(
        epoch=epoch,
        dataset_id=crystal.id,
        element=points.element,
        points=points,
        frame_indices=points.frame_indices,
        volumes=points.volumes,
        distances=distances,
        bracket=bracket_from_distances(points.volumes, distances, v0, threshold),
        reaches=reaches,
    )


def _reaches(known: Groups, progress: Progress) -> dict[str, Reach]:
    """Return the usual distances of every element of the training atoms."""
    from nnpcore.mapping import reach_of

    found = {}
    for index, element in enumerate(known.elements):
        train, frames = _atoms(known, "training", index)
        valid, _ = _atoms(known, "validation", index)
        if len(train):
            found[element] = reach_of(train, valid if len(valid) else None, frames, progress=progress)
    if not found:
        raise AnalysisError("the training atoms of this run are not known", fix="Train it again")
    return found


def _without_points(epoch: int, reaches: dict[str, Reach]) -> DistanceAnalysis:
    from nnpcore.mapping import Bracket

    nothing = np.empty(0)
    element = next(iter(reaches))
    empty = Bracket(None, None, reaches[element].threshold, nothing, nothing, np.empty(0, dtype=bool))
    return DistanceAnalysis(
        epoch, "", element, None, np.empty(0, dtype=np.int64), nothing, nothing, empty, reaches
    )


def _atoms(known: Groups, role: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whitened atoms (n, d) of one role and element, and a number for the frame of each (n,)."""
    parts = known.of_role(role)
    rows = [group.species == index for group in parts]
    n_columns = known.functions.n_descriptors
    x = [group.x[r] for group, r in zip(parts, rows, strict=True)]
    frames = [group.frame[r] + 1_000_000 * k for k, (group, r) in enumerate(zip(parts, rows, strict=True))]
    if not parts:
        return np.zeros((0, n_columns)), np.zeros(0, dtype=np.int64)
    return np.concatenate(x), np.concatenate(frames)


def connectivity_of(
    known: Groups,
    epoch: int,
    progress: Progress,
    groups: tuple[str, ...] = (),
    element: str | None = None,
    grouping: Grouping = "dataset",
    labels: Labels | None = None,
) -> ConnectivityAnalysis:
    """Compute the connectivity of the chosen groups (all but the validation atoms when none are chosen).

    With a ``grouping`` and ``labels`` data sets are divided by region or temperature, and those of the
    training set and the crystal are taken when none are chosen. Raises AnalysisError for fewer than two.
    """
    from nnpcore.mapping import connectivity

    index = _element_index(known, element)
    alone = len(known.of_role("training")) == 1
    available = [part for g in known.groups for part in _divided(g, index, grouping, labels, alone)]
    chosen = [part for part in available if part.name in groups]
    if len(chosen) < 2:
        roles = ("training", "eos") if grouping != "dataset" else ("training", "eos", "inspect")
        chosen = [part for part in available if part.group.role in roles]
    result = connectivity({part.name: part.group.x[part.rows] for part in chosen}, progress=progress)
    return ConnectivityAnalysis(
        epoch=epoch,
        element=known.elements[index],
        result=result,
        dataset_ids=tuple(part.group.dataset_id for part in chosen),
        color_indices=tuple(part.color_index for part in chosen),
        available=tuple(part.name for part in available),
        origins=tuple((part.group.frame[part.rows], part.group.atom[part.rows]) for part in chosen),
        grouping=grouping,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some atoms of a group, under the name they are shown by."""

    name: str
    color_index: int
    group: Group
    rows: np.ndarray


def _divided(group: Group, index: int, grouping: Grouping, labels: Labels | None, alone: bool) -> list[_Rows]:
    """Return the atoms of one element of a group, divided where something is known to divide them by.

    Parts of a training set that stands ``alone`` go by their own names, the same in every run.
    """
    rows = np.flatnonzero(_rows(group, index))
    if not len(rows):
        return []
    parts = []
    if labels is not None and group.role != "eos":
        parts = labels.parts(grouping, group.dataset_id, group.frame[rows], group.atom[rows])
    if not parts:
        return [_Rows(group.name, group.color_index, group, rows)]
    short = alone and group.role == "training"
    return [_Rows(part_name(group.name, p.name, short), p.color_index, group, rows[p.rows]) for p in parts]


def eos(
    potential: Potential,
    crystal: GroupSource,
    distances: DistanceAnalysis | None,
    epoch: int,
    rmse_mev: float | None,
) -> EosAnalysis:
    """Ask the potential for the equation of state and judge it.

    Raises AnalysisError where the frames are no invariant points.
    """
    from nnpcore.mapping import analyse_eos, eos_curve, verdict

    if distances is not None and distances.points is not None and distances.dataset_id == crystal.id:
        curve, bracket = eos_curve(potential, distances.points), distances.bracket
    else:
        curve, bracket = eos_curve(potential, crystal.frames, n_threads=1), None
    report = analyse_eos(curve, bracket)
    return EosAnalysis(
        epoch=epoch,
        dataset_id=crystal.id,
        frame_indices=curve.frame_indices,
        curve=curve,
        report=report,
        bracket=bracket,
        verdict=verdict(rmse_mev, report, bracket),
    )


def predict(
    potential: Potential,
    frame: Frame,
    where: tuple[str, str, int],
    epoch: int,
    n_threads: int | None,
    progress: Progress,
) -> FramePrediction:
    """Predict one frame; ``where`` is (run id, data set id, frame index). raises PotentialError."""
    prediction = potential.predict(
        [frame], stress=False, members=False, n_threads=n_threads, progress=progress
    )
    return FramePrediction(epoch, *where, prediction)
