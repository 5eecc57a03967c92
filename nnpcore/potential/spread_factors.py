"""Factors that make a potential's spreads right in size, and spreads multiplied by them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnpcore.errors import SettingsError
from nnpcore.potential.prediction import Prediction

LARGEST_FACTOR = 1e9
"""Of a spread, and more than any calibration finds."""


@dataclass(frozen=True)
class SpreadFactors:
    """By what spreads are multiplied, as a calibration on frames that were not trained on has found it.

    Attributes
    ----------
    energy : for the members' spread of energies, those of single atoms included.
    force : for their spread of forces.
    pressure, shear : for that of a stress's mean, and of what is left without it.
    foretold_energy : for what the training data are foretold to leave open of energies; atoms included.

    Raises SettingsError for a factor that is not positive.
    """

    energy: float = 1.0
    force: float = 1.0
    pressure: float = 1.0
    shear: float = 1.0
    foretold_energy: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and 0.0 < value < LARGEST_FACTOR):
                raise SettingsError(f"{value} is no factor of a spread", where=name, fix="Calibrate again")


def with_factors(found: Prediction, factors: SpreadFactors) -> Prediction:
    """Return a prediction whose members are drawn apart, or together, about their means by the factors."""

    def about_mean(members: np.ndarray | None, factor: float) -> np.ndarray | None:
        if members is None:
            return None
        mean = members.mean(axis=0)
        return mean + factor * (members - mean)

    energies = about_mean(found.atomic_energies_members, factors.energy)
    assert energies is not None
    return replace(
        found,
        atomic_energies_members=energies,
        forces_std=None if found.forces_std is None else factors.force * found.forces_std,
        forces_members=about_mean(found.forces_members, factors.force),
        stress_members=_stress(found.stress_members, factors),
    )


def _stress(members: np.ndarray | None, factors: SpreadFactors) -> np.ndarray | None:
    if members is None:
        return None
    mean = members.mean(axis=0)
    apart = members - mean
    pressure = np.trace(apart, axis1=-2, axis2=-1)[..., None, None] / 3.0 * np.eye(3)
    return mean + factors.pressure * pressure + factors.shear * (apart - pressure)
