"""Distance of atoms to the training set in the metric of the networks' inputs, and what is in its reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.crystal import FINE, POINTS, REFERENCE, equilibrium
from nnpcore.analyses.graph import Analysis, ByKey, Given, Missing
from nnpcore.analyses.inputs import CRYSTAL, FUNCTIONS, METRIC, TRAINING_VALUES
from nnpcore.descriptors import Whitening
from nnpcore.errors import AnalysisError
from nnpcore.mapping.distance import Bracket, Reach, bracket_from_distances, nearest_distances, reach_of
from nnpcore.mapping.invariant import InvariantPoints
from nnpcore.mapping.nearest import as_slice, in_parts

if TYPE_CHECKING:
    from nnpcore.training import TrainingValues


class Reaches(ByKey[Reach]):
    """Usual distances to the training set by element of its atoms."""

    def of(self, element: str) -> Reach | Missing:
        """Return the reach of one element's atoms."""
        what = f"the training set has no {element}, the element of the crystal"
        absent = Missing(what, f"Train on structures that contain {element}")
        return self.found.get(element) or self.missing.get(element) or absent


@dataclass(frozen=True, eq=False)
class Distances:
    """How far the invariant points are from the training set, and the bracket of volumes in its reach.

    ``key`` is that of the crystal's frames, which ``points.frame_indices`` count.
    """

    key: str
    points: InvariantPoints
    bracket: Bracket


def _reaches(given: Given) -> Reaches | Missing:
    values, metric = given[TRAINING_VALUES], given[METRIC]
    reaches = Reaches()
    for index, element in enumerate(given[FUNCTIONS].elements):
        train, frames = whitened(values, metric, index, training=True)
        valid, _ = whitened(values, metric, index, training=False)
        if not len(train):
            continue
        try:
            reaches.found[element] = reach_of(train, valid, frames, progress=given.progress)
        except AnalysisError as error:
            reaches.missing[element] = Missing.of(error)
    if not reaches.found:
        return next(iter(reaches.missing.values()), Missing("the training set has no atoms"))
    return reaches


def _distances(given: Given) -> Distances | Missing:
    points, metric = given[POINTS], given[METRIC]
    reach = given[REACH].of(points.element)
    if isinstance(reach, Missing):
        return reach
    species = given[FUNCTIONS].elements.index(points.element)
    train, _ = whitened(given[TRAINING_VALUES], metric, species, training=True)

    def distances_of(some: InvariantPoints) -> np.ndarray:
        means = some.mean_of(some.values.T).T  # a point is the mean of its equivalent atoms
        x = metric.transform(means, np.full(len(means), species, dtype=some.species.dtype))
        return nearest_distances(x, train, progress=given.progress)

    distances, fine = distances_of(points), given.get(FINE)
    v0 = equilibrium(points, given.get(REFERENCE), distances)
    bracket = bracket_from_distances(points.volumes, distances, v0, reach.threshold)
    if fine is not None:
        bracket = bracket.with_edges(fine.volumes, distances_of(fine), v0)
    return Distances(given[CRYSTAL].key, points, bracket)


def whitened(
    values: TrainingValues, metric: Whitening, species: int, *, training: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return whitened training (or validation) atoms (n, d) of one element and the frame of each (n,)."""
    rows = as_slice(np.flatnonzero((values.species == species) & (values.is_training == training)))
    mine, of_mine = values.values[rows], values.species[rows]
    whitened = np.empty(mine.shape)
    for part in in_parts(len(mine)):
        whitened[part] = metric.transform(mine[part], of_mine[part])
    return whitened, values.frame[rows]


REACH = Analysis(
    "reach", "Usual distances to the training set", _reaches, needs=(TRAINING_VALUES, METRIC, FUNCTIONS)
)
DISTANCE = Analysis(
    "distance",
    "Distance to the training set",
    _distances,
    needs=(CRYSTAL, POINTS, REACH, TRAINING_VALUES, METRIC, FUNCTIONS),
    uses=(REFERENCE, FINE),
)
