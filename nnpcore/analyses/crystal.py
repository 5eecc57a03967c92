"""The crystal along its volume: invariant points and what the reference says of them."""

from __future__ import annotations

from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import CRYSTAL, FUNCTIONS
from nnpcore.mapping.eos import reference_fit
from nnpcore.mapping.eos_fit import EosFit
from nnpcore.mapping.invariant import InvariantPoints, invariant_points


def _points(given: Given) -> InvariantPoints:
    frames, functions = given[CRYSTAL].frames, given.get(FUNCTIONS)
    return invariant_points(frames, functions, n_threads=given.n_threads, progress=given.progress)


def _reference(given: Given) -> EosFit | Missing:
    fit, why = reference_fit(given[POINTS])
    return (
        Missing(why, "Add reference energies on both sides of the equilibrium volume") if fit is None else fit
    )


POINTS = Analysis("points", "Invariant points", _points, needs=(CRYSTAL,), uses=(FUNCTIONS,), inner=True)
"""Crystals by volume with their symmetry functions (the usual 26 where the potential has none)."""

REFERENCE = Analysis(
    "reference", "Equation of state of the reference", _reference, needs=(POINTS,), inner=True
)
"""Fit of the reference's energies; its V0 and E0 are the crystal's equilibrium for all other analyses."""
