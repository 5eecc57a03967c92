"""Optimizer and validation on a device, put together."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nnpcore.training.data import FitSet, MemberValues
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.evaluate import prediction_errors
from nnpcore.training.optimizers.base import ErrorSums, Optimizer
from nnpcore.training.optimizers.choice import Choice
from nnpcore.training.settings import TrainSettings


class Backend(Protocol):
    """What computes: compiled kernels on the processor, or torch on a device."""

    def loss(self, data: FitSet) -> Loss:
        """Return the loss over training frames."""
        ...

    def kalman(self, data: FitSet, start: np.ndarray, block_size: int) -> Optimizer:
        """Return the Kalman filter over training frames."""
        ...

    def predict(self, data: FitSet, weights: np.ndarray) -> MemberValues:
        """Return what members of weights (n_members, n_parameters) predict for a set."""
        ...


class Engine:
    """What the trainer needs: an optimizer, and the errors of weights on the validation frames.

    Parameters
    ----------
    settings, choice, packing : of the training.
    start : initial weights (n_members, n_parameters), internal order.
    train, valid : the frames.
    device : "cpu" for compiled kernels, else torch's name of one ("torch-cpu" runs torch on the processor).
    n_threads : of the processor.

    Attributes
    ----------
    optimizer : what changes the weights.
    """

    def __init__(
        self,
        settings: TrainSettings,
        choice: Choice,
        packing: Packing,
        start: np.ndarray,
        train: FitSet,
        valid: FitSet | None,
        *,
        device: str = "cpu",
        n_threads: int = 1,
    ) -> None:
        self._valid = valid
        self._backend: Backend
        if device == "cpu":
            from nnpcore.training.engines.compiled import CompiledBackend

            self._backend = CompiledBackend(settings, packing, n_threads)
        else:
            from nnpcore.training.engines.torch_backend import TorchBackend

            self._backend = TorchBackend(settings, packing, device.removeprefix("torch-"))
        self.optimizer = self._make_optimizer(settings, choice, start, train)

    def _make_optimizer(
        self, settings: TrainSettings, choice: Choice, start: np.ndarray, train: FitSet
    ) -> Optimizer:
        if choice.optimizer == "kalman":
            return self._backend.kalman(train, start, choice.block_size)
        if choice.optimizer == "lbfgs":
            from nnpcore.training.optimizers.lbfgs import LbfgsOptimizer

            return LbfgsOptimizer(self._backend.loss(train), start)
        from nnpcore.training.optimizers.adam import AdamOptimizer

        return AdamOptimizer(settings, self._backend.loss(train), start)

    def retarget(self, train: FitSet, valid: FitSet | None) -> None:
        """Go on with other targets of the same frames."""
        self.optimizer.retarget(train)
        self._valid = valid

    def validate(self, weights: np.ndarray) -> ErrorSums | None:
        """Return the errors of ``weights`` (n_members, n_parameters) on the validation frames, if any."""
        data = self._valid
        return None if data is None else prediction_errors(data, self._backend.predict(data, weights))
