"""Equation of state: atomic energy of a crystal along its volume, by the ensemble and by the reference."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.eos_fit import MIN_POINTS, WINDOW, EosFit, fit_near_minimum, local_slopes
from nnpcore.mapping.invariant import InvariantPoints, invariant_points
from nnpcore.mapping.model_energies import AtomicEnergyModel, energies_of_points, is_potential
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.mapping.distance import Bracket
    from nnpcore.mapping.slope import Slopes
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

MOST_AT_ODDS = 0.01
"""Share of B0 by which the reference's stress at V0 may differ from its energies' slope there."""

FINE_WINDOW = 0.06
"""The same share for points of a fine scan: they are the potential's own, without noise, and the narrower the
window, the better the form holds B0."""

_MIN_LOCAL_POINTS = 6


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
    reference_fit : of the reference near its minimum. mean_fit : of the ensemble mean near its own, of the
        ``fitted`` points.
    volumes : (n,) Å³/atom, those of the curve.
    v0 : the volume everything refers to, Å³/atom: the reference's, else the ensemble's.
    fitted : (n,) bool, points that mean_fit may use: those in the bracket, and the nearest others up to six
        (all points without a bracket). Beyond the bracket the curve is extrapolation and would spoil the fit.
    slope_error_gpa : dE/dV of the ensemble mean minus the reference's at ``v0``, by the stress where it is
        known.
    slope_members_gpa, slope_std_gpa : the same for every member (n_members,), and their spread.
    in_bracket : (n,) bool.
    error_mev : (n,) ensemble mean minus reference, meV/atom, NaN without a reference.
    rmse_in_bracket_mev, std_in_bracket_mev : of the mean against the reference, and mean of the members'
        spread, over the volumes ``judged``, meV/atom.
    judged : (k,) Å³/atom, evenly spaced volumes in the bracket within :data:`WINDOW` of V0, whatever the
        scan; without a fine scan the points in the bracket that have a reference.
    judged_error_mev, judged_std_mev : (k,) error of the mean and spread of the members there, meV/atom.
    rmse_mev : the same RMSE over all points.
    n_members : members of the ensemble.
    worst : index of the point with the largest error among those in the range judged, or None.
    message : why a fit is missing, or that it misses the reference's points; or empty.
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
    n_members: int
    judged: np.ndarray
    judged_error_mev: np.ndarray
    judged_std_mev: np.ndarray
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


def reference_fit(curve: EosCurve | InvariantPoints) -> tuple[EosFit | None, str]:
    """Return the fit of the reference energies near their minimum, or None; and what is to be said of it."""
    known = np.isfinite(curve.reference)
    if not known.any():
        return None, "the EOS frames have no energies"
    try:
        fit = fit_near_minimum(curve.volumes, curve.reference, known)
        return fit, f"reference: {fit.doubt}; scan more finely around the minimum" if fit.doubt else ""
    except AnalysisError as error:
        return None, f"reference: {error.what}"


def analyse_eos(
    curve: EosCurve,
    bracket: Bracket | None = None,
    slopes: Slopes | None = None,
    fine: EosCurve | None = None,
) -> EosReport:
    """Compare the ensemble's equation of state with the reference, absolutely (no shift of either).

    Parameters
    ----------
    curve : by :func:`eos_curve`.
    bracket : the volumes in reach of the training set; None or an empty one: no point is.
    slopes : at the reference's V0 by the stress, as far as it tells them; the rest is read off local fits.
    fine : the ensemble's curve at :func:`fine_points`, for a minimum and errors that no scan's volumes move.

    Impossible fits leave None and a ``message``; one that misses the reference's points is said.
    """
    reference, message = reference_fit(curve)
    inside = np.zeros(len(curve.volumes), dtype=bool) if bracket is None else bracket.contains(curve.volumes)
    center = reference.v0 if reference else float(curve.volumes[curve.mean.argmin()])
    fitted = _fit_points(curve.volumes, inside, center)
    mean_fit, why = _mean_fit(curve, fitted, fine, bracket, center)
    mean_fit = mean_fit and within(mean_fit, bracket)
    found = _slope_errors(curve, reference, fitted, slopes)
    error = MEV_PER_EV * (curve.mean - curve.reference)
    finer = _judged(curve, reference, bracket, fine)
    known = inside & np.isfinite(error)
    judged = finer or _Judged(curve.volumes[known], error[known], curve.std[known])
    stds = judged.std if finer else curve.std[inside]
    return EosReport(
        volumes=curve.volumes,
        v0=reference.v0 if reference else (mean_fit.v0 if mean_fit else None),
        reference_fit=reference,
        mean_fit=mean_fit,
        fitted=fitted,
        slope_error_gpa=None if found is None else float(found.mean()),
        slope_members_gpa=found,
        slope_std_gpa=None if found is None else float(found.std()),
        in_bracket=inside,
        error_mev=error,
        rmse_in_bracket_mev=_rms(judged.error_mev),
        std_in_bracket_mev=float(MEV_PER_EV * stds.mean()) if len(stds) else None,
        rmse_mev=_rms(error[np.isfinite(error)]),
        worst=_worst(curve.volumes, error, known, finer),
        n_members=len(curve.energies),
        judged=judged.volumes,
        judged_error_mev=judged.error_mev,
        judged_std_mev=MEV_PER_EV * judged.std,
        message="; ".join(part for part in (message, why) if part),
    )


def within(fit: EosFit, bracket: Bracket | None) -> EosFit:
    """Return a fit that knows the volumes in reach of the training set: outside of them it is rough."""
    if bracket is None or bracket.low is None or bracket.high is None:
        return fit
    return replace(fit, reach=(bracket.low, bracket.high))


@dataclass(frozen=True, eq=False)
class _Judged:
    """Where energies in the bracket are compared: volumes (k,), errors of the mean, meV/atom, spreads, eV."""

    volumes: np.ndarray
    error_mev: np.ndarray
    std: np.ndarray


def _judged(
    curve: EosCurve, fit: EosFit | None, bracket: Bracket | None, fine: EosCurve | None
) -> _Judged | None:
    """Compare a fine scan with the reference in between its points: its fit and what this leaves of them.

    None where there is no fine scan, no fit, or no volume to be judged.
    """
    known = np.isfinite(curve.reference)
    if fine is None or fit is None or bracket is None:
        return None
    volumes = fine.volumes
    scanned = (volumes >= curve.volumes[known].min()) & (volumes <= curve.volumes[known].max())
    used = scanned & bracket.contains(volumes) & (np.abs(volumes / fit.v0 - 1.0) <= WINDOW * (1.0 + 1e-9))
    if not used.any():
        return None
    left = curve.reference[known] - fit.energy(curve.volumes[known])
    reference = fit.energy(volumes[used]) + np.interp(volumes[used], curve.volumes[known], left)
    return _Judged(volumes[used], MEV_PER_EV * (fine.mean[used] - reference), fine.std[used])


def _worst(volumes: np.ndarray, error: np.ndarray, inside: np.ndarray, finer: _Judged | None) -> int | None:
    """Return the scan's point of the largest error in the bracket, if any: a judged one, where it can."""
    candidates = inside
    if finer is not None:
        there = inside & (volumes >= finer.volumes[0]) & (volumes <= finer.volumes[-1])
        candidates = there if there.any() else inside
    return int(np.where(candidates, np.abs(error), -1.0).argmax()) if candidates.any() else None


