"""The best and the last weights of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.training.baseline.baseline import Baseline
from nnpcore.training.data import MemberValues
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


class KeptPredictions:
    """What the members predict of the validation frames as they are kept, each at its own best epoch.

    A member that has improved was just validated: its prediction takes the place of its former one, and
    nobody is asked twice. The mean of all members needs those of the others, too, which no sum of errors has.
    """

    def __init__(self) -> None:
        self._known: MemberValues | None = None

    def forget(self) -> None:
        """Forget everything: other weights are kept now."""
        self._known = None

    def after(
        self, improved: np.ndarray, found: MemberValues | None, ask: Callable[[], MemberValues | None]
    ) -> MemberValues | None:
        """Return the predictions after an epoch in which ``improved`` (n_members,) have; None without frames.

        ``found`` is the epoch's and is kept; ``ask`` predicts with the weights kept, where that is not known.
        """
        if improved.all():
            self._known = found
        elif self._known is None:
            self._known = ask()
        elif found is not None:
            for mine, theirs in zip(self._known, found, strict=True):
                if mine.shape[1]:  # virials are of no members where nobody wants them
                    mine[:, improved] = theirs[:, improved]
        return self._known
