"""Greedy choice of the frames whose labels would leave the least spread at the targets, for their cost.

What is known is a linear model: coefficients with a normal distribution of precision H. A frame's data, if
they were computed, add the outer products of its rows (each already divided by its noise), whatever their
values turn out to be. So the spread that a frame would leave is known before its energy is.

With H = L Lᵀ, rows W' = W L⁻ᵀ and targets T' = T L⁻ᵀ the covariance starts as the identity; most rows of a
frame say nothing new then and are dropped by their singular values. Adding W' takes ‖G^{-1/2} W' C t‖² off
the variance tᵀ C t, with G = 1 + W' C W'ᵀ (Woodbury).

The measure is the logarithm of the targets' root mean square spread, per cost: a frame that halves the spread
is worth the same early and late, and a little gain for a little money does not hide a cure for a little more.
This is information matching as of Kurniawan et al. (arXiv 2411.02740), done greedily.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress

_SILENT = 0.02
"""Directions of a frame in which it changes a variance by less than this, squared, are dropped."""


@dataclass(frozen=True, eq=False)
class Step:
    """One frame chosen.

    Attributes
    ----------
    candidate : its index.
    cost : of it alone.
    variances : (n_targets,) eV², what is left with it and those before it.
    spread : root mean square spread over the targets then, eV.
    """

    candidate: int
    cost: float
    variances: np.ndarray
    spread: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """What greedy choice has found.

    Attributes
    ----------
    before : (n_targets,) eV², variances of the targets with nothing added.
    spread : root mean square spread over the targets with nothing added, eV.
    alone : (n_candidates,) eV, root mean square spread that each candidate alone would leave.
    costs : (n_candidates,) cost of each.
    steps : the chosen ones, in order.
    """

    before: np.ndarray
    spread: float
    alone: np.ndarray
    costs: np.ndarray
    steps: tuple[Step, ...]


def rank(
    factor: np.ndarray,
    targets: np.ndarray,
    news: Sequence[np.ndarray],
    costs: np.ndarray,
    n: int,
    *,
    weights: np.ndarray | None = None,
    least: float = 0.02,
    progress: Progress | None = None,
) -> Ranking:
    """Choose up to ``n`` of the candidates, one after the other.

    Parameters
    ----------
    factor : (k, k) of the precision of the coefficients as the training data leave them, :func:`factor_of`.
    targets : (n_targets, k) what is asked, as linear functions of the coefficients, eV; one at least.
    news : of every candidate, :func:`news_of`; one at least.
    costs : (n_candidates,) positive.
    n : how many to choose; fewer are chosen where the best one would lower the spread by less than the share
        ``least``.
    weights : (n_targets,) of the targets in the mean square, equal ones by default.
    """
    progress = progress or Progress()
    aims, weights = _solved(factor, targets), _shares(weights, len(targets))
    covariance, now = np.eye(len(factor)), (aims**2).sum(axis=1)
    before, costs = now, np.asarray(costs, dtype=np.float64)
    steps: list[Step] = []
    alone, left = np.full(len(news), np.nan), list(range(len(news)))
    for number in range(min(n, len(news))):
        total = float(now @ weights)
        falls = np.array([_fall(news[k], covariance, aims) @ weights for k in left])
        after = np.maximum(total - falls, 1e-12 * total)
        if number == 0:
            alone[left] = np.sqrt(after)
        gains = 0.5 * np.log(total / after)
        useful = np.where(gains >= least, gains / costs[left], -1.0)
        best = int(useful.argmax())
        progress.report((number + 1) / n, f"{number + 1} of {n} chosen")
        if useful[best] < 0.0:
            break
        chosen = left.pop(best)
        covariance = _with(news[chosen], covariance)
        now = np.maximum(((aims @ covariance) * aims).sum(axis=1), 0.0)
        steps.append(Step(chosen, float(costs[chosen]), now, float(np.sqrt(now @ weights))))
    return Ranking(before, float(np.sqrt(before @ weights)), alone, costs, tuple(steps))


def news_of(factor: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what rows (m, k), each divided by the noise of its datum, tell that is new.

    In coordinates in which the covariance is the identity.
    """
    return _news(_solved(factor, rows))


def _shares(weights: np.ndarray | None, n: int) -> np.ndarray:
    found = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    return found / found.sum()


def factor_of(precision: np.ndarray) -> np.ndarray:
    """Return the lower factor of a precision; AnalysisError where it is none."""
    try:
        return np.linalg.cholesky(np.asarray(precision, dtype=np.float64))
    except np.linalg.LinAlgError:
        raise AnalysisError(
            "what is known of the coefficients is no precision",
            fix="This is a mistake in Eatlas; please report it",
        ) from None


def _solved(factor: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows (m, k) in coordinates in which the covariance is the identity."""
    from scipy.linalg import solve_triangular

    return solve_triangular(factor, np.asarray(rows, dtype=np.float64).T, lower=True).T


def _news(rows: np.ndarray) -> np.ndarray:
    """Fewer rows that say the same as (m, k): singular directions, without those that say nothing new."""
    if rows.shape[0] <= rows.shape[1]:
        values, turn = np.linalg.eigh(rows @ rows.T)
        kept = values > _SILENT**2
        return turn[:, kept].T @ rows
    values, turn = np.linalg.eigh(rows.T @ rows)
    kept = values > _SILENT**2
    return np.sqrt(values[kept])[:, None] * turn[:, kept].T


def _fall(rows: np.ndarray, covariance: np.ndarray, aims: np.ndarray) -> np.ndarray:
    """By how much each target's variance (n_targets,) falls with these rows."""
    if not len(rows):
        return np.zeros(len(aims))
    seen = rows @ covariance
    gram = np.linalg.cholesky(np.eye(len(rows)) + seen @ rows.T)
    return (_solved(gram, (seen @ aims.T).T) ** 2).sum(axis=1)


def _with(rows: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Covariance (k, k) once these rows are known."""
    if not len(rows):
        return covariance
    seen = rows @ covariance
    gram = np.linalg.cholesky(np.eye(len(rows)) + seen @ rows.T)
    part = _solved(gram, seen.T)
    return covariance - part @ part.T