def _mean_fit(
    curve: EosCurve, fitted: np.ndarray, fine: EosCurve | None, bracket: Bracket | None, center: float
) -> tuple[EosFit | None, str]:
    """Return the fit of the ensemble's mean, by its fine scan where that has a minimum; or None and why."""
    if fine is not None:
        inside = (
            np.zeros(len(fine.volumes), dtype=bool) if bracket is None else bracket.contains(fine.volumes)
        )
        with suppress(AnalysisError):
            chosen = _fit_points(fine.volumes, inside, center)
            return fit_near_minimum(fine.volumes, fine.mean, chosen, FINE_WINDOW), ""
    try:
        return fit_near_minimum(curve.volumes, curve.mean, fitted), ""
    except AnalysisError as error:
        return None, f"ensemble: {error.what}"


def _slope_errors(
    curve: EosCurve, fit: EosFit | None, fitted: np.ndarray, slopes: Slopes | None
) -> np.ndarray | None:
    """Members' dE/dV minus the reference's at its V0, (n_members,) GPa, or None where there is no telling.

    A reference whose stress is at odds with its energies (the Pulay stress of a small basis) has the slope
    of its energies, 0 at V0: energies are what is mapped.
    """
    if fit is None:
        return None
    if slopes is None or slopes.members is None:
        return _local_slope_errors(curve, fit, fitted)
    reference = slopes.reference or 0.0
    at_odds = abs(reference) * GPA_PER_EV_PER_ANG3 > MOST_AT_ODDS * fit.b0_gpa
    return (slopes.members - (0.0 if at_odds else reference)) * GPA_PER_EV_PER_ANG3


def _local_slope_errors(curve: EosCurve, fit: EosFit, fitted: np.ndarray) -> np.ndarray | None:
    """The same by local fits of members and reference to the same points, so that what these miss cancels."""
    away = np.where(fitted, np.abs(curve.volumes / fit.v0 - 1.0), np.inf)
    near = np.sort(np.argsort(away, kind="stable")[: max(int((away <= WINDOW).sum()), MIN_POINTS)])
    if fitted.sum() < MIN_POINTS:
        return None
    volumes, reference = curve.volumes[near], curve.reference[near]
    errors = local_slopes(volumes, curve.energies[:, near], fit.v0)
    if np.isfinite(reference).all():
        errors = errors - local_slopes(volumes, reference[None], fit.v0)
    return errors * GPA_PER_EV_PER_ANG3


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
