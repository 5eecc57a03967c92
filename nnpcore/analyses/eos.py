"""Equation of state of a crystal by the potential, against the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnpcore.analyses.crystal import FINE, POINTS, REFERENCE
from nnpcore.analyses.distance import DISTANCE
from nnpcore.analyses.graph import Analysis, Given, Input
from nnpcore.analyses.inputs import CRYSTAL, POTENTIAL
from nnpcore.mapping.distance import Bracket
from nnpcore.mapping.eos import EosCurve, EosReport, analyse_eos, eos_curve
from nnpcore.mapping.slope import Slopes, slopes_at


@dataclass(frozen=True, eq=False)
class EosResult:
    """The crystal's energy along its volume: the curve, its comparison with the reference, the bracket.

    ``key`` is that of the crystal's frames; ``curve.frame_indices`` count them.
    """

    key: str
    curve: EosCurve
    report: EosReport
    bracket: Bracket | None


def _curve(given: Given) -> EosCurve:
    return eos_curve(given[POTENTIAL], given[POINTS], n_threads=given.n_threads, progress=given.progress)


def _fine_curve(given: Given) -> EosCurve:
    return eos_curve(given[POTENTIAL], given[FINE], n_threads=given.n_threads, progress=given.progress)


def _slopes(given: Given) -> Slopes:
    return slopes_at(given[POTENTIAL], given[POINTS], given[REFERENCE], n_threads=given.n_threads)


def _eos(given: Given) -> EosResult:
    curve, fine, distances = given[CURVE], given.get(FINE_CURVE), given.get(DISTANCE)
    if zero := given.get(ENERGY_ZERO):
        curve = replace(curve, energies=curve.energies - zero)
        fine = None if fine is None else replace(fine, energies=fine.energies - zero)
    bracket = None if distances is None else distances.bracket
    return EosResult(given[CRYSTAL].key, curve, analyse_eos(curve, bracket, given.get(SLOPES), fine), bracket)


ENERGY_ZERO: Input[float] = Input("energy_zero", "Zero of energy", "energies count from the reference's zero")
"""eV/atom that is taken off the potential's energies of the crystal."""

CURVE = Analysis("curve", "Energies of the crystal", _curve, needs=(POTENTIAL, POINTS), inner=True)
FINE_CURVE = Analysis(
    "fine_curve", "Energies about the equilibrium volume", _fine_curve, needs=(POTENTIAL, FINE), inner=True
)
SLOPES = Analysis("slopes", "Slopes at V0", _slopes, needs=(POTENTIAL, POINTS, REFERENCE), inner=True)
EOS = Analysis(
    "eos", "Equation of state", _eos, needs=(CURVE, CRYSTAL), uses=(DISTANCE, ENERGY_ZERO, SLOPES, FINE_CURVE)
)
