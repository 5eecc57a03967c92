"""VASP's ``ML_AB``: the reference structures its machine-learned force field is trained on.

One section for each structure, headings between lines of signs: elements and their numbers, cell (Å),
positions (Å), energy (eV), forces (eV/Å) and stress (kbar, with the sign of a pressure).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from ase.units import bar

from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.outputs import WholeLines, element_number, numbers, table
from nnpcore.structures.readers.reader import OpenFile, Reader

_BEGINS = re.compile(rb"\A[^\n]*\n\*+\s*\n\s*The number of configurations", re.IGNORECASE)
_CONFIGURATION = re.compile(rb"^\s*Configuration num\.", re.IGNORECASE)
_RULE = re.compile(rb"^\s*[*=-]{4,}\s*$")
_FIX = "Mend or remove this structure"


def read_ml_ab(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the structures of an ML_AB."""
    lines = WholeLines(file.stream, file.check)
    rows: list[bytes] | None = None
    start, index = 0, 0
    for line in lines:
        if not _CONFIGURATION.match(line):
            if rows is not None and not _RULE.match(line):
                rows.append(line)
            continue
        if rows is not None:
            yield _frame_or_problem(rows, start, file, index, "")
            index += 1
        rows, start = [], lines.number
    if rows is not None:
        yield _frame_or_problem(rows, start, file, index, f"; the file ends in {lines.end or lines.number}")


def _frame_or_problem(
    rows: list[bytes], line: int, file: OpenFile, index: int, end: str
) -> Frame | FrameProblem:
    try:
        return _frame(rows, str(file.path), index)
    except FrameSyntaxError as error:
        return FrameProblem(index, f"{error} (structure of line {line}{end})", _FIX)


def _frame(rows: list[bytes], source: str, index: int) -> Frame:
    counts = [row.split() for row in _below(rows, b"Atom types and atom numbers", 1, more=True)]
    if any(len(words) < 2 or not words[1].isdigit() or len(words[1]) > 9 for words in counts):
        raise FrameSyntaxError("its atom types have no numbers")
    kinds = [element_number(words[0].decode(errors="replace")) for words in counts]
    n_atoms = sum(int(words[1]) for words in counts)
    said = _below(rows, b"The number of atoms", 1)
    if said and int(numbers(said[0], 1)[0]) != n_atoms:
        raise FrameSyntaxError(f"it has {n_atoms} atoms by types, but {said[0].decode().strip()} are said")
    forces = table(_needed(rows, b"Forces", n_atoms), 3)
    xx, yy, zz = numbers(_needed(rows, b"XX YY ZZ", 1)[0], 3)
    xy, yz, zx = numbers(_needed(rows, b"XY YZ ZX", 1)[0], 3)
    return Frame(
        numbers=np.repeat(np.array(kinds, dtype=np.int32), [int(words[1]) for words in counts]),
        positions=table(_needed(rows, b"Atomic positions", n_atoms), 3),
        cell=table(_needed(rows, b"Primitive lattice vectors", 3), 3),
        pbc=np.ones(3, dtype=bool),
        energy=numbers(_needed(rows, b"Total energy", 1)[0], 1)[0],
        forces=forces,
        stress=-1000 * bar * np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]]),
        source=source,
        index=index,
    )


def _below(rows: list[bytes], heading: bytes, count: int, *, more: bool = False) -> list[bytes]:
    """Return ``count`` lines below a heading; with ``more`` those behind of a word and a number, too."""
    words = heading.lower().split()
    at = next((k for k, row in enumerate(rows) if row.lower().split()[: len(words)] == words), None)
    if at is None:
        return []
    end = at + 1 + count
    while more and end < len(rows) and len(rows[end].split()) == 2 and rows[end].split()[1].isdigit():
        end += 1
    return rows[at + 1 : end]


def _needed(rows: list[bytes], heading: bytes, count: int) -> list[bytes]:
    found = _below(rows, heading, count)
    if len(found) < count:
        raise FrameSyntaxError(f"it has {len(found)} of {count} lines below '{heading.decode()}'")
    return found


ML_AB = Reader("vasp-ml-ab", read_ml_ab, lambda path, head: _BEGINS.search(head) is not None, ("ML_AB*",))
