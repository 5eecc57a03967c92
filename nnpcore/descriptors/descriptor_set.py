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

    def select(self, frame_indices: Sequence[int] | np.ndarray) -> DescriptorSet:
        """Return the set of some frames, in the given order.

        A run of consecutive frames shares memory with this set; any other choice is copied.
        """
        frames = np.asarray(frame_indices, dtype=np.int64).reshape(-1)
        if len(frames) and (frames.min() < 0 or frames.max() >= self.n_frames):
            raise IndexError(f"frame index out of range for {self.n_frames} frames: {frames.tolist()[:10]}")
        if len(frames) and np.array_equal(frames, np.arange(frames[0], frames[0] + len(frames))):
            return self._consecutive(int(frames[0]), int(frames[-1]) + 1)
        return self._gathered(frames)

    def _consecutive(self, first: int, stop: int) -> DescriptorSet:
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

    def _gathered(self, frames: np.ndarray) -> DescriptorSet:
        n_atoms = self.frame_start[frames + 1] - self.frame_start[frames]
        atoms = _ranges(self.frame_start[frames], n_atoms)
        n_pairs = self.pair_start[atoms + 1] - self.pair_start[atoms]
        pairs = _ranges(self.pair_start[atoms], n_pairs)
        frame_start = np.concatenate([[0], np.cumsum(n_atoms)])
        shift = np.repeat(np.repeat(frame_start[:-1] - self.frame_start[frames], n_atoms), n_pairs)
        return DescriptorSet(
            functions=self.functions,
            frame_start=frame_start,
            species=self.species[atoms],
            values=self.values[atoms],
            pair_start=np.concatenate([[0], np.cumsum(n_pairs)]),
            pair_neighbor=(self.pair_neighbor[pairs] + shift).astype(np.int32),
            pair_vector=self.pair_vector[pairs],
            derivatives=None if self.derivatives is None else self.derivatives[pairs],
        )


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate ``arange(start, start + length)`` for all starts, int64."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
