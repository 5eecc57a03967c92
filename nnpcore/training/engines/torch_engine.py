"""Optimizers and validation on a torch device."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from nnpcore.training.data import FitSet, MemberValues
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.passes import chunks_of
from nnpcore.training.engines.torch_frames import TorchSet, predict
from nnpcore.training.engines.torch_loss import ATOMS_PER_CHUNK, TorchLoss
from nnpcore.training.evaluate import prediction_errors
from nnpcore.training.optimizers.base import ErrorSums, Optimizer
from nnpcore.training.optimizers.choice import Choice
from nnpcore.training.settings import TrainSettings


class TorchEngine:
    """Plain tensor operations on any torch device. An :class:`~nnpcore.training.engines.base.Engine`.

    Parameters
    ----------
    settings, choice, packing, start, train, valid : as for ``make_engine``.
    device : torch's name of it.
    """

    def __init__(
        self,
        settings: TrainSettings,
        choice: Choice,
        packing: Packing,
        start: np.ndarray,
        train: FitSet,
        valid: FitSet | None,
        device: str,
    ) -> None:
        self._settings = settings
        self._packing = packing
        self._valid = valid
        self._device = device
        self._valid_set = None if valid is None else TorchSet(valid, device, torch.float32)
        self.optimizer = self._make_optimizer(choice, start, train)

    def _make_optimizer(self, choice: Choice, start: np.ndarray, train: FitSet) -> Optimizer:
        settings, packing, device = self._settings, self._packing, self._device
        if choice.optimizer == "kalman":
            from nnpcore.training.optimizers.kalman_torch import TorchKalmanOptimizer

            return TorchKalmanOptimizer(settings, train, packing, start, choice.block_size, device)
        loss = TorchLoss(settings, train, packing, device)
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
        """Return the errors of ``weights`` (n_members, n_parameters) on the validation frames, if any."""
        data = self._valid
        if data is None or self._valid_set is None:
            return None
        parameters = torch.as_tensor(weights).to(device=self._device, dtype=torch.float32)
        edges = chunks_of(data.targets.n_atoms, ATOMS_PER_CHUNK)
        parts = []
        for begin, end in pairwise(edges):
            frames = self._valid_set.take(np.arange(begin, end))
            found = predict(frames, parameters, self._packing, self._settings.activation)
            parts.append([t.detach().cpu().numpy().swapaxes(0, 1) for t in found])
        energies, forces, virials = (np.concatenate([part[k] for part in parts]) for k in range(3))
        return prediction_errors(data, MemberValues(energies.astype(np.float64), forces, virials))
