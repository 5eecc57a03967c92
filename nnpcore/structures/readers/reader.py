"""What a reader of a file format is, and what all readers share: opening, and errors in plain words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem

EV_ANGSTROM, HARTREE_BOHR = "eV, Å", "Ha, Bohr"
"""Units that the numbers of a file may be in."""

FILE_UNITS, UNKNOWN_UNITS = "file_units", "unknown, taken as eV, Å"
"""Key of ``Frame.info`` that says which units the file was in, and its value where nothing told."""

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
    """

    path: Path
    stream: IO[bytes]
    units: str = ""
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class IndexedFrames:
    """The ``count`` frames of an open file, any of which ``get`` gives without those before it."""

    count: int
    get: Callable[[int], Frame | FrameProblem]


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
    """

    name: str
    read: Callable[[OpenFile], Iterable[Frame | FrameProblem] | IndexedFrames]
    recognizes: Callable[[Path, bytes], bool] = lambda path, head: False
    patterns: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)


def open_stream(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacking .gz, .bz2 and .xz."""
    packer = _PACKERS.get(path.suffix.lower())
    return import_module(packer).open(path, "rb") if packer else open(path, "rb")


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
    return DataError(
        f"the file is damaged or not what its name says ({type(error).__name__}: {text[:200]}){note}",
        where=where,
        fix="Write it again, or convert it to extxyz",
    )
