"""What a reader of a file format is, and what all readers share: opening, and errors in plain words."""

from __future__ import annotations

import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError

EV_ANGSTROM, HARTREE_BOHR = "eV, Å", "Ha, Bohr"
"""Units that the numbers of a file may be in."""

FILE_UNITS, UNKNOWN_UNITS = "file_units", "unknown, taken as eV, Å"
"""Key of ``Frame.info`` that says which units the file was in, and its value where nothing told."""

TYPES_FIX = (
    "Give the elements of the types in their order, such as --types 'Cu Au', or write the file with elements "
    "(in LAMMPS: dump_modify ID element Cu Au)"
)

MAX_LINE = 1 << 25
"""Bytes; no line of a structure file is longer."""

UNPACKING_ERRORS = (EOFError, zlib.error, lzma.LZMAError)
"""What unpacking a damaged file raises, beside OSError."""

_PIECE = 1 << 22
_BOM = b"\xef\xbb\xbf"
_MOST_UNPACKED, _LEAST_UNPACKED = 300, 1 << 30  # times its size; bytes that may be unpacked in any case

_PACKERS = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_KNOWN = "Open a trajectory such as extxyz, traj, OUTCAR, vasprun.xml, input.data or cif"


@dataclass(frozen=True)
class OpenFile:
    """A file that is being read.

    Attributes
    ----------
    path : the file; what lies beside it may be read, too.
    stream : its bytes, unpacked, at their beginning.
    units : what its numbers are in, as the user says; empty where the file decides.
    check : to be called now and then where reading takes long; raises where the user has cancelled.
    unconverged : whether to take steps whose electrons did not converge.
    types : symbols of the elements by their numbers in files that have no symbols, from the first on.
    """

    path: Path
    stream: IO[bytes]
    units: str = ""
    check: Callable[[], None] = lambda: None
    unconverged: bool = False
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexedFrames:
    """The ``count`` frames of an open file, any of which ``get`` gives without those before it."""

    count: int
    get: Callable[[int], Frame | FrameProblem]


@dataclass(frozen=True)
class StreamedFrames:
    """The frames of an open file that can be found one after the other without parsing them.

    Attributes
    ----------
    found : goes over the file once, from where its stream stands: (share of the file behind it, what parses
        the frame).
    indexed : finds all, so that any can be had.
    """

    found: Callable[[], Iterator[tuple[float | None, Callable[[], Frame | FrameProblem]]]]
    indexed: Callable[[], IndexedFrames]


@dataclass(frozen=True)
class CountedFrames:
    """The frames of an open text file that is found by counting lines, each of which is parsed alone.

    Attributes
    ----------
    places : arrays (n, 3) of offset and size in bytes and first line (from 1) of frames, in their order.
    parse : gives a frame of its number, first line, and text with the beginning of what follows it.
    """

    places: Iterator[np.ndarray]
    parse: Callable[[bytes, int, int], Frame | FrameProblem]


@dataclass(frozen=True)
class Reader:
    """A file format: how it is known, how it is read. It is registered once, in ``READERS``.

    Attributes
    ----------
    name : ASE's name of the format, where it has one.
    read : gives the frames in their order, a :class:`FrameProblem` for one that is damaged.
    recognizes : whether a file is in this format, by its path and the first bytes of its content.
    patterns : names that such files usually have, for the window's file dialog.
    units : where the format has no units: those its numbers may be in, by a short name for the command line.
    folders : whether a folder of files may be in this format; its stream is empty.
    counted : finds frames without parsing them, so that any can be looked at before all are read.
    """

    name: str
    read: Callable[[OpenFile], Iterable[Frame | FrameProblem] | IndexedFrames | StreamedFrames]
    recognizes: Callable[[Path, bytes], bool] = lambda path, head: False
    patterns: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    folders: bool = False
    counted: Callable[[OpenFile], CountedFrames] | None = None


class _Unpacked(io.RawIOBase):
    """What a packed file holds, to be read up to a length that no honest file has."""

    def __init__(self, stream: IO[bytes], limit: int, where: str) -> None:
        self._stream, self._limit, self._where = stream, limit, where

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._stream.tell() > self._limit:
            raise DataError(
                f"unpacked it is larger than {self._limit / 1e9:.3g} GB, {_MOST_UNPACKED} times its size",
                where=self._where,
                fix="Unpack it yourself where you trust it, and open the result",
            )
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_stream(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, behind a byte order mark, unpacking .gz, .bz2 and .xz.

    What is unpacked to 300 times its size and more than 1 GB raises DataError. A folder has an empty stream.
    """
    if path.is_dir():
        return io.BytesIO()
    packer = _PACKERS.get(path.suffix.lower())
    stream: Any
    if packer:
        limit = max(_LEAST_UNPACKED, _MOST_UNPACKED * path.stat().st_size)
        unpacked = import_module(packer).open(path, "rb")
        stream = io.BufferedReader(_Unpacked(unpacked, limit, str(path)), 1 << 17)
    else:
        stream = open(path, "rb")  # noqa: SIM115 (given away)
    try:
        if stream.read(len(_BOM)) != _BOM:
            stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return stream


def read_whole(stream: IO[bytes], limit: int, where: str) -> bytes:
    """Return all that a stream holds; DataError where that is more than ``limit`` bytes.

    Piece by piece: asked for the limit at once, a stream takes that much memory.
    """
    pieces, size = [], 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size > limit:
            raise DataError(
                f"a file of this format of more than {limit / 1e9:.2g} GB is not read",
                where=where,
                fix="Split it, or convert it to extxyz",
            )
        pieces.append(piece)
    return b"".join(pieces)


def is_packed(path: Path) -> bool:
    """Whether a file is unpacked when it is opened."""
    return path.suffix.lower() in _PACKERS


def no_structure(where: str, *, binary: bool = False) -> DataError:
    """Return the error for a file that holds no structures."""
    kind = "binary data and no" if binary else "no"
    return DataError(f"this is {kind} structure file that Eatlas knows", where=where, fix=_KNOWN)


def read_error(error: BaseException, where: str, note: str = "") -> DataError:
    """Turn what went wrong while a file was read into a :class:`DataError`; ``note`` ends its text."""
    if isinstance(error, PermissionError):
        return DataError("you may not read this file", where=where, fix="Change its permissions, or copy it")
    if isinstance(error, MemoryError):
        return DataError(
            "the file does not fit into memory", where=where, fix="Open a slice of it, for example FILE@::10"
        )
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno).lower()
        return DataError(f"the file cannot be read ({text})", where=where, fix="Check the disk or network")
    text = " ".join(str(error).split()) or type(error).__name__
    kind = "" if isinstance(error, FrameSyntaxError) else f"{type(error).__name__}: "
    return DataError(
        f"the file is damaged or not what its name says ({kind}{text[:200]}){note}",
        where=where,
        fix="Write it again, or convert it to extxyz",
    )
