"""Per-atom numbers the viewer colours by, from a frame and a prediction for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.documents.coloring import Coloring

if TYPE_CHECKING:
    from nnpcore.analyses.rigidity import FrameRigidity
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

AtomValues = tuple[np.ndarray, str, str]


def is_scalar(values: np.ndarray) -> bool:
    """Whether a per-atom array is one real number an atom."""
    return values.ndim == 1 and values.dtype.kind in "fiub"


def array_values(frame: Frame, name: str) -> AtomValues | None:
    """Return an array of the file as (values, label, unit), or None where it is no number an atom."""
    values = frame.arrays.get(name)
    if values is None or not is_scalar(values):
        return None
    return values.astype(np.float64), name, ""


def rigidity_values(rigidity: FrameRigidity | None) -> AtomValues | None:
    """Return the logarithm of the rigidity as (values (n_atoms,), label, unit), or None where unknown."""
    if rigidity is None:
        return None
    return np.log10(np.maximum(rigidity.values, 1e-300)), "log₁₀ rigidity", ""


def predicted_values(
    frame: Frame, prediction: Prediction, coloring: Coloring, crystal_energy: float | None
) -> AtomValues | None:
    """Return predicted per-atom numbers as (values (n_atoms,), label, unit), or None where they are unknown.

    Parameters
    ----------
    crystal_energy : eV per atom that atomic energies are shown relative to; None takes each element's mean of
        this frame, since absolute atomic energies of a potential confuse more than they tell.
    """
    if coloring.kind == "atomic_energy":
        return _energy_values(frame, prediction, coloring, crystal_energy)
    if coloring.kind == "atomic_energy_std":
        spread = prediction.atomic_energies_members.std(axis=0)
        return 1000.0 * spread, "Std of atomic energy", "meV"
    if frame.forces is None or prediction.forces is None:
        return None
    error = np.linalg.norm(prediction.forces - frame.forces, axis=1)
    return error, "Force error", "eV/Å"


def _energy_values(
    frame: Frame, prediction: Prediction, coloring: Coloring, crystal_energy: float | None
) -> AtomValues:
    energies = np.asarray(prediction.atomic_energies, dtype=np.float64)
    if not coloring.relative:
        return energies, "Atomic energy", "eV"
    if crystal_energy is not None:
        of = "reference" if coloring.baseline == "reference" else "ensemble's"
        return 1000.0 * (energies - crystal_energy), f"Atomic energy − {of} crystal", "meV"
    relative = energies.copy()
    for number in np.unique(frame.numbers):
        mine = frame.numbers == number
        relative[mine] -= energies[mine].mean()
    return 1000.0 * relative, "Atomic energy − frame's mean", "meV"
