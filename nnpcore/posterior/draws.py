"""Functions drawn from a posterior, balanced so that a few of them have its mean and its spreads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.posterior.factors import solve_triangular

if TYPE_CHECKING:
    from nnpcore.posterior.posterior import Posterior


def balanced_numbers(n: int, m: int, seed: Sequence[int]) -> np.ndarray:
    """Return random numbers (n, m), of each column mean zero and variance one exactly; zeros for n = 1.

    Each n - 1 columns that follow each other are orthogonal, the first first: n numbers have no room for
    more. So a sum of these columns, too, has the variance that its parts add up to, where free draws of few
    members would make of it anything between nothing and a multiple.
    """
    if n == 1:
        return np.zeros((1, m))
    random, width = np.random.default_rng(seed), n - 1
    plane = np.linalg.qr(np.concatenate([np.ones((n, 1)), np.eye(n)[:, :width]], axis=1))[0][:, 1:]
    turns = np.linalg.qr(random.standard_normal((-(-m // width), width, width)))
    signed = turns.Q * np.sign(np.diagonal(turns.R, axis1=1, axis2=2))[:, None, :]
    return np.sqrt(n) * plane @ np.concatenate(signed, axis=1)[:, :m]


def balanced_draws(posterior: Posterior, n: int, seed: list[int]) -> np.ndarray:
    """Return coefficients (n, m) drawn from the posterior, whose mean and spreads are its own.

    Along each principal axis of what it leaves open over the training atoms (by ``posterior.scatter``) their
    standard deviation is exactly the foretold one, and along any direction between the first n - 1 of them.
    One alone is the mean.
    """
    factor, mean = posterior.solution.factor, posterior.solution.coefficients
    half = solve_triangular(factor, posterior.scatter, trans=1)
    opened = solve_triangular(factor, half.T, trans=1)
    _, axes = np.linalg.eigh(0.5 * (opened + opened.T))
    normal = balanced_numbers(n, len(mean), seed)
    return mean + solve_triangular(factor, axes[:, ::-1] @ normal.T).T
