"""The best and the last weights of a training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnpcore.training.baseline.baseline import Baseline


@dataclass(frozen=True, eq=False)
class Best:
    """Best and last weights of all members, internal order; replaced, never changed: snapshots are safe.

    Attributes
    ----------
    last, weights : (n_members, n_parameters), after the last epoch and the best.
    score : (n_members,) of the best.
    epoch : (n_members,) of the best, 0 = the initial ones.
    baseline : what lies under networks of these weights, or None.
    """

    last: np.ndarray
    weights: np.ndarray
    score: np.ndarray
    epoch: np.ndarray
    baseline: Baseline | None = None

    @classmethod
    def start(cls, weights: np.ndarray) -> Best:
        """Return the state before the first epoch."""
        n = len(weights)
        return cls(weights.copy(), weights.copy(), np.full(n, np.inf), np.zeros(n, dtype=np.int64))

    def onto(self, baseline: Baseline) -> Best:
        """Return the state over another baseline: the last weights are to be beaten."""
        last = self.last
        return Best(last, last.copy(), np.full(len(last), np.inf), self.epoch, baseline)

    def after(self, epoch: int, weights: np.ndarray, score: np.ndarray, alive: np.ndarray) -> Best:
        """Return the state after an epoch; members not alive keep what they had."""
        with np.errstate(invalid="ignore"):
            better = alive & (score < self.score)
        return replace(
            self,
            last=np.where(alive[:, None], weights, self.last),
            weights=np.where(better[:, None], weights, self.weights),
            score=np.where(better, score, self.score),
            epoch=np.where(better, epoch, self.epoch),
        )
