"""Frames on a torch device: energies, forces and virials of all members in plain tensor operations.

The readable counterpart of :mod:`.passes`, for graphics cards and as its reference: forces and virials come
from gathering and adding up over pairs, the gradient by the parameters from automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nnpcore.potential.activation import get_activation
from nnpcore.potential.network import evaluate
from nnpcore.training.data import FitSet
from nnpcore.training.engines.packing import Packing


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

    def tangents(self, directions: Tensor, strains: Tensor) -> Tensor:
        """Return the change of the inputs, (n_atoms, n_rows, n_inputs).

        Parameters
        ----------
        directions : (n_atoms, n_rows, 3) displacements.
        strains : (n_frames, n_rows, 3, 3), a pair r_p moves by ``strain @ r_p`` besides.
        """
        moves = directions[self.neighbor] - directions[self.center]
        moves = moves + torch.einsum("prab,pb->pra", strains[self.frame_of_pair], self.vector)
        per_pair = torch.einsum("prc,pcd->prd", moves, self.derivatives)
        raw = per_pair.new_zeros((len(self.inputs), *per_pair.shape[1:])).index_add(0, self.center, per_pair)
        return torch.einsum("ird,idk->irk", raw, self.matrix[self.species])


class TorchSet:
    """A whole :class:`FitSet` on a device, to take frames from.

    Parameters
    ----------
    data : the frames.
    device, dtype : where the tensors lie and of what type they are.
    """

    def __init__(self, data: FitSet, device: str, dtype: torch.dtype) -> None:
        d = data.descriptors
        assert d.derivatives is not None
        self._data = data
        self._device = device
        self._inputs, self._vector, self._derivatives, self._matrix = (
            torch.as_tensor(np.ascontiguousarray(values)).to(device=device, dtype=dtype)
            for values in (data.inputs, d.pair_vector, d.derivatives, data.matrix)
        )

    def take(self, frames: np.ndarray) -> TorchFrames:
        """Return the frames of these indices."""
        d = self._data.descriptors
        atoms = self._data.atoms_of(frames)
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

    def _integers(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64)).to(self._device)


class TorchValues(NamedTuple):
    """What members predict, as tensors: ``MemberValues`` with the members first.

    energies (n_members, n_frames), forces (n_members, n_atoms, 3), virials (n_members, n_frames, 3, 3).
    """

    energies: Tensor
    forces: Tensor
    virials: Tensor


def layer_matrix(parameters: Tensor, packing: Packing, element: int, layer: int) -> Tensor:
    """Return one layer's matrices (n_members, n_out, n_in + 1), the bias in the last column."""
    start = element * packing.n_per_element + int(packing.layer_offsets[layer])
    n_out, width = packing.shape(layer)
    return parameters[:, start : start + n_out * width].reshape(-1, n_out, width)


def predict(frames: TorchFrames, parameters: Tensor, packing: Packing, activation: str) -> TorchValues:
    """Predict energies, forces and virials; ``parameters`` (n_members, n_parameters) may want a gradient."""
    n_members = len(parameters)
    matrices = {
        str(e): [layer_matrix(parameters, packing, e, k) for k in range(packing.n_layers)]
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
