"""Labels for structures: what a calculator says of them, as frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.stress import voigt_6_to_full_3x3_stress

from nnpcore.errors import AnalysisError, Cancelled, EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.frame import EXACT_ENERGIES, Frame

_MOVING = ("momenta", "initial_magmoms", "initial_charges")


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Turn whatever a calculator raises into an :class:`AnalysisError` that says so."""
    try:
        yield
    except (EatlasError, Cancelled, NotImplementedError, MemoryError):
        raise
    except Exception as error:
        raise AnalysisError(
            f"the calculator failed ({type(error).__name__}: {error})",
            fix="Try the structure with this calculator by itself, or take another one",
        ) from error


def label(structure: Atoms | Frame, calculator: BaseCalculator) -> Frame:
    """Structure with a calculator's energy, forces and stress, and its atomic energies where it has any.

    The structure is not changed. The atomic energies become the frame's ``exact_energies``, (n,) eV. What the
    calculator does not give is left out; there is a stress only where the cell is periodic in all three
    directions.

    Raises :class:`AnalysisError` when the calculator fails or returns numbers that are not finite, and what
    the calculator raises as :class:`EatlasError`.
    """
    frame = structure if isinstance(structure, Frame) else _bare(structure)
    atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    if isinstance(structure, Atoms):  # charges, moments and tags may matter to the calculator
        atoms = structure.copy()
        atoms.set_constraint()
    energy, forces = _ask(calculator, "energy", atoms), _ask(calculator, "forces", atoms)
    stress = _ask(calculator, "stress", atoms) if frame.pbc.all() and frame.volume > 0 else None
    energies = _ask(calculator, "energies", atoms)
    for name, values in (("energy", energy), ("forces", forces), ("stress", stress)):
        if values is not None and not np.isfinite(values).all():
            raise AnalysisError(
                f"the calculator returns {name} that are not finite" if name == "forces" else
                f"the calculator returns a {name} that is not finite",
                where=f"frame {frame.index}",
                fix="Look for atoms that are far too close to each other",
            )  # fmt: skip
    arrays = {name: values for name, values in frame.arrays.items() if name != EXACT_ENERGIES}
    if energies is not None:
        arrays[EXACT_ENERGIES] = np.array(energies, dtype=np.float64)
    return replace(
        frame,
        energy=None if energy is None else float(energy),
        forces=None if forces is None else np.array(forces, dtype=np.float64),
        stress=None if stress is None else _full(stress),
        arrays=arrays,
    )


def label_all(
    structures: Sequence[Atoms | Frame], calculator: BaseCalculator, progress: Progress | None = None
) -> list[Frame]:
    """Do the same with several structures, one after the other."""
    frames = []
    for k, structure in enumerate(structures):
        if progress is not None:
            progress.report(k / len(structures), f"Structure {k + 1} of {len(structures)}")
        frames.append(label(structure, calculator))
    return frames


def _bare(atoms: Atoms) -> Frame:
    """Frame of the structure alone, without old results and velocities."""
    copy = atoms.copy()
    for name in _MOVING:
        if copy.has(name):
            del copy.arrays[name]
    return Frame.from_atoms(copy)


def _ask(calculator: BaseCalculator, name: str, atoms: Atoms) -> Any:
    """A property, or None where the calculator does not know it."""
    if name not in calculator.implemented_properties:
        return None
    try:
        with foreign_errors():
            return calculator.get_property(name, atoms)
    except NotImplementedError:
        return None


def _full(stress: Any) -> np.ndarray:
    """Stress as (3, 3)."""
    values = np.asarray(stress, dtype=np.float64)
    return voigt_6_to_full_3x3_stress(values) if values.size == 6 else values.reshape(3, 3)
