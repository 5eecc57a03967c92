"""Formats that ASE reads for us, and where the outputs of programs that were stopped break off.

Only formats on the list below are read. ASE's readers of them were searched: none unpickles, evaluates
code, starts a program or asks the network. Left out on purpose: ``bundletrajectory`` (a folder that may hold
pickles), ``mysql`` and ``postgresql`` (network), ``gpw``, ``py``, ``castep-cell``, ``octopus-in`` and ``xtd``
(look at other files), ``cp2k-restart`` (never ends on a file that is none).
"""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from nnpcore.errors import Cancelled, DataError
from nnpcore.structures.frame import Frame, is_per_atom
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.extxyz import as_atomic_numbers
from nnpcore.structures.readers.guarded_text import GuardedText
from nnpcore.structures.readers.outputs import LEFT_OUT, UNCONVERGED, USE_BEFORE
from nnpcore.structures.readers.reader import (
    MAX_LINE,
    TYPES_FIX,
    OpenFile,
    Reader,
    is_packed,
    no_structure,
    read_error,
    read_whole,
)
from nnpcore.structures.readers.reading_apart import read_apart
from nnpcore.structures.writing import PER_ATOM_NAMES

_ONE_READER = ("extxyz", "xyz", "prismatic")
"""ASE's names of what our own reader of XYZ files takes."""

_MASS_TOLERANCE = 0.1
_LARGEST_TEXT = 1 << 31
_LONGEST_LINES = {"lammps-data": 1000}  # of its header; the time of ASE's pattern grows as their square
# fmt: off
APART = frozenset((
    "abinit-in", "abinit-out", "castep-castep", "dftb", "dmol-arc", "dmol-car", "espresso-in",
    "gamess-us-out", "gaussian-in", "gaussian-out", "magres", "netcdftrajectory", "nwchem-in", "nwchem-out",
    "onetep-out", "qbox", "rmc6f",
))
# fmt: on
"""Formats whose readers have patterns or loops that need not end, or do not let themselves be watched."""
_MORE = {"aims-output": {"non_convergence_ok": True}}  # what did not converge is told here


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


Completed = Callable[[Frame, OpenFile], Frame]


@dataclass(frozen=True)
class Ending:
    """What an output says: ``whole`` when its program came to its end, ``unconverged`` of its electrons."""

    whole: re.Pattern[bytes]
    unconverged: re.Pattern[bytes] | None = None


def _read(
    kind: str, completed: Completed | None, ending: Ending | None, file: OpenFile
) -> Iterator[Frame | FrameProblem]:
    """All frames by ASE. An error after good frames becomes the last item: those before it are usable.

    Of an output that does not say that its program came to its end, the last frame is not trusted.
    """
    text = _whole_lines(file) if ending is not None or is_packed(file.path) else None
    trouble, at_end = _trouble(text, ending, file)
    before: Frame | FrameProblem | None = None
    with closing(_images(file, kind, text)) as images:
        for item in _frames(images, completed, file, text):
            if before is not None:
                yield before
            before = (
                item
                if not isinstance(item, Frame) or not trouble
                else FrameProblem(item.index, trouble, LEFT_OUT)
            )
    if before is None:
        return
    if at_end and isinstance(before, Frame):
        before = FrameProblem(before.index, at_end, USE_BEFORE)
    yield before


def _whole_lines(file: OpenFile) -> bytes:
    """Return the text of a file without a last line that has no end."""
    text = read_whole(file.stream, _LARGEST_TEXT, str(file.path))
    return text[: text.rfind(b"\n") + 1] if text.rfind(b"\n") > 0 else text


def _trouble(text: bytes | None, ending: Ending | None, file: OpenFile) -> tuple[str, str]:
    """Return what is wrong with all frames of an output, and what with the last."""
    if text is None or ending is None:
        return "", ""
    found = ending.unconverged.search(text) if ending.unconverged and not file.unconverged else None
    n_lines = text.count(b"\n")
    line = text.count(b"\n", 0, found.start()) + 1 if found else 0
    trouble = f"{UNCONVERGED}, as line {line} of the output says" if found else ""
    at_end = f"the output ends in line {n_lines} before its program came to its end: this may not be complete"
    return trouble, "" if ending.whole.search(text) else at_end


def _frames(
    images: Iterator[Any], completed: Completed | None, file: OpenFile, text: bytes | None
) -> Iterator[Frame | FrameProblem]:
    path, index = file.path, 0
    while True:
        file.check()
        try:
            with warnings.catch_warnings():  # of ASE, about its own future
                warnings.simplefilter("ignore")
                atoms = next(images)
            frame = Frame.from_atoms(atoms, source=str(path), index=index)
            if index == 0 and frame.n_atoms == 0:  # what lenient readers make of any text
                raise no_structure(str(path))
            frame = completed(frame, file) if completed else frame
        except StopIteration:
            return
        except (DataError, Cancelled):
            raise
        except Exception as error:
            n_lines = 0 if text is None else text.count(b"\n")
            note = f"; the file ends in line {n_lines}" if n_lines else ""
            failure = read_error(error, str(path), note)
            if index == 0:
                raise failure from error
            yield FrameProblem(index, failure.what, "Mend the file, or use the frames before this one")
            return
        yield frame
        index += 1


