"""ASE calculator of a potential: energies, forces and stress with the ensemble's spread."""

from __future__ import annotations

from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.outputs import Properties, all_outputs
from ase.stress import full_3x3_to_voigt_6_stress

from nnpcore.potential.model import AtomicEnergyModel
from nnpcore.structures.changes import changes_between
from nnpcore.structures.frame import Frame


class EatlasCalculator(Calculator):
    """Calculator for ASE's optimisers, filters and dynamics; results are the ensemble's mean.

    Besides ASE's properties, ``results`` holds the spreads over the members, shaped as their means:
    ``energy_std``, ``energies_std``, ``forces_std`` and ``stress_std``. There is a stress only for cells
    that are periodic in all three directions.

    Parameters
    ----------
    potential : the potential, kept, not copied.
    device : "cpu", "auto" or a torch device such as "cuda".
    n_threads : threads of the CPU path; None for all cores.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies"]  # noqa: RUF012 (ASE's)
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (ASE's)

    def __init__(
        self, potential: AtomicEnergyModel, device: str = "cpu", n_threads: int | None = None
    ) -> None:
        super().__init__()
        self.potential = potential
        self.device = device
        self.n_threads = n_threads

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill ``results``; raise :class:`PotentialError` for an element the potential does not know."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        frame = Frame.from_atoms(self.atoms)
        periodic = bool(frame.pbc.all()) and frame.volume > 0
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError("stress needs a cell that is periodic in all three directions")
        prediction = self.potential.predict(
            [frame], stress=periodic, device=self.device, n_threads=self.n_threads, members=False
        )
        energy = float(prediction.energy[0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": prediction.atomic_energies,
            "forces": prediction.forces,
            "energy_std": float(prediction.energy_std[0]),
            "energies_std": prediction.atomic_energies_std,
            "forces_std": prediction.forces_std,
        }
        if prediction.stress is not None and prediction.stress_std is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress[0])
            self.results["stress_std"] = full_3x3_to_voigt_6_stress(prediction.stress_std[0])

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What of the structure has changed since the last results, exactly."""
        return changes_between(self.atoms, atoms)

    def export_properties(self) -> Properties:
        """Return the results that ASE knows by name (the spreads are not among them)."""
        return Properties({name: v for name, v in self.results.items() if name in all_outputs})
