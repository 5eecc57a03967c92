"""A direction that totals at one volume cannot see: atomic energies linear in the atom's share of volume.

The cell's volume is (very nearly) a sum over atoms of a *linear* function of their symmetry functions. A
pressure times that function may be added to the atomic energies of any potential: in frames of one volume the
totals change by a constant, the forces not at all, and the equation of state is tilted by that pressure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnpcore.descriptors import compute_descriptors
from nnpcore.potential import NetworkWeights, Potential
from nnpcore.structures.frame import Frame
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

RIDGE = 1e-6
"""eV², of coefficients of inputs of unit deviation; keeps them small where the data leave them free."""
FORCE_WEIGHT, STRESS_WEIGHT = 0.005, 3.0
"""Of mean squares in eV/Å and eV/Å³ against those of energies in eV/atom."""


@dataclass(frozen=True, eq=False)
class VolumeDirection:
    """An addition to atomic energies, p times the atom's share of volume.

    Attributes
    ----------
    pressure_gpa : p.
    coefficients : (n_inputs,) eV, of a potential's network inputs.
    offset : eV, taken off, so that the totals of some frames stay on the whole as they were.
    """

    pressure_gpa: float
    coefficients: np.ndarray
    offset: float

    def values(self, potential: Potential, frames: Sequence[Frame]) -> np.ndarray:
        """Return the addition (n_atoms,) of the atoms of some frames laid end to end, eV."""
        found = compute_descriptors(frames, potential.functions, derivatives=False)
        return potential.whitening.transform(found.values, found.species) @ self.coefficients - self.offset

    def added_to(self, potential: Potential) -> Potential:
        """Return the potential with this addition; of one element only."""
        (element,) = potential.elements
        weights = potential.weights
        old = 0.0 if weights.skip is None else weights.skip[element]
        skip = {element: np.tile(self.coefficients, (weights.n_members, 1)) + old}
        energies = {element: potential.element_energies[element] - self.offset}
        return replace(potential, weights=replace(weights, skip=skip), element_energies=energies)


def fit_direction(
    potential: Potential,
    frames: Sequence[Frame],
    unchanged: Sequence[Frame],
    pressure_gpa: float,
    n_threads: int | None = None,
) -> VolumeDirection:
    """Fit the volume as a sum over atoms: energies p (V - mean), no forces, a stress of p.

    Parameters
    ----------
    potential : whose whitened inputs are used.
    frames : of one element and of different volumes.
    unchanged : frames whose mean total energy is to stay; they do not enter the fit otherwise.
    """
    p = pressure_gpa / GPA_PER_EV_PER_ANG3
    found = _basis(potential).predict(frames, n_threads=n_threads)
    assert found.forces_members is not None and found.stress_members is not None
    sizes = np.array([f.n_atoms for f in frames])
    volumes = np.array([f.volume for f in frames])
    per_atom = (found.energy_members / sizes).T
    n = per_atom.shape[1]
    targets = (
        (1.0, per_atom - per_atom.mean(axis=0), p * (volumes / sizes - np.mean(volumes / sizes))),
        (FORCE_WEIGHT, found.forces_members.reshape(n, -1).T, 0.0),
        (STRESS_WEIGHT, found.stress_members.reshape(n, -1).T, p * np.tile(np.eye(3).ravel(), len(frames))),
    )
    normal, right = RIDGE * np.diag(_variances(potential, frames)), np.zeros(n)
    for weight, rows, wanted in targets:
        normal += weight / len(rows) * (rows.T @ rows)
        right += weight / len(rows) * (rows.T @ np.broadcast_to(wanted, len(rows)))
    direction = VolumeDirection(pressure_gpa, np.linalg.solve(normal, right), 0.0)
    return replace(direction, offset=float(direction.values(potential, unchanged).mean()))


def _variances(potential: Potential, frames: Sequence[Frame]) -> np.ndarray:
    """Return the variance of every network input (n_inputs,) over the atoms of some frames."""
    found = compute_descriptors(frames, potential.functions, derivatives=False)
    variances = potential.whitening.transform(found.values, found.species).var(axis=0)
    return np.maximum(variances, 1e-9 * variances.max())


def _basis(potential: Potential) -> Potential:
    """Return a potential whose member k has the k-th network input as its atomic energy, in eV."""
    (element,) = potential.elements
    n = potential.weights.n_inputs
    weights = NetworkWeights.initial(potential.functions, (1,), n, 0)
    silent = [(0.0 * weight, 0.0 * bias) for weight, bias in weights.layers[element]]
    weights = replace(weights, layers={element: silent}, skip={element: np.eye(n)})
    return replace(potential, weights=weights, element_energies={element: 0.0}, nonlinear_baseline=None)


@dataclass(frozen=True)
class Change:
    """What an addition does to a set of frames.

    Attributes
    ----------
    totals : (n_frames,) change of the total energy, meV/atom. atoms : (n_atoms,) of atomic energies, meV.
    volumes : (n_frames,) Å³/atom.
    force : root-mean-square change of a force component, eV/Å.
    """

    totals: np.ndarray
    atoms: np.ndarray
    volumes: np.ndarray
    force: float


def change(before: Potential, after: Potential, frames: Sequence[Frame], n_threads: int | None) -> Change:
    """Compare two potentials on some frames."""
    old, new = (p.predict(frames, stress=False, n_threads=n_threads) for p in (before, after))
    assert old.forces is not None and new.forces is not None
    sizes = np.array([f.n_atoms for f in frames])
    atoms = (new.atomic_energies_members - old.atomic_energies_members).mean(axis=0)
    return Change(
        totals=MEV_PER_EV * (new.energy - old.energy) / sizes,
        atoms=MEV_PER_EV * atoms,
        volumes=np.array([f.volume for f in frames]) / sizes,
        force=float(np.sqrt(np.mean((new.forces - old.forces) ** 2))),
    )
