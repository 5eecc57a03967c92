"""The groups of atoms that maps and matrices are made of, described once: no network is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import (
    CRYSTAL,
    CRYSTAL_GROUP,
    EOS_ROLE,
    FUNCTIONS,
    FURTHER_ATOMS,
    INSPECT,
    N_REGION_GROUPS,
    ONLOOKERS,
    REGION,
    REGION_SETS,
    TEST,
    TRAINING,
    TRAINING_PARTS,
    TRAINING_VALUES,
    VALIDATION,
    FrameGroup,
)
from nnpcore.analyses.regions import REGION_ATOMS
from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.errors import PotentialError
from nnpcore.mapping.invariant import InvariantPoints
from nnpcore.mapping.nearest import as_slice

MAX_ATOMS = 20_000
"""Atoms taken from frames that only look on; of more, every n-th frame."""


@dataclass(frozen=True, eq=False)
class AtomGroup:
    """Atoms that belong together, and where each comes from.

    Attributes
    ----------
    name : unique among the groups. key : of the frames they are from, "" where that is not known.
    role : what the frames are used for.
    frame, atom : (n,) int32, number of the frame under ``key``, and of the atom in it.
    values : (n, n_descriptors) symmetry functions.
    species : (n,) int32, index into the elements of the symmetry functions.
    """

    name: str
    key: str
    role: str
    frame: np.ndarray
    atom: np.ndarray
    values: np.ndarray
    species: np.ndarray

    def rows(self, index: np.ndarray) -> AtomGroup:
        """Return some of the atoms; they share their arrays where they stand one behind the other."""
        chosen = as_slice(index)
        parts = (self.frame, self.atom, self.values, self.species)
        return AtomGroup(self.name, self.key, self.role, *(part[chosen] for part in parts))


def _index_in_frame(frames: np.ndarray) -> np.ndarray:
    """Return each atom's index in its frame, for atoms (n,) that stand frame by frame."""
    starts = np.flatnonzero(np.diff(frames, prepend=-1))
    lengths = np.diff(np.append(starts, len(frames)))
    return (np.arange(len(frames)) - np.repeat(starts, lengths)).astype(np.int32)


@dataclass(frozen=True, eq=False)
class AtomGroups:
    """All groups of atoms: those of the training, then the validation, then whoever looks on."""

    functions: SymmetryFunctions
    groups: tuple[AtomGroup, ...]
    described: dict[tuple[str, str], tuple[FrameGroup, AtomGroup]] = field(default_factory=dict)

    def of_role(self, *roles: str) -> list[AtomGroup]:
        """Return the groups of these roles."""
        return [group for group in self.groups if group.role in roles]

    def of_element(self, element: str) -> list[AtomGroup]:
        """Return the atoms of one element; groups without any are left out."""
        index = self.functions.elements.index(element)
        parts = (group.rows(np.flatnonzero(group.species == index)) for group in self.groups)
        return [part for part in parts if len(part.frame)]


def _groups(given: Given) -> AtomGroups:
    functions, before = given[FUNCTIONS], given.before(ATOMS)
    known = before.described if before is not None and before.functions == functions else {}
    groups = [*_training_groups(given), *_further_groups(given), *_region_groups(given)]
    described: dict[tuple[str, str], tuple[FrameGroup, AtomGroup]] = {}
    onlookers, crystal = given.get(ONLOOKERS) or (), given.get(CRYSTAL)
    if crystal is not None and crystal.key not in {onlooker.key for onlooker in onlookers}:
        onlookers = (*onlookers, crystal)
    for number, source in enumerate(onlookers):
        given.progress.report(number / len(onlookers), f"Describing {source.name}")
        place = source.key, TEST if source.role == TEST else ""
        group = _onlooker(source, given, known.get(place))
        if group is not None:
            described[place] = source, group
            groups.append(group)
    return AtomGroups(functions, tuple(group for group in groups if len(group.frame)), described)


# atoms of the training --------------------------------------------------------------------------------
def _training_groups(given: Given) -> Iterator[AtomGroup]:
    """Divide the atoms of the training by role and by the files they came from."""
    values = given[TRAINING_VALUES]
    parts = given.get(TRAINING_PARTS)
    for role, flag in ((TRAINING, True), (VALIDATION, False)):
        rows = np.flatnonzero(values.is_training == flag)
        mine = [part for part in parts or () if part.role == role]
        chosen = as_slice(rows)
        frames = values.frame[chosen]
        atoms = _index_in_frame(frames)
        whole = AtomGroup(role, "", role, frames, atoms, values.values[chosen], values.species[chosen])
        if not mine:
            yield whole
        start = 0
        for part in mine:
            stop = start + len(part.indices)
            group = whole.rows(np.flatnonzero((frames >= start) & (frames < stop)))
            frame = part.indices[group.frame - start].astype(np.int32)
            yield replace(group, name=part.name, key=part.key, frame=frame)
            start = stop


