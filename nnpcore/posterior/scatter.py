"""A prior of physical size: how much atomic energies of a training set may scatter at all.

A kernel on standardised functions does not know whether its atoms differ by a few per cent of their
neighbors or by half of them: a signal that evidence makes large for the sake of forces says that atomic
energies of a crystal at one volume might scatter by electronvolts where data leave them open. But atoms that
lose all their neighbors lose some electronvolts, and about an equilibrium the energy is stationary. So the
covariance of the atomic energies of an element about their mean gets a second prior,

    sum over training atoms of (E_i - mean)² / n S²,   S = B d² / (d + 0.08),   d = rms(change of g) / mean g,

with g the sum of the atom's radial symmetry functions, a smooth number of neighbors, and B the binding energy
of an atom, 6 eV. Along one direction of the functions it says that the energies scatter by about S; what data
determine better than that it leaves alone. With several elements about, neighbors of one may stand in for
those of another: the change is the number of neighbors lost or that of neighbors gained, whichever is larger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.descriptors.functions import Radial

if TYPE_CHECKING:
    from nnpcore.posterior.basis import Atoms, SparseBasis

SMALL_CHANGE = 0.08
"""Relative changes of the neighbors below this one are taken for changes about an equilibrium."""

_SMALLEST = 1e-3
_ATOMS_AT_ONCE = 4096


def plausible_scatter(atoms: Atoms, functions: SymmetryFunctions, binding_energy: float) -> np.ndarray:
    """Return how much atomic energies of each element may scatter, (n_elements,), eV; 1 meV at least.

    Parameters
    ----------
    atoms : of the training. functions : the symmetry functions; where an element has no radial ones, all of
        its own are summed up.
    binding_energy : eV that an atom loses with all its neighbors.
    """
    found = np.full(len(functions.elements), _SMALLEST)
    for index, members in enumerate(functions.functions.values()):
        own = atoms.values[atoms.species == index, : len(members)]
        radial = [isinstance(function, Radial) for function in members]
        kinds: dict[tuple[str, ...], list[int]] = {}
        for k, function in enumerate(members):
            if radial[k] or not any(radial):
                kinds.setdefault(tuple(function.neighbor_elements), []).append(k)
        around = np.stack([own[:, chosen].sum(axis=1) for chosen in kinds.values()], axis=1)
        mean = around.mean(axis=0) if len(own) else np.zeros(len(kinds))
        if total := abs(float(mean.sum())):
            changes = around - mean
            change = 0.5 * (np.abs(changes).sum(axis=1) + np.abs(changes.sum(axis=1)))
            d = float(np.sqrt((change**2).mean())) / total
            found[index] = max(_SMALLEST, binding_energy * d**2 / (d + SMALL_CHANGE))
    return found


def scatter_precision(basis: SparseBasis, atoms: Atoms, scatter: np.ndarray) -> np.ndarray:
    """Return what the prior adds to the precision of the coefficients, (m, m).

    It is the covariance of the functions over the ``atoms`` of each element over the square of its
    ``scatter`` (n_elements,), eV.
    """
    found = np.zeros((basis.size, basis.size))
    for index in np.unique(atoms.species).tolist():
        own = np.flatnonzero(atoms.species == index)
        total, squares = np.zeros(basis.size), np.zeros_like(found)
        for first in range(0, len(own), _ATOMS_AT_ONCE):
            part = own[first : first + _ATOMS_AT_ONCE]
            features = basis.features(atoms.values[part], atoms.species[part])
            total += features.sum(axis=0)
            squares += features.T @ features
        mean = total / len(own)
        found += (squares / len(own) - np.outer(mean, mean)) / scatter[index] ** 2
    return found
