"""What lifts crowded atoms, as a file of LAMMPS' ``pair_style eam/fs``: tables, and no pair potential."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.files import write_atomically
from nnpcore.installation import VERSION
from nnpcore.potential.crowding import density

if TYPE_CHECKING:
    from nnpcore.potential import Potential

NAME = "crowding.eam.fs"

N_RHO, N_R = 20_000, 10_000
"""Points of the tables: LAMMPS' cubic splines between them are off by less than 1e-9 eV and 1e-6 eV/Å."""

_BEYOND = 1.5
"""The table of F ends at such a part of its width; from there on LAMMPS and F go on straight."""


def write_crowding(potential: Potential, folder: Path) -> list[Path]:
    """Write the file where a potential lifts crowded atoms; return it. RunFolderError where it cannot."""
    if potential.short_range is None or not potential.short_range.crowding:
        return []
    write_atomically(folder / NAME, _text(potential).encode())
    return [folder / NAME]


def _text(potential: Potential) -> str:
    from ase.data import atomic_masses, atomic_numbers

    below = potential.short_range
    crowding = {} if below is None else {one.element: one for one in below.crowding}
    elements = potential.elements
    cutoff = max(reach for one in crowding.values() for _, reach in one.reaches)
    rho = np.linspace(0.0, max(one.start + _BEYOND * one.width for one in crowding.values()), N_RHO)
    r = np.linspace(0.0, cutoff, N_R)
    lines = [
        "Energy of atoms more crowded than in the training data; no pair potential",
        f"Written by Eatlas {VERSION}; metal units",
        "pair_style eam/fs",
        f"{len(elements)} {' '.join(elements)}",
        f"{N_RHO} {rho[1]!r} {N_R} {r[1]!r} {cutoff!r}".replace("np.float64(", "").replace(")", ""),
    ]
    for element in elements:
        number = atomic_numbers[element]
        lines.append(f"{number} {atomic_masses[number]:.6f} 0.0 none")
        own = crowding.get(element)
        lines += _rows(np.zeros(N_RHO) if own is None else own.energy(rho))
        for other in elements:  # what an atom of this element adds at one of the other
            reach = dict(crowding[other].reaches).get(element) if other in crowding else None
            lines += _rows(np.zeros(N_R) if reach is None else density(r, reach)[0])
    nothing = _rows(np.zeros(N_R))
    for k in range(len(elements)):
        lines += nothing * (k + 1)
    return "\n".join(lines) + "\n"


def _rows(values: np.ndarray) -> list[str]:
    """Return lines of five numbers each."""
    return [" ".join(f"{v:.17g}" for v in row) for row in values.reshape(-1, 5)]