def _images(file: OpenFile, kind: str, text: bytes | None) -> Generator[Any, None, None]:
    """Yield ASE's atoms; those of a database's rows with all the values they were written with."""
    if kind not in ("db", "json"):
        yield from _images_of_text(file, kind, text)
        return
    from ase.db import connect

    database: Any = connect(str(file.path), type=kind, use_lock_file=False, serial=True)
    with database:
        for row in database.select():
            as_atomic_numbers(np.asarray(row.numbers))
            yield row.toatoms(add_additional_information=True)


def _images_of_text(file: OpenFile, kind: str, text: bytes | None) -> Iterator[Any]:
    """Yield ASE's atoms of a file, or of a text in its place; readers that want a name get a file of it."""
    from ase.io.formats import ioformats

    name = file.path.stem if is_packed(file.path) else file.path.name
    if kind not in APART and ioformats[kind].acceptsfd and not ioformats[kind].isbinary:
        stream = file.stream if text is None else io.BytesIO(text)
        longest = _LONGEST_LINES.get(kind, MAX_LINE)
        with GuardedText(stream, name, file.check, longest) as guarded:
            yield from _ase_images(file, kind, guarded)
    elif text is None:
        yield from _images_of_path(file, kind, file.path)
    elif kind not in APART and ioformats[kind].acceptsfd:
        yield from _ase_images(file, kind, io.BytesIO(text))
    else:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / name
            copy.write_bytes(text)
            yield from _images_of_path(file, kind, copy)


def _images_of_path(file: OpenFile, kind: str, path: Path) -> Iterator[Any]:
    return read_apart(kind, path, file.check) if kind in APART else _ase_images(file, kind, str(path))


def _ase_images(file: OpenFile, kind: str, source: Any) -> Iterator[Any]:
    from ase.io.formats import iread

    more = _types(file) if kind == "lammps-data" else _MORE.get(kind, {})
    return iread(source, index=slice(None), format=kind, parallel=False, do_not_split_by_at_sign=True, **more)


def _types(file: OpenFile) -> dict[str, Any]:
    """Return the elements of the types of LAMMPS' data file where the user gives them."""
    if not file.types:
        return {}
    return {"Z_of_type": {k: atomic_numbers[symbol] for k, symbol in enumerate(file.types, start=1)}}


def _with_known_types(frame: Frame, file: OpenFile) -> Frame:
    """Refuse a LAMMPS data file whose types have no elements: without masses ASE counts H, He, Li."""
    masses = frame.arrays.get("masses")
    if (
        masses is not None
        and not file.types
        and (np.abs(atomic_masses[frame.numbers] - masses) > _MASS_TOLERANCE).any()
    ):
        raise DataError("its masses are not those of elements", where=frame.source, fix=TYPES_FIX)
    if masses is None and not file.types:
        raise DataError("its atoms have types but no elements or masses", where=frame.source, fix=TYPES_FIX)
    return frame


def _with_per_atom(frame: Frame, file: OpenFile) -> Frame:
    """Put values of single atoms, which a .traj only has room for in ``info``, back among the arrays."""
    names = str(frame.info.get(PER_ATOM_NAMES, "")).split()
    named = {name: frame.info[name] for name in names if name in frame.info}
    found = {n: v for n, v in named.items() if isinstance(v, np.ndarray) and len(v) == frame.n_atoms}
    info = {k: v for k, v in frame.info.items() if k not in found and k != PER_ATOM_NAMES}
    return replace(frame, info=info, arrays=frame.arrays | found)


def _with_row_values(frame: Frame, file: OpenFile) -> Frame:
    """Put the values that a database row was written with (``dft_energy=...``) among the others."""
    info, arrays = dict(frame.info), dict(frame.arrays)
    info.pop("unique_id", None)
    for name in ("key_value_pairs", "data"):
        values = info.pop(name, None)
        for key, value in values.items() if isinstance(values, dict) else ():
            per_atom = np.ndim(value) > 1 and is_per_atom(key, value, frame.n_atoms)
            (arrays if per_atom else info).setdefault(key, value)
    return replace(frame, info=info, arrays=arrays)


def with_dispersion(frame: Frame, file: OpenFile | None = None) -> Frame:
    """Give a frame of CASTEP the energy with its dispersion correction, as its forces have it: ASE leaves the
    correction out.
    """
    kinds = (
        ("energy_zero", "energy") if "free_energy_with_dispersion_correlation" in frame.info else ("energy",)
    )
    for kind in kinds:
        energy = frame.info.get(f"{kind}_with_dispersion_correlation")
        if isinstance(energy, float):
            return replace(frame, energy=energy)
    return frame


