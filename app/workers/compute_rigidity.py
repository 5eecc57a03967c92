"""Rigidity of atomic energies: what the training data hold firmly, as plain functions on snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.documents.analyses import FrameRigidity, RigidityAnalysis
from app.workers.compute_regions import crystal_energy, referenced
from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from app.documents.regions import RegionDocument
    from app.workers.compute import GroupSource
    from nnpcore.mapping import InvariantPoints
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class RigidityOrder:
    """What :func:`rigidity` needs; ``frames`` are the training frames, () where their files are not open."""

    potential: Potential
    frames: tuple[Frame, ...]
    crystal: GroupSource | None
    regions: tuple[RegionDocument, ...]
    epoch: int
    n_threads: int | None


def rigidity(order: RigidityOrder, progress: Progress) -> RigidityAnalysis:
    """Go over the training frames and look at invariant points and regions under three losses.

    Raises AnalysisError where the training frames are not open or the potential has no symmetry functions.
    """
    from nnpcore.descriptors import compute_descriptors
    from nnpcore.mapping import rigidity_study, thinned
    from nnpcore.mapping.model import is_potential

    if not is_potential(order.potential):
        raise AnalysisError("the rigidity of this potential cannot be computed", fix="Choose an Eatlas run")
    if not order.frames:
        raise AnalysisError(
            "the rigidity is a property of the training data, and they are not open",
            fix="Open the files this run was trained on",
        )
    frames = thinned(order.frames)
    functions = order.potential.functions
    table = compute_descriptors(frames, functions, n_threads=order.n_threads, progress=progress)
    points = _points(order)
    energy = crystal_energy(order.crystal.frames) if order.crystal is not None else None
    known = [d for d in order.regions if _fits(d, functions.elements)]
    study = rigidity_study(
        order.potential,
        table,
        frames,
        points=points,
        region_sets=[referenced(d.set, energy)[0] for d in known],
        n_threads=order.n_threads,
        progress=progress,
    )
    nothing = np.empty(0)
    return RigidityAnalysis(
        epoch=order.epoch,
        study=study,
        dataset_id=order.crystal.id if order.crystal is not None and points is not None else "",
        volumes=nothing if points is None else points.volumes,
        frame_indices=nothing.astype(np.int64) if points is None else points.frame_indices,
        colors=tuple(region.color_index for d in known for region in d.regions),
        n_frames=len(frames),
        n_total=len(order.frames),
    )


def _points(order: RigidityOrder) -> InvariantPoints | None:
    """Return the invariant points, None where there are none or they are not invariant."""
    from nnpcore.errors import EatlasError
    from nnpcore.mapping import invariant_points

    if order.crystal is None:
        return None
    try:
        return invariant_points(order.crystal.frames, order.potential.functions, n_threads=order.n_threads)
    except EatlasError:
        return None


def _fits(document: RegionDocument, elements: tuple[str, ...]) -> bool:
    from ase.data import chemical_symbols

    return {chemical_symbols[n] for n in np.unique(document.frame.numbers)} <= set(elements)


def frame_rigidity(
    known: RigidityAnalysis,
    frame: Frame,
    where: tuple[str, str, int],
    n_threads: int | None,
    progress: Progress,
) -> FrameRigidity:
    """Return the rigidity of every atom of a frame under the loss of the training.

    ``where`` is (run id, data set id, frame index). Raises PotentialError for unknown elements.
    """
    from nnpcore.descriptors import compute_descriptors

    study = known.study
    fit = study.fits[study.trained_on]
    functions = fit.layer.potential.functions
    table = compute_descriptors([frame], functions, derivatives=False, n_threads=n_threads, progress=progress)
    values = fit.mean_rigidity(table.values, table.species)
    return FrameRigidity(known.epoch, *where, study.trained_on, values)
