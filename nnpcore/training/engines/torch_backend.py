"""Training in plain tensor operations on any torch device; the reference of the compiled kernels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from nnpcore.training.data import FitSet, MemberValues, chunks_of
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.torch_frames import TorchFrames, TorchSet, predict
from nnpcore.training.optimizers.base import Optimizer
from nnpcore.training.settings import TrainSettings

ATOMS_AT_ONCE = 4096


class TorchBackend:
    """A :class:`~nnpcore.training.engines.engine.Backend`; ``device`` is torch's name of it."""

    def __init__(self, settings: TrainSettings, packing: Packing, device: str) -> None:
        self._settings = settings
        self._packing = packing
        self._device = device
        self._held: tuple[FitSet, TorchSet] | None = None

    def loss(self, data: FitSet) -> Loss:
        """Return the loss over training frames."""
        return TorchLoss(self._settings, data, self._packing, self._device)

    def kalman(self, data: FitSet, start: np.ndarray, block_size: int) -> Optimizer:
        """Return the Kalman filter over training frames."""
        from nnpcore.training.optimizers.kalman_torch import TorchKalman

        return TorchKalman(self._settings, data, self._packing, start, block_size, self._device)

    def predict(self, data: FitSet, weights: np.ndarray) -> MemberValues:
        """Return what members of weights (n_members, n_parameters) predict for a set."""
        if self._held is None or self._held[0].descriptors is not data.descriptors:
            self._held = data, TorchSet(data, self._device, torch.float32)
        parameters = torch.as_tensor(weights).to(device=self._device, dtype=torch.float32)
        parts = []
        for begin, end in pairwise(chunks_of(data.targets.n_atoms, ATOMS_AT_ONCE)):
            frames = self._held[1].take(np.arange(begin, end))
            found = predict(frames, parameters, self._packing, self._settings.activation)
            parts.append([t.detach().cpu().numpy().swapaxes(0, 1) for t in found])
        energies, forces, virials = map(np.concatenate, zip(*parts, strict=True))
        return MemberValues(energies.astype(np.float64), forces, virials)


class TorchLoss(Loss):
    """The loss on a device, by automatic differentiation.

    Parameters
    ----------
    settings, data, packing : of the training.
    device, dtype : where and how precisely to compute.
    """

    atoms_at_once = ATOMS_AT_ONCE

    def __init__(
        self,
        settings: TrainSettings,
        data: FitSet,
        packing: Packing,
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(settings, data)
        self._packing = packing
        self._device = device
        self._dtype = dtype
        self._set = TorchSet(data, device, dtype)

    def _part(
        self, frames: np.ndarray, weights: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
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
        found = predict(inside, parameters, self._packing, self._settings.activation)
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
