"""Symmetry functions with torch, for any device: dense blocks of centres, neighbors and pairs of neighbors.

The formulas are those of :mod:`nnpcore.descriptors.kernels`, in float64; sums over k are batched matrix
products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor

from nnpcore.descriptors.descriptor_set import DescriptorSet
from nnpcore.descriptors.functions import Angular, Radial, SymmetryFunctions
from nnpcore.descriptors.shapes import DistanceFactor
from nnpcore.descriptors.torch_shapes import angle_factors, distance_factors
from nnpcore.errors import SettingsError
from nnpcore.progress import Progress

_CPU_MEMORY = 1 << 26
_LARGEST_MEMORY = 1 << 31


@dataclass(frozen=True, eq=False)
class _Centers:
    """Centres of one species with their neighbors padded to the longest list.

    Attributes
    ----------
    vector : (C, N, 3); r, r2 : (C, N), 1 for padding; species : (C, N), -1 for padding.
    number : (C, N) float64, atomic number, 0 for padding.
    """

    vector: Tensor
    r: Tensor
    r2: Tensor
    species: Tensor
    number: Tensor


def check_device(name: str) -> torch.device:
    """Return the torch device of that name; raises :class:`SettingsError` if this machine cannot use it."""
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise SettingsError(
            f"this machine cannot compute on device {name!r}", where="device", fix="Use cpu"
        ) from error
    return device


def fill_descriptors(result: DescriptorSet, device_name: str, progress: Progress) -> None:
    """Compute the values and, where there is room for them, derivatives of a set whose pairs are known."""
    device = check_device(device_name)
    functions, slots, done = result.functions, result.derivatives, 0
    with torch.no_grad():
        for chunk in chunks(functions, result.species, result.pair_start, result.pair_vector, device):
            neighbors = np.where(chunk.real, result.species[result.pair_neighbor[chunk.pairs]], -1)
            around = torch.from_numpy(chunk.vector).to(device), torch.from_numpy(neighbors).to(device)
            want = slots is not None
            values, slopes = describe_centers(functions, chunk.species, *around, derivatives=want)
            result.values[chunk.atoms] = values.cpu().numpy()
            if slopes is not None and slots is not None:
                kind = torch.float32 if slots.dtype == np.float32 else torch.float64
                real = torch.from_numpy(chunk.real).to(device)
                slots[chunk.pairs[chunk.real]] = slopes[real].to(kind).cpu().numpy()
            done += len(chunk.atoms)
            progress.report(done / result.n_atoms)


class Chunk(NamedTuple):
    """Some atoms (C,) of one species with their pairs (C, N), padded to the longest list of neighbors.

    ``real`` (C, N) tells pairs from padding, whose ``vector`` (C, N, 3) is any that is not zero.
    """

    species: int
    atoms: np.ndarray
    pairs: np.ndarray
    real: np.ndarray
    vector: np.ndarray


def chunks(
    functions: SymmetryFunctions,
    species_of_atoms: np.ndarray,
    pair_start: np.ndarray,
    pair_vector: np.ndarray,
    device: torch.device,
) -> Iterator[Chunk]:
    """Yield all atoms in chunks whose work arrays the device has room for.

    ``species_of_atoms`` (n_atoms,), ``pair_start`` (n_atoms + 1,) and ``pair_vector`` (n_pairs, 3), Å.
    """
    memory, counts = _CPU_MEMORY, np.diff(pair_start)
    if device.type == "cuda":
        memory = min(_LARGEST_MEMORY, torch.cuda.mem_get_info(device)[0] // 4)
    for species, members in enumerate(functions.functions.values()):
        etas = len({f.distance_factor for f in members if isinstance(f, Angular)})
        factors = len({f.angle_factor for f in members if isinstance(f, Angular)})
        atoms = np.flatnonzero(species_of_atoms == species)
        while len(atoms):
            width = np.maximum.accumulate(counts[atoms])
            size = 8 * (width * width * (12 + 2 * factors + 9 * etas) + 8 * width * (len(members) + 4))
            fits = np.arange(1, len(size) + 1) * size <= memory
            stop = len(size) if fits.all() else max(1, int(fits.argmin()))
            chosen, atoms = atoms[:stop], atoms[stop:]
            pairs = pair_start[chosen][:, None] + np.arange(width[stop - 1])
            real = pairs < pair_start[chosen + 1][:, None]
            pairs = np.where(real, pairs, 0)
            vector = np.where(real[:, :, None], pair_vector[pairs], [1.0, 0.0, 0.0])
            yield Chunk(species, chosen, pairs, real, vector)


def describe_centers(
    functions: SymmetryFunctions,
    species: int,
    vector: Tensor,
    neighbor_species: Tensor,
    *,
    derivatives: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """Compute the symmetry functions of centres of one species; everything stays on the device.

    Parameters
    ----------
    functions, species : all functions, and which element's are wanted.
    vector : (C, N, 3) float64, r_j - r_i of the neighbors, padded with any vector that is not zero.
    neighbor_species : (C, N), -1 for padding.
    derivatives : whether to compute dG/dr.

    Returns
    -------
    values (C, n_descriptors) and derivatives (C, N, 3, n_descriptors), zero for padding, or None.
    """
    members = list(functions.functions.values())[species]
    r2 = (vector * vector).sum(-1)
    known = [*(atomic_numbers[element] for element in functions.elements), 0]
    number = torch.tensor(known, dtype=torch.float64, device=vector.device)[neighbor_species.long()]
    centers = _Centers(vector, r2.sqrt(), r2, neighbor_species, number)
    n_d = functions.n_descriptors
    values = vector.new_zeros(len(vector), n_d)
    slopes = vector.new_zeros(*vector.shape, n_d) if derivatives else None
    elements = {element: i for i, element in enumerate(functions.elements)}
    radial: list[tuple[int, Radial]] = []
    groups: dict[tuple[object, ...], list[tuple[int, Angular]]] = {}
    for column, f in enumerate(members):
        if isinstance(f, Radial):
            radial.append((column, f))
        elif isinstance(f, Angular):
            groups.setdefault((type(f), f.neighbor_elements, f.cutoff), []).append((column, f))
    if radial:
        _add_radial(centers, radial, elements, values, slopes)
    for group in groups.values():
        _add_group(centers, group, elements, values, slopes)
    return values, slopes


def _add_radial(
    centers: _Centers,
    members: list[tuple[int, Radial]],
    elements: dict[str, int],
    values: Tensor,
    slopes: Tensor | None,
) -> None:
    """All radial functions."""
    columns = torch.tensor([column for column, _ in members], device=values.device)
    h, dh = distance_factors(centers.r, [f.distance_factor for _, f in members])
    weights = [
        centers.number if f.weighted else centers.species == elements[f.neighbor_elements[0]]
        for _, f in members
    ]
    chosen = torch.stack([weight.to(h.dtype) for weight in weights], dim=-1)
    values[:, columns] = (h * chosen).sum(1)
    if slopes is not None:
        slopes[..., columns] = centers.vector[..., None] * (2.0 * dh * chosen)[:, :, None, :]


def _add_group(
    centers: _Centers,
    members: list[tuple[int, Angular]],
    elements: dict[str, int],
    values: Tensor,
    slopes: Tensor | None,
) -> None:
    """Angular functions of one pair of neighbor elements, cutoff and kind; every unordered triplet is met
    twice."""
    first = members[0][1]
    etas = list(dict.fromkeys(f.distance_factor for _, f in members))
    factors = list(dict.fromkeys(f.angle_factor for _, f in members))
    columns = torch.tensor([column for column, _ in members], device=values.device)
    m = torch.tensor([factors.index(f.angle_factor) for _, f in members], device=values.device)
    e = torch.tensor([etas.index(f.distance_factor) for _, f in members], device=values.device)
    vector, r, r2 = centers.vector, centers.r, centers.r2
    dot = vector @ vector.transpose(1, 2)
    share = 1.0 / (r[:, :, None] * r[:, None, :])
    u, v = angle_factors(dot * share, share, factors)
    h, dh, p, q = _pair_factors(centers, first, etas, [elements[x] for x in first.neighbor_elements])
    x = torch.einsum("cjkm,cjke->cjme", u, p)[..., m, e]
    values[:, columns] = 0.5 * (h[..., e] * x).sum(1)
    if slopes is None:
        return
    y = torch.einsum("cjkm,cjke->cjme", u, q)[..., m, e]
    z = torch.einsum("cjkm,cjke->cjme", v, p * dot[..., None])[..., m, e]
    along = 2.0 * dh[..., e] * x - h[..., e] * (y + z / r2[:, :, None])
    for axis in range(3):
        place = vector[:, None, :, axis, None]
        w = torch.einsum("cjkm,cjke->cjme", u, q * place) + torch.einsum("cjkm,cjke->cjme", v, p * place)
        slopes[:, :, axis, columns] = along * vector[:, :, axis, None] + h[..., e] * w[..., m, e]


def _pair_factors(
    centers: _Centers, function: Angular, etas: list[DistanceFactor], species: list[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """h and h' of the neighbors (C, N, n_etas); h(r_ik²) h(r_jk²) and -2 h(r_ik²) h'(r_jk²) (C, N, N,
    n_etas)."""
    h, dh = distance_factors(centers.r, etas)
    if function.weighted:
        h, dh = h * centers.number[..., None], dh * centers.number[..., None]
        is_j = is_k = centers.species >= 0
    else:
        is_j, is_k = centers.species == species[0], centers.species == species[1]
    allowed = is_j[:, :, None] & is_k[:, None, :] | is_k[:, :, None] & is_j[:, None, :]
    allowed &= ~torch.eye(allowed.shape[1], dtype=torch.bool, device=allowed.device)
    inside = (centers.r < function.cutoff)[:, None, :] & (centers.r < function.cutoff)[:, :, None]
    hk = h[:, None] * (allowed & inside)[..., None]
    if not function.narrow:
        return h, dh, hk, torch.zeros_like(hk)
    difference = centers.vector[:, :, None, :] - centers.vector[:, None, :, :]
    far2 = (difference * difference).sum(-1)
    far = torch.where(allowed, far2, torch.ones_like(far2)).sqrt()
    f, slope = distance_factors(far, etas)
    return h, dh, hk * f, -2.0 * hk * slope
