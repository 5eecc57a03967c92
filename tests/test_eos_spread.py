"""Spreads of V0, B0 and slope against draws of whole curves."""

from __future__ import annotations

import numpy as np
import pytest

from nnpcore.errors import AnalysisError
from nnpcore.mapping.eos_fit import fit_eos, local_slopes
from nnpcore.mapping.eos_spread import eos_spread, slope_spread_gpa
from nnpcore.units import GPA_PER_EV_PER_ANG3

VOLUMES = np.linspace(19.0, 22.0, 9)
X = (20.4 / VOLUMES) ** (2.0 / 3.0) - 1.0
ENERGIES = -5.0 + 9.0 / 16.0 * 20.4 * (88.0 / GPA_PER_EV_PER_ANG3) * (2.0 * X**2 + 0.4 * X**3)


def covariance() -> np.ndarray:
    """A slope that is hardly known, and a little of everything else, eV²."""
    rng = np.random.default_rng(0)
    root = 2e-4 * rng.standard_normal((9, 9)) / 3
    tilt = 4e-4 * (VOLUMES - 20.4)
    return root @ root.T + np.outer(tilt, tilt)


def test_spreads_are_those_of_curves_drawn_from_the_covariance() -> None:
    found = eos_spread(VOLUMES, ENERGIES, covariance())
    draws = np.random.default_rng(1).multivariate_normal(ENERGIES, covariance(), 1500)
    fits = [fit_eos(VOLUMES, draw) for draw in draws]
    assert found.fit.v0 == pytest.approx(20.4, abs=0.01)
    assert found.v0_std == pytest.approx(np.std([f.v0 for f in fits]), rel=0.1)
    assert found.b0_std_gpa == pytest.approx(np.std([f.b0_gpa for f in fits]), rel=0.1)
    assert found.e0_std_mev == pytest.approx(1e3 * np.std([f.e0 for f in fits]), rel=0.1)
    near = np.abs(VOLUMES / 20.4 - 1.0) <= 0.05
    slopes = GPA_PER_EV_PER_ANG3 * local_slopes(VOLUMES[near], draws[:, near], 20.4)
    assert slope_spread_gpa(VOLUMES, covariance(), 20.4) == pytest.approx(slopes.std(), rel=0.1)
    assert "V0 20.40 ±" in found.text and "B0 88 ±" in found.text


def test_a_curve_without_a_minimum_is_refused() -> None:
    with pytest.raises(AnalysisError):
        eos_spread(VOLUMES, VOLUMES, np.eye(9))
    with pytest.raises(AnalysisError, match="too few points"):
        slope_spread_gpa(VOLUMES[:3], np.eye(3), 20.0)
