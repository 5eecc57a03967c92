"""Descriptors of many frames in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors.functions import SymmetryFunctions


@dataclass(frozen=True, eq=False)
class DescriptorSet:
    """Descriptors of many frames and their derivatives, in compressed rows. Arrays are read-only by
    convention.

    Atoms of all frames follow each other; the pairs of atom i are ``pair_start[i]:pair_start[i + 1]``.

    Attributes
    ----------
    functions : the symmetry functions.
    frame_start : (n_frames + 1,) int64, into the atoms.
    species : (n_atoms,) int32, index into ``functions.elements``.
    values : (n_atoms, n_descriptors) float64, zero-padded where an element has fewer functions.
    pair_start : (n_atoms + 1,) int64, into the pairs.
    pair_neighbor : (n_pairs,) int32, the neighbor's index among the atoms of this set. Every periodic image
        within the cutoff is a pair of its own, images of the centre itself included.
    pair_vector : (n_pairs, 3) float64, r_j - r_i of that image, Å.
    derivatives : (n_pairs, 3, n_descriptors) dG_i/dr_j of that image, 1/Å; None where not asked for.
        dG_i/dr_i is minus the sum over the pairs of i.
    """

    functions: SymmetryFunctions
    frame_start: np.ndarray
    species: np.ndarray
    values: np.ndarray
    pair_start: np.ndarray
    pair_neighbor: np.ndarray
    pair_vector: np.ndarray
    derivatives: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.frame_start) - 1

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all frames."""
        return len(self.species)

    @property
    def frames_of_atoms(self) -> np.ndarray:
        """Frame index of every atom, (n_atoms,) int64."""
        return np.repeat(np.arange(self.n_frames), np.diff(self.frame_start))

    def select(self, first: int, stop: int) -> DescriptorSet:
        """Return the set of the frames from ``first`` up to ``stop``, which shares memory with this one."""
        atoms = slice(int(self.frame_start[first]), int(self.frame_start[stop]))
        pairs = slice(int(self.pair_start[atoms.start]), int(self.pair_start[atoms.stop]))
        return DescriptorSet(
            functions=self.functions,
            frame_start=self.frame_start[first : stop + 1] - atoms.start,
            species=self.species[atoms],
            values=self.values[atoms],
            pair_start=self.pair_start[atoms.start : atoms.stop + 1] - pairs.start,
            pair_neighbor=self.pair_neighbor[pairs] - np.int32(atoms.start),
            pair_vector=self.pair_vector[pairs],
            derivatives=None if self.derivatives is None else self.derivatives[pairs],
        )


def joined(parts: Sequence[DescriptorSet]) -> DescriptorSet:
    """Return the frames of several sets of the same functions, one after the other; ValueError for none."""
    first = np.cumsum([0, *(part.n_atoms for part in parts)])
    with_derivatives = [part.derivatives for part in parts if part.derivatives is not None]
    return DescriptorSet(
        functions=parts[0].functions,
        frame_start=_starts([part.frame_start for part in parts]),
        species=np.concatenate([part.species for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        pair_start=_starts([part.pair_start for part in parts]),
        pair_neighbor=np.concatenate(
            [part.pair_neighbor + np.int32(start) for part, start in zip(parts, first, strict=False)]
        ),
        pair_vector=np.concatenate([part.pair_vector for part in parts]),
        derivatives=np.concatenate(with_derivatives) if len(with_derivatives) == len(parts) else None,
    )


def _starts(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.cumsum(np.concatenate([[0], *(np.diff(part) for part in parts)]), dtype=np.int64)
