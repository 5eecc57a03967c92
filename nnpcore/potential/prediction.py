"""What a potential says about a list of frames: one record, every field's shape documented here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Prediction:
    """Energies, forces and stresses of an ensemble for frames laid end to end.

    The prediction is the members' mean. Spreads (``*_std``) are population standard deviations over the
    members (divided by M, zero for one member).

    Attributes
    ----------
    frame_start : (n_frames + 1,) int64; the atoms of frame f are ``frame_start[f] : frame_start[f + 1]``.
    atomic_energies_members : (n_members, n_atoms) eV, the elements' reference energies included.
    forces, forces_std : (n_atoms, 3) eV/Å, mean and spread, or None where not asked for.
    forces_members : (n_members, n_atoms, 3) eV/Å, or None where not asked for.
    stress_members : (n_members, n_frames, 3, 3) eV/Å³, ASE's sign (positive = tension), or None where not
        asked for; NaN for frames that are not periodic in all three directions.
    """

    frame_start: np.ndarray
    atomic_energies_members: np.ndarray
    forces: np.ndarray | None = None
    forces_std: np.ndarray | None = None
    forces_members: np.ndarray | None = None
    stress_members: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.frame_start) - 1

    @property
    def n_atoms(self) -> np.ndarray:
        """Atoms of every frame, (n_frames,)."""
        return np.diff(self.frame_start)

    def atoms_of(self, frame: int) -> slice:
        """Return the slice of the per-atom arrays that belongs to one frame."""
        return slice(int(self.frame_start[frame]), int(self.frame_start[frame + 1]))

    @cached_property
    def energy_members(self) -> np.ndarray:
        """Total energies (n_members, n_frames), eV."""
        energies = self.atomic_energies_members
        sums = [energies[:, self.atoms_of(f)].sum(axis=1) for f in range(self.n_frames)]
        return np.stack(sums, axis=1) if sums else np.zeros((len(energies), 0))

    @property
    def energy(self) -> np.ndarray:
        """Mean total energies (n_frames,), eV."""
        return self.energy_members.mean(axis=0)

    @property
    def energy_std(self) -> np.ndarray:
        """Spread of the total energies over the members (n_frames,), eV."""
        return self.energy_members.std(axis=0)

    @property
    def atomic_energies(self) -> np.ndarray:
        """Mean atomic energies (n_atoms,), eV."""
        return self.atomic_energies_members.mean(axis=0)

    @property
    def atomic_energies_std(self) -> np.ndarray:
        """Spread of the atomic energies over the members (n_atoms,), eV."""
        return self.atomic_energies_members.std(axis=0)

    @property
    def stress(self) -> np.ndarray | None:
        """Mean stress (n_frames, 3, 3), eV/Å³, or None."""
        return None if self.stress_members is None else self.stress_members.mean(axis=0)

    @property
    def stress_std(self) -> np.ndarray | None:
        """Spread of the stress over the members (n_frames, 3, 3), eV/Å³, or None."""
        return None if self.stress_members is None else self.stress_members.std(axis=0)


def frame_starts(frames: Sequence[Frame]) -> np.ndarray:
    """Return where each frame's atoms begin, (n_frames + 1,) int64."""
    return np.cumsum([0, *(frame.n_atoms for frame in frames)], dtype=np.int64)
