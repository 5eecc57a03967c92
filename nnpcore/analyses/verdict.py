"""The verdict on the atomic-energy mapping, from equation of state and regions."""

from __future__ import annotations

from nnpcore.analyses.eos import EOS
from nnpcore.analyses.graph import Analysis, Given
from nnpcore.analyses.inputs import ENERGY_RMSE
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.mapping.verdict import Verdict, verdict


def _verdict(given: Given) -> Verdict:
    eos, regions = given.get(EOS), given.get(REGION_ERRORS)
    report, bracket = (None, None) if eos is None else (eos.report, eos.bracket)
    return verdict(given.get(ENERGY_RMSE), report, bracket, () if regions is None else regions.all)


VERDICT = Analysis("verdict", "Verdict", _verdict, uses=(ENERGY_RMSE, EOS, REGION_ERRORS))
