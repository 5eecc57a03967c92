"""Arrays of a long file's frames in a file without a name: frames are at hand, and memory does not hold them.

Positions, forces and other numbers of the atoms are some 3 kB a frame of 64. Those of more frames than
``IN_MEMORY`` bytes are written to a temporary file and mapped; the frames stay the same objects with the same
numbers. The system reads pages when somebody looks, and takes them back when it needs the memory.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import IO, Self

import numpy as np

from nnpcore.structures.frame import Frame

IN_MEMORY = 16 << 20
_BLOCK = 8 << 20  # at least, and a thirtieth of what is written: every block keeps a file open
_ALIGNED = 16  # bytes, between whose multiples numbers of any kind lie as the processor wants them
_LEAST = 512  # bytes; smaller arrays are not worth their place in a file
_SHARED = ("numbers", "cell", "pbc")


class Spool:
    """Takes frames one after the other; what it has taken may be used at any time.

    Parameters
    ----------
    in_memory : bytes of arrays that stay in memory; None for ``IN_MEMORY``.
    """

    def __init__(self, in_memory: int | None = None) -> None:
        self._left = IN_MEMORY if in_memory is None else in_memory
        self._waiting: list[Frame] = []
        self._bytes = self._written = 0
        self._file: IO[bytes] | None = None
        self._last: Frame | None = None
        self._off = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what is mapped stays until the last frame is gone."""
        if self._file is not None:
            self._file.close()

    def take(self, frame: Frame) -> None:
        """Share what a frame has in common with the last; put its arrays into the file where it is time."""
        if self._last is not None:
            _share(self._last, frame)
        self._last = frame
        size = sum(array.nbytes for array in _large(frame).values())
        if self._left > 0:
            self._left -= size
        elif not self._off:
            self._waiting.append(frame)
            self._bytes += size
            if self._bytes >= max(_BLOCK, self._written // 30):
                self._write()

    def _write(self) -> None:
        """Move the arrays of the waiting frames; where the file cannot be written, they stay in memory."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        arrays = [(frame, name, array) for frame in waiting for name, array in _large(frame).items()]
        size = sum(_room(array) for *_, array in arrays)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="eatlas-frames-")  # noqa: SIM115 (lives on)
            start = -(-self._file.seek(0, 2) // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
            self._file.seek(start)
            for *_, array in arrays:
                self._file.write(array.tobytes() + bytes(_room(array) - array.nbytes))
            self._file.flush()
            held = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_COPY, offset=start)
        except (OSError, ValueError):
            self._off = True
            return
        self._written += size
        offset = 0
        for frame, name, array in arrays:
            view = np.frombuffer(held, array.dtype, array.size, offset).reshape(array.shape)
            offset += _room(array)
            if name in frame.arrays:
                frame.arrays[name] = view
            else:
                object.__setattr__(frame, name, view)  # equal numbers in another place


def _room(array: np.ndarray) -> int:
    """Bytes of an array and of what lies between it and the next."""
    return -(-array.nbytes // _ALIGNED) * _ALIGNED


def _large(frame: Frame) -> dict[str, np.ndarray]:
    """The arrays worth moving, by name; a further array is never called as a field is."""
    fields = {"positions": frame.positions, "forces": frame.forces}
    found = {name: array for name, array in (fields | frame.arrays).items() if array is not None}
    return {n: a for n, a in found.items() if a.nbytes >= _LEAST and a.dtype.kind in "fiu"}


def _share(last: Frame, frame: Frame) -> None:
    """Let a frame use the numbers, cell and periodicity of the last where they are equal."""
    for name in _SHARED:
        mine, other = getattr(frame, name), getattr(last, name)
        if mine is not other and mine.dtype == other.dtype and np.array_equal(mine, other):
            object.__setattr__(frame, name, other)
