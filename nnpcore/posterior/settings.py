"""What a posterior is made with: size of its basis, bounds of its hyperparameters, its tempering."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnpcore.errors import SettingsError


@dataclass(frozen=True)
class PosteriorSettings:
    """Settings of a :class:`Posterior`; the defaults are those its calibration was measured with.

    Attributes
    ----------
    n_centers : atoms of each element that the functions are spanned by.
    lengths : lengths of the kernel to choose from, in units of the median distance of two atoms of the
        element in the space of standardised symmetry functions.
    signal : bounds of the prior's standard deviation of an atomic energy, eV.
    energy_noise, force_noise, stress_noise : bounds of what a function of this kind leaves of energies
        (eV/atom), force components (eV/Å) and stress components (eV/Å³).
    binding_energy : eV that an atom loses with all its neighbors (solids: 1 to 9, silicon 4.6), which bounds
        how much atomic energies may scatter, see :mod:`nnpcore.posterior.scatter`; None leaves that out.
    tempering : share in (0, 1] that components of forces and stresses count with; None finds one for each
        by the rule of :mod:`nnpcore.posterior.tempering`.
    spectrum : directions of the kernel matrix below this part of the largest eigenvalue are left out.
    n_sample : most frames that hyperparameters and tempering are found from; all frames enter the posterior.
    max_sample_atoms : most atoms of these frames.
    seed : of the choice of atoms among which centers are looked for.
    """

    n_centers: int = 250
    lengths: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    signal: tuple[float, float] = (0.1, 10.0)
    energy_noise: tuple[float, float] = (2e-4, 0.05)
    force_noise: tuple[float, float] = (2e-3, 1.0)
    stress_noise: tuple[float, float] = (1e-5, 0.02)
    binding_energy: float | None = 6.0
    tempering: float | None = None
    spectrum: float = 1e-9
    n_sample: int = 32
    max_sample_atoms: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_centers < 2:
            raise SettingsError(f"there must be at least 2 centers, not {self.n_centers}", where="n_centers")
        if not self.lengths or not all(0 < length < math.inf for length in self.lengths):
            raise SettingsError("lengths must be positive numbers, one at least", where="lengths")
        for name in ("signal", "energy_noise", "force_noise", "stress_noise"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise SettingsError(f"bounds must be positive and rise, not {low} and {high}", where=name)
        if self.binding_energy is not None and not 0 < self.binding_energy < math.inf:
            raise SettingsError(f"must be positive, not {self.binding_energy}", where="binding_energy")
        if self.tempering is not None and not 0 < self.tempering <= 1:
            raise SettingsError(f"must be in (0, 1], not {self.tempering}", where="tempering")
        if self.n_sample < 2:
            raise SettingsError(f"at least 2 frames are needed, not {self.n_sample}", where="n_sample")
