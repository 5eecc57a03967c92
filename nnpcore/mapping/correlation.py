"""Does one number tell another? Rank correlation with its p value, in words that do not promise too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnpcore.errors import AnalysisError

FEWEST_POINTS = 5
"""Fewer points have no rank correlation worth a number."""

SIGNIFICANT = 0.05
"""p value below which an order is called more than chance."""

_MOST_EXACT = 8


@dataclass(frozen=True)
class RankCorrelation:
    """Rank correlation of two quantities.

    Attributes
    ----------
    value : Spearman's rho, from -1 to 1. p : two-sided p value of no relation. Both NaN where they are not
        known.
    n_points : pairs that were used, those with a number that is not finite left out.
    message : why it cannot be told, or empty.
    """

    value: float
    p: float
    n_points: int
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether the order is more than chance."""
        return bool(self.p < SIGNIFICANT)

    @property
    def text(self) -> str:
        """In words, for a figure or a message."""
        if self.message:
            return self.message
        p = f"p = {self.p:.2g}" if self.p >= 1e-4 else "p < 0.0001"
        word = "" if self.holds else ": no more than chance"
        return f"rho = {self.value:+.2f}, {p}, {self.n_points} points{word}"


def rank_correlation(x: np.ndarray, y: np.ndarray) -> RankCorrelation:
    """Correlate the ranks of two quantities (n,); pairs with a number that is not finite are left out.

    For up to eight points without ties Spearman's p value is exact, by all permutations. Too few points, or a
    quantity that does not vary, give a message and no number.

    Raises
    ------
    AnalysisError : arrays of different lengths.
    """
    x, y = np.asarray(x, dtype=np.float64).ravel(), np.asarray(y, dtype=np.float64).ravel()
    if len(x) != len(y):
        raise AnalysisError(f"{len(x)} and {len(y)} numbers cannot be paired", fix="Give as many of both")
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    n = len(x)
    if n < FEWEST_POINTS:
        return _untold(n, f"{n} points are too few for a correlation, it needs {FEWEST_POINTS}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return _untold(n, "all points are alike, so there is no correlation")
    from scipy import stats

    found: Any = stats.spearmanr(x, y)
    value, p = float(found[0]), float(found[1])
    if n <= _MOST_EXACT and len(np.unique(x)) == len(np.unique(y)) == n:
        p = _exact_p(value, n)
    return RankCorrelation(value, p, n)


def check_series(values: Sequence[float], name: str = "temperature", unit: str = "K") -> None:
    """Raise AnalysisError unless a series has at least two different members: one alone shows no trend."""
    different = np.unique(np.asarray(values, dtype=np.float64))
    if len(different) >= 2:
        return
    of_one = f" of one ({different[0]:g} {unit})" if len(different) else " without a member"
    raise AnalysisError(f"a {name} series{of_one} shows no trend", fix=f"Give at least two different {name}s")


def _untold(n_points: int, message: str) -> RankCorrelation:
    return RankCorrelation(float("nan"), float("nan"), n_points, message)


def _exact_p(value: float, n: int) -> float:
    """Return the share of all orders of n points whose |rho| is at least |value|."""
    from itertools import permutations

    ranks = np.arange(n, dtype=np.float64) - 0.5 * (n - 1)
    orders = np.array(list(permutations(range(n))), dtype=np.int8)
    rho = ranks[orders] @ ranks / (ranks @ ranks)
    return float(np.mean(np.abs(rho) >= abs(value) - 1e-9))
