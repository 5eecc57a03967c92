"""Phonon dispersion by phonopy, the members' each by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms

from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress
from nnpcore.properties.asking import Asked, spread_of
from nnpcore.properties.crystal import Crystal, supercell
from nnpcore.properties.values import Bands, Found, Value

_POINTS = 25  # of every stretch of the path
_SYMMETRY = 1e-3  # Å


def phonons(asked: Asked, crystal: Crystal, progress: Progress) -> Found:
    """Frequencies along the usual path through the Brillouin zone, their largest and least.

    Raises
    ------
    AnalysisError : phonopy is not installed.
    """
    force_constants = _force_constants(asked, crystal, progress)
    bands, ends = None, []
    for constants in (force_constants.mean(axis=0), *force_constants):
        found = _bands(_phonopy(crystal.atoms, asked.settings.cell_length), constants)
        bands = bands or found
        ends.append((found.frequencies.max(), found.frequencies.min()))
    assert bands is not None
    highest, lowest = np.array(ends).T
    values = (
        Value("phonon_max", "Highest phonon", "THz", float(highest[0]), spread_of(highest[1:])),
        Value("phonon_min", "Lowest phonon", "THz", float(lowest[0]), spread_of(lowest[1:])),
    )
    soft = f"frequencies down to {lowest[0]:.2f} THz are imaginary: the crystal is not stable"
    return Found(values, bands=bands, notes=(soft,) if lowest[0] < -0.1 else ())


def _phonopy(atoms: Atoms, length: float) -> Any:
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
        from phonopy.structure.cells import guess_primitive_matrix
    except ImportError:
        raise AnalysisError(
            "phonopy is not installed", where="phonons", fix='pip install "eatlas[phonons]"'
        ) from None
    fractions = atoms.get_scaled_positions()
    cell = PhonopyAtoms(numbers=atoms.numbers, cell=atoms.cell.array, scaled_positions=fractions)
    primitive = guess_primitive_matrix(cell, symprec=_SYMMETRY)
    return Phonopy(cell, np.diag(supercell(atoms, length)), primitive_matrix=primitive, symprec=_SYMMETRY)


def _force_constants(asked: Asked, crystal: Crystal, progress: Progress) -> np.ndarray:
    """Force constants of every member, as phonopy has them; the forces at rest are taken off."""
    known = _phonopy(crystal.atoms, asked.settings.cell_length)
    known.generate_displacements(distance=asked.settings.displacement)
    cells = [known.supercell, *known.supercells_with_displacements]
    forces = []
    for k, cell in enumerate(cells):
        progress.report(k / len(cells), f"displacement {k} of {len(cells) - 1}")
        atoms = Atoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
        forces.append(asked.forces(atoms, progress))
    moved = np.stack(forces[1:], axis=1) - forces[0][:, None]
    found = []
    for member in moved:
        known.forces = member
        known.produce_force_constants()
        found.append(np.array(known.force_constants))
    return np.array(found)


def _bands(known: Any, force_constants: np.ndarray) -> Bands:
    """Frequencies along the path of the primitive cell's lattice."""
    known.force_constants = force_constants
    stretches, names = _path(known.primitive)
    known.run_band_structure(stretches)
    found = known.band_structure
    distances = [np.asarray(d) for d in found.distances]
    marks = [(float(distances[0][0]), names[0][0])]
    for k, distance in enumerate(distances):
        start, end = names[k]
        if marks[-1][1] != start:
            marks[-1] = (marks[-1][0], f"{marks[-1][1]}|{start}")
        marks.append((float(distance[-1]), end))
    frequencies = np.concatenate([np.asarray(f) for f in found.frequencies])
    return Bands(np.concatenate(distances), frequencies, tuple(marks))


def _path(primitive: Any) -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """Return the stretches of the path, (n, 3) in the primitive cell's units, and the names of their ends."""
    from ase.cell import Cell

    path = Cell(primitive.cell).bandpath(npoints=0)
    stretches, names = [], []
    for run in path.path.split(","):
        points = _names_of(run)
        for start, end in pairwise(points):
            ends = path.special_points[start], path.special_points[end]
            stretches.append(np.linspace(*ends, _POINTS))
            names.append((start, end))
    return stretches, [(a.replace("G", "Γ"), b.replace("G", "Γ")) for a, b in names]


def _names_of(run: str) -> list[str]:
    """Split "GX1K" into its points: a letter and the digits behind it."""
    import re

    return re.findall(r"[A-Z][a-z]?\d*", run)
