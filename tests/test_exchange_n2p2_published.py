"""Published n2p2 potentials against energies and forces that nnp-predict computes with them.

The files carry n2p2's licence and do not ship; their folder is named by EATLAS_N2P2_POTENTIALS.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.data import atomic_numbers

from nnpcore.exchange.n2p2 import read_n2p2
from nnpcore.structures.frame import Frame

FOLDER = Path(
    os.environ.get("EATLAS_N2P2_POTENTIALS") or Path(__file__).parents[2] / "shared" / "data" / "n2p2"
)
POTENTIALS = {
    "H2O_RPBE-D3": "bohr-hartree",
    "Cu2S_PBE": "angstrom-ev",
    "Ethylbenzene_SCAN": "bohr-hartree",
}


def predicted(path: Path, length: float) -> list[tuple[Frame, float, np.ndarray]]:
    """Frames in Å, with energy and forces in the file's own units."""
    found, lattice, atoms, energy = [], [], [], 0.0
    for line in path.read_text().splitlines():
        word, *rest = line.split()
        if word == "lattice":
            lattice.append([length * float(x) for x in rest])
        elif word == "atom":
            atoms.append(rest)
        elif word == "energy":
            energy = float(rest[0])
        elif word == "end":
            numbers = np.array([atomic_numbers[atom[3]] for atom in atoms], dtype=np.int32)
            place = length * np.array([atom[:3] for atom in atoms], dtype=float)
            cell = np.array(lattice) if lattice else np.zeros((3, 3))
            frame = Frame(numbers, place, cell, np.full(3, bool(lattice)))
            found.append((frame, energy, np.array([atom[6:9] for atom in atoms], dtype=float)))
            lattice, atoms = [], []
    return found


@pytest.mark.parametrize("name", POTENTIALS)
def test_energies_and_forces_are_those_of_the_program(name: str) -> None:
    folder = FOLDER / name
    if not folder.is_dir():
        pytest.skip(f"NOT CHECKED: the published n2p2 potential {name} is not in {FOLDER}")
    bohr = POTENTIALS[name] == "bohr-hartree"
    length, energy_unit = (units.Bohr, units.Hartree) if bohr else (1.0, 1.0)
    potential = read_n2p2(folder, units=POTENTIALS[name])
    frames = predicted(folder / "predicted.data", length)
    assert frames
    for frame, energy, forces in frames:
        own = potential.predict([frame])
        assert own.forces is not None
        difference = own.atomic_energies_members[0].sum() / energy_unit - energy
        assert abs(difference) < 1e-8 * frame.n_atoms
        np.testing.assert_allclose(own.forces * length / energy_unit, forces, rtol=0, atol=1e-8)