# atoms that look on -----------------------------------------------------------------------------------
def _further_groups(given: Given) -> Iterator[AtomGroup]:
    points = given.get(POINTS)
    element = given[FUNCTIONS].elements[0] if points is None else points.element
    for name, values in (given.get(FURTHER_ATOMS) or {}).items():
        species = np.full(len(values), given[FUNCTIONS].elements.index(element), dtype=np.int32)
        frame, atom = np.zeros_like(species), np.arange(len(values), dtype=np.int32)
        yield AtomGroup(name, "", INSPECT, frame, atom, values, species)


def _region_groups(given: Given) -> list[AtomGroup]:
    """Return the atoms of the first regions as groups of their own, where that is wanted."""
    most, described = given.get(N_REGION_GROUPS) or 0, given.get(REGION_ATOMS)
    groups: list[AtomGroup] = []
    names: set[str] = set()
    for number, (key, regions) in enumerate((given.get(REGION_SETS) or {}).items(), start=1):
        known = None if described is None else described.found.get(key)
        for region in regions.regions if known is not None else ():
            if known is None or len(groups) >= most:
                break
            _, values, species = known
            name = f"{regions.title_of(region)} (region)"
            name = name if name not in names else f"{name} {number}"
            names.add(name)
            atom = region.atoms.astype(np.int32)
            frame = np.zeros_like(atom)
            groups.append(AtomGroup(name, key, REGION, frame, atom, values[atom], species[atom]))
    return groups


def _onlooker(
    source: FrameGroup, given: Given, known: tuple[FrameGroup, AtomGroup] | None
) -> AtomGroup | None:
    """Describe the atoms of frames (every n-th of many); None where they have unknown elements."""
    points, crystal = given.get(POINTS), given.get(CRYSTAL)
    if points is not None and crystal is not None and crystal.key == source.key and source.role != TEST:
        return _crystal_group(source, points, given)
    if known is not None and (known[0].frames, known[0].numbers) == (source.frames, source.numbers):
        return replace(known[1], role=source.role, name=source.name)
    total = sum(frame.n_atoms for frame in source.frames)
    step = 1 if source.role == EOS_ROLE else max(1, -(-total // MAX_ATOMS))
    indices = np.arange(0, len(source.frames), step)
    chosen = [source.frames[i] for i in indices]
    try:
        table = compute_descriptors(
            chosen, given[FUNCTIONS], derivatives=False, n_threads=given.n_threads, progress=given.progress
        )
    except PotentialError:
        return None
    numbers = np.array(source.numbers, dtype=np.int64)[indices] if source.numbers else indices
    frame = np.repeat(numbers, np.diff(table.frame_start)).astype(np.int32)
    atom = _index_in_frame(np.repeat(indices, np.diff(table.frame_start)))
    group = AtomGroup(source.name, source.key, source.role, frame, atom, table.values, table.species)
    return group.rows(np.flatnonzero(group.atom == 0)) if source.role == EOS_ROLE else group


def _crystal_group(source: FrameGroup, points: InvariantPoints, given: Given) -> AtomGroup | None:
    """Return the invariant points by volume, each the mean of its equivalent atoms."""
    elements, name = given[FUNCTIONS].elements, source.name or CRYSTAL_GROUP
    if points.element not in elements:
        return None
    means = points.mean_of(points.values.T).T
    species = np.full(points.n_points, elements.index(points.element), dtype=np.int32)
    frame = points.frame_indices.astype(np.int32)
    return AtomGroup(name, source.key, EOS_ROLE, frame, np.zeros_like(species), means, species)


def _element(given: Given) -> str | Missing:
    """Choose whose atoms are shown: the crystal's element where the training has it, else the commonest."""
    elements, values, points = given[FUNCTIONS].elements, given[TRAINING_VALUES], given.get(POINTS)
    counts = np.bincount(values.species[values.is_training], minlength=len(elements))
    if points is not None and points.element in elements and counts[elements.index(points.element)]:
        return points.element
    if not counts.any():
        return Missing("the training set has no atoms")
    return elements[int(counts.argmax())]


ATOMS = Analysis(
    "atoms",
    "Describing atoms",
    _groups,
    needs=(TRAINING_VALUES, FUNCTIONS),
    uses=(
        TRAINING_PARTS, ONLOOKERS, CRYSTAL, POINTS, FURTHER_ATOMS, REGION_SETS, REGION_ATOMS, N_REGION_GROUPS,
    ),
    inner=True,
)  # fmt: skip
ELEMENT = Analysis(
    "element", "Element", _element, needs=(TRAINING_VALUES, FUNCTIONS), uses=(POINTS,), inner=True
)
