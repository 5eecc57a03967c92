"""Which candidates to add: greedy choice of frames by what their labels would leave of the spread at targets.

Information matching in the sense of Kurniawan et al., arXiv 2411.02740: the worth of a frame is what its rows
add to the precision of the coefficients, seen from the targets. No label of a candidate is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from nnpcore.posterior.posterior import Posterior
from nnpcore.posterior.targets import Target
from nnpcore.progress import Progress


@dataclass(frozen=True, eq=False)
class Step:
    """One chosen candidate.

    Attributes
    ----------
    index : of the candidate. gain : what it takes off the sum of variances per cost, eV².
    spread : (n_targets,) eV, foretold with all candidates up to this one.
    """

    index: int
    gain: float
    spread: np.ndarray


def remaining_variances(
    posterior: Posterior, features: np.ndarray, information: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the sum of the targets' variances (n_candidates,), eV², that each candidate alone would leave.

    Parameters
    ----------
    features : (n_targets, m) of the targets, by :meth:`Posterior.features`.
    information : (m, m) a candidate, by :meth:`Posterior.information`.
    """
    return np.array([_left(posterior, features, one) for one in information])


def _left(posterior: Posterior, features: np.ndarray, information: np.ndarray) -> float:
    factor = np.linalg.cholesky(posterior.solution.precision + information)
    return float((solve_triangular(factor, features.T, lower=True, check_finite=False) ** 2).sum())


def choose_greedily(
    posterior: Posterior,
    targets: Sequence[Target] | np.ndarray,
    information: Sequence[np.ndarray],
    n: int,
    *,
    costs: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> list[Step]:
    """Return up to ``n`` candidates, each the one that takes most off the sum of variances for its cost.

    Parameters
    ----------
    posterior : of the data at hand.
    targets : what has to be known, or their features (n_targets, m).
    information : (m, m) a candidate, by :meth:`Posterior.information`.
    costs : of each candidate, positive; all the same by default.
    progress : told how many are chosen; cancels.
    """
    features = targets if isinstance(targets, np.ndarray) else posterior.features(targets)
    price = np.ones(len(information)) if costs is None else np.asarray(costs, dtype=np.float64)
    left, steps, now = list(range(len(information))), [], posterior
    bound = np.full(len(information), np.inf)
    while left and len(steps) < n:
        before = float((now.spread_of_features(features) ** 2).sum())
        best, gain = -1, -np.inf
        for k in sorted(left, key=lambda k: -bound[k]):
            if progress is not None:
                progress.report(len(steps) / n, "choosing frames")
            if bound[k] <= gain:
                break
            bound[k] = (before - _left(now, features, information[k])) / price[k]
            if bound[k] > gain:
                best, gain = k, float(bound[k])
        left.remove(best)
        now = now.with_information(information[best])
        steps.append(Step(best, gain, now.spread_of_features(features)))
    return steps
