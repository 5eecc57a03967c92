"""Pairs and derivatives of more frames than memory holds, some frames at a time.

Everything of an atom (species, descriptors, network inputs, targets) stays in memory, a few hundred bytes
each. Pairs and derivatives, some 14 kB an atom, do not need to: an epoch takes them in windows of a few
frames, from a file or worked out anew. Where they come from does not change a digit.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, compute_descriptors
from nnpcore.errors import TrainingError

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame


class PairArrays(NamedTuple):
    """Arrays of a :class:`DescriptorSet` that go over pairs."""

    neighbor: np.ndarray
    vector: np.ndarray
    derivatives: np.ndarray

    @classmethod
    def of(cls, found: DescriptorSet) -> PairArrays:
        """Return those of a set; it must hold derivatives."""
        if found.derivatives is None:
            raise ValueError("derivatives are needed here")
        return cls(found.pair_neighbor, found.pair_vector, found.derivatives)

    @property
    def bytes_each(self) -> int:
        """Bytes a pair takes in a file."""
        return sum(array.itemsize * int(np.prod(array.shape[1:])) for array in self)


def empty_pairs(n: int, n_descriptors: int) -> PairArrays:
    """Return arrays for ``n`` pairs, to be filled."""
    derivatives = np.empty((n, 3, n_descriptors), dtype=np.float32)
    return PairArrays(np.empty(n, dtype=np.int32), np.empty((n, 3)), derivatives)


class Windows(ABC):
    """Where pairs and derivatives of frames come from, some frames at a time."""

    @abstractmethod
    def read(self, frames: np.ndarray) -> DescriptorSet:
        """Return the descriptors of the frames of these indices, with pairs and float32 derivatives."""

    @abstractmethod
    def after(self, n: int) -> Windows:
        """Return the same without the first ``n`` frames."""


@dataclass(frozen=True, eq=False)
class Recomputed(Windows):
    """Pairs and derivatives worked out whenever a window is asked for.

    Attributes
    ----------
    frames, functions : what is described, by what.
    """

    frames: Sequence[Frame]
    functions: SymmetryFunctions

    def read(self, frames: np.ndarray) -> DescriptorSet:
        """See :class:`Windows`."""
        return compute_descriptors(
            [self.frames[k] for k in frames.tolist()], self.functions, dtype=np.float32, n_threads=1
        )

    def after(self, n: int) -> Recomputed:
        """See :class:`Windows`."""
        return replace(self, frames=self.frames[n:])


@dataclass(frozen=True, eq=False)
class OnDisk(Windows):
    """Pairs and derivatives in a file without a name: it is gone with the process, however that ends.

    A frame's record holds its neighbors, their vectors and the derivatives, one behind the other.

    Attributes
    ----------
    atoms : descriptors of all frames in the file, without pairs.
    pair_start : (n_atoms + 1,) int64.
    file : of the records.
    first : the frame that is number 0.
    """

    atoms: DescriptorSet
    pair_start: np.ndarray
    file: IO[bytes]
    first: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, frames: np.ndarray) -> DescriptorSet:
        """See :class:`Windows`."""
        atoms = self.atoms
        frames = frames + self.first
        chosen = [slice(*atoms.frame_start[f : f + 2].tolist()) for f in frames.tolist()]
        bounds = [self.pair_start[[part.start, part.stop]].tolist() for part in chosen]
        sizes = [end - begin for begin, end in bounds]
        found = empty_pairs(sum(sizes), atoms.values.shape[1])
        starts, first_atom, first_pair = [np.zeros(1, dtype=np.int64)], 0, 0
        for part, (begin, end), size in zip(chosen, bounds, sizes, strict=True):
            own = PairArrays(*(array[first_pair : first_pair + size] for array in found))
            self._fill(begin * own.bytes_each, own)
            own.neighbor[...] += np.int32(first_atom)
            starts.append(self.pair_start[part.start + 1 : part.stop + 1] - begin + first_pair)
            first_atom, first_pair = first_atom + part.stop - part.start, first_pair + end - begin
        frame_start = np.cumsum([0, *(part.stop - part.start for part in chosen)], dtype=np.int64)
        species = np.concatenate([atoms.species[part] for part in chosen])
        values = np.concatenate([atoms.values[part] for part in chosen])
        return DescriptorSet(atoms.functions, frame_start, species, values, np.concatenate(starts), *found)

    def _fill(self, place: int, pairs: PairArrays) -> None:
        """Read a record into arrays."""
        buffers = [array.reshape(-1).view(np.uint8).data for array in pairs if array.size]
        if hasattr(os, "preadv"):
            n = os.preadv(self.file.fileno(), buffers, place) if buffers else 0
        else:
            n = self._read_into(buffers, place)
        if n != sum(map(len, buffers)):
            raise TrainingError(
                "the derivatives of the training frames cannot be read back from disk",
                fix='Let them be worked out anew (derivatives = "recompute")',
            )

    def _read_into(self, buffers: list[memoryview], place: int) -> int:
        """Read from a place on; return how many bytes there were. For systems without ``preadv``."""
        n = 0
        with self._lock:
            self.file.seek(place)
            for buffer in buffers:
                found = self.file.read(len(buffer))
                buffer[: len(found)] = found
                n += len(found)
        return n

    def after(self, n: int) -> OnDisk:
        """See :class:`Windows`."""
        return replace(self, first=self.first + n)
