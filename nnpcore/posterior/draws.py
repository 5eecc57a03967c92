"""Functions drawn from a posterior, balanced so that a few of them have its mean and its spreads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular

if TYPE_CHECKING:
    from nnpcore.posterior.posterior import Posterior


def balanced_numbers(n: int, m: int, seed: Sequence[int]) -> np.ndarray:
    """Return normal numbers (n, m), of each column mean zero and variance one exactly; zeros for n = 1."""
    streams = [np.random.default_rng([*seed, k]) for k in range(n)]
    normal = np.array([stream.standard_normal(m) for stream in streams])
    normal -= normal.mean(axis=0)
    size = np.sqrt((normal**2).mean(axis=0))
    return normal * np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)


def balanced_draws(posterior: Posterior, n: int, seed: list[int]) -> np.ndarray:
    """Return coefficients (n, m) drawn from the posterior, whose mean and spreads are its own.

    Along each principal axis of what it leaves open over the training atoms (by ``posterior.scatter``) their
    standard deviation is exactly the foretold one. One alone is the mean.
    """
    factor, mean = posterior.solution.factor, posterior.solution.coefficients
    half = solve_triangular(factor, posterior.scatter, trans=1, check_finite=False)
    opened = solve_triangular(factor, half.T, trans=1, check_finite=False)
    _, axes = np.linalg.eigh(0.5 * (opened + opened.T))
    normal = balanced_numbers(n, len(mean), seed)
    return mean + solve_triangular(factor, axes @ normal.T, check_finite=False).T
