"""Configurations of MTP (MLIP-2, MLIP-3): ``.cfg`` files of blocks between BEGIN_CFG and END_CFG.

Atoms have types, counted from 0, and no elements: the user gives them. ``PlusStress`` is the virial: minus
stress times volume, eV. Energies are eV, forces eV/Å.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.outputs import WholeLines, numbers, table
from nnpcore.structures.readers.reader import TYPES_FIX, OpenFile, Reader

_BEGINS = re.compile(rb"\A\s*BEGIN_CFG")
_FIX = "Mend or remove this configuration"
_POSITIONS, _SCALED = ("cartes_x", "cartes_y", "cartes_z"), ("direct_x", "direct_y", "direct_z")
_FORCES = ("fx", "fy", "fz")
_STRESS = ("xx", "yy", "zz", "yz", "xz", "xy")


def read_cfg(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the configurations.

    Raises
    ------
    DataError
        Where the elements of the types are not given.
    """
    lines = WholeLines(file.stream, file.check)
    block: list[bytes] | None = None
    start, index = 0, 0
    for line in lines:
        word = line.strip()
        if word == b"BEGIN_CFG":
            if block is not None:
                what = f"it has no END_CFG before the next BEGIN_CFG in line {lines.number}"
                yield FrameProblem(index, what, _FIX)
                index += 1
            block, start = [], lines.number
        elif word == b"END_CFG" and block is not None:
            try:
                yield _frame(block, file, index)
            except FrameSyntaxError as error:
                yield FrameProblem(index, f"{error} (configuration of line {start})", _FIX)
            block, index = None, index + 1
        elif block is not None and word:
            block.append(line)
    if block is not None:
        what = f"the file ends in {lines.end or lines.number} before the END_CFG of line {start}"
        yield FrameProblem(index, what, "Use the configurations before this one")


def _frame(block: list[bytes], file: OpenFile, index: int) -> Frame:
    rows = {row.split()[0].rstrip(b":").lower(): k for k, row in enumerate(block)}
    n_atoms = int(numbers(_below(block, rows, b"size", 1)[0], 1)[0])
    cell = np.zeros((3, 3))
    n_vectors = 0
    if b"supercell" in rows:
        below = block[rows[b"supercell"] + 1 :][:3]
        vectors = [row for row in below if not row.split()[0][:1].isalpha()]
        n_vectors = len(vectors)
        cell[:n_vectors] = table(vectors, 3)
    names = block[rows[b"atomdata"]].decode().split()[1:] if b"atomdata" in rows else []
    if not names:
        raise FrameSyntaxError("it has no AtomData")
    values = table(_below(block, rows, b"atomdata", n_atoms), len(names))
    columns = dict(zip(names, values.T, strict=True))
    stress = None
    if n_vectors == 3 and (key := next((k for k in rows if k.endswith(b"stress")), None)) is not None:
        stress = _stress(block, rows, key, float(abs(np.linalg.det(cell))))
    energy = numbers(_below(block, rows, b"energy", 1)[0], 1)[0] if b"energy" in rows else None
    return Frame(
        numbers=_elements(columns, file),
        positions=_positions(columns, cell),
        cell=cell,
        pbc=np.arange(3) < n_vectors,
        energy=energy,
        forces=np.array([columns[n] for n in _FORCES]).T if all(n in columns for n in _FORCES) else None,
        stress=stress,
        source=str(file.path),
        index=index,
    )


def _below(block: list[bytes], rows: dict[bytes, int], key: bytes, count: int) -> list[bytes]:
    if key not in rows:
        raise FrameSyntaxError(f"it has no {key.decode()}")
    found = block[rows[key] + 1 :][: max(count, 0)]
    if count < 1 or len(found) < count:
        raise FrameSyntaxError(f"it has {len(found)} of {count} lines below {key.decode()}")
    return found


def _stress(block: list[bytes], rows: dict[bytes, int], key: bytes, volume: float) -> np.ndarray | None:
    names = block[rows[key]].decode(errors="replace").split()[1:]
    values = numbers(_below(block, rows, key, 1)[0], 6)
    if set(names) != set(_STRESS) or len(names) != 6:
        raise FrameSyntaxError(f"its stress has the parts {' '.join(names)}")
    part = dict(zip(names, values, strict=True))
    rows_of = (("xx", "xy", "xz"), ("xy", "yy", "yz"), ("xz", "yz", "zz"))
    sign = -1.0 if key == b"plusstress" else 1.0
    tensor = sign * np.array([[part[name] for name in row] for row in rows_of])
    return tensor / volume if volume > 0.0 else None


def _positions(columns: dict[str, np.ndarray], cell: np.ndarray) -> np.ndarray:
    for names in (_POSITIONS, _SCALED):
        if all(name in columns for name in names):
            found = np.array([columns[name] for name in names]).T
            return found if names is _POSITIONS else found @ cell
    raise FrameSyntaxError("its AtomData has no coordinates")


def _elements(columns: dict[str, np.ndarray], file: OpenFile) -> np.ndarray:
    if not file.types:
        what = "its atoms have types, counted from 0, but no elements"
        raise DataError(what, where=str(file.path), fix=TYPES_FIX)
    types = columns.get("type")
    if types is None or not np.isin(types, np.arange(len(file.types))).all():
        raise FrameSyntaxError(f"it has types beyond the {len(file.types)} that were given")
    elements = np.array([atomic_numbers[symbol] for symbol in file.types], dtype=np.int32)
    return elements[types.astype(int)]


CFG = Reader("mtp-cfg", read_cfg, lambda path, head: _BEGINS.search(head) is not None, ("*.cfg",))
