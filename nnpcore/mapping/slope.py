"""Slope dE/dV of a crystal's energy at one volume, a pressure: by the stress, which needs no fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.mapping.eos_fit import WINDOW, EosFit
from nnpcore.mapping.fine_scan import crystals_at, scaled_copies

if TYPE_CHECKING:
    from nnpcore.mapping.invariant import InvariantPoints
    from nnpcore.mapping.model_energies import AtomicEnergyModel

_MOST_TERMS = 4


@dataclass(frozen=True, eq=False)
class Slopes:
    """Slopes dE/dV at one volume, eV/Å³: ``members`` (n_members,) of a model, ``reference`` of the reference.

    ``volume`` : Å³/atom. Each is None where no stress tells it.
    """

    volume: float
    members: np.ndarray | None
    reference: float | None


def slopes_at(
    model: AtomicEnergyModel, points: InvariantPoints, fit: EosFit, *, n_threads: int | None = None
) -> Slopes:
    """Return the slopes at the reference's V0 by the stresses of model and reference.

    For crystals that are scaled copies of each other dE/dV is a third of the stress tensor's trace, exactly;
    for others (a hexagonal crystal whose c/a changes along the scan) the stress does not tell it.
    """
    if not scaled_copies(points, fit.v0):
        return Slopes(fit.v0, None, None)
    (crystal,) = crystals_at(points, [fit.v0])
    found = model.predict([crystal], forces=False, stress=True, members=True, n_threads=n_threads)
    members = None
    if found.stress_members is not None and np.isfinite(found.stress_members).all():
        members = np.trace(found.stress_members[:, 0], axis1=1, axis2=2) / 3.0
    return Slopes(fit.v0, members, _reference_slope(points, fit))


def _reference_slope(points: InvariantPoints, fit: EosFit) -> float | None:
    """Slope at V0 of a polynomial (cubic at most) through the reference's stresses near it, eV/Å³."""
    stress = np.array([np.nan if f.stress is None else np.trace(f.stress) / 3.0 for f in points.frames])
    reach = max(WINDOW * fit.v0, fit.v0 - fit.low, fit.high - fit.v0) * (1.0 + 1e-9)
    near = np.isfinite(stress) & (np.abs(points.volumes - fit.v0) <= reach)
    volumes = points.volumes[near] - fit.v0
    if len(volumes) < 2 or not volumes.min() <= 0.0 <= volumes.max():
        return None
    terms = min(_MOST_TERMS, len(np.unique(volumes)))
    return float(np.linalg.lstsq(np.vander(volumes, terms, increasing=True), stress[near], rcond=None)[0][0])
