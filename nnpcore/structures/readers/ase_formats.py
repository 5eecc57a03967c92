"""Formats that ASE reads for us, and where the outputs of programs that were stopped break off.

Only formats on the list below are read. ASE's readers of them were searched: none unpickles, evaluates
code, starts a program or asks the network. Left out on purpose: ``bundletrajectory`` (a folder that may hold
pickles), ``mysql`` and ``postgresql`` (network), ``gpw``, ``py``, ``castep-cell``, ``octopus-in`` and ``xtd``
(look at other files), ``cp2k-restart`` (never ends on a file that is none).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.reader import OpenFile, Reader, no_structure, open_stream, read_error
from nnpcore.structures.writing import PER_ATOM_NAMES

_ONE_READER = ("extxyz", "xyz", "prismatic")
"""ASE's names of what our own reader of XYZ files takes."""


def guess(path: Path) -> str | None:
    """ASE's guess from content and name, or None when there is none or it is not on our list."""
    from ase.io.formats import filetype

    try:
        name: Any = filetype(str(path))
    except Exception:  # whatever ASE stumbles over, it does not know the file
        return None
    if name in _ONE_READER:
        return "extxyz"
    return name if name in ALLOWED_FORMATS else None


Completed = Callable[[Frame], Frame]
BrokenOff = Callable[[Path, int], str]


def _read(
    kind: str, completed: Completed | None, broken_off: BrokenOff | None, file: OpenFile
) -> Iterator[Frame | FrameProblem]:
    """All frames by ASE. An error after good frames becomes the last item: those before it are usable."""
    path, index = file.path, 0
    images = _images(path, kind)
    while True:
        try:
            frame = Frame.from_atoms(next(images), source=str(path), index=index)
        except StopIteration:
            what = broken_off(path, index) if broken_off else ""
            if what:
                yield FrameProblem(index, what, "Use the frames before this one")
            return
        except Exception as error:
            failure = read_error(error, str(path), _end_note(path) if broken_off else "")
            if index == 0:
                raise failure from error
            yield FrameProblem(index, failure.what, "Mend the file, or use the frames before this one")
            return
        if index == 0 and frame.n_atoms == 0:  # what lenient readers make of any text
            raise no_structure(str(path))
        yield completed(frame) if completed else frame
        index += 1


def _images(path: Path, kind: str) -> Iterator[Any]:
    """Yield ASE's atoms; those of a database's rows with all the values they were written with."""
    if kind not in ("db", "json"):
        from ase.io.formats import iread

        yield from iread(str(path), slice(None), format=kind, parallel=False, do_not_split_by_at_sign=True)
        return
    from ase.db import connect

    database: Any = connect(str(path), type=kind, use_lock_file=False, serial=True)
    with database:
        for row in database.select():
            yield row.toatoms(add_additional_information=True)


def _with_per_atom(frame: Frame) -> Frame:
    """Put values of single atoms, which a .traj only has room for in ``info``, back among the arrays."""
    names = str(frame.info.get(PER_ATOM_NAMES, "")).split()
    named = {name: frame.info[name] for name in names if name in frame.info}
    found = {n: v for n, v in named.items() if isinstance(v, np.ndarray) and len(v) == frame.n_atoms}
    info = {k: v for k, v in frame.info.items() if k not in found and k != PER_ATOM_NAMES}
    return replace(frame, info=info, arrays=frame.arrays | found)


def _with_row_values(frame: Frame) -> Frame:
    """Put the values that a database row was written with (``dft_energy=...``) among the others."""
    info, arrays = dict(frame.info), dict(frame.arrays)
    info.pop("unique_id", None)
    for name in ("key_value_pairs", "data"):
        values = info.pop(name, None)
        for key, value in values.items() if isinstance(values, dict) else ():
            per_atom = isinstance(value, np.ndarray) and value.ndim > 1 and len(value) == frame.n_atoms
            (arrays if per_atom else info).setdefault(key, value)
    return replace(frame, info=info, arrays=arrays)


# Outputs that may end at any line when a job is killed; ASE passes over the part behind the last whole
# structure in silence. Each says what is missing behind the ``n_frames`` that were read, or nothing.


def _end_note(path: Path) -> str:
    """Where a text file ends, to be added to a reader's own complaint."""
    with open_stream(path) as stream:
        return f"; the file ends in line {sum(1 for _ in stream)}"


def _ase(
    name: str,
    patterns: tuple[str, ...] = (),
    content: re.Pattern[bytes] | None = None,
    completed: Completed | None = None,
    broken_off: BrokenOff | None = None,
) -> Reader:
    """Return the reader of one of ASE's formats; ``content`` is for those ASE tells by their names only.

    ``completed`` adds to a frame what ASE leaves aside, ``broken_off`` says what is missing at the end.
    """
    known = content or re.compile(rb"(?!)")  # matches nothing
    read = partial(_read, name, completed, broken_off)
    return Reader(name, read, lambda path, head: known.search(head) is not None, patterns)


# fmt: off
_PLAIN = (
    "abinit-in", "abinit-out", "aims", "aims-output", "castep-castep", "castep-geom", "castep-md",
    "cfg", "crystal", "cube", "dftb", "dlp-history", "dlp4", "dmol-arc", "dmol-car", "elk",
    "eon", "espresso-in", "gamess-us-out", "gaussian-in", "gaussian-out",
    "gen", "gpaw-out", "gromacs", "gromos", "magres", "mol",
    "mustem", "netcdftrajectory", "nwchem-in", "nwchem-out", "onetep-out", "orca-output",
    "qbox", "res", "rmc6f", "runnerdata", "sdf", "siesta-xv", "struct", "struct_out",
    "turbomole", "turbomole-gradient", "v-sim", "xsd", "xsf",
)
# fmt: on
READERS = (
    _ase("traj", ("*.traj",), completed=_with_per_atom),
    _ase("vasp", ("*.vasp",)),
    _ase("vasp-xdatcar", ("XDATCAR*", "POSCAR*")),
    _ase("cif", ("*.cif",), re.compile(rb"^data_.*?^_cell_length_a", re.MULTILINE | re.DOTALL)),
    _ase(
        "lammps-data", content=re.compile(rb"^[ \t]*\d+[ \t]+atoms\b.*?^[^#\n]*\bxlo[ \t]+xhi", re.M | re.S)
    ),
    _ase("proteindatabank", ("*.pdb",)),
    _ase("json", ("*.json",), completed=_with_row_values),
    _ase("db", ("*.db",), completed=_with_row_values),
    *(_ase(name) for name in _PLAIN),
)
ALLOWED_FORMATS: frozenset[str] = frozenset({"extxyz", "xyz"} | {reader.name for reader in READERS})
"""ASE's names of the formats that are read."""
