"""Surface energies of silicon slabs that a calculator has relaxed itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase.build import bulk
from ase.calculators.calculator import Calculator

from nnpcore.mapping.surface import face_area, surface_energy
from nnpcore.paper.context import StudyContext
from nnpcore.potential import EatlasCalculator, Potential
from nnpcore.progress import Progress
from nnpcore.reference import SILICON_LATTICE, SURFACES, StillingerWeber, label, relax, slab
from nnpcore.structures.frame import Frame


@dataclass(frozen=True)
class SurfaceEnergies:
    """Surface energies of relaxed slabs by one calculator.

    Attributes
    ----------
    energies : by surface, J/m². lattice : relaxed lattice constant, Å. bulk : eV/atom of the crystal.
    max_forces : largest force left on an atom of each slab, eV/Å.
    """

    energies: Mapping[str, float]
    lattice: float
    bulk: float
    max_forces: Mapping[str, float]


def surface_energies(
    calculator: Calculator,
    *,
    surfaces: Sequence[str] = ("100", "110", "111"),
    n_layers: int = 12,
    fmax: float = 0.01,
    context: StudyContext | None = None,
) -> SurfaceEnergies:
    """Relax the crystal and the reconstructed slabs of silicon with a calculator; give the surface energies.

    The slabs take the lattice constant that the calculator itself prefers. A slab that is not relaxed after
    300 steps counts as it is; ``max_forces`` tells.
    """
    progress = context.quiet() if context else Progress()
    start = bulk("Si", "diamond", a=SILICON_LATTICE, cubic=True)
    crystal = relax(start, calculator, fmax=fmax, cell=True, strict=False, progress=progress)
    lattice = float(crystal.cell.lengths().mean())
    per_atom = float(crystal.get_potential_energy()) / len(crystal)
    energies, forces = {}, {}
    for surface in surfaces:
        ideal = slab(surface, lattice=lattice, n_layers=n_layers)
        relaxed = relax(ideal, calculator, fmax=fmax, max_steps=300, strict=False, progress=progress)
        energy, area = float(relaxed.get_potential_energy()), face_area(Frame.from_atoms(relaxed))
        energies[surface] = surface_energy(energy, len(relaxed), per_atom, area).j_per_m2
        forces[surface] = float(relaxed.info["max_force"])
    return SurfaceEnergies(energies, lattice, per_atom, forces)


def nnp_surface_energies(
    potential: Potential, *, n_threads: int | None = None, context: StudyContext | None = None, **options: Any
) -> SurfaceEnergies:
    """Do the same with a potential's ensemble mean; ``options`` as of :func:`surface_energies`."""
    calculator = EatlasCalculator(potential, n_threads=n_threads)
    return surface_energies(calculator, context=context, **options)


def reference_slabs(context: StudyContext, n_layers: int = 12) -> list[Frame]:
    """Return the three slabs and the crystal (last) as the reference relaxes them, with their energies."""

    def make() -> list[Frame]:
        calculator = StillingerWeber()
        crystal = bulk("Si", "diamond", a=SILICON_LATTICE, cubic=True)
        relaxed = [relax(slab(s, n_layers=n_layers), calculator, progress=context.quiet()) for s in SURFACES]
        return [label(atoms, calculator) for atoms in (*relaxed, crystal)]

    return context.samples("si-slabs", {"layers": n_layers}, make)
