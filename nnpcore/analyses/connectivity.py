"""Connectivity of groups of atoms: by file, region or temperature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.analyses.atoms import ATOMS, ELEMENT, AtomGroup
from nnpcore.analyses.division import Grouping, Labels, part_name
from nnpcore.analyses.graph import Analysis, Given
from nnpcore.analyses.inputs import CHOSEN_GROUPS, EOS_ROLE, GROUPING, LABELS, LINKED_ROLES, METRIC, TRAINING
from nnpcore.mapping.connectivity import ConnectivityResult, connectivity


@dataclass(frozen=True, eq=False)
class LinkedGroup:
    """Atoms that are linked with others; ``part`` names region or temperature where their source is divided.

    ``color_index`` is the palette number of that part, None for the source as a whole.
    """

    atoms: AtomGroup
    part: str = ""
    color_index: int | None = None


@dataclass(frozen=True, eq=False)
class Connections:
    """How groups of atoms of one element hang together; ``result.names[i]`` belongs to ``groups[i]``.

    ``available`` names all groups that could be chosen.
    """

    element: str
    result: ConnectivityResult
    groups: tuple[LinkedGroup, ...]
    available: tuple[str, ...]
    grouping: Grouping


def _connections(given: Given) -> Connections:
    element, grouping = given[ELEMENT], given.get(GROUPING) or "dataset"
    groups = given[ATOMS].of_element(element)
    alone = sum(group.role == TRAINING for group in given[ATOMS].groups) == 1
    labels = given.get(LABELS) if grouping != "dataset" else None
    available = told_apart([part for group in groups for part in _divided(group, grouping, labels, alone)])
    chosen = [part for part in available if part.atoms.name in (given.get(CHOSEN_GROUPS) or ())]
    if len(chosen) < 2:
        roles = given.get(LINKED_ROLES) if grouping == "dataset" else (TRAINING, EOS_ROLE)
        chosen = [part for part in available if roles is None or part.atoms.role in roles]
    metric, atoms = given[METRIC], [part.atoms for part in chosen]
    species = atoms[0].species[:1]
    result = connectivity(
        {group.name: group.values for group in atoms},
        transform=lambda values: metric.transform(values, np.repeat(species, len(values))),
        progress=given.progress,
    )
    names = tuple(part.atoms.name for part in available)
    return Connections(element, result, tuple(chosen), names, grouping)


def told_apart(parts: Sequence[LinkedGroup]) -> list[LinkedGroup]:
    """Return the groups, those that are called as one before them with a number behind their names."""
    taken: set[str] = set()
    found = []
    for part in parts:
        own = part.atoms.name
        names = (own, *(f"{own} ({number})" for number in range(2, len(parts) + 2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        found.append(part if name == own else replace(part, atoms=replace(part.atoms, name=name)))
    return found


def _divided(group: AtomGroup, grouping: Grouping, labels: Labels | None, alone: bool) -> list[LinkedGroup]:
    """Return the parts of a group, or the group where nothing is known to divide it by.

    Parts of a training set that stands ``alone`` go by their own names, the same in every run.
    """
    parts = []
    if labels is not None and group.role != EOS_ROLE:
        parts = labels.parts(grouping, group.key, group.frame, group.atom)
    if not parts:
        return [LinkedGroup(group)]
    short = alone and group.role == TRAINING
    return [
        LinkedGroup(
            replace(group.rows(p.rows), name=part_name(group.name, p.name, short)), p.name, p.color_index
        )
        for p in parts
    ]


CONNECTIVITY = Analysis(
    "connectivity",
    "Connectivity",
    _connections,
    needs=(ATOMS, ELEMENT, METRIC),
    uses=(GROUPING, LABELS, CHOSEN_GROUPS, LINKED_ROLES),
)
