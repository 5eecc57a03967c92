"""The best and the last weights of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.training.baseline.baseline import Baseline
from nnpcore.training.run_folder import Checkpoint


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

    def onto(self, baseline: Baseline | None) -> Best:
        """Return the state over another baseline or beside a guide: the last weights are to be beaten."""
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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything by name, for a checkpoint."""
        under = {} if self.baseline is None else self.baseline.to_arrays()
        own = {f"best.{name}": getattr(self, name) for name in ("last", "weights", "score", "epoch")}
        return own | {f"underlay.{name}": values for name, values in under.items()}

    @classmethod
    def from_arrays(cls, checkpoint: Checkpoint, kind: str, elements: Sequence[str]) -> Best:
        """Rebuild what :meth:`to_arrays` returned; ``kind`` of baseline is that of the settings."""
        own, under = checkpoint.named("best."), checkpoint.named("underlay.")
        baseline = Baseline.from_arrays(kind, elements, under) if under else None
        return cls(own["last"], own["weights"], own["score"], own["epoch"], baseline)
