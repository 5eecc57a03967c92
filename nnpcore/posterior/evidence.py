"""Hyperparameters by evidence inside bounds: signal and noises of a posterior whose likelihood is tempered.

A likelihood ``p(y | c)^b`` of rows with noise sigma is that of b n rows with a mean square residual the same,
so that it adds ``-b/2 (n log(2 pi sigma²) + sum r² / sigma²)``. With ``A = sum_k b_k M_k / sigma_k² + I /
s²`` and ``v = sum_k b_k v_k / sigma_k²`` the logarithm of the evidence is

    sum_k -b_k/2 (n_k log(2 pi sigma_k²) + y_k² / sigma_k²) + v^T A^-1 v / 2 - log det(s² A) / 2

(MacKay, Neural Comput. 4, 415 (1992), for b = 1). With ``r_k²`` the sum of squares that the mean leaves of
kind k its derivatives are

    d/dlog sigma_k = b_k/sigma_k² (r_k² + tr A^-1 M_k) - b_k n_k
    d/dlog s = (c² + tr A^-1) / s² - m

What is found is rounded to steps of 1 %: last digits, which differ with the order of sums, are not passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from nnpcore.posterior.factors import cho_solve, cholesky
from nnpcore.posterior.moments import ENERGY, FORCES, KINDS, STRESS, Moments
from nnpcore.posterior.settings import PosteriorSettings

_STEP = 0.01

_SMALLEST_PRIOR = 1e-10
"""Prior precision against the largest diagonal element: less is lost in double precision."""


@dataclass(frozen=True)
class Hyperparameters:
    """What a posterior weighs its labels with.

    Attributes
    ----------
    length : of the kernel, in units of the median distance of two atoms.
    signal : standard deviation of an atomic energy before any data, eV.
    noise : by kind of label: eV/atom, eV/Å, eV/Å³.
    tempering : by kind of label, the share that each component counts with.
    """

    length: float
    signal: float
    noise: Mapping[str, float]
    tempering: Mapping[str, float] = field(default_factory=dict)

    def weight(self, kind: str) -> float:
        """Return what a row of this kind counts: ``tempering / noise²``."""
        return self.tempering.get(kind, 1.0) / self.noise[kind] ** 2


@dataclass(frozen=True, eq=False)
class Solution:
    """Precision matrix of the coefficients with its triangular factor, and their mean.

    Attributes
    ----------
    precision : (m, m). factor : (m, m), upper triangle of its Cholesky factorisation. coefficients : (m,).
    """

    precision: np.ndarray
    factor: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def of(
        cls, moments: Mapping[str, Moments], hyper: Hyperparameters, scatter: np.ndarray | None = None
    ) -> Solution:
        """Solve for the coefficients.

        ``scatter`` : (m, m), what a second prior adds to the precision (:mod:`nnpcore.posterior.scatter`).
        """
        m = len(next(iter(moments.values())).vector)
        precision, right = np.zeros((m, m)), np.zeros(m)
        for kind, sums in moments.items():
            precision += hyper.weight(kind) * sums.matrix
            right += hyper.weight(kind) * sums.vector
        largest = float(precision.diagonal().max(initial=0.0))
        precision[np.diag_indices(m)] += max(hyper.signal**-2, _SMALLEST_PRIOR * largest)
        return cls.solved(precision if scatter is None else precision + scatter, right)

    @classmethod
    def solved(cls, precision: np.ndarray, right: np.ndarray) -> Solution:
        """Factorise a precision matrix and solve for the coefficients."""
        factor = cholesky(precision)
        return cls(precision, factor, cho_solve(factor, right))

    @classmethod
    def factorised(cls, precision: np.ndarray, coefficients: np.ndarray) -> Solution:
        """Factorise a precision matrix whose mean is known."""
        return cls(precision, cholesky(precision), coefficients)


def log_evidence(moments: Mapping[str, Moments], hyper: Hyperparameters) -> float:
    """Return the logarithm of the evidence."""
    return _log_evidence(moments, hyper, Solution.of(moments, hyper))


def _log_evidence(moments: Mapping[str, Moments], hyper: Hyperparameters, found: Solution) -> float:
    total, right = 0.0, np.zeros(len(found.coefficients))
    for kind, sums in moments.items():
        share, noise = hyper.tempering.get(kind, 1.0), hyper.noise[kind]
        total -= 0.5 * share * (sums.n * np.log(2 * np.pi * noise**2) + sums.square / noise**2)
        right += hyper.weight(kind) * sums.vector
    log_det = 2.0 * np.log(found.factor.diagonal()).sum() + len(right) * 2.0 * np.log(hyper.signal)
    return float(total + 0.5 * right @ found.coefficients - 0.5 * log_det)


def evidence_and_slopes(moments: Mapping[str, Moments], hyper: Hyperparameters) -> tuple[float, np.ndarray]:
    """Return the logarithm of the evidence and its derivatives by those of signal and noises, (1 + n_kinds,).

    Kinds in the order of ``moments``.
    """
    found = Solution.of(moments, hyper)
    c, m = found.coefficients, len(found.coefficients)
    inverse = cho_solve(found.factor, np.eye(m))
    slopes = [float((c @ c + np.trace(inverse)) / hyper.signal**2 - m)]
    for kind, sums in moments.items():
        spread = float((inverse * sums.matrix).sum())
        counted = hyper.tempering.get(kind, 1.0) * sums.n
        slopes.append(hyper.weight(kind) * (sums.residual(c) + spread) - counted)
    return _log_evidence(moments, hyper, found), np.array(slopes)


def best_hyperparameters(
    moments: Mapping[str, Moments], start: Hyperparameters, settings: PosteriorSettings
) -> tuple[Hyperparameters, float]:
    """Return signal and noises of the largest evidence inside the bounds, and the logarithm of it."""
    from scipy.optimize import minimize  # takes long to load

    kinds = [kind for kind in KINDS if kind in moments]
    moments = {kind: moments[kind] for kind in kinds}
    bounds = {ENERGY: settings.energy_noise, FORCES: settings.force_noise, STRESS: settings.stress_noise}
    limits = np.log(np.array([settings.signal, *(bounds[kind] for kind in kinds)]))

    def of(x: np.ndarray) -> Hyperparameters:
        signal, *noises = np.exp(x)
        noise = dict(zip(kinds, map(float, noises), strict=True))
        return replace(start, signal=float(signal), noise=noise)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        evidence, slopes = evidence_and_slopes(moments, of(x))
        return -evidence, -slopes

    first = np.log([start.signal, *(start.noise[kind] for kind in kinds)])
    found = minimize(
        loss,
        np.clip(first, limits[:, 0], limits[:, 1]),
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": 100, "ftol": 1e-14, "gtol": 1e-4},
    )
    hyper = of(np.clip(rounded(found.x), limits[:, 0], limits[:, 1]))
    return hyper, log_evidence(moments, hyper)


def rounded(logarithms: np.ndarray) -> np.ndarray:
    """Round logarithms to the steps that hyperparameters are given in."""
    return _STEP * np.round(logarithms / _STEP)


def first_guess(length: float, moments: Mapping[str, Moments]) -> Hyperparameters:
    """Return where the search for hyperparameters starts: noises a tenth of what labels vary by."""
    noise = {kind: max(0.1 * np.sqrt(s.square / max(1, s.n)), 1e-6) for kind, s in moments.items()}
    return Hyperparameters(length, 1.0, noise)
