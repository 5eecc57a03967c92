"""Energies, forces and stresses on a torch device, in chunks of atoms that bound the memory.

Neighbors are searched on the CPU, ahead of the device, by the compiled kernels; descriptors, networks and the
contraction with dG/dr stay on the device, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nnpcore.descriptors import NeighborFinder, NeighborPairs
from nnpcore.descriptors.torch_backend import check_device, chunks, describe_centers
from nnpcore.potential.ensemble import Ensemble
from nnpcore.potential.inference import Accumulator, Wanted
from nnpcore.potential.prediction import Prediction
from nnpcore.threads import in_order

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_ATOMS_PER_WINDOW = 2048
_SEARCH_THREADS = 2


@dataclass(frozen=True)
class _Sums:
    """What is summed up on the device: energies (M, n), forces (n, 3, M), virials (n_frames, 3, 3, M)."""

    energies: Tensor
    forces: Tensor
    virials: Tensor


def predict_torch(
    potential: Ensemble,
    frames: Sequence[Frame],
    wanted: Wanted,
    device_name: str,
    progress: Progress | None = None,
) -> Prediction:
    """Predict on a torch device; see :meth:`Potential.predict`."""
    device = check_device("cuda" if device_name == "auto" else device_name.removeprefix("torch-"))
    total = Accumulator(frames, potential.n_members, wanted)
    frame_start = total.frame_start
    model = _Model(potential, frames, frame_start, device)
    sums = _Sums(
        torch.as_tensor(total.energies, device=device),
        torch.as_tensor(total.forces.swapaxes(1, 2), device=device),
        torch.as_tensor(np.moveaxis(total.virials, 1, 3), device=device),
    )
    n_atoms = int(frame_start[-1])
    windows = [(a, min(a + _ATOMS_PER_WINDOW, n_atoms)) for a in range(0, n_atoms, _ATOMS_PER_WINDOW)]
    search = _search(potential, frames, frame_start)
    with torch.no_grad():
        for (first, stop), found in zip(windows, in_order(search, windows, _SEARCH_THREADS), strict=True):
            model.add(first, found, sums, wanted)
            if progress is not None:
                progress.report(stop / n_atoms, "energies and forces")
    total.energies = sums.energies.cpu().numpy()
    total.forces = sums.forces.cpu().numpy().swapaxes(1, 2)
    total.virials = np.moveaxis(sums.virials.cpu().numpy(), 3, 1)
    return total.prediction()


class _Model:
    """A potential's numbers on the device, and the species and frame of every atom."""

    def __init__(
        self, potential: Ensemble, frames: Sequence[Frame], frame_start: np.ndarray, device: torch.device
    ) -> None:
        self.functions = potential.functions
        self.short_range = potential.short_range
        self.network = potential.weights.to_torch(str(device))
        baseline = potential.nonlinear_baseline
        self.baseline = None if baseline is None else baseline.to_torch(str(device))
        self.mean = torch.as_tensor(potential.whitening.mean, device=device)
        self.matrix = torch.as_tensor(potential.whitening.matrix, device=device)
        self.references = [potential.element_energies[e] for e in potential.elements]
        self.device = device
        numbers = np.concatenate([f.numbers for f in frames]) if frames else np.zeros(0, dtype=np.int32)
        self.species = potential.functions.species_index(numbers).astype(np.int64)
        self.frame = torch.as_tensor(np.repeat(np.arange(len(frames)), np.diff(frame_start)), device=device)

    def add(self, first: int, found: NeighborPairs, sums: _Sums, wanted: Wanted) -> None:
        """Add the energies, forces and virials of the atoms from ``first`` on, whose pairs were found."""
        species = self.species[first : first + len(found.start) - 1]
        for chunk in chunks(self.functions, species, found.start, found.vector, self.device):
            centers = first + chunk.atoms
            neighbor = np.where(chunk.real, found.neighbor[chunk.pairs], centers[:, None])
            neighbor_species = np.where(chunk.real, self.species[neighbor], -1)
            arrays = (chunk.vector, centers, neighbor, neighbor_species)
            place, own, other, kinds = (torch.as_tensor(a, device=self.device) for a in arrays)
            want, e = wanted.derivatives, chunk.species
            values, slopes = describe_centers(self.functions, e, place, kinds, derivatives=want)
            energies, gradients = self._network(e, values, want)
            sums.energies[:, own] = energies
            if slopes is None or gradients is None:
                continue
            pairs = torch.bmm(slopes.flatten(1, 2), gradients).unflatten(1, place.shape[1:])
            if wanted.forces:
                sums.forces.index_add_(0, own, pairs.sum(1))
                sums.forces.index_add_(0, other.flatten(), pairs.flatten(0, 1), alpha=-1)
            if wanted.stress:
                sums.virials.index_add_(0, self.frame[own], torch.einsum("cna,cnbm->cabm", place, pairs))
        self._add_short_range(first, found, sums, wanted)

    def _add_short_range(self, first: int, found: NeighborPairs, sums: _Sums, wanted: Wanted) -> None:
        """Add the repulsion of the few pairs that are close, found on the CPU."""
        if self.short_range is None:
            return
        species = self.species[first : first + len(found.start) - 1]
        kinds, elements = self.species[found.neighbor], self.functions.elements
        close = self.short_range.close_pairs(elements, species, found.start, kinds, found.vector)
        if close is None:
            return
        arrays = (first + close.center, found.neighbor[close.pair], found.vector[close.pair], close.energies)
        own, other, place, energies = (torch.as_tensor(a, device=self.device) for a in arrays)
        slopes = torch.as_tensor(close.gradients, device=self.device)[:, :, None]
        pairs = slopes.expand(-1, -1, len(sums.energies))
        sums.energies.index_add_(1, own, energies.expand(len(sums.energies), -1))
        if wanted.forces:
            sums.forces.index_add_(0, own, pairs)
            sums.forces.index_add_(0, other, pairs, alpha=-1)
        if wanted.stress:
            sums.virials.index_add_(0, self.frame[own], place[:, :, None, None] * pairs[:, None])

    def _network(self, e: int, values: Tensor, want: bool) -> tuple[Tensor, Tensor | None]:
        """Return (n_members, C) eV and, where wanted, dE/dG as (C, n_descriptors, n_members)."""
        x = (values - self.mean[e]) @ self.matrix[e]
        species = torch.full((len(x),), e, device=self.device)
        offset = self.references[e]
        if not want:
            more = 0.0 if self.baseline is None else self.baseline.energies(x, species)
            return self.network.energies(x, species) + offset + more, None
        energies, gradients = self.network.energies_and_gradients(x, species)
        if self.baseline is not None:
            more, slopes = self.baseline.energies_and_gradient(x, species)
            energies, gradients = energies + more, gradients + slopes
        return energies + offset, (gradients @ self.matrix[e].T).permute(1, 2, 0)


def _search(
    potential: Ensemble, frames: Sequence[Frame], frame_start: np.ndarray
) -> Callable[[tuple[int, int]], NeighborPairs]:
    """Return the function that finds the pairs of a range of atoms, of all frames laid end to end."""

    @lru_cache(maxsize=2 * _SEARCH_THREADS)
    def finder(k: int) -> NeighborFinder:
        return NeighborFinder(frames[k], potential.cutoff, where=frames[k].label(k))

    def search(atoms: tuple[int, int]) -> NeighborPairs:
        first, stop = atoms
        counts, neighbors, vectors = [], [], []
        for k in range(int(np.searchsorted(frame_start, first, "right")) - 1, len(frames)):
            offset = int(frame_start[k])
            if offset >= stop:
                break
            pairs = finder(k).pairs(max(first - offset, 0), min(stop, int(frame_start[k + 1])) - offset)
            counts.append(np.diff(pairs.start))
            neighbors.append(pairs.neighbor.astype(np.int64) + offset)
            vectors.append(pairs.vector)
        start = np.cumsum(np.concatenate([[0], *counts]))
        return NeighborPairs(start, np.concatenate(neighbors), np.concatenate(vectors))

    return search
