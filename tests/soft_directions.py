"""Soft directions: changes of the atomic energies that the training data hardly notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.rigidity import LocalRigidity
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.mapping.last_layer import LastLayer

_SMALLEST = 1e-5  # of the largest singular value: directions so much stiffer than the softest stay put


@dataclass(frozen=True, eq=False)
class SoftDirections:
    """Directions of lowest curvature of the loss, by rising curvature.

    Attributes
    ----------
    layer : the features.
    curvature : (M, k) eigenvalues of H. vectors : (M, P, k) orthonormal changes of the weights.
    """

    layer: LastLayer
    curvature: np.ndarray
    vectors: np.ndarray

    def energies(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return how each direction changes the energies of atoms, (M, k, n) eV, a unit step each."""
        return (self.layer.features(values, species) @ self.vectors).swapaxes(1, 2)

    def share_of(self, weights: np.ndarray) -> np.ndarray:
        """Return the share (M, k) of the squared length of weights (M, P) that lies along each direction."""
        along = np.einsum("mpk,mp->mk", self.vectors, weights)
        return along**2 / np.maximum((weights**2).sum(axis=1), np.finfo(float).tiny)[:, None]


def soft_directions(rigidity: LocalRigidity, n_directions: int | None = None) -> SoftDirections:
    """Return the directions of lowest curvature, all of them by default."""
    curvature, vectors = np.linalg.eigh(rigidity.hessian)
    return SoftDirections(
        rigidity.layer, np.maximum(curvature[:, :n_directions], 0.0), vectors[:, :, :n_directions]
    )


@dataclass(frozen=True, eq=False)
class HiddenChange:
    """The change of a potential that reaches wanted atomic energies at least cost to the training loss.

    Attributes
    ----------
    weights : (M, P) change of the last layer.
    wanted : (n,) eV; reached : (M, n) eV, what the features can do; of atoms or of groups.
    energy_mev : (M,) what it changes the training frames' energies by, root mean square, meV/atom.
    force : (M,) the same of a force component, eV/Å; of the training structures, with known forces or not.
    stress_gpa : (M,) of a stress component of the periodic ones, GPa, whether it was trained on or not.
    """

    weights: np.ndarray
    wanted: np.ndarray
    reached: np.ndarray
    energy_mev: np.ndarray
    force: np.ndarray
    stress_gpa: np.ndarray

    @property
    def text(self) -> str:
        """What the training data see of it, the members' mean."""
        size = MEV_PER_EV * float(np.sqrt(np.mean(self.wanted**2)))
        seen = [f"{self.energy_mev.mean():.2g} meV/atom", f"{self.force.mean():.2g} eV/Å"]
        if self.stress_gpa.any():  # slabs and clusters have no stress
            seen.append(f"{self.stress_gpa.mean():.2g} GPa")
        listed = f"{', '.join(seen[:-1])} and {seen[-1]}"
        return f"a change of {size:.0f} meV/atom here shows in the training data as {listed}"


def hidden_change(
    rigidity: LocalRigidity,
    values: np.ndarray,
    species: np.ndarray,
    wanted: np.ndarray,
    groups: Sequence[np.ndarray] | None = None,
) -> HiddenChange:
    """Find the cheapest change of the last layer that adds ``wanted`` to the energies of some atoms.

    For example energies that rise linearly with the volume of a crystal: training data of one volume do not
    see them (where they are zero at that volume), if they were trained on without the stress.

    Parameters
    ----------
    rigidity : says what a change costs.
    values, species : (n, n_descriptors) symmetry functions of atoms, and their species.
    wanted : (n,) eV; or (n_groups,), of the mean over each group.
    groups : indices of the atoms of each group; None = every atom by itself.

    Raises
    ------
    AnalysisError : not one number an atom, or a group.
    """
    wanted = np.asarray(wanted, dtype=np.float64)
    n, what = (len(values), "atom") if groups is None else (len(groups), "group")
    if wanted.shape != (n,) or not np.isfinite(wanted).all():
        raise AnalysisError(
            f"{wanted.size} energies are given for {n} {what}s", fix=f"Give one for every {what}"
        )
    if groups is None:
        features = rigidity.layer.features(values, species)
    else:
        features = rigidity.layer.group_features(values, species, groups)
    weights = np.stack([_cheapest(f, root, wanted) for f, root in zip(features, rigidity.root, strict=True)])
    squares = [
        np.maximum(np.einsum("mp,mpq,mq->m", weights, m, weights), 0.0) for m in rigidity.curvature.means
    ]
    energy, force, stress = (np.sqrt(s) for s in squares)
    return HiddenChange(
        weights=weights,
        wanted=wanted,
        reached=np.einsum("mnp,mp->mn", features, weights),
        energy_mev=MEV_PER_EV * energy,
        force=force,
        stress_gpa=GPA_PER_EV_PER_ANG3 * stress,
    )


def _cheapest(features: np.ndarray, root: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return w = root u (P,) with features w = wanted, |u|² = wᵀ (H + ς²) w as small as can be."""
    u, *_ = np.linalg.lstsq(features @ root, wanted, rcond=_SMALLEST)
    return root @ u
