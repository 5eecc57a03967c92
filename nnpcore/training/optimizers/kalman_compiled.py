"""The Kalman filter of all members on the processor's threads."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet
from nnpcore.training.engines.kernels import ACTIVATION_CODES
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import Batch, epoch_order
from nnpcore.training.optimizers.base import ErrorSums
from nnpcore.training.optimizers.kalman import KalmanOptimizer
from nnpcore.training.optimizers.kalman_filter import KalmanFilter, MemberFilter
from nnpcore.training.optimizers.schedule import MemberSchedule
from nnpcore.training.settings import TrainSettings


class CompiledKalman(KalmanOptimizer):
    """All members' filters on the processor, see :mod:`nnpcore.training.optimizers.kalman_filter`.

    Parameters
    ----------
    settings : of the training.
    data : training frames.
    packing : of the networks.
    start : initial weights (n_members, n_parameters), internal order.
    block_size : largest number of weights whose covariances are kept together.
    n_threads : members worked on at a time; the result does not depend on it.
    """

    def __init__(
        self,
        settings: TrainSettings,
        data: FitSet,
        packing: Packing,
        start: np.ndarray,
        block_size: int,
        n_threads: int = 1,
    ) -> None:
        super().__init__(settings, data, start)
        self._n_threads = n_threads
        code = ACTIVATION_CODES[settings.activation]
        self._filter = KalmanFilter(packing, code, block_size, settings.kalman.initial_covariance)
        self._members = [self._filter.start(w) for w in start]

    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""
        return np.array([m.weights for m in self._members])

    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Take every living member through all frames."""
        order = epoch_order(self._settings.seed, epoch, self._data.n_frames)
        n_batches = self.n_batches
        self._positions[~self.alive] = n_batches
        total = n_batches * len(self.alive)

        def step(member: int, index: int, batch: Batch) -> bool:
            pace.tell(int(self._positions.sum()) / total, f"epoch {epoch + 1}")
            return self._step(member, batch, self._forgetting(epoch, index))

        make = partial(self._make, order, epoch)
        if not MemberSchedule(self._positions, n_batches, make, step, pace.go_on).run(self._n_threads):
            return None
        self._positions[:] = 0
        return self._errors()

    def _step(self, member: int, batch: Batch, forgetting: float) -> bool:
        """Take one member through one batch; False where it has diverged."""
        filtered = self._members[member]
        own = batch if batch.added is None else replace(batch, targets=batch.targets_of(member), added=None)
        values = self._filter.step(filtered, own, forgetting)
        self._restarted[member] |= filtered.restarted
        filtered.restarted = False
        self._predicted[member, batch.frames] = values + (batch.targets - own.targets)
        if self._good(own, values, filtered.weights):
            return True
        self._stop(member)
        return False

    def _filters(self) -> dict[str, np.ndarray]:
        """Return scales, and covariances by their upper triangles."""
        state = {"scale": np.array([m.scale for m in self._members])}
        for k in range(len(self._filter.blocks)):
            state[f"covariance.{k}"] = np.stack([_packed(m.covariance[k]) for m in self._members])
        return state

    def _set_filters(self, weights: np.ndarray, state: dict[str, np.ndarray]) -> None:
        sizes = [b.stop - b.start for b in self._filter.blocks]
        for m, own in enumerate(weights):
            covariance = [_unpacked(state[f"covariance.{k}"][m], n) for k, n in enumerate(sizes)]
            self._members[m] = MemberFilter(own, covariance, float(state["scale"][m]))


def _packed(matrix: np.ndarray) -> np.ndarray:
    """Return the upper triangle row by row, (n (n + 1) / 2,)."""
    return matrix[_upper(len(matrix))]


def _unpacked(triangle: np.ndarray, n: int) -> np.ndarray:
    """Return the matrix (n, n) with this upper triangle and zeros below."""
    matrix = np.zeros((n, n), dtype=np.float32)
    matrix[_upper(n)] = triangle
    return matrix


@lru_cache(maxsize=8)
def _upper(n: int) -> np.ndarray:
    return np.triu(np.ones((n, n), dtype=bool))
