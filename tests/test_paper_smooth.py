"""The study of the smooth part: ratios and verdicts on trainings whose numbers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnpcore.paper.context import TrainedRun
from nnpcore.paper.study_smooth import ALONE, DEFAULT, Result, _figure, _honest, _ratio, _truer
from nnpcore.potential import Potential


def result(system: str, variant: str, rmse: float, errors: list[list[float]]) -> Result:
    """Return a result with RMSEs ``rmse`` and errors (n_members, n_points)."""
    run = TrainedRun(Path(system), Potential.__new__(Potential), [])
    return Result(system, variant, run, rmse, 0.1 * rmse, np.array(errors))


def pair(energy_ratio: float) -> list[Result]:
    """Return two cases: the default errs by a half and an eighth of the networks alone, and says so."""
    return [
        result("a", ALONE, 1.0, [[81.0, -81.0], [79.0, -79.0]]),
        result("a", DEFAULT, energy_ratio, [[80.0, -80.0], [0.0, 0.0]]),
        result("b", ALONE, 2.0, [[16.0, 16.0], [16.0, 16.4]]),
        result("b", DEFAULT, 2.0 * energy_ratio, [[2.0, 4.0], [2.0, 0.0]]),
    ]


def test_mapping_errors_and_spreads_are_those_of_the_ensemble() -> None:
    alone, default = pair(1.0)[:2]
    assert (alone.mapping_error, alone.std) == pytest.approx((80.0, 1.0))
    assert (default.mapping_error, default.std) == pytest.approx((40.0, 40.0))


def test_truer_at_the_same_rmse_holds_by_its_rule() -> None:
    results = pair(1.0)
    assert _ratio(results, DEFAULT, "mapping_error") == pytest.approx((0.5 * 2.0 / 16.1) ** 0.5, rel=0.01)
    assert _truer(results).holds
    assert not _truer(pair(1.2)).holds
    other = {ALONE: DEFAULT, DEFAULT: ALONE}
    swapped = [replace(r, variant=other[r.variant]) for r in results]
    assert not _truer(swapped).holds


def test_a_spread_of_the_size_of_the_error_is_honest() -> None:
    claim = _honest(pair(1.0))
    assert claim.holds
    assert claim.ours["a, linear: mapping error over spread"] == pytest.approx(1.0)
    assert claim.ours["linear: cases whose error is below three spreads"] == "2 of 2"
    assert len(_figure(pair(1.0)).axes) == 2
