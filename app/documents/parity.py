"""What the parity panel shows: predicted against reference energies and forces of a run's frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ParityGroup:
    """Frames of one data set in one role.

    Attributes
    ----------
    name, dataset_id, role, color_index : as in ``AtomGroup``.
    frames : (n,) frames of the data set that have an energy.
    energies : (n, 2) reference and prediction, eV/atom, the elements' reference energies subtracted.
    force_frames, force_atoms : (m,) the frame and atom of each row of ``forces``.
    forces : (m, 3, 2) components, reference and prediction, eV/Å.
    n_frames : frames looked at. n_available : frames there are.
    """

    name: str
    dataset_id: str
    role: str
    color_index: int
    frames: np.ndarray
    energies: np.ndarray
    force_frames: np.ndarray
    force_atoms: np.ndarray
    forces: np.ndarray
    n_frames: int
    n_available: int

    @property
    def energy_rmse_mev(self) -> float:
        """RMSE of the energy, meV/atom; NaN without energies."""
        return 1000.0 * _rms(self.energies[:, 1] - self.energies[:, 0])

    @property
    def force_rmse(self) -> float:
        """RMSE of the force components, eV/Å; NaN without forces."""
        return _rms((self.forces[..., 1] - self.forces[..., 0]).ravel())


@dataclass(frozen=True, eq=False)
class ParityAnalysis:
    """All groups, by the run's potential at ``epoch``."""

    epoch: int
    groups: tuple[ParityGroup, ...]


def _rms(difference: np.ndarray) -> float:
    known = difference[np.isfinite(difference)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")
