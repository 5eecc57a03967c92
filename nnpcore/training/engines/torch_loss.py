"""The loss on a torch device, by automatic differentiation. The reference of the compiled one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nnpcore.training.data import FitSet
from nnpcore.training.engines.loss import GoOn, flat_loss, with_l2
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.passes import LossAndGradient, chunks_of
from nnpcore.training.engines.rows import LossWeights
from nnpcore.training.engines.torch_frames import TorchFrames, TorchSet, predict
from nnpcore.training.settings import TrainSettings

ATOMS_PER_CHUNK = 4096


class TorchLoss:
    """The loss on a device. A :class:`~nnpcore.training.engines.loss.Loss`.

    Parameters
    ----------
    settings, data, packing : of the training.
    device, dtype : where and how precisely to compute.
    """

    def __init__(
        self,
        settings: TrainSettings,
        data: FitSet,
        packing: Packing,
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.data = data
        self._settings = settings
        self._packing = packing
        self._device = device
        self._dtype = dtype
        self._set = TorchSet(data, device, dtype)
        self._weights = LossWeights.of(settings, data)
        self.flat = flat_loss(data, self._weights)

    def __call__(self, frames: np.ndarray, weights: np.ndarray, go_on: GoOn) -> LossAndGradient | None:
        """Return loss and gradient over ``frames``; see :class:`~nnpcore.training.engines.loss.Loss`."""
        scaled = self._weights.scaled(self.data.n_frames / len(frames))
        factors = np.array([scaled.energy, scaled.force, scaled.stress])
        squares, gradient = np.zeros((3, len(weights) + 1)), np.zeros(weights.shape)
        edges = chunks_of(self.data.targets.n_atoms[frames], ATOMS_PER_CHUNK)
        for begin, end in pairwise(edges):
            if not go_on():
                return None
            part = self._part(frames[begin:end], weights, factors)
            squares += part[0]
            gradient += part[1]
        found = LossAndGradient(factors @ squares[:, :-1], gradient, squares)
        return with_l2(found, weights, self._settings.l2)

    def _part(
        self, frames: np.ndarray, weights: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return sums of squares (3, n_members + 1) and the gradient over some frames."""
        parameters = torch.as_tensor(weights).to(device=self._device, dtype=self._dtype).requires_grad_(True)
        inside = self._set.take(frames)
        errors = self._errors(inside, frames, parameters)
        members = torch.stack([(e**2).flatten(1).sum(1) for e in errors])
        mean = torch.stack([(e.mean(0) ** 2).sum() for e in errors])
        total = (torch.as_tensor(factors).to(members) @ members).sum()
        (gradient,) = torch.autograd.grad(total, parameters)
        squares = torch.cat([members, mean[:, None]], dim=1).detach()
        return squares.cpu().double().numpy(), gradient.cpu().double().numpy()

    def _errors(self, inside: TorchFrames, frames: np.ndarray, parameters: Tensor) -> tuple[Tensor, ...]:
        """Return ΔE/N, ΔF and Δσ of all members, zero where there is no reference."""
        found = predict(inside, parameters, self._packing, self._settings.activation, differentiable=True)
        t = self.data.targets
        atoms = self.data.atoms_of(frames)

        def real(values: np.ndarray) -> Tensor:
            return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(parameters)

        energy = (found.energies - real(t.energy[frames])) / real(t.n_atoms[frames])
        force = found.forces - real(t.forces[atoms])
        stress = found.virials / real(t.volume[frames])[:, None, None] - real(t.stress[frames])
        known_forces = np.repeat(t.has_forces[frames], t.n_atoms[frames])
        return (
            energy * real(t.has_energy[frames]),
            force * real(known_forces)[:, None],
            stress * real(t.has_stress[frames])[:, None, None],
        )
