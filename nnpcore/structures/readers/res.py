"""SHELX ``.res`` files as AIRSS writes them: one structure, or several behind each other.

``TITL name pressure volume enthalpy spin |spin| n_atoms (symmetry) n - copies`` holds an enthalpy, eV, which
is the energy where the pressure, GPa, is 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from ase.data import atomic_numbers
from ase.geometry import cellpar_to_cell

from nnpcore.structures.frame import Frame, add_note
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.outputs import WholeLines
from nnpcore.structures.readers.reader import OpenFile, Reader

_BEGINS = re.compile(rb"\A\s*(REM|TITL)\b.*^CELL\s", re.DOTALL | re.MULTILINE)
_ELEMENT = re.compile(r"([A-Z][a-z]?)")
_FIX = "Mend or remove this structure"
_NO_ATOMS = frozenset(("REM", "LATT", "ZERR", "SYMM", "UNIT", "FVAR", "HKLF", "WGHT", "L.S."))


def read_res(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the structures of a .res file."""
    lines, start, index = WholeLines(file.stream, file.check), 0, 0
    block: list[list[str]] = []
    texts = (line.decode("utf-8", errors="replace").split() for line in lines)
    for words in (*texts, ["END"]):
        if words[:1] == ["TITL"] and any(row[0] == "TITL" for row in block):
            block.append(["END"])  # the one before has none
        if words == ["END"] and any(row[0] != "REM" for row in block):
            yield _frame_or_problem(block, start, str(file.path), index)
            block, index = [], index + 1
        elif words and words != ["END"]:
            start = start if block else lines.number
            block.append(words)


def _frame_or_problem(block: list[list[str]], line: int, source: str, index: int) -> Frame | FrameProblem:
    try:
        return _frame(block, source, index)
    except (FrameSyntaxError, ValueError) as error:
        return FrameProblem(index, f"{error} (structure of line {line})", _FIX)


def _frame(block: list[list[str]], source: str, index: int) -> Frame:
    title = next((row for row in block if row[0] == "TITL"), ["TITL"])
    box = next((row for row in block if row[0] == "CELL"), None)
    if box is None or len(box) < 8:
        raise FrameSyntaxError("it has no CELL with a wavelength, three lengths and three angles")
    kinds = [word for row in block if row[0] == "SFAC" for word in row[1:]]
    numbers, scaled = [], []
    for row in block:
        if row[0] in ("TITL", "CELL", "SFAC", "END") or row[0] in _NO_ATOMS:
            continue
        numbers.append(_number(row, kinds))
        scaled.append([float(word) for word in row[2:5]])
    cell = np.array(cellpar_to_cell([float(word) for word in box[2:8]]))
    info: dict[str, object] = {"name": title[1]} if len(title) > 1 else {}
    return Frame(
        numbers=np.array(numbers, dtype=np.int32),
        positions=np.array(scaled).reshape(-1, 3) @ cell,
        cell=cell,
        pbc=np.ones(3, dtype=bool),
        energy=_energy(title, len(numbers), info),
        info=info,
        source=source,
        index=index,
    )


def _number(row: list[str], kinds: list[str]) -> int:
    match = _ELEMENT.match(row[0])
    if match is None or len(row) < 5:
        raise FrameSyntaxError(f"an atom is expected in {' '.join(row)[:60]!r}")
    symbol = match.group(1)
    if kinds and symbol not in kinds and symbol[:1] in kinds:
        symbol = symbol[:1]
    number = atomic_numbers.get(symbol, 0)
    if number < 1:
        raise FrameSyntaxError(f"{row[0]!r} is not a chemical element")
    return number


def _energy(title: list[str], n_atoms: int, info: dict[str, object]) -> float | None:
    """Return the energy of a title of AIRSS; FrameSyntaxError where it counts other atoms."""
    if len(title) < 8:
        return None
    try:
        pressure, enthalpy = float(title[2]), float(title[4])
        count = int(title[7])
    except ValueError:
        return None
    if count != n_atoms:
        raise FrameSyntaxError(f"its title has {count} atoms, but {n_atoms} are there")
    if pressure == 0.0:
        return enthalpy
    info["enthalpy"] = enthalpy
    add_note(
        info, "its number is an enthalpy under pressure and no energy (take it by --energy-key enthalpy)"
    )
    return None


RES = Reader("res", read_res, lambda path, head: _BEGINS.search(head) is not None, ("*.res",))
