"""The formats that Eatlas opens, and which of them a file is in: decided before anything is parsed."""

from __future__ import annotations

import re
from pathlib import Path

from nnpcore.errors import DataError
from nnpcore.structures.readers import (
    ase_formats,
    cp2k,
    deepmd,
    espresso,
    extxyz,
    lammps_dump,
    ml_ab,
    mtp_cfg,
    n2p2,
    pymatgen_json,
    res,
    vasp_outcar,
    vasp_xml,
    vaspout_h5,
    xdatcar,
)
from nnpcore.structures.readers.reader import Reader, no_structure, open_stream, read_error

READERS: list[Reader] = [
    deepmd.DEEPMD,
    cp2k.TRAJECTORY,
    extxyz.EXTXYZ,
    n2p2.INPUT_DATA,
    cp2k.OUTPUT,
    vasp_outcar.OUTCAR,
    vasp_xml.VASPRUN,
    xdatcar.XDATCAR,
    espresso.PWSCF,
    lammps_dump.DUMP,
    res.RES,
    ml_ab.ML_AB,
    vaspout_h5.VASPOUT,
    mtp_cfg.CFG,
    pymatgen_json.PYMATGEN,
    *ase_formats.READERS,
]
"""A file is given to the first that recognizes it, else to the one ASE names."""

_BINARY_FORMATS = frozenset({"traj", "db", "netcdftrajectory"})
_PEEK_BYTES = 50_000
_PICKLE = re.compile(
    rb"\x80[\0-\5].|PickleTrajectory|\(dp|\(lp|\(i|ccopy_reg|cnumpy|c__builtin__|cbuiltins|cposix|cos\n",
    re.DOTALL,
)
"""How a pickle, or ASE's old trajectory of them, begins."""


def find_reader(path: Path) -> Reader:
    """Return the reader of a file.

    Raises
    ------
    DataError
        When the file is missing, a folder, unreadable, empty, garbage, a pickle, or in no format we read.
    """
    where = str(path)
    if (reader := folder_reader(path)) is not None:
        return reader
    head = _peek(path)
    if not head.strip():
        raise DataError("the file is empty", where=where, fix="Write it again, or open another file")
    if _PICKLE.match(head):
        raise DataError(
            "this is a Python pickle, which can run any program when opened; Eatlas does not open it",
            where=where,
            fix="Convert it to extxyz where you trust it (old .traj files: python -m ase.io.trajectory FILE)",
        )
    for reader in READERS:
        if reader.recognizes(path, head):
            return reader
    binary, name = b"\0" in head, ase_formats.guess(path)
    for reader in READERS:
        if reader.name == name and (name in _BINARY_FORMATS or not binary):
            return reader
    raise no_structure(where, binary=binary)


def folder_reader(path: Path) -> Reader | None:
    """Return the reader of a folder that holds structures; None of another folder, and of a file."""
    if not path.is_dir():
        return None
    return next((reader for reader in READERS if reader.folders and reader.recognizes(path, b"")), None)


def name_patterns() -> tuple[str, ...]:
    """Return the usual names of the files that are read, such as ``*.extxyz``."""
    return tuple(dict.fromkeys(pattern for reader in READERS for pattern in reader.patterns))


def file_units() -> dict[str, str]:
    """Return the units that the numbers of a file without units may be in, by their short names."""
    return {short: text for reader in READERS for short, text in reader.units.items()}


def _inside(path: Path) -> str:
    """Return what to choose in place of a folder."""
    system = next((part for part in sorted(path.glob("*/")) if folder_reader(part) is not None), None)
    if system is not None:
        return f"Choose one of the folders inside it, such as {system}"
    if (path / "type.raw").is_file():
        return "Write the sets of DeePMD-kit, set.*/coord.npy and others, from its raw files (by dpdata)"
    return "Choose a file inside it"


def _peek(path: Path) -> bytes:
    where = str(path)
    if path.is_dir():
        raise DataError("this is a folder, not a file", where=where, fix=_inside(path))
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
