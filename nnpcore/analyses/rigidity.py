"""How firmly the training data hold atomic energies: of invariant points and regions, and of one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import CRYSTAL, POTENTIAL, SHOWN_FRAME, TRAINING_FRAMES
from nnpcore.analyses.regions import REFERENCES, REGION_ERRORS
from nnpcore.descriptors import compute_descriptors
from nnpcore.mapping.curvature import thinned
from nnpcore.mapping.model_energies import is_potential
from nnpcore.mapping.rigidity_study import RigidityStudy, rigidity_study

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Rigidity:
    """Rigidity of the invariant points, then of the regions, under three losses.

    Attributes
    ----------
    study : rigidities and errors. key : of the crystal's frames, "" without any.
    volumes, frame_indices : (n_points,) of the invariant points.
    regions : key of the set and number of the region, for each region after the points.
    n_frames, n_total : training frames used, and how many there are.
    """

    study: RigidityStudy
    key: str
    volumes: np.ndarray
    frame_indices: np.ndarray
    regions: tuple[tuple[str, int], ...]
    n_frames: int
    n_total: int


@dataclass(frozen=True, eq=False)
class FrameRigidity:
    """Rigidity of every atom (n_atoms,) of one frame, under the ``loss`` of the training."""

    frame: Frame
    loss: str
    values: np.ndarray


def _rigidity(given: Given) -> Rigidity | Missing:
    potential, frames = given[POTENTIAL], given[TRAINING_FRAMES]
    if not is_potential(potential):
        return Missing("the rigidity of this potential cannot be computed", "Choose an Eatlas run")
    points, sets = given.get(POINTS), _region_sets(given)
    chosen = thinned(frames)
    table = compute_descriptors(
        chosen, potential.functions, n_threads=given.n_threads, progress=given.progress
    )
    study = rigidity_study(
        potential,
        table,
        chosen,
        points=points,
        region_sets=list(sets.values()),
        n_threads=given.n_threads,
        progress=given.progress,
    )
    crystal = given.get(CRYSTAL)
    return Rigidity(
        study=study,
        key="" if crystal is None or points is None else crystal.key,
        volumes=np.empty(0) if points is None else points.volumes,
        frame_indices=np.empty(0, dtype=np.int64) if points is None else points.frame_indices,
        regions=tuple((key, k) for key, regions in sets.items() for k in range(len(regions.regions))),
        n_frames=len(chosen),
        n_total=len(frames),
    )


def _region_sets(given: Given) -> dict[str, RegionSet]:
    """Return the regions whose structures the potential can predict."""
    sets, errors = given.get(REFERENCES), given.get(REGION_ERRORS)
    if sets is None or errors is None:
        return {}
    return {key: regions for key, regions in sets.found.items() if key in errors.found}


def _frame_rigidity(given: Given) -> FrameRigidity:
    study, shown = given[RIGIDITY].study, given[SHOWN_FRAME]
    fit = study.fits[study.trained_on]
    table = compute_descriptors(
        [shown.frame],
        fit.layer.potential.functions,
        derivatives=False,
        n_threads=given.n_threads,
        progress=given.progress,
    )
    values = fit.mean_rigidity(table.values, table.species)
    return FrameRigidity(shown.frame, study.trained_on, values)


RIGIDITY = Analysis(
    "rigidity",
    "Rigidity",
    _rigidity,
    needs=(POTENTIAL, TRAINING_FRAMES),
    uses=(CRYSTAL, POINTS, REFERENCES, REGION_ERRORS),
    costly=True,
)
FRAME_RIGIDITY = Analysis(
    "frame_rigidity", "Rigidity of this frame", _frame_rigidity, needs=(RIGIDITY, SHOWN_FRAME), costly=True
)
