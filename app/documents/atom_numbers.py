"""What an expression may ask of atoms: numbers and elements by name, and which atoms are bonded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from app.documents.atom_values import is_scalar

if TYPE_CHECKING:
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

BOND_SLACK = 0.45
"""Å by which a bond may exceed the sum of the covalent radii."""

PREDICTED = {
    "e_at": "atomic energy, eV, relative as coloured",
    "e_std": "its spread over the members, eV",
    "e_error": "atomic energy minus the reference's, eV",
    "force_error": "error of the force, eV/Å",
}
"""Names that need a prediction of the frame, and what they mean."""

OF_FILES = {
    "element": "symbol",
    "atom": "number from 1",
    "frame": "number from 1",
    "x": "Å",
    "y": "Å",
    "z": "Å",
    "force": "length of the reference force, eV/Å",
    "neighbors": "bonded atoms",
}
"""Names that need the file alone."""


def bonded(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of bonded atoms, each from both sides: two arrays of indices."""
    if frame.n_atoms == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    from nnpcore.descriptors.neighbors import neighbor_pairs  # slow to load

    radii = np.nan_to_num(covalent_radii[np.clip(frame.numbers, 0, len(covalent_radii) - 1)], nan=1.5)
    pairs = neighbor_pairs(frame, float(2 * radii.max() + BOND_SLACK))
    i, j = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start)), pairs.neighbor.astype(np.int64)
    close = np.linalg.norm(pairs.vector, axis=1) < radii[i] + radii[j] + BOND_SLACK
    return i[close], j[close]


def grown(frame: Frame, atoms: np.ndarray) -> np.ndarray:
    """Return the atoms together with those bonded to them, sorted."""
    i, j = bonded(frame)
    return np.union1d(atoms, j[np.isin(i, atoms)])


def file_numbers(frame: Frame, index: int, names: set[str]) -> dict[str, np.ndarray]:
    """Return those of the names that the file tells of, (n_atoms,) each."""
    n_atoms = frame.n_atoms
    make: Mapping[str, Callable[[], np.ndarray]] = {
        "element": lambda: np.array([chemical_symbols[int(z)] for z in frame.numbers]),
        "atom": lambda: np.arange(1.0, n_atoms + 1),
        "frame": lambda: np.full(n_atoms, index + 1.0),
        "x": lambda: frame.positions[:, 0],
        "y": lambda: frame.positions[:, 1],
        "z": lambda: frame.positions[:, 2],
        "neighbors": lambda: np.bincount(bonded(frame)[0], minlength=n_atoms).astype(np.float64),
    }
    found = {name: made() for name, made in make.items() if name in names or name != "neighbors"}
    if frame.forces is not None:
        found["force"] = np.linalg.norm(frame.forces, axis=1)
    arrays = {name: array.astype(np.float64) for name, array in frame.arrays.items() if is_scalar(array)}
    return arrays | found


def predicted_numbers(frame: Frame, prediction: Prediction, zero: float | None) -> dict[str, np.ndarray]:
    """Return what a prediction tells of the atoms; energies count from ``zero``, or the frame's mean."""
    energies = np.asarray(prediction.atomic_energies, dtype=np.float64)
    relative = energies - (energies.mean() if zero is None else zero)
    found = {"e_at": relative, "e_std": prediction.atomic_energies_members.std(axis=0)}
    if frame.exact_energies is not None:
        found["e_error"] = energies - frame.exact_energies
    if frame.forces is not None and prediction.forces is not None:
        found["force_error"] = np.linalg.norm(prediction.forces - frame.forces, axis=1)
    return found