def _ase(
    name: str,
    patterns: tuple[str, ...] = (),
    content: re.Pattern[bytes] | None = None,
    completed: Completed | None = None,
    ending: Ending | None = None,
) -> Reader:
    """Return the reader of one of ASE's formats; ``content`` is for those ASE tells by their names only.

    ``completed`` adds to a frame what ASE leaves aside, ``ending`` is for outputs of programs.
    """
    known = content or re.compile(rb"(?!)")  # matches nothing
    read = partial(_read, name, completed, ending)
    return Reader(name, read, lambda path, head: known.search(head) is not None, patterns)


# fmt: off
_PLAIN = (
    "abinit-in", "aims", "castep-geom", "castep-md",
    "cfg", "crystal", "cube", "dftb", "dlp-history", "dlp4", "dmol-arc", "dmol-car", "elk",
    "eon", "espresso-in", "gaussian-in",
    "gen", "gromacs", "gromos", "magres", "mol",
    "mustem", "netcdftrajectory", "nwchem-in",
    "rmc6f", "runnerdata", "sdf", "siesta-xv", "struct", "struct_out",
    "turbomole", "turbomole-gradient", "v-sim", "xsd", "xsf",
)
_OUTPUTS: dict[str, tuple[bytes, bytes, bytes]] = {  # recognized by, comes to its end by, did not converge
    "abinit-out": (b"", rb"Calculation completed", rb"did not converge|not enough SCF cycles to converge"),
    "aims-output": (rb"Invoking FHI-aims", rb"Have a nice day\.", rb"Self-consistency cycle not converged"),
    "castep-castep": (rb"^ \| +CCC +AA +SSS", rb"^ ?Total time +=", rb"max\. SCF cycles performed but"),
    "gamess-us-out": (b"", rb"TERMINATED NORMALLY", rb"SCF IS UNCONVERGED|DID NOT CONVERGE"),
    "gaussian-out": (b"", rb"Normal termination of Gaussian", rb"Convergence failure"),
    "gpaw-out": (rb"^ ?\|_{2,3} *\|_ *", rb"^Total: +\d", rb"Did not converge!"),
    "nwchem-out": (b"", rb"^ ?Total times +cpu:", rb"Calculation failed to converge"),
    "onetep-out": (b"", rb"^ ?Job completed", rb"NOT CONVERGED"),
    "orca-output": (b"", rb"ORCA TERMINATED NORMALLY", rb"SCF NOT CONVERGED|not fully converged"),
    "qbox": (b"", rb"</(fpmd|qbox):simulation>", rb"(?!)"),
}
# fmt: on


def _output(name: str) -> Reader:
    known, whole, unconverged = _OUTPUTS[name]
    ending = Ending(re.compile(whole, re.MULTILINE), re.compile(unconverged, re.IGNORECASE))
    content = re.compile(known, re.MULTILINE) if known else None
    completed = with_dispersion if name == "castep-castep" else None
    return _ase(name, content=content, completed=completed, ending=ending)


_POSCAR = re.compile(
    rb"\A[^\n]*\n[ \t]*-?[\d.]+[^\n]*\n"  # comment, scale
    rb"(?:(?:[ \t]*-?\d*\.\d+(?:[Ee][+-]?\d+)?){3}[ \t\r]*\n){3}"
    rb"[ \t]*[A-Z][a-z]?\b[^\n]*\n[ \t]*\d+(?:[ \t]+\d+)*[ \t\r]*\n"  # elements, numbers of atoms
    rb"(?:[ \t]*[Ss][^\n]*\n)?[ \t]*[DdCcKk](?![^\n]*configuration)[^\n]*\n[ \t]*-?\d"
)
"""Of version 5 on, by what stands in it; ASE asks for the name."""

READERS = (
    _ase("traj", ("*.traj",), completed=_with_per_atom),
    _ase("vasp", ("*.vasp", "POSCAR*"), _POSCAR),
    _ase("cif", ("*.cif",), re.compile(rb"^data_.*?^_cell_length_a", re.MULTILINE | re.DOTALL)),
    _ase(
        "lammps-data",
        content=re.compile(rb"^[ \t]*\d+[ \t]+atoms\b.*?^[^#\n]*\bxlo[ \t]+xhi", re.M | re.S),
        completed=_with_known_types,
    ),
    _ase("proteindatabank", ("*.pdb",)),
    _ase("json", ("*.json",), completed=_with_row_values),
    _ase("db", ("*.db",), completed=_with_row_values),
    *(_output(name) for name in _OUTPUTS),
    *(_ase(name) for name in _PLAIN),
)
ALLOWED_FORMATS: frozenset[str] = frozenset({"extxyz", "xyz"} | {reader.name for reader in READERS})
"""ASE's names of the formats that are read."""
