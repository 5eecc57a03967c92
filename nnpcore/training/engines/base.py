"""Optimizer and validation for the chosen device, put together."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nnpcore.training.data import FitSet
from nnpcore.training.engines.packing import Packing
from nnpcore.training.optimizers.base import ErrorSums, Optimizer
from nnpcore.training.optimizers.choice import Choice
from nnpcore.training.settings import TrainSettings


class Engine(Protocol):
    """What the trainer needs: an optimizer, and the errors of weights on the validation frames."""

    @property
    def optimizer(self) -> Optimizer:
        """What changes the weights."""
        ...

    def validate(self, weights: np.ndarray) -> ErrorSums | None:
        """Return the errors of ``weights`` (n_members, n_parameters) on the validation frames, if any."""
        ...

    def retarget(self, train: FitSet, valid: FitSet | None) -> None:
        """Go on with other targets of the same frames."""
        ...


class CpuEngine:
    """Compiled kernels on the processor. An :class:`Engine`."""

    def __init__(
        self,
        settings: TrainSettings,
        choice: Choice,
        packing: Packing,
        start: np.ndarray,
        train: FitSet,
        valid: FitSet | None,
        n_threads: int,
    ) -> None:
        self._settings = settings
        self._packing = packing
        self._valid = valid
        self._n_threads = n_threads
        self.optimizer = self._make_optimizer(choice, start, train)

    def _make_optimizer(self, choice: Choice, start: np.ndarray, train: FitSet) -> Optimizer:
        settings, packing, threads = self._settings, self._packing, self._n_threads
        if choice.optimizer == "kalman":
            from nnpcore.training.optimizers.kalman import KalmanOptimizer

            return KalmanOptimizer(settings, train, packing, start, choice.block_size, threads)
        from nnpcore.training.engines.loss import CpuLoss

        loss = CpuLoss(settings, train, packing, threads)
        if choice.optimizer == "lbfgs":
            from nnpcore.training.optimizers.lbfgs import LbfgsOptimizer

            return LbfgsOptimizer(settings, loss, start)
        from nnpcore.training.optimizers.adam import AdamOptimizer

        return AdamOptimizer(settings, loss, start)

    def retarget(self, train: FitSet, valid: FitSet | None) -> None:
        """Go on with other targets of the same frames."""
        self.optimizer.retarget(train)
        self._valid = valid

    def validate(self, weights: np.ndarray) -> ErrorSums | None:
        """Return the errors of ``weights`` on the validation frames."""
        from nnpcore.training.engines.passes import predict
        from nnpcore.training.evaluate import prediction_errors

        data = self._valid
        if data is None:
            return None
        found = predict(
            data,
            weights,
            self._packing,
            self._settings.activation,
            stress=bool(data.targets.has_stress.any()),
            n_threads=self._n_threads,
        )
        return prediction_errors(data, found)


def make_engine(
    settings: TrainSettings,
    choice: Choice,
    packing: Packing,
    start: np.ndarray,
    train: FitSet,
    valid: FitSet | None,
    device: str,
    n_threads: int,
) -> Engine:
    """Return the engine of a device: compiled kernels for "cpu", torch for every other.

    ``start`` holds the initial weights (n_members, n_parameters), internal order.
    """
    if device == "cpu":
        return CpuEngine(settings, choice, packing, start, train, valid, n_threads)
    from nnpcore.training.engines.torch_engine import TorchEngine

    return TorchEngine(settings, choice, packing, start, train, valid, device)
