"""A prior of physical size: how much atomic energies of a training set may scatter at all.

A kernel on standardised functions does not know whether its atoms differ by a few per cent of their
neighbors or by half of them: a signal that evidence makes large for the sake of forces says that atomic
energies of a crystal at one volume might scatter by electronvolts where data leave them open. But atoms that
lose all their neighbors lose some electronvolts, and about an equilibrium the energy is stationary. So the
covariance of the atomic energies of an element about their mean gets a second prior,

    sum over training atoms of (E_i - mean)² / n S²,   S = 6 eV · d² / (d + 0.08),   d = std(g) / mean(g),

with g the sum of the atom's radial symmetry functions, a smooth number of neighbors. Along one direction of
the functions it says that the energies scatter by about S; what data determine better than that it leaves
alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_triangular

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.descriptors.functions import Radial
from nnpcore.posterior.evidence import Solution
from nnpcore.posterior.posterior import Posterior

BINDING_ENERGY = 6.0
"""eV that an atom loses with its neighbors; of solids 1 to 9, of silicon 4.6."""

SMALL_CHANGE = 0.08
"""Relative changes of the neighbors below this one are taken for changes about an equilibrium."""

_SMALLEST = 1e-3
_ATOMS_AT_ONCE = 4096


def plausible_scatter(values: np.ndarray, species: np.ndarray, functions: SymmetryFunctions) -> np.ndarray:
    """Return how much atomic energies of each element may scatter, (n_elements,), eV; 1 meV at least.

    Parameters
    ----------
    values, species : symmetry functions (n_atoms, n_descriptors) and elements (n_atoms,) of training atoms.
    functions : the symmetry functions; where an element has no radial ones, all of its own are summed up.
    """
    found = np.full(len(functions.elements), _SMALLEST)
    for index, members in enumerate(functions.functions.values()):
        radial = [k for k, function in enumerate(members) if isinstance(function, Radial)]
        own = values[species == index][:, radial or range(len(members))]
        if own.size and (around := np.abs(own.sum(axis=1))).mean() > 0:
            change = around.std() / around.mean()
            found[index] = max(_SMALLEST, BINDING_ENERGY * change**2 / (change + SMALL_CHANGE))
    return found


def relative_covariance(posterior: Posterior, values: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Return the covariance (m, m) of the posterior's functions over training atoms, over S² by element."""
    basis = posterior.basis
    scatter = plausible_scatter(values, species, basis.functions)
    found = np.zeros((basis.size, basis.size))
    for index in np.unique(species).tolist():
        own = np.flatnonzero(species == index)
        total, squares = np.zeros(basis.size), np.zeros_like(found)
        for first in range(0, len(own), _ATOMS_AT_ONCE):
            part = own[first : first + _ATOMS_AT_ONCE]
            features = basis.features(values[part], species[part])
            total += features.sum(axis=0)
            squares += features.T @ features
        mean = total / len(own)
        found += (squares / len(own) - np.outer(mean, mean)) / scatter[index] ** 2
    return found


def with_scatter(posterior: Posterior, covariance: np.ndarray) -> Posterior:
    """Return the posterior under the second prior; ``covariance`` of :func:`relative_covariance`."""
    old = posterior.solution
    right = old.precision @ old.coefficients
    return replace(posterior, solution=Solution.solved(old.precision + covariance, right))


def balanced_draws(posterior: Posterior, covariance: np.ndarray, n: int, seed: list[int]) -> np.ndarray:
    """Return coefficients (n, m) drawn from the posterior, whose mean and spreads are its own.

    Along each principal axis of what it leaves open over the training atoms (``covariance`` of
    :func:`relative_covariance`) their standard deviation is exactly the foretold one. One alone is the mean.
    """
    factor, mean = posterior.solution.factor, posterior.solution.coefficients
    half = solve_triangular(factor, covariance, trans=1, check_finite=False)
    opened = solve_triangular(factor, half.T, trans=1, check_finite=False)
    _, axes = np.linalg.eigh(0.5 * (opened + opened.T))
    streams = [np.random.default_rng([*seed, k]) for k in range(n)]
    normal = np.array([stream.standard_normal(len(mean)) for stream in streams])
    normal -= normal.mean(axis=0)
    size = np.sqrt((normal**2).mean(axis=0))
    normal *= np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    return mean + solve_triangular(factor, axes @ normal.T, check_finite=False).T
