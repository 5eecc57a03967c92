"""Optimizer and validation on a device, put together; which device that is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from nnpcore.errors import SettingsError
from nnpcore.training.data import FitSet, MemberValues
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.evaluate import prediction_errors
from nnpcore.training.optimizers.adam import AdamOptimizer
from nnpcore.training.optimizers.base import ErrorSums, Optimizer
from nnpcore.training.optimizers.choice import OptimizerChoice
from nnpcore.training.optimizers.lbfgs import LbfgsOptimizer
from nnpcore.training.settings import TrainSettings

_DRIVER_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


def resolve_device(name: str) -> str:
    """Return "cpu" or the name of a torch device.

    "auto" is a CUDA device where there is one, else "cpu"; torch, slow to load, is asked only where a driver
    is.

    Raises
    ------
    SettingsError : the device asked for is not there.
    """
    if name == "cpu" or (name == "auto" and not any(Path(node).exists() for node in _DRIVER_NODES)):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    index = int(name.partition(":")[2] or 0)
    if not (torch.cuda.is_available() and index < torch.cuda.device_count()):
        raise SettingsError(
            f"this computer has no device {name!r} that torch can use",
            where="device",
            fix="Choose auto or cpu, or install a torch that fits the graphics card",
        )
    return name


class Engine:
    """What the trainer needs: an optimizer, and the errors of weights on the validation frames.

    Parameters
    ----------
    settings, choice, packing : of the training.
    start : initial weights (n_members, n_parameters), internal order.
    train, valid : the frames.
    device : "cpu" for compiled kernels, whose results do not depend on ``n_threads``, else torch's name of
        one ("torch-cpu" runs torch on the processor).
    n_threads : of the processor.

    Attributes
    ----------
    optimizer : what changes the weights.
    """

    def __init__(
        self,
        settings: TrainSettings,
        choice: OptimizerChoice,
        packing: Packing,
        start: np.ndarray,
        train: FitSet,
        valid: FitSet | None,
        *,
        device: str = "cpu",
        n_threads: int = 1,
    ) -> None:
        self._valid = valid
        self._predict: Callable[[np.ndarray], MemberValues]
        loss: Callable[[], Loss]
        kalman: Callable[[], Optimizer]
        networks = {"packing": packing, "activation": settings.activation}
        filtered = settings, train, packing, start, choice.block_size
        if device == "cpu":
            from nnpcore.training.engines.compiled import CompiledLoss, predict
            from nnpcore.training.optimizers.kalman_compiled import CompiledKalman

            loss = partial(CompiledLoss, settings, train, packing, n_threads)
            kalman = partial(CompiledKalman, *filtered, n_threads)
            if valid is not None:
                self._predict = partial(predict, valid, **networks, n_threads=n_threads)
        else:
            from nnpcore.training.engines.torch_backend import TorchLoss, TorchSet, predict_all
            from nnpcore.training.optimizers.kalman_torch import TorchKalman

            name = device.removeprefix("torch-")
            loss = partial(TorchLoss, settings, train, packing, name)
            kalman = partial(TorchKalman, *filtered, name)
            if valid is not None:
                self._predict = partial(predict_all, TorchSet(valid, name), **networks)
        if choice.optimizer == "kalman":
            self.optimizer = kalman()
        elif choice.optimizer == "lbfgs":
            self.optimizer = LbfgsOptimizer(loss(), start)
        else:
            self.optimizer = AdamOptimizer(settings, loss(), start)

    def retarget(self, train: FitSet, valid: FitSet | None) -> None:
        """Go on with other targets of the same frames."""
        self.optimizer.retarget(train)
        self._valid = valid

    def predict(self, weights: np.ndarray) -> MemberValues | None:
        """Return what ``weights`` (n_members, n_parameters) predict of the validation frames, if any."""
        return None if self._valid is None else self._predict(weights)

    def errors_of(self, found: MemberValues | None) -> ErrorSums | None:
        """Return the errors of a prediction of the validation frames."""
        return None if self._valid is None or found is None else prediction_errors(self._valid, found)

    def validate(self, weights: np.ndarray) -> ErrorSums | None:
        """Return the errors of ``weights`` (n_members, n_parameters) on the validation frames, if any."""
        return self.errors_of(self.predict(weights))
