"""Epochs of the Kalman filter over all members, on the processor's threads."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from nnpcore.training.data import FitSet
from nnpcore.training.engines.kernels import ACTIVATION_CODES
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import Batch, RowScales, epoch_order, make_batch
from nnpcore.training.optimizers.base import EXPLODED, ErrorSums, diverged
from nnpcore.training.optimizers.kalman_filter import KalmanFilter, MemberFilter, forgetting_at
from nnpcore.training.optimizers.schedule import MemberSchedule
from nnpcore.training.pace import Pace
from nnpcore.training.settings import TrainSettings

DEFAULT_BATCH = 10


class KalmanEpochs:
    """What all Kalman optimizers share: batches, the forgetting schedule, the epoch's own errors.

    Parameters
    ----------
    settings : of the training.
    data : training frames.
    n_members, n_parameters : of the ensemble, and of one member.
    """

    name = "kalman"
    finished = False

    def __init__(self, settings: TrainSettings, data: FitSet, n_members: int, n_parameters: int) -> None:
        self._settings = settings
        self._n_parameters = n_parameters
        self._data = data
        self._batch = settings.batch_frames or DEFAULT_BATCH
        self._scales = RowScales.of(settings, data)
        self.alive = np.ones(n_members, dtype=bool)
        self._predicted = np.zeros((n_members, data.n_frames, self._scales.n_slots))
        self._targets = np.zeros((data.n_frames, self._scales.n_slots))
        self._messages: list[str] = []

    @property
    def n_batches(self) -> int:
        """Batches of an epoch."""
        return -(-self._data.n_frames // self._batch)

    def retarget(self, data: FitSet) -> None:
        """Go on with other targets of the same frames."""
        self._data = data

    def _make(self, order: np.ndarray, epoch: int, index: int) -> Batch:
        """Make one of an epoch's batches."""
        frames = order[index * self._batch : (index + 1) * self._batch]
        seed, n = self._settings.seed, self._n_parameters
        batch = make_batch(self._data, frames, self._scales, seed, epoch, n)
        self._targets[frames] = batch.targets
        return batch

    def _forgetting(self, epoch: int, index: int) -> float:
        """Return λ of a batch."""
        kalman = self._settings.kalman
        seen = epoch * self._data.n_frames + index * self._batch
        return forgetting_at(seen, kalman.forgetting, kalman.forgetting_decay)

    def _good(self, batch: Batch, values: np.ndarray, weights: np.ndarray) -> bool:
        """Whether what a member predicted, and the weights it has now, are those of a sane network."""
        with np.errstate(all="ignore"):
            mean_square = float(np.mean(((batch.targets - values) * batch.scales) ** 2))
        return bool(mean_square < EXPLODED and np.isfinite(weights).all())

    def _stop(self, member: int) -> None:
        self.alive[member] = False
        self._messages.append(diverged(member))

    def _errors(self) -> ErrorSums:
        """Sum up the errors of the epoch's own predictions."""
        t, s = self._data.targets, self._scales
        n_force = s.n_force_rows
        with np.errstate(all="ignore"):
            errors = self._predicted - self._targets
            mean = errors[self.alive].mean(axis=0, keepdims=True) if self.alive.any() else errors[:1] * np.nan
            errors = np.concatenate([errors, mean])
            energy = (errors[:, :, 0] / t.n_atoms) ** 2
            force = (errors[:, :, 1 : 1 + n_force] ** 2).sum(axis=2) * (3 * t.n_atoms / max(1, n_force))
            stress = (errors[:, :, 1 + n_force :] ** 2).sum(axis=2)
        has = (t.has_energy, t.has_forces & (n_force > 0), t.has_stress & (s.n_stress_rows > 0))
        parts = zip((energy, force, stress), has, strict=True)
        squares = [part[:, known].sum(axis=1) for part, known in parts]
        counts = [has[0].sum(), 3 * t.n_atoms[has[1]].sum(), 9 * has[2].sum()]
        return ErrorSums(np.array(squares), np.array(counts))


class KalmanOptimizer(KalmanEpochs):
    """All members' filters on the processor, see :mod:`nnpcore.training.optimizers.kalman_filter`.

    An :class:`~nnpcore.training.optimizers.base.Optimizer`.

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
        super().__init__(settings, data, *start.shape)
        self._n_threads = n_threads
        code = ACTIVATION_CODES[settings.activation]
        self._filter = KalmanFilter(packing, code, block_size, settings.kalman.initial_covariance)
        self._members = [self._filter.start(w) for w in start]
        self._restarts = np.zeros(len(start), dtype=np.int64)
        self._positions = np.zeros(len(start), dtype=np.int64)

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
        self._predicted[member, batch.frames] = values + (batch.targets - own.targets)
        if self._good(own, values, filtered.weights):
            return True
        self._stop(member)
        return False

    def take_messages(self) -> list[str]:
        """Return what has happened since the last call."""
        messages, self._messages = self._messages, []
        for k, member in enumerate(self._members):
            if member.restarts > self._restarts[k]:
                self._restarts[k] = member.restarts
                messages.append(
                    f"Member {k + 1}: rounding had spoiled the filter's covariance; it was set back"
                )
        return messages

    def state(self) -> dict[str, np.ndarray]:
        """Return weights, covariances (upper triangles), counters and what the epoch has predicted so far."""
        state = {
            "weights": self.weights(),
            "alive": self.alive.copy(),
            "scale": np.array([m.scale for m in self._members]),
            "restarts": np.array([m.restarts for m in self._members], dtype=np.int64),
            "positions": self._positions.copy(),
        }
        if self._positions.any():
            state |= {"predicted": self._predicted, "targets": self._targets}
        for k in range(len(self._filter.blocks)):
            state[f"covariance.{k}"] = np.stack([_packed(m.covariance[k]) for m in self._members])
        return state

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over what :meth:`state` returned."""
        sizes = [b.stop - b.start for b in self._filter.blocks]
        for m in range(len(self._members)):
            covariance = [_unpacked(state[f"covariance.{k}"][m], n) for k, n in enumerate(sizes)]
            weights = np.array(state["weights"][m], dtype=np.float64)
            self._members[m] = MemberFilter(
                weights, covariance, float(state["scale"][m]), int(state["restarts"][m])
            )
        self.alive[:] = state["alive"]
        self._restarts[:] = state["restarts"]
        self._positions[:] = state["positions"]
        if self._positions.any():
            self._predicted[:] = state["predicted"]
            self._targets[:] = state["targets"]


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
