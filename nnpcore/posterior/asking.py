"""Targets as linear functions of the coefficients, and what of them the functions cannot express.

The functions span what Gaussians about the centers can. An atom far from all centers has features near zero,
and the posterior of the coefficients alone would be sure of it. What is missing from its prior variance is
added: ``s² (k(z, z') - phi(z) . phi(z'))`` (deterministic training conditional: Quiñonero-Candela &
Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005)). It vanishes at centers, which the atoms of targets of a fit
are among, and data do not lessen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors import compute_descriptors
from nnpcore.errors import AnalysisError
from nnpcore.posterior.basis import SparseBasis, gaussians
from nnpcore.posterior.targets import Target
from nnpcore.progress import Progress

_ATOMS_AT_ONCE = 2000


@dataclass(frozen=True, eq=False)
class Asked:
    """Linear functions of atomic energies.

    Attributes
    ----------
    features : (n_targets, m), their derivatives by the coefficients.
    zeros : (n_targets,) eV, of the zeros of the elements.
    beyond : (n_targets, n_targets), their prior covariance that the functions cannot express, for a signal of
        1.
    """

    features: np.ndarray
    zeros: np.ndarray
    beyond: np.ndarray


def asked(
    basis: SparseBasis,
    zeros: np.ndarray,
    targets: Sequence[Target],
    n_threads: int | None,
    progress: Progress | None,
) -> Asked:
    """Work out targets; AnalysisError for none, or an element that neither training nor targets had."""
    if not targets:
        raise AnalysisError("there are no targets", fix="Ask about a crystal, a region or some atoms")
    frames = list({id(frame): frame for target in targets for frame in target.frames}.values())
    places = {id(frame): k for k, frame in enumerate(frames)}
    d = compute_descriptors(
        frames, basis.functions, derivatives=False, n_threads=n_threads, progress=progress
    )
    weights = np.zeros((len(targets), d.n_atoms))
    for t, target in enumerate(targets):
        for frame, own in target.parts:
            first = int(d.frame_start[places[id(frame)]])
            weights[t, first : first + frame.n_atoms] += own
    used = np.flatnonzero(weights.any(0))
    weights, values, species = weights[:, used], d.values[used], d.species[used]
    features = np.zeros((len(targets), basis.size))
    for part in _parts(len(used)):
        features += weights[:, part] @ basis.features(values[part], species[part])
    beyond = _beyond(basis, weights, values, species, features)
    return Asked(features, weights @ zeros[species], beyond)


def _parts(n: int) -> list[slice]:
    return [slice(first, first + _ATOMS_AT_ONCE) for first in range(0, n, _ATOMS_AT_ONCE)]


def _beyond(
    basis: SparseBasis, weights: np.ndarray, values: np.ndarray, species: np.ndarray, features: np.ndarray
) -> np.ndarray:
    total, expressed = np.zeros((len(weights), len(weights))), features.copy()
    for index, own_basis in enumerate(basis.elements):
        own = np.flatnonzero(species == index)
        if own_basis is None or not len(own):
            continue
        expressed[:, basis.starts[index + 1] - 1] = 0.0  # the constant: its prior is expressed in full
        z, w = own_basis.inputs(values[own]), weights[:, own]
        for part in _parts(len(own)):
            total += w[:, part] @ gaussians(z[part], z, own_basis.length) @ w.T
    return total - expressed @ expressed.T


def beyond_of_atoms(basis: SparseBasis, features: np.ndarray) -> np.ndarray:
    """Return the prior variance (n_atoms,) of single atoms that their ``features`` (n_atoms, m) do not
    express.

    For a signal of 1.
    """
    constants = basis.starts[1:] - 1
    expressed = (features**2).sum(1)
    for index, own_basis in enumerate(basis.elements):
        if own_basis is not None:
            expressed -= features[:, constants[index]] ** 2
    return np.maximum(1.0 - expressed, 0.0)
