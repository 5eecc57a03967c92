"""The crystal that properties are of: chosen from data, put into its conventional cell, made larger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from nnpcore.errors import AnalysisError
from nnpcore.structures.frame import Frame

TOLERANCE = 0.1
"""Å: so far atoms of a relaxed structure may be from where symmetry has them."""

MOST_ATOMS = 600
"""Atoms of a supercell at most; beyond that a shorter edge has to do."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal in its conventional cell, a along x, c along z where it is the axis.

    Attributes
    ----------
    atoms : the cell. symbol, number : of its space group.
    """

    atoms: Atoms
    symbol: str
    number: int

    @property
    def text(self) -> str:
        """Composition and space group, such as "Si, Fd-3m (227)"."""
        formula = self.atoms.get_chemical_formula(empirical=True)
        return f"{formula}, {self.symbol} ({self.number})"

    @property
    def family(self) -> str:
        """Crystal family by the number of the space group; trigonal ones by themselves."""
        bounds = (
            (2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"),
            (167, "trigonal"), (194, "hexagonal"), (230, "cubic"),
        )  # fmt: skip
        return next(name for last, name in bounds if self.number <= last)

    @property
    def is_element(self) -> bool:
        """Whether it is made of one element."""
        return len(set(self.atoms.numbers.tolist())) == 1


def bulk_frame(frames: Sequence[Frame]) -> Frame:
    """Return the frame of lowest energy per atom among periodic ones without vacuum.

    Of several compositions the one with most frames counts.

    Raises
    ------
    AnalysisError : no frame is a crystal.
    """
    known = [f for f in frames if f.pbc.all() and f.volume > 0 and f.n_atoms > 0]
    if not known:
        raise AnalysisError(
            "no frame is periodic in all directions, so that there is no crystal to study",
            fix="Give one by --structure",
        )
    names = [_composition(frame) for frame in known]
    usual = Counter(names).most_common(1)[0][0]
    known = [frame for frame, name in zip(known, names, strict=True) if name == usual]
    densest = float(np.median([frame.volume / frame.n_atoms for frame in known]))
    full = [frame for frame in known if frame.volume / frame.n_atoms <= 1.3 * densest and not _gap(frame)]
    if not full:
        raise AnalysisError(
            "all frames have a vacuum, so that there is no crystal to study", fix="Give one by --structure"
        )
    labelled = [frame for frame in full if frame.energy is not None]
    return min(labelled, key=lambda f: (f.energy or 0.0) / f.n_atoms) if labelled else full[0]


def _composition(frame: Frame) -> str:
    return Atoms(numbers=frame.numbers).get_chemical_formula(empirical=True)


def _gap(frame: Frame, widest: float = 5.0) -> bool:
    """Whether there is an empty layer of more than ``widest`` Å across one of the cell's directions."""
    fractions = np.sort(np.linalg.solve(frame.cell.T, frame.positions.T).T % 1.0, axis=0)
    steps = np.diff(np.vstack([fractions, fractions[:1] + 1.0]), axis=0).max(axis=0)
    heights = frame.volume / np.linalg.norm(np.cross(frame.cell[[1, 2, 0]], frame.cell[[2, 0, 1]]), axis=1)
    return bool((steps * heights > widest).any())


def standardized(atoms: Atoms, tolerance: float = TOLERANCE) -> Crystal:
    """Return the crystal in its conventional cell, its symmetry made exact.

    Raises
    ------
    AnalysisError : it is not periodic in all directions, or no symmetry can be told.
    """
    if not (atoms.pbc.all() and abs(atoms.cell.volume) > 1e-6):
        raise AnalysisError("this is no crystal: it is not periodic in all directions", fix="Give another")
    found = symmetry_of(atoms, tolerance)
    standard = Atoms(
        numbers=found.std_types, scaled_positions=found.std_positions, cell=found.std_lattice, pbc=True
    )
    return Crystal(standard, str(found.international), int(found.number))


def symmetry_of(atoms: Atoms, tolerance: float) -> Any:
    """Return what spglib says of a crystal; AnalysisError where it cannot tell. ``tolerance``: Å."""
    import spglib
    import spglib.error

    spglib.error.OLD_ERROR_HANDLING = False  # exceptions, which 3.0 always raises
    cell: Any = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    try:
        found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except spglib.SpglibError as error:
        raise _unknown(str(error)) from error
    if found is None:
        raise _unknown("")
    return found


def _unknown(why: str) -> AnalysisError:
    return AnalysisError(
        f"the symmetry of the crystal cannot be told{f' ({why})' if why else ''}",
        fix="Look for atoms that are too close to each other",
    )


def supercell(atoms: Atoms, length: float) -> tuple[int, int, int]:
    """Return how often to repeat a cell so that its faces are ``length`` Å apart, within ``MOST_ATOMS``."""
    volume = abs(atoms.cell.volume)
    cell = atoms.cell.array
    heights = volume / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    times = np.maximum(1, np.ceil(length / heights - 1e-6).astype(int))
    while times.prod() * len(atoms) > MOST_ATOMS and times.max() > 1:
        times[np.argmax(times * heights)] -= 1
    return int(times[0]), int(times[1]), int(times[2])
