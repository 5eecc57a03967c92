"""The crystal along its volume: invariant points and what the reference says of them."""

from __future__ import annotations

import numpy as np

from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import CRYSTAL, FUNCTIONS
from nnpcore.mapping.eos import reference_fit
from nnpcore.mapping.eos_fit import EosFit
from nnpcore.mapping.fine_scan import fine_points
from nnpcore.mapping.invariant import InvariantPoints, invariant_points


def _points(given: Given) -> InvariantPoints:
    frames, functions = given[CRYSTAL].frames, given.get(FUNCTIONS)
    return invariant_points(frames, functions, n_threads=given.n_threads, progress=given.progress)


def _reference(given: Given) -> EosFit | Missing:
    fit, why = reference_fit(given[POINTS])
    return (
        Missing(why, "Add reference energies on both sides of the equilibrium volume") if fit is None else fit
    )


def _fine(given: Given) -> InvariantPoints | Missing:
    points = given[POINTS]
    found = fine_points(points, equilibrium(points, given.get(REFERENCE)), n_threads=given.n_threads)
    return Missing("the crystals differ by more than their size") if found is None else found


def equilibrium(points: InvariantPoints, fit: EosFit | None, distances: np.ndarray | None = None) -> float:
    """Return the volume, Å³/atom, from which the bracket starts: never one that depends on the networks.

    It is V0 of the reference's fit. Where there is no fit it is the volume of the lowest reference energy;
    without any energies that of the point nearest to the training set (the middle one without ``distances``).
    """
    if fit is not None:
        return fit.v0
    if np.isfinite(points.reference).any():
        return float(points.volumes[int(np.nanargmin(points.reference))])
    middle = points.n_points // 2
    return float(points.volumes[middle if distances is None else int(distances.argmin())])


POINTS = Analysis("points", "Invariant points", _points, needs=(CRYSTAL,), uses=(FUNCTIONS,), inner=True)
"""Crystals by volume with their symmetry functions (the usual 26 where the potential has none)."""

REFERENCE = Analysis(
    "reference", "Equation of state of the reference", _reference, needs=(POINTS,), inner=True
)
"""Fit of the reference's energies; its V0 and E0 are the crystal's equilibrium for all other analyses."""

FINE = Analysis(
    "fine", "Crystals about the equilibrium volume", _fine, needs=(POINTS,), uses=(REFERENCE,), inner=True
)
"""The crystal at evenly spaced volumes about its equilibrium: results do not hang on those of the scan."""
