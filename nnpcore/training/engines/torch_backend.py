"""Training in plain tensor operations on any torch device: predictions of all members, and the loss.

The readable counterpart of :mod:`.compiled`, for graphics cards and as its reference: forces and virials come
from gathering and adding up over pairs, the gradient by the parameters from automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nnpcore.potential.activation import get_activation
from nnpcore.potential.network import evaluate
from nnpcore.training.data import FitSet, MemberValues, chunks_of
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.settings import TrainSettings
from nnpcore.training.windows import PairArrays

ATOMS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class TorchFrames:
    """Some frames of a :class:`FitSet` as tensors on a device.

    Attributes
    ----------
    n_frames : number of frames.
    inputs : (n_atoms, n_inputs) whitened descriptors.
    species, frame_of_atom : (n_atoms,) int64.
    center, neighbor, frame_of_pair : (n_pairs,) int64.
    vector : (n_pairs, 3), Å.
    derivatives : (n_pairs, 3, n_descriptors), 1/Å.
    matrix : (n_elements, n_descriptors, n_inputs) of the whitening.
    """

    n_frames: int
    inputs: Tensor
    species: Tensor
    frame_of_atom: Tensor
    center: Tensor
    neighbor: Tensor
    frame_of_pair: Tensor
    vector: Tensor
    derivatives: Tensor
    matrix: Tensor


class TorchSet:
    """A whole :class:`FitSet` on a device, to take frames from; one in windows goes there frame by frame.

    Parameters
    ----------
    data : the frames.
    device, dtype : where the tensors lie and of what type they are.

    Attributes
    ----------
    data : as given.
    """

    def __init__(self, data: FitSet, device: str, dtype: torch.dtype = torch.float32) -> None:
        self.data = data
        self._device, self._dtype = device, dtype
        if data.windows is None:
            pairs = PairArrays.of(data.descriptors)
            self._inputs, self._vector, self._derivatives, self._matrix = map(
                self.real, (data.inputs, pairs.vector, pairs.derivatives, data.matrix)
            )

    def take(self, frames: np.ndarray) -> TorchFrames:
        """Return the frames of these indices."""
        if self.data.windows is not None:
            window, places = self.data.window(frames)
            return TorchSet(window, self._device, self._dtype).take(places)
        d = self.data.descriptors
        atoms = self.data.atoms_of(frames)
        n_atoms = d.frame_start[frames + 1] - d.frame_start[frames]
        n_pairs = d.pair_start[atoms + 1] - d.pair_start[atoms]
        ends = np.cumsum(n_pairs)
        total = int(ends[-1]) if len(ends) else 0
        pairs = np.arange(total) + np.repeat(d.pair_start[atoms] - (ends - n_pairs), n_pairs)
        frame_of_atom = np.repeat(np.arange(len(frames)), n_atoms)
        shift = np.repeat(np.cumsum(n_atoms) - n_atoms - d.frame_start[frames], n_atoms)
        center = np.repeat(np.arange(len(atoms)), n_pairs)
        chosen = self._integers(pairs)
        return TorchFrames(
            n_frames=len(frames),
            inputs=self._inputs[self._integers(atoms)],
            species=self._integers(d.species[atoms]),
            frame_of_atom=self._integers(frame_of_atom),
            center=self._integers(center),
            neighbor=self._integers(d.pair_neighbor[pairs] + shift[center]),
            frame_of_pair=self._integers(frame_of_atom[center]),
            vector=self._vector[chosen],
            derivatives=self._derivatives[chosen],
            matrix=self._matrix,
        )

    def real(self, values: np.ndarray) -> Tensor:
        """Return numbers as a tensor beside the set's and of their type."""
        return torch.as_tensor(np.ascontiguousarray(values)).to(device=self._device, dtype=self._dtype)

    def _integers(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64)).to(self._device)


class TorchValues(NamedTuple):
    """What members predict, as tensors: ``MemberValues`` with the members first.

    energies (n_members, n_frames), forces (n_members, n_atoms, 3), virials (n_members, n_frames, 3, 3).
    """

    energies: Tensor
    forces: Tensor
    virials: Tensor


