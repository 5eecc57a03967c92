"""What has changed between two structures, for calculators that keep their last results."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes


def changes_between(last: Atoms | None, atoms: Atoms) -> list[str]:
    """Return what of the structure has changed since ``last``, exactly, by ASE's names.

    ASE's own comparison takes longer than some energies; charges and moments are not looked at.
    """
    if last is None or len(last) != len(atoms):
        return list(all_changes)
    pairs = {
        "positions": (last.positions, atoms.positions),
        "numbers": (last.numbers, atoms.numbers),
        "cell": (last.cell.array, atoms.cell.array),
        "pbc": (last.pbc, atoms.pbc),
    }
    return [name for name, (old, new) in pairs.items() if not np.array_equal(old, new)]
