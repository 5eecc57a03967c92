"""The verdict on the atomic-energy mapping, from equation of state, regions and what the data determine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import FORETOLD
from nnpcore.analyses.graph import Analysis, Given
from nnpcore.analyses.inputs import ENERGY_RMSE
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.mapping.eos import EosReport
from nnpcore.mapping.verdict import Foretold, Verdict, verdict


def _verdict(given: Given) -> Verdict:
    eos, regions = given.get(EOS), given.get(REGION_ERRORS)
    report, bracket = (None, None) if eos is None else (eos.report, eos.bracket)
    errors = () if regions is None else regions.all
    return verdict(given.get(ENERGY_RMSE), report, bracket, errors, _spreads(given, report))


def _spreads(given: Given, report: EosReport | None) -> Foretold | None:
    """Return what was foretold of this crystal and these regions, None where nothing was."""
    found = given.get(FORETOLD)
    if found is None:
        return None
    limits = found.limits
    if report is not None and np.array_equal(found.volumes, report.volumes):
        return limits
    return replace(limits, crystal_mev=None, slope_gpa=None)  # of another crystal, until there is this one's


VERDICT = Analysis(
    "verdict", "Verdict", _verdict, uses=(ENERGY_RMSE, EOS, REGION_ERRORS), notices=(FORETOLD,)
)