def predict(frames: TorchFrames, parameters: Tensor, packing: Packing, activation: str) -> TorchValues:
    """Predict energies, forces and virials; ``parameters`` (n_members, n_parameters) may want a gradient."""
    n_members = len(parameters)
    matrices = {
        str(e): [packing.matrix(parameters, e, k) for k in range(packing.n_layers)]
        for e in range(packing.n_elements)
    }
    layers = {e: [(m[:, :, :-1].mT, m[:, :, -1]) for m in own] for e, own in matrices.items()}
    functions = [get_activation(activation)] * (packing.n_layers - 1) + [get_activation("identity")]
    chosen = dict.fromkeys(layers, functions)
    atomic, by_input = evaluate(layers, None, chosen, frames.inputs, frames.species)
    by_descriptor = torch.einsum("mik,idk->mid", by_input, frames.matrix[frames.species])
    per_pair = torch.einsum("mpd,pcd->mpc", by_descriptor[:, frames.center], frames.derivatives)
    zero = parameters.new_zeros
    energies = zero((n_members, frames.n_frames)).index_add(1, frames.frame_of_atom, atomic)
    forces = zero((n_members, len(frames.inputs), 3)).index_add(1, frames.center, per_pair)
    forces = forces.index_add(1, frames.neighbor, -per_pair)
    outer = frames.vector[None, :, :, None] * per_pair[:, :, None, :]
    virials = zero((n_members, frames.n_frames, 3, 3)).index_add(1, frames.frame_of_pair, outer)
    return TorchValues(energies, forces, 0.5 * (virials + virials.mT))


def predict_all(whole: TorchSet, weights: np.ndarray, packing: Packing, activation: str) -> MemberValues:
    """Predict all frames of a set; ``weights`` (n_members, n_parameters) in internal order."""
    parameters = whole.real(weights)
    parts = []
    for begin, end in pairwise(chunks_of(whole.data.targets.n_atoms, ATOMS_AT_ONCE)):
        found = predict(whole.take(np.arange(begin, end)), parameters, packing, activation)
        parts.append([t.cpu().numpy().swapaxes(0, 1) for t in found])
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
        super().__init__(settings, data, packing)
        self._set = TorchSet(data, device, dtype)

    def _part(
        self, frames: np.ndarray, weights: np.ndarray, factors: np.ndarray, moved: MemberValues | None
    ) -> tuple[np.ndarray, np.ndarray]:
        parameters = self._set.real(weights).requires_grad_(True)
        inside, t = self._set.take(frames), self.data.targets
        found = predict(inside, parameters, self._packing, self._settings.activation)
        plain = seen = self._errors(found, frames)
        if moved is not None:
            shift = [self._set.real(values).swapaxes(0, 1) for values in moved]
            seen = self._errors(TorchValues(*(v - s for v, s in zip(found, shift, strict=True))), frames)
        energy, force, stress = t.weights[frames].T
        by_row = [self._set.real(v) for v in (energy, np.repeat(force, t.n_atoms[frames]), stress)]

        def sums(errors: tuple[Tensor, ...], counts: list[Tensor]) -> Tensor:
            rows = [(e**2).flatten(2).sum(2) if e.ndim > 2 else e**2 for e in errors]
            means = [(e.mean(0) ** 2).flatten(1).sum(1) if e.ndim > 2 else e.mean(0) ** 2 for e in errors]
            members = torch.stack([row @ c for row, c in zip(rows, counts, strict=True)])
            mean = torch.stack([own @ c for own, c in zip(means, counts, strict=True)])
            return torch.cat([members, mean[:, None]], dim=1)

        counted = sums(seen, by_row)
        total = (torch.as_tensor(factors).to(counted) @ counted[:, :-1]).sum()
        (gradient,) = torch.autograd.grad(total, parameters)
        once = [torch.ones_like(c) for c in by_row]
        squares = torch.stack([sums(plain, once), counted]).detach()
        return squares.cpu().double().numpy(), gradient.cpu().double().numpy()

    def _errors(self, found: TorchValues, frames: np.ndarray) -> tuple[Tensor, ...]:
        """Return ΔE/N, ΔF and Δσ of all members, zero where there is no reference."""
        t = self.data.targets
        atoms, real = self.data.atoms_of(frames), self._set.real
        energy = (found.energies - real(t.energy[frames])) / real(t.n_atoms[frames])
        force = found.forces - real(t.forces[atoms])
        stress = found.virials / real(t.volume[frames])[:, None, None] - real(t.stress[frames])
        known_forces = np.repeat(t.has_forces[frames], t.n_atoms[frames])
        return (
            energy * real(t.has_energy[frames]),
            force * real(known_forces)[:, None],
            stress * real(t.has_stress[frames])[:, None, None],
        )
