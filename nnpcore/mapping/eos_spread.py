"""What a joint covariance of a crystal's energies along its volume lets V0, bulk modulus and slope vary
by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.eos_fit import MIN_POINTS, EosFit, fit_eos, fit_near_minimum
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

_STEP = 1e-5
"""eV/atom, by which energies are moved to see how the fit follows."""

_TERMS = 5
"""Points that a slope is told by, a polynomial through them: exact to the fourth power of their distance."""


@dataclass(frozen=True)
class EosSpread:
    """Spreads (standard deviations) of what is read off an equation of state, to first order.

    Attributes
    ----------
    fit : of the energies near their minimum. v0_std, e0_std_mev, b0_std_gpa : Å³/atom, meV/atom and GPa.
    """

    fit: EosFit
    v0_std: float
    e0_std_mev: float
    b0_std_gpa: float

    @property
    def text(self) -> str:
        """The numbers: "V0 20.41 ± 0.02 Å³/atom, B0 88 ± 4 GPa"."""
        v0 = f"V0 {self.fit.v0:.2f} ± {self.v0_std:.2g} Å³/atom"
        return f"{v0}, B0 {self.fit.b0_gpa:.0f} ± {self.b0_std_gpa:.2g} GPa"


def eos_spread(volumes: np.ndarray, energies: np.ndarray, covariance: np.ndarray) -> EosSpread:
    """Propagate the covariance of energies through the Birch-Murnaghan fit near their minimum.

    Parameters
    ----------
    volumes, energies : (n,) Å³/atom and eV/atom. covariance : (n, n) of the energies, eV².

    Raises
    ------
    AnalysisError : there is no minimum, or too few points around it.
    """
    fit = fit_near_minimum(volumes, energies)
    chosen = np.flatnonzero((volumes >= fit.low) & (volumes <= fit.high))
    near = volumes[chosen]
    rows = []
    for k in range(len(chosen)):
        moved = np.where(np.arange(len(chosen)) == k, _STEP, 0.0)
        up, down = (fit_eos(near, energies[chosen] + sign * moved) for sign in (1.0, -1.0))
        rows.append((up.v0 - down.v0, up.e0 - down.e0, up.b0_gpa - down.b0_gpa))
    jacobian = np.array(rows).T / (2.0 * _STEP)
    v0_std, e0_std, b0_std = np.sqrt(np.diag(jacobian @ covariance[np.ix_(chosen, chosen)] @ jacobian.T))
    return EosSpread(fit, float(v0_std), MEV_PER_EV * float(e0_std), float(b0_std))


def slope_spread_gpa(volumes: np.ndarray, covariance: np.ndarray, at: float) -> float:
    """Return the spread of dE/dV at a volume, GPa, by the polynomial through the five nearest points.

    Of evenly and closely spaced points this is the derivative itself; it is linear in the energies.

    Parameters
    ----------
    volumes : (n,) Å³/atom. covariance : (n, n) of the energies, eV². at : Å³/atom.

    Raises
    ------
    AnalysisError : fewer than five points.
    """
    if len(volumes) < MIN_POINTS:
        raise AnalysisError("too few points for a slope", fix=f"Scan at least {MIN_POINTS} volumes")
    near = np.sort(np.argsort(np.abs(volumes - at), kind="stable")[:_TERMS])
    row = slope_row(volumes[near], at)
    return float(GPA_PER_EV_PER_ANG3 * np.sqrt(row @ covariance[np.ix_(near, near)] @ row))


def slope_row(volumes: np.ndarray, at: float) -> np.ndarray:
    """Return the weights (n,), 1/Å³, that make of energies at n volumes the slope of their polynomial."""
    scale = float(np.ptp(volumes))
    powers = np.vander((volumes - at) / scale, len(volumes), increasing=True)
    return np.linalg.inv(powers)[1] / scale
