"""Rigidity of invariant points and regions under three losses, and whether it foretells the mapping error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.mapping.correlation import RankCorrelation, rank_correlation
from nnpcore.mapping.curvature import Curvature, Parts
from nnpcore.mapping.eos import eos_curve
from nnpcore.mapping.invariant import InvariantPoints
from nnpcore.mapping.region_errors import region_errors
from nnpcore.mapping.regions import RegionSet
from nnpcore.mapping.rigidity import LocalRigidity, mean_of_members
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet
    from nnpcore.potential import Potential
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

LOSSES: dict[str, Parts] = {
    "energy": (True, False, False),
    "energy + forces": (True, True, False),
    "energy + forces + stress": (True, True, True),
}
"""The losses that are compared by name: whether energy, forces and stress count."""


@dataclass(frozen=True, eq=False)
class RigidityStudy:
    """Rigidities under the three losses; n targets are the invariant points, then the regions.

    Attributes
    ----------
    fits : by loss.
    names : (n,) of the targets. n_points : how many of them are invariant points, in order of their volume.
    rigidity : loss -> (n,), of the mean atomic energy of each target.
    std_mev : loss -> (n,) posterior standard deviation, meV/atom; NaN where the noise is not known.
    error_mev : (n,) mapping error of the ensemble mean, meV/atom; NaN without a reference.
    trained_on : the loss the potential was trained with, as far as its settings say.
    correlation : rank correlation of ``1 / rigidity`` under that loss with |error|. Neighboring points of one
        scan are wrong together, so that its p value flatters; regions and training sets are worth more.
    """

    fits: dict[str, LocalRigidity]
    names: tuple[str, ...]
    n_points: int
    rigidity: dict[str, np.ndarray]
    std_mev: dict[str, np.ndarray]
    error_mev: np.ndarray
    trained_on: str
    correlation: RankCorrelation

    @property
    def text(self) -> str:
        """Whether a low rigidity foretells a large mapping error here, plainly."""
        found = self.correlation
        if found.message:
            return f"Whether rigidity foretells the mapping error cannot be told: {found.message}."
        if found.holds and found.value > 0:
            return f"Where rigidity is low, the mapping error is large ({found.text})."
        return f"Here rigidity does not foretell the mapping error ({found.text})."


def rigidity_study(
    potential: Potential,
    descriptor_set: DescriptorSet,
    frames: Sequence[Frame],
    *,
    points: InvariantPoints | None = None,
    region_sets: Sequence[RegionSet] = (),
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> RigidityStudy:
    """Go once over the training frames and look at invariant points and regions under three losses.

    Parameters
    ----------
    descriptor_set, frames : of the training, with derivatives, one for one.
    points : invariant points described by the potential's symmetry functions.
    region_sets : structures with regions.

    Raises
    ------
    AnalysisError : as for :meth:`Curvature.of`.
    """
    curvature = Curvature.of(potential, descriptor_set, frames, n_threads=n_threads, progress=progress)
    features, names, errors = _targets(curvature, potential, points, region_sets, n_threads)
    fits = {name: LocalRigidity(curvature, parts=parts) for name, parts in LOSSES.items()}
    each = {name: fit.of_features(features) for name, fit in fits.items()}
    rigidity = {name: mean_of_members(r) for name, r in each.items()}
    std = {n: MEV_PER_EV * np.sqrt(np.mean(fits[n].noise[:, None] ** 2 / r, axis=0)) for n, r in each.items()}
    trained_on = _trained_on(potential)
    return RigidityStudy(
        fits=fits,
        names=names,
        n_points=0 if points is None else points.n_points,
        rigidity=rigidity,
        std_mev=std,
        error_mev=errors,
        trained_on=trained_on,
        correlation=rank_correlation(1.0 / rigidity[trained_on], np.abs(errors)),
    )


def _targets(
    curvature: Curvature,
    potential: Potential,
    points: InvariantPoints | None,
    region_sets: Sequence[RegionSet],
    n_threads: int | None,
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Return features (M, n, P), names and errors (n,) of the mean atomic energy of every target."""
    from nnpcore.descriptors import compute_descriptors

    layer = curvature.layer
    parts, names, errors = [np.zeros((layer.n_members, 0, layer.n_features))], [], []
    if points is not None:
        parts.append(points.mean_of(layer.features(points.values, points.species), axis=1))
        names += [f"{points.element} at {v:.2f} Å³/atom" for v in points.volumes]
        curve = eos_curve(potential, points)
        errors += (MEV_PER_EV * (curve.mean - curve.reference)).tolist()
    for regions in region_sets:
        table = compute_descriptors(
            [regions.frame], potential.functions, derivatives=False, n_threads=n_threads
        )
        features = layer.features(table.values, table.species)
        parts += [features[:, r.atoms].mean(axis=1, keepdims=True) for r in regions.regions]
        found = region_errors(potential, regions, n_threads=n_threads)
        names += [e.name for e in found]
        errors += [np.nan if e.error_mev is None else e.error_mev for e in found]
    return np.concatenate(parts, axis=1), tuple(names), np.array(errors, dtype=np.float64)


def _trained_on(potential: Potential) -> str:
    """Return which loss the potential's settings name; energies and forces where they say nothing."""
    settings = potential.info.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    stress, forces = float(settings.get("stress_weight", 0.0)), float(settings.get("force_weight", 1.0))
    names = list(LOSSES)
    return names[2] if stress > 0 else names[1] if forces > 0 else names[0]
