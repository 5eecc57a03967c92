"""Which file formats Eatlas opens: decided from the content before anything is parsed.

Only formats on the list below are read. ASE's readers of them were searched: none unpickles, evaluates
code, starts a program or asks the network. Left out on purpose: ``bundletrajectory`` (a folder that may hold
pickles), ``mysql`` and ``postgresql`` (network), ``gpw``, ``py``, ``castep-cell``, ``octopus-in`` and ``xtd``
(look at other files), ``cp2k-restart`` (never ends on a file that is none).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import IO, Any, cast

from nnpcore.errors import DataError
from nnpcore.structures.readers import cp2k as cp2k_data
from nnpcore.structures.readers.extxyz import looks_like_xyz

# fmt: off
ALLOWED_FORMATS: frozenset[str] = frozenset({
    "abinit-in", "abinit-out", "aims", "aims-output", "castep-castep", "castep-geom", "castep-md",
    "cfg", "cif", "crystal", "cube", "db", "dftb", "dlp-history", "dlp4", "dmol-arc", "dmol-car", "elk",
    "eon", "espresso-in", "espresso-out", "extxyz", "gamess-us-out", "gaussian-in", "gaussian-out",
    "gen", "gpaw-out", "gromacs", "gromos", "json", "lammps-data", "lammps-dump-text", "magres", "mol",
    "mustem", "netcdftrajectory", "nwchem-in", "nwchem-out", "onetep-out", "orca-output",
    "proteindatabank", "qbox", "res", "rmc6f", "runnerdata", "sdf", "siesta-xv", "struct", "struct_out",
    "traj", "turbomole", "turbomole-gradient", "v-sim", "vasp", "vasp-out", "vasp-xdatcar", "vasp-xml",
    "xsd", "xsf", "xyz",
})
# fmt: on
"""ASE's names of the formats that are read."""

OWN_FORMATS = ("n2p2-data", "cp2k-output", "cp2k-trajectory")
"""Formats with a reader of our own, besides extxyz."""

_CONTENT = (
    ("n2p2-data", re.compile(rb"\A\s*begin[ \t]*\r?\n\s*(comment|lattice|atom|energy|charge|#)")),
    ("cp2k-output", cp2k_data.OUTPUT),
    ("vasp-xml", re.compile(rb"<modeling>")),
    ("vasp-out", re.compile(rb"\A\s*vasp\.\d")),
    ("cif", re.compile(rb"^data_.*?^_cell_length_a", re.MULTILINE | re.DOTALL)),
    (
        "lammps-data",
        re.compile(rb"^[ \t]*\d+[ \t]+atoms\b.*?^[^#\n]*\bxlo[ \t]+xhi", re.MULTILINE | re.DOTALL),
    ),
)
"""Formats that ASE tells by their names only, by the beginning of their content."""

_BINARY_FORMATS = frozenset({"traj", "db", "netcdftrajectory"})
_PEEK_BYTES = 50_000
_KNOWN = "Open a trajectory such as extxyz, traj, OUTCAR, vasprun.xml, input.data or cif"
_OLD_PICKLES = (
    b"(dp",
    b"(lp",
    b"ccopy_reg",
    b"cnumpy",
    b"c__builtin__",
    b"cbuiltins",
    b"cposix",
    b"cos\n",
    b"(i",
)


def open_stream(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacking .gz, .bz2 and .xz."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        import gzip

        return cast("IO[bytes]", gzip.open(path, "rb"))
    if suffix == ".bz2":
        import bz2

        return cast("IO[bytes]", bz2.open(path, "rb"))
    if suffix == ".xz":
        import lzma

        return cast("IO[bytes]", lzma.open(path, "rb"))
    return open(path, "rb")


def detect_format(path: Path) -> str:
    """Return ASE's name of the format of a file ("extxyz" for any XYZ), or one of ``OWN_FORMATS``.

    Raises
    ------
    DataError
        When the file is missing, a folder, unreadable, empty, garbage, a pickle, or in no format we read.
    """
    where = str(path)
    head = _peek(path)
    if not head.strip():
        raise DataError("the file is empty", where=where, fix="Write it again, or open another file")
    if is_pickle(head):
        raise DataError(
            "this is a Python pickle, which can run any program when opened; Eatlas does not open it",
            where=where,
            fix="Convert it to extxyz where you trust it (old .traj files: python -m ase.io.trajectory FILE)",
        )
    if looks_like_xyz(head):
        return "cp2k-trajectory" if cp2k_data.is_trajectory(path, head) else "extxyz"
    for name, pattern in _CONTENT:
        if pattern.search(head):
            return name
    name = _guess_with_ase(path)
    if name in ("extxyz", "xyz", "prismatic") and b"\0" not in head:
        return "extxyz"
    if name is not None and (name in _BINARY_FORMATS or b"\0" not in head):
        return name
    raise no_structure(where, binary=b"\0" in head)


def no_structure(where: str, *, binary: bool = False) -> DataError:
    """Return the error for a file that holds no structures."""
    kind = "binary data and no" if binary else "no"
    return DataError(f"this is {kind} structure file that Eatlas knows", where=where, fix=_KNOWN)


def is_pickle(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is a pickle, or ASE's old pickle trajectory."""
    if head.startswith(b"PickleTrajectory") or head.startswith(_OLD_PICKLES):
        return True
    return len(head) > 2 and head[0] == 0x80 and head[1] <= 5


def _peek(path: Path) -> bytes:
    where = str(path)
    if path.is_dir():
        raise DataError("this is a folder, not a file", where=where, fix="Choose a file inside it")
    if not path.exists():
        raise DataError(
            "there is no such file", where=where, fix="Check the name, or whether the file was moved"
        )
    if not path.is_file():
        raise DataError(
            "this is a device or pipe, not a file", where=where, fix="Copy the data to a file first"
        )
    try:
        with open_stream(path) as stream:
            return stream.read(_PEEK_BYTES)
    except Exception as error:  # also what the unpackers raise on damaged data
        raise read_error(error, where) from error


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


def _guess_with_ase(path: Path) -> str | None:
    """ASE's guess from content and name, or None when there is none or it is not on our list."""
    from ase.io.formats import filetype

    try:
        name: Any = filetype(str(path))
    except Exception:  # whatever ASE stumbles over, it does not know the file
        return None
    return name if name in ALLOWED_FORMATS or name == "prismatic" else None
