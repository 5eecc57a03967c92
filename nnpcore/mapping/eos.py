"""Equation of state: atomic energy of a crystal along its volume, by the ensemble and by the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.invariant import InvariantPoints, invariant_points
from nnpcore.mapping.model_energies import AtomicEnergyModel, energies_of_points, is_potential
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.mapping.distance import Bracket
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

MIN_POINTS = 5
"""Fewest points of a Birch-Murnaghan fit (four parameters)."""

_MIN_LOCAL_POINTS = 6


@dataclass(frozen=True)
class EosFit:
    """Birch-Murnaghan equation of state, per atom.

    Attributes
    ----------
    v0 : Å³/atom. e0 : eV/atom. b0_gpa : bulk modulus, GPa. b0_prime : its pressure derivative.
    rms : root-mean-square residual of the fit, eV/atom.
    n_points : number of points it was fitted to.
    """

    v0: float
    e0: float
    b0_gpa: float
    b0_prime: float
    rms: float
    n_points: int

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


@dataclass(frozen=True, eq=False)
class EosCurve:
    """Atomic energies of a crystal along its volume.

    Attributes
    ----------
    element : the crystal's element.
    volumes : (n,) Å³/atom, rising.
    energies : (n_members, n) eV/atom, by each member.
    reference : (n,) eV/atom, total energy / N; NaN where unknown.
    frame_indices : (n,) position of each point in the list of frames.
    """

    element: str
    volumes: np.ndarray
    energies: np.ndarray
    reference: np.ndarray
    frame_indices: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Ensemble mean (n,), eV/atom."""
        return self.energies.mean(axis=0)

    @property
    def std(self) -> np.ndarray:
        """Spread over the members (n,), eV/atom: the paper's prediction uncertainty."""
        return self.energies.std(axis=0)


@dataclass(frozen=True, eq=False)
class EosReport:
    """How well the ensemble maps the atomic energy of a crystal. None where it cannot be told.

    Attributes
    ----------
    reference_fit : of all reference points. mean_fit : of the ensemble mean at the ``fitted`` points.
    volumes : (n,) Å³/atom, those of the curve.
    v0 : the volume everything refers to, Å³/atom: the reference's, else the ensemble's.
    fitted : (n,) bool, points that mean_fit and the slopes use: those in the bracket, and the nearest others
        up to six (all points without a bracket). Beyond the bracket the curve is extrapolation and would
        spoil the fit.
    slope_error_gpa : dE/dV of the ensemble mean minus the reference's at ``v0``; the latter is 0 there.
    slope_members_gpa, slope_std_gpa : the same for every member (n_members,), and their spread.
    in_bracket : (n,) bool.
    error_mev : (n,) ensemble mean minus reference, meV/atom, NaN without a reference.
    rmse_in_bracket_mev, std_in_bracket_mev : of the mean against the reference, and mean of the members'
        spread, over the points in the bracket, meV/atom.
    rmse_mev : the same RMSE over all points.
    worst : index of the point in the bracket with the largest error, or None.
    message : why a fit is missing, or empty.
    """

    volumes: np.ndarray
    v0: float | None
    reference_fit: EosFit | None
    mean_fit: EosFit | None
    fitted: np.ndarray
    slope_error_gpa: float | None
    slope_members_gpa: np.ndarray | None
    slope_std_gpa: float | None
    in_bracket: np.ndarray
    error_mev: np.ndarray
    rmse_in_bracket_mev: float | None
    std_in_bracket_mev: float | None
    rmse_mev: float | None
    worst: int | None
    message: str = ""


