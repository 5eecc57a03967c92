"""What is studied, and how finely."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnpcore.errors import SettingsError

PARTS: dict[str, str] = {
    "lattice": "Lattice",
    "eos": "Equation of state",
    "elastic": "Elastic constants",
    "surfaces": "Surface energies",
    "vacancy": "Vacancy formation",
    "phonons": "Phonons",
    "dynamics": "Molecular dynamics",
}
"""Name of a part -> its title, in the order they are done."""


@dataclass(frozen=True)
class PropertySettings:
    """How a model is studied.

    Attributes
    ----------
    parts : names in ``PARTS``; the lattice is always among them, the others start from it.
    fmax : eV/Å, largest force left when ions are relaxed. max_steps : of a relaxation.
    strain : of the elastic constants, in either direction.
    volume_range : share of the volume to either side in the equation of state. n_volumes : points of it.
    slab_thickness, vacuum : Å, of slabs at least.
    cell_length : Å, shortest edge of the supercells of vacancies, phonons and dynamics.
    displacement : Å, of atoms for phonons.
    temperature : K, of the dynamics. timestep_fs : None for one that suits the lightest element.
    equilibration_ps, constant_energy_ps, heating_ps : how long each stage of the dynamics takes; with no
        heating nothing is told of when it breaks.
    max_temperature : K, to which it is heated. reach : distance to known surroundings, in units of their
        distance from each other, beyond which an atom is out of reach.
    seed : of the velocities.

    Raises :class:`SettingsError` for values out of range.
    """

    parts: tuple[str, ...] = tuple(PARTS)
    fmax: float = 1e-3
    max_steps: int = 500
    strain: float = 0.005
    volume_range: float = 0.06
    n_volumes: int = 11
    slab_thickness: float = 14.0
    vacuum: float = 15.0
    cell_length: float = 10.0
    displacement: float = 0.01
    temperature: float = 300.0
    timestep_fs: float | None = None
    equilibration_ps: float = 1.0
    constant_energy_ps: float = 2.0
    heating_ps: float = 4.0
    max_temperature: float = 3000.0
    reach: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown:
            raise SettingsError(
                f"there is no property {unknown[0]!r}", where="only", fix=f"Take {', '.join(PARTS)}"
            )
        ranges = {
            "fmax": (1e-6, 1.0), "strain": (1e-4, 0.03), "volume_range": (0.005, 0.3),
            "slab_thickness": (2.0, 100.0), "vacuum": (4.0, 100.0), "cell_length": (1.0, 60.0),
            "displacement": (1e-4, 0.2), "temperature": (1.0, 1e5), "equilibration_ps": (0.0, 1e4),
            "constant_energy_ps": (0.0, 1e4), "heating_ps": (0.0, 1e4), "reach": (0.0, 100.0),
            "max_temperature": (self.temperature, 1e5), "max_steps": (1, 10**6), "n_volumes": (5, 201),
            "timestep_fs": (0.05, 20.0), "seed": (0, 2**31),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                fix = f"It must be from {low:g} to {high:g}"
                raise SettingsError(f"{value:g} is out of range", where=name, fix=fix)

    def wants(self, part: str) -> bool:
        """Whether a part is to be done."""
        return part == "lattice" or part in self.parts
