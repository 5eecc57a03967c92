"""Per-atom numbers the viewer colours by, from a frame and a prediction for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.documents.coloring import Coloring
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.analyses.foretold import FrameForetold
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

FRAME_MEAN = "Atomic energy − frame's mean"
PRECISION = 16 * float(np.finfo(np.float32).eps)
"""Relative precision of predicted and of written numbers: differences below it are rounding."""


class AtomValues(NamedTuple):
    """Numbers (n_atoms,) to colour by, with label and unit.

    ``floor``: ranges are no narrower than this, which is the precision of the numbers they come from.
    """

    values: np.ndarray
    label: str
    unit: str
    floor: float = 0.0


def floor_of(*origins: np.ndarray, scale: float = 1.0) -> float:
    """Return the precision of differences of these numbers, times ``scale``."""
    known = [np.abs(values[np.isfinite(values)]) for values in origins]
    return scale * PRECISION * max((float(values.max()) for values in known if len(values)), default=0.0)


def is_scalar(values: np.ndarray) -> bool:
    """Whether a per-atom array is one real number an atom."""
    return values.ndim == 1 and values.dtype.kind in "fiub"


def array_values(frame: Frame, name: str) -> AtomValues | None:
    """Return an array of the file as (values, label, unit), or None where it is no number an atom."""
    values = frame.arrays.get(name)
    if values is None or not is_scalar(values):
        return None
    numbers = values.astype(np.float64)
    return AtomValues(numbers, name, "", floor_of(numbers))


def foretold_values(foretold: FrameForetold | None) -> AtomValues | None:
    """Return the foretold spreads as (values (n_atoms,), label, unit), or None where unknown."""
    if foretold is None:
        return None
    values = MEV_PER_EV * foretold.values
    return AtomValues(values, "Foretold spread", "meV", floor_of(values))


def predicted_values(
    frame: Frame,
    prediction: Prediction,
    coloring: Coloring,
    crystal_energy: float | None,
    other: tuple[Prediction, str] | None = None,
) -> AtomValues | None:
    """Return predicted per-atom numbers as (values (n_atoms,), label, unit), or None where they are unknown.

    Parameters
    ----------
    crystal_energy : eV per atom that atomic energies are shown relative to; None takes each element's mean of
        this frame, since absolute atomic energies of a potential confuse more than they tell.
    other : what another run predicts of the frame, and its name.
    """
    energies = np.asarray(prediction.atomic_energies, dtype=np.float64)
    floor = floor_of(energies, scale=MEV_PER_EV)
    if coloring.kind == "atomic_energy":
        return _energy_values(frame, energies, coloring, crystal_energy)
    if coloring.kind == "atomic_energy_std":
        spread = prediction.atomic_energies_members.std(axis=0)
        return AtomValues(MEV_PER_EV * spread, "Std of atomic energy", "meV", floor)
    if coloring.kind == "reference_error":
        exact = frame.exact_energies
        if exact is None:
            return None
        return AtomValues(MEV_PER_EV * (energies - exact), "Eₐₜ − reference", "meV", floor)
    if coloring.kind == "run_difference":
        if other is None or len(other[0].atomic_energies) != len(energies):
            return None
        difference = energies - other[0].atomic_energies
        return AtomValues(MEV_PER_EV * difference, f"Eₐₜ − Eₐₜ of {other[1]}", "meV", floor)
    if frame.forces is None or prediction.forces is None:
        return None
    error = np.linalg.norm(prediction.forces - frame.forces, axis=1)
    return AtomValues(error, "Force error", "eV/Å", floor_of(prediction.forces, frame.forces))


def _energy_values(
    frame: Frame, energies: np.ndarray, coloring: Coloring, crystal_energy: float | None
) -> AtomValues:
    floor = floor_of(energies)
    if not coloring.relative:
        return AtomValues(energies, "Atomic energy", "eV", floor)
    if crystal_energy is not None:
        of = "reference" if coloring.baseline == "reference" else "ensemble's"
        label = f"Atomic energy − {of} crystal"
        return AtomValues(MEV_PER_EV * (energies - crystal_energy), label, "meV", MEV_PER_EV * floor)
    relative = energies.copy()
    for number in np.unique(frame.numbers):
        mine = frame.numbers == number
        relative[mine] -= energies[mine].mean()
    return AtomValues(MEV_PER_EV * relative, FRAME_MEAN, "meV", MEV_PER_EV * floor)
