"""Adam (Kingma & Ba, arXiv 1412.6980) over mini-batches, all members in one pass."""

from __future__ import annotations

import numpy as np

from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.rows import EpochOrder
from nnpcore.training.optimizers.base import EXPLODED, ErrorSums, Optimizer
from nnpcore.training.settings import TrainSettings

DEFAULT_BATCH = 8
DEFAULT_LEARNING_RATE = 0.01
_HALVING_STEPS = 2000
_SMALLEST_PART = 0.01
"""The step length is halved every 2,000 steps, down to a hundredth of the first."""
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class AdamOptimizer(Optimizer):
    """Adam for all members at once.

    Parameters
    ----------
    settings : of the training.
    loss : of the training frames.
    start : initial weights (n_members, n_parameters), internal order.
    """

    name = "adam"
    kept = ("_weights", "_first", "_second", "_counters", "_squares")

    def __init__(self, settings: TrainSettings, loss: Loss, start: np.ndarray) -> None:
        super().__init__(len(start))
        self._seed = settings.seed
        self._loss = loss
        self._batch = settings.batch_frames or DEFAULT_BATCH
        self._rate = settings.learning_rate or DEFAULT_LEARNING_RATE
        self._weights = np.array(start, dtype=np.float64)
        self._first = np.zeros_like(self._weights)
        self._second = np.zeros_like(self._weights)
        self._counters = np.zeros(2, dtype=np.int64)  # steps of all epochs, batches of this one
        self._squares = np.zeros((3, len(start) + 1))

    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""
        return self._weights.copy()

    def retarget(self, data: FitSet) -> None:
        """Go on with other targets of the same frames."""
        self._loss.data = data

    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Go once over the frames in batches."""
        n_frames = self._loss.data.n_frames
        order = EpochOrder.of(self._seed, epoch, np.ones(n_frames, dtype=np.int64)).frames
        n_batches = -(-n_frames // self._batch)
        while (done := int(self._counters[1])) < n_batches and self.alive.any():
            pace.tell(done / n_batches, f"epoch {epoch + 1}")
            if not self._step(order[done * self._batch : (done + 1) * self._batch], pace):
                return None
            self._counters[1] += 1
        errors = self._loss.errors(order, self._squares.copy())
        self._counters[1] = 0
        self._squares[:] = 0
        return errors

    def _step(self, frames: np.ndarray, pace: Pace) -> bool:
        """Take one step of the living members; False where the user wants to stop."""
        living = np.flatnonzero(self.alive)
        found = self._loss(frames, self._weights[living], pace.go_on, living)
        if found is None:
            return False
        good = np.isfinite(found.loss) & (found.loss < EXPLODED * self._loss.flat)
        good &= np.isfinite(found.gradient).all(axis=1)
        self._squares[:, living] += found.squares[:, :-1]
        self._squares[:, -1] += found.squares[:, -1]
        self._counters[0] += 1
        self._update(living[good], found.gradient[good])
        for member in living[~good]:
            self._stop(int(member))
        return True

    def _update(self, members: np.ndarray, gradient: np.ndarray) -> None:
        step = int(self._counters[0])
        self._first[members] = _BETA1 * self._first[members] + (1 - _BETA1) * gradient
        self._second[members] = _BETA2 * self._second[members] + (1 - _BETA2) * gradient**2
        mean = self._first[members] / (1 - _BETA1**step)
        size = np.sqrt(self._second[members] / (1 - _BETA2**step))
        rate = self._rate * max(_SMALLEST_PART, 0.5 ** ((step - 1) / _HALVING_STEPS))
        self._weights[members] -= rate * mean / (size + _EPSILON)
