"""Principal components of the training atoms' surroundings: the map of atoms, and numbers of its points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.analyses.atoms import ATOMS, ELEMENT, AtomGroup
from nnpcore.analyses.distance import whitened
from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import (
    ELEMENT_CHOICE,
    FUNCTIONS,
    METRIC,
    N_COMPONENTS,
    POTENTIAL,
    TRAINING,
    TRAINING_VALUES,
)
from nnpcore.mapping.distance import left_out_distances, nearest_distances
from nnpcore.mapping.model_energies import is_potential
from nnpcore.mapping.nearest import in_parts, subsample
from nnpcore.mapping.pca import PcaResult, pca_of

MOST_ASKED = 20_000


@dataclass(frozen=True, eq=False)
class AtomMap:
    """The atoms of one element by principal components, fitted to those of the training.

    ``scores[i]`` (n, n_components) belong to ``groups[i]``.
    """

    element: str
    result: PcaResult
    groups: tuple[AtomGroup, ...]
    scores: tuple[np.ndarray, ...]

    @property
    def by_name(self) -> dict[str, np.ndarray]:
        """The scores by the name of the group."""
        return {group.name: scores for group, scores in zip(self.groups, self.scores, strict=True)}


@dataclass(frozen=True, eq=False)
class MapEnergies:
    """Atomic energies (n,), eV, mean and spread of the ensemble, of every group of ``map``."""

    map: AtomMap
    mean: tuple[np.ndarray, ...]
    std: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class MapDistances:
    """Distance (n,) of the atoms of every group of ``map`` to the training set, whitened units.

    Training atoms are compared with those of other frames. NaN where unknown: of a group with more than
    :data:`MOST_ASKED` atoms that many, drawn at random, are asked about.
    """

    map: AtomMap
    distances: tuple[np.ndarray, ...]


def _map(given: Given) -> AtomMap | Missing:
    chosen = given.get(ELEMENT_CHOICE)
    element = chosen if chosen in given[ATOMS].functions.elements else given[ELEMENT]
    groups = given[ATOMS].of_element(element)
    training = [group.values for group in groups if group.role == TRAINING]
    if not training:
        return Missing(f"the training set has no atoms of {element}")
    result = pca_of(training[0] if len(training) == 1 else np.concatenate(training), given.get(N_COMPONENTS))
    scores, start = [], 0
    for group in groups:
        if group.role == TRAINING:  # in their order, as they were fitted
            scores.append(result.scores[start : start + len(group.values)])
            start += len(group.values)
        else:
            scores.append(result.transform(group.values))
    return AtomMap(element, result, tuple(groups), tuple(scores))


def _energies(given: Given) -> MapEnergies | Missing:
    model, shown = given[POTENTIAL], given[PCA]
    if not is_potential(model):
        return Missing("the potential is no network of these symmetry functions")
    means, stds = [], []
    for group in shown.groups:
        mean, std = np.empty(len(group.values)), np.empty(len(group.values))
        for part in in_parts(len(group.values)):
            energies = model.atomic_energies_of(group.values[part], group.species[part])
            mean[part], std[part] = energies.mean(axis=0), energies.std(axis=0)
        means.append(mean)
        stds.append(std)
    return MapEnergies(shown, tuple(means), tuple(stds))


def _map_distances(given: Given) -> MapDistances | Missing:
    shown, metric = given[PCA], given[METRIC]
    species = given[FUNCTIONS].elements.index(shown.element)
    train, frames = whitened(given[TRAINING_VALUES], metric, species, training=True)
    start, found = 0, []
    for group in shown.groups:
        asked = subsample(len(group.frame), MOST_ASKED)
        distances = np.full(len(group.frame), np.nan)
        if group.role != TRAINING:
            x = metric.transform(group.values[asked], group.species[asked])
            distances[asked] = nearest_distances(x, train, progress=given.progress)
        elif len(np.unique(frames)) > 1:
            distances[asked] = left_out_distances(train, frames, start + asked)
        start += len(group.frame) if group.role == TRAINING else 0
        found.append(distances)
    return MapDistances(shown, tuple(found))


PCA = Analysis(
    "pca", "Principal components", _map, needs=(ATOMS, ELEMENT), uses=(ELEMENT_CHOICE, N_COMPONENTS)
)
MAP_ENERGIES = Analysis(
    "map_energies", "Atomic energies of the training set", _energies, needs=(POTENTIAL, PCA)
)
MAP_DISTANCES = Analysis(
    "map_distances",
    "Distances of the map's atoms to the training set",
    _map_distances,
    needs=(PCA, TRAINING_VALUES, METRIC, FUNCTIONS),
    costly=True,
)
