"""What the compiled and the torch Kalman filter share: batches, forgetting, errors, what is kept."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np

from nnpcore.training.data import FitSet
from nnpcore.training.engines.guide import guide_batch
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import Batch, EpochOrder, RowScales, make_batch
from nnpcore.training.history import Message, Severity
from nnpcore.training.optimizers.base import EXPLODED, ErrorSums, Optimizer
from nnpcore.training.optimizers.centering import centered
from nnpcore.training.settings import TrainSettings

DEFAULT_BATCH = 10
_MEMORY = 0.9
_SMALLEST_VARIANCE = 1e-6
SMALLEST_NOISE = 1e-5
"""Less would be lost in the covariance's single precision."""


def smoothed(left: float, now: float) -> float:
    """Return what rows leave on average of the last ten batches or so; ``left`` is NaN before the first.

    ``now`` is NaN of a batch in which nothing counts.
    """
    if np.isnan(now):
        return left
    return now if np.isnan(left) else _MEMORY * left + (1.0 - _MEMORY) * now


def row_noise(multiple: float, left: float, now: float) -> float:
    """Return the variance of a row's noise: 1, or a multiple of what rows leave, lately or ``now``."""
    known = [value for value in (left, now) if not np.isnan(value)]
    return max(multiple * max(known), SMALLEST_NOISE) if multiple and known else 1.0


def guide_noise(multiple: float, left: float) -> float:
    """Return the variance of a row of guidance, 1 where the noise of the data's rows follows what is left."""
    return multiple or 1.0 / max(left, SMALLEST_NOISE)


def mended(covariance: np.ndarray, initial: float) -> np.ndarray:
    """Return the covariance (n, n) of a block that rounding has made indefinite, positive again, float32.

    What it knows stays: only variances below a millionth of the largest, negative ones among them, are raised
    to that. Only the upper triangle is read. Where nothing positive is left, all have the ``initial``
    variance.
    """
    upper = np.triu(covariance).astype(np.float64)
    if np.isfinite(upper).all():
        variances, axes = np.linalg.eigh(upper + np.triu(upper, 1).T)
        if variances[-1] > 0:
            variances = np.maximum(variances, _SMALLEST_VARIANCE * variances[-1])
            return ((axes * variances) @ axes.T).astype(np.float32)
    return np.diag(np.full(len(upper), initial, dtype=np.float32))


class KalmanOptimizer(Optimizer):
    """Epochs of the Kalman filter over all members; what takes a step is for subclasses.

    Parameters
    ----------
    settings : of the training.
    data : training frames.
    packing : of the networks.
    start : initial weights (n_members, n_parameters), internal order.
    """

    name = "kalman"

    def __init__(self, settings: TrainSettings, data: FitSet, packing: Packing, start: np.ndarray) -> None:
        n_members, self._n_parameters = start.shape
        super().__init__(n_members)
        self._settings = settings
        self._data = data
        self._packing = packing
        self._batch_frames = settings.batch_frames or DEFAULT_BATCH
        self._scales = RowScales.of(settings, data)
        self._positions = np.zeros(n_members, dtype=np.int64)
        self._restarted = np.zeros(n_members, dtype=bool)
        self._told = np.zeros(n_members, dtype=bool)
        self._predicted = np.zeros((n_members, data.n_frames, self._scales.n_slots))
        self._targets = np.zeros((data.n_frames, self._scales.n_slots))
        self._n_passes = int(data.targets.passes.sum())

    @property
    def n_batches(self) -> int:
        """Batches of an epoch."""
        return -(-self._n_passes // self._batch_frames)

    def retarget(self, data: FitSet) -> None:
        """Go on with other targets of the same frames."""
        self._data = data

    def _order(self, epoch: int) -> EpochOrder:
        """Return what an epoch takes one after the other."""
        return EpochOrder.of(self._settings.seed, epoch, self._data.targets.passes)

    def _make(self, order: EpochOrder, epoch: int, index: int) -> Batch:
        """Make one of an epoch's batches."""
        part = order.batch(index, self._batch_frames)
        seed, n = self._settings.seed, self._n_parameters
        batch = make_batch(self._data, part.frames, self._scales, seed, epoch, n, part.passes)
        judged = batch.judged
        self._targets[part.frames[judged]] = batch.targets[judged]
        if (guide := self._data.guide) is not None:
            batch = replace(batch, guide=guide_batch(self._data, guide, part, seed, epoch))
        return batch

    def _forgetting(self, epoch: int, index: int) -> float:
        """Return the forgetting factor λ of a batch, which grows with every frame seen before it."""
        kalman = self._settings.kalman
        seen = epoch * self._n_passes + index * self._batch_frames
        return 1.0 - (1.0 - kalman.forgetting) * kalman.forgetting_decay**seen

    def _centered(self) -> np.ndarray:
        """Return the weights with energies that are right on average, see :mod:`.centering`."""
        return centered(self.weights(), self._data, self._packing, self._settings.activation)

    def _good(self, batch: Batch, values: np.ndarray, weights: np.ndarray) -> bool:
        """Whether what a member predicted, and the weights it has now, are those of a sane network."""
        with np.errstate(all="ignore"):
            mean_square = float(np.mean(((batch.targets - values) * batch.scales) ** 2))
        return bool(mean_square < EXPLODED and np.isfinite(weights).all())

    def _errors(self) -> ErrorSums:
        """Sum up the errors of the epoch's own predictions, of every frame once."""
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

    def take_messages(self) -> list[Message]:
        """Return what has happened since the last call."""
        messages = super().take_messages()
        for member in np.flatnonzero(self._restarted & ~self._told):
            text = f"Member {member + 1}: rounding had spoiled the filter's covariance; it was mended"
            messages.append(Message(f"{text}, as it will be whenever that happens", Severity.NOTE))
        self._told |= self._restarted
        self._restarted[:] = False
        return messages

    @abstractmethod
    def _filters(self) -> dict[str, np.ndarray]:
        """Return "scale" and "left" (n_members,), and "covariance.0" and so on of all members."""

    @abstractmethod
    def _set_filters(self, weights: np.ndarray, state: dict[str, np.ndarray]) -> None:
        """Take over weights, and what :meth:`_filters` returned."""

    def state(self) -> dict[str, np.ndarray]:
        """Return weights, filters, counters and what the epoch has predicted so far."""
        state = {
            "weights": self.weights(),
            "alive": self.alive.copy(),
            "restarted": self._restarted.copy(),
            "positions": self._positions.copy(),
        }
        if self._positions.any():
            state |= {"predicted": self._predicted, "targets": self._targets}
        return state | self._filters()

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over what :meth:`state` returned, also in version 0.2."""
        self._set_filters(np.array(state["weights"], dtype=np.float64), state)
        self.alive[:] = state["alive"]
        self._restarted[:] = state.get("restarted", False)
        self._positions[:] = state["positions"] if "positions" in state else state["index"]
        if self._positions.any():
            self._predicted[:] = state["predicted"]
            self._targets[:] = state["targets"]