def eos_curve(
    model: AtomicEnergyModel,
    frames: Sequence[Frame] | InvariantPoints,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> EosCurve:
    """Evaluate the ensemble's atomic energy along a volume scan.

    Parameters
    ----------
    model : the ensemble, or any other model of atomic energies.
    frames : invariant points, or the frames to make them of (see ``invariant_points`` for the errors); a
        model without symmetry functions has the crystals checked with the usual ones.
    """
    points = frames
    if not isinstance(points, InvariantPoints):
        functions = model.functions if is_potential(model) else None
        points = invariant_points(points, functions, n_threads=n_threads, progress=progress)
    energies = energies_of_points(model, points, n_threads=n_threads, progress=progress)
    return EosCurve(points.element, points.volumes, energies, points.reference, points.frame_indices)


def fit_eos(volumes: np.ndarray, energies: np.ndarray) -> EosFit:
    """Fit the Birch-Murnaghan equation of state (by ASE) to volumes in Å³/atom and energies in eV/atom.

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
    fit = EosFit(v0, e0, b0 * GPA_PER_EV_PER_ANG3, b0_prime, 0.0, len(volumes))
    return replace(fit, rms=float(np.sqrt(np.mean((fit.energy(volumes) - energies) ** 2))))


def _fit_birch_murnaghan(volumes: np.ndarray, energies: np.ndarray) -> tuple[float, ...] | None:
    """(e0, b0, b0', v0) in eV and Å by ASE, or None when there is no minimum inside the scan."""
    from ase.eos import EquationOfState

    if (
        np.ptp(energies) <= 0.0
        or np.polyfit(volumes - volumes.mean(), energies - energies.mean(), 2)[0] <= 0.0
    ):
        return None
    offset = float(energies.min())
    eos = EquationOfState(volumes, energies - offset, eos="birchmurnaghan")
    try:
        with np.errstate(all="ignore"):  # the search may stray to negative volumes
            eos.fit(warn=False)
    except (RuntimeError, ValueError, FloatingPointError):  # the fit does not converge
        return None
    e0, b0, b0_prime, v0 = (float(p) for p in eos.eos_parameters)
    inside = volumes.min() < v0 < volumes.max()
    return (e0 + offset, b0, b0_prime, v0) if inside and b0 > 0.0 and np.isfinite(b0_prime) else None


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


def reference_fit(curve: EosCurve | InvariantPoints) -> tuple[EosFit | None, str]:
    """Return the fit of the reference energies, or None and the reason."""
    known = np.isfinite(curve.reference)
    if not known.any():
        return None, "the EOS frames have no energies"
    try:
        return fit_eos(curve.volumes[known], curve.reference[known]), ""
    except AnalysisError as error:
        return None, f"reference: {error.what}"


def analyse_eos(curve: EosCurve, bracket: Bracket | None = None) -> EosReport:
    """Compare the ensemble's equation of state with the reference, absolutely (no shift of either).

    Parameters
    ----------
    curve : by :func:`eos_curve`.
    bracket : the volumes in reach of the training set; None or an empty one counts no point as in reach.

    Fits that are impossible leave None and a ``message``.
    """
    reference, message = reference_fit(curve)
    inside = np.zeros(len(curve.volumes), dtype=bool) if bracket is None else bracket.contains(curve.volumes)
    center = reference.v0 if reference else float(curve.volumes[curve.mean.argmin()])
    fitted = _fit_points(curve.volumes, inside, center)
    mean_fit = None
    try:
        mean_fit = fit_eos(curve.volumes[fitted], curve.mean[fitted])
    except AnalysisError as error:
        message = "; ".join(part for part in (message, f"ensemble: {error.what}") if part)
    slopes = None
    if reference is not None and fitted.sum() >= MIN_POINTS:
        slopes = (
            local_slopes(curve.volumes[fitted], curve.energies[:, fitted], reference.v0) * GPA_PER_EV_PER_ANG3
        )
    error = MEV_PER_EV * (curve.mean - curve.reference)
    known = np.isfinite(error)
    candidates = np.flatnonzero(inside & known)
    return EosReport(
        volumes=curve.volumes,
        v0=reference.v0 if reference else (mean_fit.v0 if mean_fit else None),
        reference_fit=reference,
        mean_fit=mean_fit,
        fitted=fitted,
        slope_error_gpa=None if slopes is None else float(slopes.mean()),
        slope_members_gpa=slopes,
        slope_std_gpa=None if slopes is None else float(slopes.std()),
        in_bracket=inside,
        error_mev=error,
        rmse_in_bracket_mev=_rms(error[inside & known]),
        std_in_bracket_mev=float(MEV_PER_EV * curve.std[inside].mean()) if inside.any() else None,
        rmse_mev=_rms(error[known]),
        worst=int(candidates[np.abs(error[candidates]).argmax()]) if len(candidates) else None,
        message=message,
    )


def _fit_points(volumes: np.ndarray, inside: np.ndarray, center: float) -> np.ndarray:
    """Points in the bracket, and those nearest to ``center`` until there are six; all without a bracket."""
    if not inside.any():
        return np.ones(len(volumes), dtype=bool)
    chosen = inside.copy()
    for i in np.argsort(np.abs(volumes - center), kind="stable"):
        if chosen.sum() >= _MIN_LOCAL_POINTS:
            break
        chosen[i] = True
    return chosen


def _rms(values: np.ndarray) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if len(values) else None
