"""The zero of the energy after an epoch: biases of the output, shifted in closed form.

A filter follows the zero with every batch, while all other weights move it, too: after an early epoch all
energies of a member may be off by some meV/atom together, though their differences are right.
"""

from __future__ import annotations

import numpy as np

from nnpcore.potential.network import NetworkWeights
from nnpcore.training.data import FitSet
from nnpcore.training.engines.packing import Packing

_MOST_FRAMES = 200
_SMALLEST_SINGULAR = 0.1
"""Differences of composition, relative to the mean one, too small to tell elements apart by."""


def centered(weights: np.ndarray, data: FitSet, packing: Packing, activation: str) -> np.ndarray:
    """Return weights (n_members, n_parameters) whose energies are right on average over training frames.

    The shift of each element's energy solves least squares of the energies per atom on the compositions of
    up to 200 frames, evenly taken, each as often as its energy counts. Members with weights that are not
    finite stay as they are.
    """
    times = data.targets.weights[:, 0]
    known = np.flatnonzero(data.targets.has_energy & (times > 0))
    frames = known[:: -(-len(known) // _MOST_FRAMES) or 1]
    if not len(frames):
        return weights
    n_atoms = data.targets.n_atoms[frames]
    atoms = data.atoms_of(frames)
    energies = networks_of(weights, packing, activation).energies(
        data.inputs[atoms].astype(np.float64), data.descriptors.species[atoms]
    )
    starts = np.concatenate([[0], np.cumsum(n_atoms)[:-1]])
    left = data.targets.energy[frames] - np.add.reduceat(energies, starts, axis=1)
    if data.added is not None:
        left -= data.added.energies[frames].T
    if data.guide is not None and data.guide.moved is not None:
        left += data.guide.moved.energies[frames].T
    weight = np.sqrt(times[frames])
    parts = weight[:, None] * np.diff(data.element_start[frames], axis=1) / n_atoms[:, None]
    usable = np.isfinite(left).all(axis=1)
    shifts = np.linalg.pinv(parts, rcond=_SMALLEST_SINGULAR) @ (weight * left[usable] / n_atoms).T
    result = weights.copy()
    last = packing.n_per_element * np.arange(1, packing.n_elements + 1) - 1
    result[np.ix_(usable, last)] += shifts.T
    return result


def networks_of(weights: np.ndarray, packing: Packing, activation: str) -> NetworkWeights:
    """Return networks for weights in internal order, elements by number."""
    layers = {}
    for e in range(packing.n_elements):
        matrices = [packing.matrix(weights, e, k) for k in range(packing.n_layers)]
        layers[str(e)] = [(m[:, :, :-1].swapaxes(1, 2), m[:, :, -1]) for m in matrices]
    return NetworkWeights(activation, layers)
