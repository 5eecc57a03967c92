"""Potentials and structures for the exchange of potentials with other programs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from builders import build_frame, build_functions, build_potential
from reference_n2p2 import Evaluate, energies_and_forces

from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.potential import NetworkWeights, Potential, Prediction
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainingValues

CUTOFF = 3.6
CASES = ("unary", "binary")


@cache
def training_frames(case: str) -> tuple[Frame, ...]:
    name = "Si" if case == "unary" else "SiC"
    return tuple(build_frame(name, rattle=0.2, seed=seed, scale=0.96 + 0.02 * seed) for seed in range(5))


@cache
def potential_of(case: str, activation: str = "tanh", skip: bool = True) -> Potential:
    """Two members; in the binary one, the elements differ in the number of functions and in cutoff."""
    functions = build_functions(["Si"] if case == "unary" else ["C", "Si"], CUTOFF)
    if case == "binary":
        table = functions.functions
        short = tuple(replace(f, cutoff=3.1) for f in reversed(table["C"][3:]))
        functions = SymmetryFunctions({"C": short, "Si": table["Si"]})
    options = {"hidden": (5, 4), "n_members": 2, "activation": activation, "skip": skip}
    return build_potential(functions, training_frames(case), **options)  # type: ignore[arg-type]


@cache
def values_of(case: str) -> TrainingValues:
    found = compute_descriptors(
        training_frames(case), potential_of(case).functions, derivatives=False, n_threads=1
    )
    frames = found.frames_of_atoms.astype(np.int32)
    return TrainingValues(found.values, found.species, frames, frames < 4)


def structures(case: str) -> list[Frame]:
    """A rattled crystal, a primitive cell far smaller than the cutoff, and a slab with an open direction."""
    name = "Si" if case == "unary" else "SiC"
    small = bulk("Si", a=5.2) if case == "unary" else bulk("SiC", "zincblende", a=4.4)
    small.positions += np.array([[0, 0, 0], [0.1, -0.05, 0.12]])
    rattled = build_frame(name, rattle=0.2, seed=77)
    slab = replace(build_frame(name, rattle=0.1, seed=5), pbc=np.array([True, True, False]))
    return [rattled, Frame.from_atoms(small), slab]


def mixed(potential: Potential, activations: tuple[str, ...]) -> Potential:
    """Return the same weights with an activation of its own in every layer."""
    w = potential.weights
    own = dict.fromkeys(potential.elements, activations)
    return replace(potential, weights=NetworkWeights(activations[0], w.layers, w.skip, own))


def differences(a: Prediction, b: Prediction) -> tuple[float, float]:
    """Largest differences of atomic energies, eV, and forces, eV/Å, of all members."""
    assert a.forces_members is not None and b.forces_members is not None
    energies = np.abs(a.atomic_energies_members - b.atomic_energies_members).max()
    return float(energies), float(np.abs(a.forces_members - b.forces_members).max())


def reference_differences(
    energy_of: Evaluate, cutoff: float, potential: Potential, member: int, frame: Frame
) -> tuple[float, float]:
    """Compare one member with a second evaluation: all atomic energies, and the forces on one atom."""
    atoms: Atoms = frame.to_atoms()
    chosen = [frame.n_atoms - 1]
    energies, forces = energies_and_forces(
        energy_of,
        cutoff,
        atoms.get_chemical_symbols(),
        frame.positions,
        frame.cell,
        list(frame.pbc),
        chosen,
    )
    found = potential.predict([frame], stress=False, n_threads=1)
    assert found.forces_members is not None
    return (
        float(np.abs(energies - found.atomic_energies_members[member]).max()),
        float(np.abs(forces - found.forces_members[member, chosen]).max()),
    )


def edit(path: Path, old: str, new: str) -> None:
    """Replace one text in a file; it must be there."""
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new, 1))
