"""Birch-Murnaghan equation of state: fitted near the minimum, with what the points leave open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

MIN_POINTS = 5
"""Fewest points of a Birch-Murnaghan fit (four parameters)."""

WINDOW = 0.12
"""Share of the volume at the minimum by which points of a fit near it may differ from it.

The third-order form holds V0 to 1e-4 and B0 to 1 % in such a window and averages over the noise of
density-functional energies, which a narrower one does not.
"""

MOST_V0_DOUBT, MOST_B0_DOUBT = 1e-3, 0.02
"""Standard errors, as shares of V0 and B0, from which the form is said not to describe the points."""

_PASSES = 8  # of the search for the window whose minimum is its center


@dataclass(frozen=True)
class EosFit:
    """Birch-Murnaghan equation of state, per atom.

    Attributes
    ----------
    v0 : Å³/atom. e0 : eV/atom. b0_gpa : bulk modulus, GPa. b0_prime : its pressure derivative.
    rms : root-mean-square residual of the fit, eV/atom.
    n_points : number of points it was fitted to. low, high : their smallest and largest volume, Å³/atom.
    v0_std, b0_std_gpa : standard errors that the residuals leave V0 and B0, Å³/atom and GPa; inf where as
        many parameters as points leave none.
    reach : smallest and largest volume in reach of a training set, Å³/atom, if it is one's crystal.
    """

    v0: float
    e0: float
    b0_gpa: float
    b0_prime: float
    rms: float
    n_points: int
    low: float
    high: float
    v0_std: float
    b0_std_gpa: float
    reach: tuple[float, float] | None = None

    @property
    def doubt(self) -> str:
        """Why V0 and B0 are rough: the minimum lies out of reach, or the form misses the points; or empty."""
        if self.reach is not None and not self.reach[0] <= self.v0 <= self.reach[1]:
            low, high = self.reach
            return (
                f"the minimum at {self.v0:.2f} Å³/atom lies out of reach of the training set ({low:.2f} to "
                f"{high:.2f} Å³/atom)"
            )
        if self.v0_std <= MOST_V0_DOUBT * self.v0 and self.b0_std_gpa <= MOST_B0_DOUBT * self.b0_gpa:
            return ""
        off = "" if np.isinf(self.v0_std) else f" (V0 ± {self.v0_std:.2f} Å³, B0 ± {self.b0_std_gpa:.0f} GPa)"
        return (
            f"the Birch-Murnaghan form misses the points from {self.low:.2f} to {self.high:.2f} Å³/atom by "
            f"{MEV_PER_EV * self.rms:.1f} meV/atom{off}"
        )

    def energy(self, volumes: np.ndarray | float) -> np.ndarray:
        """Energy, eV/atom, at volumes in Å³/atom (third-order Birch-Murnaghan, Phys. Rev. B 70, 224107)."""
        u = (self.v0 / np.asarray(volumes)) ** (2.0 / 3.0)
        b0 = self.b0_gpa / GPA_PER_EV_PER_ANG3
        return self.e0 + 9.0 * b0 * self.v0 / 16.0 * (u - 1.0) ** 2 * (
            6.0 + self.b0_prime * (u - 1.0) - 4.0 * u
        )

    def slope(self, volumes: np.ndarray | float) -> np.ndarray:
        """dE/dV = -pressure, eV/Å³, at volumes in Å³/atom."""
        v = np.asarray(volumes)
        u = (self.v0 / v) ** (2.0 / 3.0)
        b0 = self.b0_gpa / GPA_PER_EV_PER_ANG3
        inner = 6.0 + self.b0_prime * (u - 1.0) - 4.0 * u
        d_du = 2.0 * (u - 1.0) * inner + (u - 1.0) ** 2 * (self.b0_prime - 4.0)
        return 9.0 * b0 * self.v0 / 16.0 * d_du * (-2.0 / 3.0) * u / v


def fit_eos(volumes: np.ndarray, energies: np.ndarray) -> EosFit:
    """Fit the third-order Birch-Murnaghan equation of state to volumes in Å³/atom and energies in eV/atom.

    Raises
    ------
    AnalysisError : fewer than five points, or a scan without a minimum inside.
    """
    volumes, energies = np.asarray(volumes, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    if len(volumes) < MIN_POINTS or len(np.unique(volumes)) < MIN_POINTS:
        raise AnalysisError(
            f"an equation of state needs at least {MIN_POINTS} different volumes, there are "
            f"{len(np.unique(volumes))}",
            fix="Add points to the volume scan",
        )
    if not (np.isfinite(volumes).all() and np.isfinite(energies).all()):
        raise AnalysisError("the equation of state has points without an energy", fix="Leave them out")
    parameters = _fit_birch_murnaghan(volumes, energies)
    if parameters is None:
        raise AnalysisError(
            f"the energy has no minimum between {volumes.min():.2f} and {volumes.max():.2f} Å³/atom",
            fix="Scan volumes on both sides of the equilibrium",
        )
    e0, b0, b0_prime, v0 = parameters
    b0_gpa = b0 * GPA_PER_EV_PER_ANG3
    u = (v0 / volumes) ** (2.0 / 3.0)
    form = e0 + 9.0 * b0 * v0 / 16.0 * (u - 1.0) ** 2 * (6.0 + b0_prime * (u - 1.0) - 4.0 * u)
    rms = float(np.sqrt(np.mean((form - energies) ** 2)))
    errors = _standard_errors(volumes, v0, b0, rms)
    low, high = float(volumes.min()), float(volumes.max())
    return EosFit(
        v0, e0, b0_gpa, b0_prime, rms, len(volumes), low, high, errors[0], errors[1] * GPA_PER_EV_PER_ANG3
    )


def _standard_errors(volumes: np.ndarray, v0: float, b0: float, rms: float) -> tuple[float, float]:
    """Standard errors of V0 (Å³) and B0 (eV/Å³) from the residuals of the form, which is a cubic in u.

    With few points left over the residuals tell their own size badly; Student's t for 68 % makes up for it.
    """
    from scipy.special import stdtrit

    spare = len(volumes) - 4
    if spare <= 0:
        return np.inf, np.inf
    u = (v0 / volumes) ** (2.0 / 3.0) - 1.0
    scale = float(np.abs(u).max())
    inverse = np.linalg.pinv(np.vander(u / scale, 4, increasing=True))
    spread = np.sqrt((inverse**2).sum(axis=1)) * rms * np.sqrt(len(volumes) / spare) * stdtrit(spare, 0.84)
    slope, curvature = spread[1] / scale, 2.0 * spread[2] / scale**2  # of dE/du and of its derivative
    by_volume = 2.0 / 3.0 / v0  # |du/dV| at V0
    return float(slope * by_volume * v0 / b0), float(curvature * by_volume**2 * v0)


def fit_near_minimum(
    volumes: np.ndarray, energies: np.ndarray, allowed: np.ndarray | None = None, window: float = WINDOW
) -> EosFit:
    """Fit the Birch-Murnaghan equation of state to the points near the minimum, however wide the scan.

    Fitted are the points within ``window`` (a share) of the volume at the minimum, and the nearest others
    where these are fewer than five; the minimum is that of the lowest point first, then of the fit. Where
    such a window holds no minimum it grows, up to the whole scan.

    Parameters
    ----------
    volumes, energies : (n,) Å³/atom and eV/atom. allowed : (n,) bool, the points that may be used; all.

    Raises
    ------
    AnalysisError : as :func:`fit_eos`.
    """
    if allowed is not None:
        volumes, energies = volumes[allowed], energies[allowed]
    if len(volumes) <= MIN_POINTS or not np.isfinite(energies).all():
        return fit_eos(volumes, energies)
    center, found, chosen = float(volumes[energies.argmin()]), None, np.zeros(0, dtype=np.int64)
    for _ in range(_PASSES):
        near = np.argsort(np.abs(volumes / center - 1.0), kind="stable")
        within = int((np.abs(volumes / center - 1.0) <= window * (1.0 + 1e-9)).sum())
        nearest = _first_with_minimum(volumes, energies, near, max(within, MIN_POINTS))
        if np.array_equal(nearest, chosen):
            break
        chosen, found = nearest, fit_eos(volumes[nearest], energies[nearest])
        center = found.v0
    return fit_eos(volumes, energies) if found is None else found


def _first_with_minimum(
    volumes: np.ndarray, energies: np.ndarray, near: np.ndarray, count: int
) -> np.ndarray:
    """Return the first ``count`` or more points in the order ``near`` with a minimum among them, sorted."""
    for n in range(count, len(near)):
        enough = len(np.unique(volumes[near[:n]])) >= MIN_POINTS
        if enough and _fit_birch_murnaghan(volumes[near[:n]], energies[near[:n]]) is not None:
            return np.sort(near[:n])
    return np.arange(len(near))


def _fit_birch_murnaghan(volumes: np.ndarray, energies: np.ndarray) -> tuple[float, ...] | None:
    """(e0, b0, b0', v0) in eV and Å, or None when there is no minimum inside the scan.

    The form is a cubic in x = V^(-2/3), so that least squares needs no search.
    """
    middle, offset = float(np.median(volumes)), float(energies.min())
    x = (volumes / middle) ** (-2.0 / 3.0) - 1.0
    terms = np.vander(x, 4, increasing=True)
    c = np.linalg.lstsq(terms, energies - offset, rcond=None)[0]
    inner = c[2] ** 2 - 3.0 * c[1] * c[3]
    if np.ptp(energies) <= 0.0 or inner <= 0.0 or c[2] + np.sqrt(inner) <= 0.0:
        return None
    at = -c[1] / (c[2] + np.sqrt(inner))
    if not x.min() < at < x.max():
        return None
    v0 = middle * (1.0 + at) ** -1.5
    b0 = 2.0 * np.sqrt(inner) * (2.0 / 3.0 * (1.0 + at) / v0) ** 2 * v0
    b0_prime = 4.0 + 16.0 * c[3] * (1.0 + at) ** 3 / (9.0 * b0 * v0)
    e0 = offset + c @ at ** np.arange(4)
    return float(e0), float(b0), float(b0_prime), float(v0)


def local_slopes(volumes: np.ndarray, energies: np.ndarray, at: float) -> np.ndarray:
    """Derivative dE/dV at one volume of the Birch-Murnaghan form fitted to each row of ``energies``.

    The third-order form is linear in (1, x, x², x³), x = V^(-2/3), so that least squares always has an
    answer, also for curves without a minimum.

    Parameters
    ----------
    volumes : (n,) Å³/atom, at least four. energies : (n_members, n) eV/atom. at : Å³/atom.

    Returns
    -------
    (n_members,) eV/Å³.
    """
    x = (np.asarray(volumes) / at) ** (-2.0 / 3.0) - 1.0
    offset = energies.mean(axis=1, keepdims=True)
    coefficients = np.linalg.lstsq(np.vander(x, 4, increasing=True), (energies - offset).T, rcond=None)[0]
    return coefficients[1] * (-2.0 / 3.0) / at
