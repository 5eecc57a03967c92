"""Asking a model: as a calculator that gives its mean, and member by member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from nnpcore.errors import AnalysisError, PotentialError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.properties.settings import PropertySettings


class ModelCalculator(Calculator):
    """The mean of a model for ASE: energy, forces and stress; no atomic energies are needed."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ASE's)
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (ASE's)

    def __init__(self, model: AtomicEnergyModel, n_threads: int | None, progress: Progress) -> None:
        super().__init__()
        self.model, self.n_threads = model, n_threads
        self._progress = Progress(within=progress)  # cancels, tells nothing

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill ``results``; PotentialError where the model fails or gives no forces."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        frame = frame_of(self.atoms)
        periodic = bool(frame.pbc.all()) and frame.volume > 0
        found = self.model.predict(
            [frame], stress=periodic, members=False, n_threads=self.n_threads, progress=self._progress
        )
        energy = float(found.energy[0])
        results: dict[str, Any] = {"energy": energy, "free_energy": energy}
        if found.forces is None:
            raise PotentialError("it gives no forces", where=self.model.name, fix="Take another calculator")
        results["forces"] = found.forces
        if found.stress is not None and np.isfinite(found.stress[0]).all():
            results["stress"] = full_3x3_to_voigt_6_stress(found.stress[0])
        elif "stress" in properties:
            raise PropertyNotImplementedError("the model gives no stress")
        self.results = results


def frame_of(atoms: Atoms) -> Frame:
    """Return the structure alone."""
    return Frame(
        atoms.numbers.astype(np.int32), atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy()
    )


@dataclass(frozen=True, eq=False)
class Asked:
    """A model with what every part needs to ask it.

    Attributes
    ----------
    model : of atomic energies, or of totals only. settings : how to study it.
    n_threads : of the processor, None for all.
    """

    model: AtomicEnergyModel
    settings: PropertySettings
    n_threads: int | None = None

    def energies(self, structures: Sequence[Atoms], progress: Progress) -> np.ndarray:
        """Return total energies (n_members, n_structures), eV."""
        frames = [frame_of(atoms) for atoms in structures]
        return self.model.predict(
            frames, forces=False, stress=False, members=False, n_threads=self.n_threads, progress=progress
        ).energy_members

    def forces(self, atoms: Atoms, progress: Progress) -> np.ndarray:
        """Return forces (n_members, n_atoms, 3), eV/Å; one row where the members' are not told."""
        quiet = Progress(within=progress)
        found = self.model.predict(
            [frame_of(atoms)], stress=False, members=True, n_threads=self.n_threads, progress=quiet
        )
        if found.forces_members is not None:
            return found.forces_members
        if found.forces is None:
            raise PotentialError("it gives no forces", where=self.model.name, fix="Take another calculator")
        return found.forces[None]

    def stress(self, atoms: Atoms, progress: Progress) -> np.ndarray:
        """Return stresses (n_members, 6), eV/Å³, in Voigt's order; AnalysisError where there is none."""
        quiet = Progress(within=progress)
        found = self.model.predict(
            [frame_of(atoms)], members=False, n_threads=self.n_threads, progress=quiet
        ).stress_members
        if found is None or not np.isfinite(found).all():
            raise AnalysisError(
                "it gives no stress, which this property needs",
                where=self.model.name,
                fix="Take a calculator with a stress",
            )
        return np.array([full_3x3_to_voigt_6_stress(one) for one in found[:, 0]])

    def relaxed(self, atoms: Atoms, progress: Progress, *, cell: bool = False, rattle: float = 0.0) -> Atoms:
        """Return a relaxed copy; AnalysisError where it does not come to rest.

        ``rattle`` (Å) moves the atoms first, always alike: off saddles that symmetry holds them on.
        """
        from nnpcore.reference.relaxing import relax

        calculator = ModelCalculator(self.model, self.n_threads, progress)
        fmax, steps = self.settings.fmax, self.settings.max_steps
        try:
            found = relax(
                atoms, calculator, fmax=fmax, max_steps=steps, cell=cell, rattle=rattle, progress=progress
            )
        except PropertyNotImplementedError:
            raise AnalysisError(
                "it gives no stress, without which no cell can be relaxed",
                where=self.model.name,
                fix="Take a calculator with a stress",
            ) from None
        found.calc = None
        return found


def spread_of(members: np.ndarray) -> float | None:
    """Return the standard deviation over the members (n_members,), None for a single one."""
    return float(np.std(members)) if len(members) > 1 else None
