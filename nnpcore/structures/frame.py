"""One structure with its reference values: the immutable record every other room works on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress

EXACT_ENERGIES = "reference_energies"
"""Name of the per-atom array with the atomic energies, eV, of a reference that knows them exactly."""

NOTES = "reading_notes"
"""Key of ``info``: texts about what was decided when the frame was read, for the user."""


def add_note(info: dict[str, Any], text: str) -> None:
    """Add a note for the user to a frame's further values."""
    info[NOTES] = (*info.get(NOTES, ()), text)


FORCE_NAMES = re.compile(r"forc|^frc|_frc|^f$|^f_?(ref|dft)|grad", re.IGNORECASE)
"""What names of forces, or of gradients, have in them."""

_ATOMS = re.compile(
    rf"{FORCE_NAMES.pattern}|veloc|momenta|displ|posit|born|magmoms|spins|charges|energies", re.IGNORECASE
)
_TENSOR_SHAPES = ((3,), (6,), (9,), (3, 3))


def is_per_atom(name: str, values: Any, n_atoms: int) -> bool:
    """Whether values belong to the atoms, by their length; where a vector or tensor of the whole structure
    has that length, too (3, 6 or 9 atoms), by their name.
    """
    if not isinstance(values, np.ndarray) or values.ndim == 0 or len(values) != n_atoms:
        return False
    return values.shape not in _TENSOR_SHAPES or _ATOMS.search(name) is not None


@dataclass(frozen=True, eq=False)
class Frame:
    """A structure and what is known about it. Arrays are read-only by convention; never modify them.

    Attributes
    ----------
    numbers : (n_atoms,) int32 atomic numbers.
    positions : (n_atoms, 3) float64, Å.
    cell : (3, 3) float64, rows are the cell vectors, Å; zero rows where there is none.
    pbc : (3,) bool.
    energy : total energy in eV, or None.
    forces : (n_atoms, 3) eV/Å, or None.
    stress : (3, 3) symmetric, eV/Å³, ASE's sign (positive = tension), or None.
    arrays : further per-atom arrays of the file, by name.
    info : further per-frame values of the file.
    source, index : the file it came from and its index there.
    read_with : the names its labels stood under there, as ``KeyNames.text``; empty for the usual ones.
    label_weights : how many times its energy, forces and stress count where something is learned from it.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    index: int = 0
    read_with: str = ""
    label_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    def label(self, position: int) -> str:
        """Return what to call it in messages: its file and index there, or its ``position`` in a list."""
        return self.origin or f"frame {position}"

    @property
    def volume(self) -> float:
        """Cell volume in Å³ (0 where a cell vector is missing)."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def origin(self) -> str:
        """The file it came from and its index there, for messages; empty without a file."""
        return f"{self.source}, frame {self.index}" if self.source else ""

    @property
    def exact_energies(self) -> np.ndarray | None:
        """Atomic energies (n_atoms,), eV, of a reference that knows them exactly, or None."""
        return self.arrays.get(EXACT_ENERGIES)

    @classmethod
    def from_atoms(cls, atoms: Atoms, *, source: str = "", index: int = 0) -> Frame:
        """Take over an ASE ``Atoms`` with the results of its calculator, if any; nothing is recomputed.

        ``energy`` is preferred to ``free_energy``. Other per-atom results (such as ``energies``) go to
        ``arrays``, other per-frame results to ``info``.
        """
        results = dict(getattr(atoms.calc, "results", {}) or {})
        stress = results.get("stress")
        if stress is not None:
            stress = np.asarray(stress, dtype=np.float64)
            stress = voigt_6_to_full_3x3_stress(stress) if stress.size == 6 else stress.reshape(3, 3)
        forces = results.get("forces")
        energy = results.get("energy", results.get("free_energy"))
        skip = {"numbers", "positions", "energy", "forces", "stress"}
        of_atoms = {k: v for k, v in results.items() if is_per_atom(k, v, len(atoms))}
        arrays = {k: np.array(v) for k, v in {**atoms.arrays, **of_atoms}.items() if k not in skip}
        info = {k: v for k, v in {**atoms.info, **results}.items() if k not in skip and k not in arrays}
        return cls(
            numbers=np.array(atoms.numbers, dtype=np.int32),
            positions=np.array(atoms.positions, dtype=np.float64),
            cell=np.array(atoms.cell.array, dtype=np.float64),
            pbc=np.array(atoms.pbc, dtype=bool),
            energy=None if energy is None else float(energy),
            forces=None if forces is None else np.array(forces, dtype=np.float64),
            stress=stress,
            arrays=arrays,
            info=info,
            source=source,
            index=index,
        )

    def to_atoms(self) -> Atoms:
        """Return a new ASE ``Atoms``, with a ``SinglePointCalculator`` holding the reference values."""
        atoms = Atoms(numbers=self.numbers, positions=self.positions, cell=self.cell, pbc=self.pbc)
        for name, values in self.arrays.items():
            if name not in atoms.arrays:
                atoms.set_array(name, values)
        atoms.info.update(self.info)
        stress = None if self.stress is None else self.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        if self.energy is not None or self.forces is not None or stress is not None:
            atoms.calc = SinglePointCalculator(atoms, energy=self.energy, forces=self.forces, stress=stress)
        return atoms
