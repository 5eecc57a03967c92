"""Principal components of the training atoms' surroundings: the map of atoms, and their energies on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.analyses.atoms import ATOMS, ELEMENT, AtomGroup
from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import ELEMENT_CHOICE, N_COMPONENTS, POTENTIAL, TRAINING
from nnpcore.mapping.model_energies import is_potential
from nnpcore.mapping.pca import PcaResult, pca_of


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


def _map(given: Given) -> AtomMap | Missing:
    chosen = given.get(ELEMENT_CHOICE)
    element = chosen if chosen in given[ATOMS].functions.elements else given[ELEMENT]
    groups = given[ATOMS].of_element(element)
    training = [group.values for group in groups if group.role == TRAINING]
    if not training:
        return Missing(f"the training set has no atoms of {element}")
    result = pca_of(np.concatenate(training), given.get(N_COMPONENTS))
    scores = tuple(result.transform(group.values) for group in groups)
    return AtomMap(element, result, tuple(groups), scores)


def _energies(given: Given) -> MapEnergies | Missing:
    model, shown = given[POTENTIAL], given[PCA]
    if not is_potential(model):
        return Missing("the potential is no network of these symmetry functions")
    energies = [model.atomic_energies_of(group.values, group.species) for group in shown.groups]
    mean, std = (tuple(e.mean(axis=0) for e in energies), tuple(e.std(axis=0) for e in energies))
    return MapEnergies(shown, mean, std)


PCA = Analysis(
    "pca", "Principal components", _map, needs=(ATOMS, ELEMENT), uses=(ELEMENT_CHOICE, N_COMPONENTS)
)
MAP_ENERGIES = Analysis(
    "map_energies", "Atomic energies of the training set", _energies, needs=(POTENTIAL, PCA)
)
