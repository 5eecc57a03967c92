"""What a mapping analysis asks of a model: atomic energies, from whatever computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from nnpcore.potential.model import AtomicEnergyModel

if TYPE_CHECKING:
    from nnpcore.mapping.invariant import InvariantPoints
    from nnpcore.potential import Potential
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


def is_potential(model: AtomicEnergyModel) -> TypeGuard[Potential]:
    """Whether symmetry functions computed before can be fed to its networks: the fast path."""
    return hasattr(model, "atomic_energies_of") and hasattr(model, "functions")


def atomic_energies(
    model: AtomicEnergyModel,
    frames: Sequence[Frame],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the atomic energies (n_members, n_atoms), eV, of frames laid end to end."""
    found = model.predict(
        frames, forces=False, stress=False, members=False, n_threads=n_threads, progress=progress
    )
    return found.atomic_energies_members


def short_range_energies(model: Potential, frames: Sequence[Frame]) -> np.ndarray:
    """Return what no symmetry functions tell, (n_atoms,) eV, or () where the potential has none of it."""
    return np.zeros(()) if model.short_range is None else model.short_range.atomic_energies(frames)


def energies_of_points(
    model: AtomicEnergyModel,
    points: InvariantPoints,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the atomic energies (n_members, n_points), eV, averaged over each invariant point's atoms.

    The stored symmetry functions are used where the model is made of the same ones, else it predicts the
    crystals anew: their total energies are enough, so that a model without atomic energies will do.
    """
    if is_potential(model) and model.functions == points.functions:
        energies = model.atomic_energies_of(points.values, points.species)
        return points.mean_of(energies + short_range_energies(model, points.frames))
    found = model.predict(
        points.frames, forces=False, stress=False, members=False, n_threads=n_threads, progress=progress
    )
    return found.energy_members / found.n_atoms
