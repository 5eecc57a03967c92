"""Guidance as rows of the Kalman filter and as a term of the loss, see :mod:`nnpcore.training.guidance`."""

from __future__ import annotations

import numpy as np

from nnpcore.potential.activation import get_activation
from nnpcore.training.data import FitSet, Guide
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import Batch, EpochOrder, pass_stream

ROWS_PER_FRAME = 2
ROWS_OF_DATA = 9
_ATOM_STREAM = 106
_ATOMS_AT_ONCE = 512


def guide_batch(data: FitSet, guide: Guide, part: EpochOrder, seed: int, epoch: int) -> Batch:
    """Return rows for randomly chosen atoms of some frames, two a frame, of unit noise.

    Members have targets of their own: common ones of zero, to which ``added`` is what a member lacks.
    """
    frames, t = part.frames, data.targets
    rng = pass_stream(seed, _ATOM_STREAM, epoch, int(frames[0]), int(part.passes[0]))
    own, share = data.atoms_of(frames), np.repeat(t.counts / t.passes, t.n_atoms)
    atoms = np.sort(rng.choice(own, min(ROWS_PER_FRAME * len(frames), len(own)), replace=False))
    n, n_elements = len(atoms), data.element_start.shape[1] - 1
    state = np.ones((n, 1, data.n_inputs + 1), dtype=np.float32)
    state[:, 0, :-1] = data.inputs[atoms]
    later = data.descriptors.species[atoms][:, None] < np.arange(n_elements + 1)
    starts = np.arange(n)[:, None] + later
    return Batch(
        frames=atoms,
        state=state,
        starts=starts.astype(np.int64),
        targets=np.zeros((n, 1)),
        scales=np.sqrt(share[atoms] * guide.precision[atoms].astype(np.float64))[:, None],
        shrink=np.empty((0, 0), dtype=np.float32),
        added=-guide.targets[:, atoms, None].astype(np.float64),
    )


def guide_term(
    data: FitSet, guide: Guide, frames: np.ndarray, weights: np.ndarray, packing: Packing, activation: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the guidance's part of the loss (n_members,) over all atoms of some frames, and its gradient.

    It is such that at the minimum it weighs against the data as the filter's rows do: the loss that is left,
    times rows of guidance over rows of data, times the mean of ``precision (E - target)²``.
    """
    atoms, t = data.atoms_of(frames), data.targets
    factor = guide.loss * ROWS_PER_FRAME / ROWS_OF_DATA / len(atoms)
    usual = float((t.counts * t.n_atoms).sum() / t.n_atoms.sum())
    counts = np.zeros(data.descriptors.n_atoms)
    counts[atoms] = np.repeat(t.counts[frames] / usual, t.n_atoms[frames])
    loss, gradient = np.zeros(len(weights)), np.zeros_like(weights)
    species = data.descriptors.species[atoms]
    for element in range(packing.n_elements):
        own = atoms[species == element]
        for first in range(0, len(own), _ATOMS_AT_ONCE):
            part = own[first : first + _ATOMS_AT_ONCE]
            targets, precision = guide.targets[:, part], factor * counts[part] * guide.precision[part]
            found = _one_element(data.inputs[part], targets, precision, weights, packing, element, activation)
            loss += found[0]
            gradient += found[1]
    return loss, gradient


def _one_element(
    x: np.ndarray,
    targets: np.ndarray,
    precision: np.ndarray,
    weights: np.ndarray,
    packing: Packing,
    element: int,
    activation: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Sum up ``precision (E - target)²`` (n_members,) over some atoms of an element, with its gradient."""
    function = get_activation(activation)
    matrices = [packing.matrix(weights, element, k) for k in range(packing.n_layers)]
    states = [np.broadcast_to(_with_one(x.astype(np.float64)), (len(weights), len(x), x.shape[1] + 1))]
    slopes = []
    for matrix in matrices[:-1]:
        value, slope = function.with_derivative(states[-1] @ matrix.swapaxes(1, 2))
        states.append(_with_one(value))
        slopes.append(slope)
    errors = (states[-1] @ matrices[-1].swapaxes(1, 2))[:, :, 0] - targets
    gradient = np.zeros_like(weights)
    back = (2.0 * precision * errors)[:, :, None]
    for layer in range(packing.n_layers - 1, -1, -1):
        packing.matrix(gradient, element, layer)[...] = back.swapaxes(1, 2) @ states[layer]
        if layer:
            back = (back @ matrices[layer])[:, :, :-1] * slopes[layer - 1]
    return (precision * errors**2).sum(axis=1), gradient


def _with_one(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.ones((*values.shape[:-1], 1))], axis=-1)
