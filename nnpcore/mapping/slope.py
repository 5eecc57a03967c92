"""Slope dE/dV of a crystal's energy at one volume, a pressure: by the stress, which needs no fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.mapping.eos_fit import WINDOW, EosFit

if TYPE_CHECKING:
    from nnpcore.mapping.invariant import InvariantPoints
    from nnpcore.mapping.model_energies import AtomicEnergyModel
    from nnpcore.structures.frame import Frame

SAME_SHAPE = 1e-3
"""Largest relative difference of cells and positions between crystals that count as scaled copies."""

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
    if not _scaled_copies(points, fit.v0):
        return Slopes(fit.v0, None, None)
    nearest = int(np.abs(points.volumes - fit.v0).argmin())
    crystal = _at_volume(points.frames[nearest], fit.v0)
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


def _scaled_copies(points: InvariantPoints, v0: float) -> bool:
    """Whether the crystals near V0 that have equally many atoms differ by their size alone."""
    by_size: dict[int, list[Frame]] = {}
    for volume, frame in zip(points.volumes, points.frames, strict=True):
        if abs(volume / v0 - 1.0) <= WINDOW:
            by_size.setdefault(frame.n_atoms, []).append(frame)
    return all(_alike(frames[0], other) for frames in by_size.values() for other in frames[1:])


def _alike(a: Frame, b: Frame) -> bool:
    """Whether cells are scaled copies and atoms stand at the same places in them."""
    metrics = [f.cell @ f.cell.T / f.volume ** (2.0 / 3.0) for f in (a, b)]
    if np.abs(metrics[0] - metrics[1]).max() > SAME_SHAPE * np.abs(metrics[0]).max():
        return False
    apart = np.linalg.solve(a.cell.T, a.positions.T) - np.linalg.solve(b.cell.T, b.positions.T)
    apart -= apart[:, :1]
    return bool(np.abs(apart - np.round(apart)).max() <= SAME_SHAPE)


def _at_volume(frame: Frame, volume: float) -> Frame:
    """Return the crystal scaled to a volume in Å³/atom, without labels."""
    factor = (volume * frame.n_atoms / frame.volume) ** (1.0 / 3.0)
    return replace(
        frame,
        positions=factor * frame.positions,
        cell=factor * frame.cell,
        energy=None,
        forces=None,
        stress=None,
    )
