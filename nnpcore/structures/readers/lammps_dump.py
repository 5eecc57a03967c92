"""LAMMPS' text dumps: structures with forces and per-atom values; energies of the whole are not in them.

Elements stand in the column ``element``, or follow from ``mass``; numbers of types alone say nothing, and the
file is refused unless the user gives a map of types. LAMMPS writes C for every type whose element it was not
told: where types or masses say that these are others, the column counts for nothing. Units are those that
``ITEM: UNITS`` or the user names, else "metal", with a note where forces depend on it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from ase.units import Bohr, Hartree, kcal, mol

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame, add_note
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.counted_lines import marked_places
from nnpcore.structures.readers.outputs import WholeLines, table
from nnpcore.structures.readers.reader import TYPES_FIX, CountedFrames, OpenFile, Reader

METAL, REAL, ELECTRON = "LAMMPS metal: eV, Å", "LAMMPS real: kcal/mol, Å", "LAMMPS electron: Ha, Bohr"


class _Units(NamedTuple):
    length: float
    force: float


_UNITS = {
    METAL: _Units(1.0, 1.0),
    REAL: _Units(1.0, kcal / mol),
    ELECTRON: _Units(Bohr, Hartree / Bohr),
}
_BY_WORD = {"metal": METAL, "real": REAL, "electron": ELECTRON}
_FIX = "Mend or remove this frame"
_MASS_TOLERANCE = 0.06
_FORCES = ("fx", "fy", "fz")
_COORDINATES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))
_USED = {"id", "element", "type", *_FORCES, *(name for names in _COORDINATES for name in names)}


class _Block(NamedTuple):
    """The text of one snapshot: heading -> (number of its line, lines below it)."""

    line: int
    parts: dict[str, tuple[int, list[bytes]]]


def read_dump(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the snapshots of a dump.

    Raises
    ------
    DataError
        Where nothing tells the elements.
    """
    lines = WholeLines(file.stream, file.check)
    units = file.units
    for index, block in enumerate(_blocks(lines)):
        units = _units_of(block, units)
        yield _item(block, units, file, index, lines.end)


def _units_of(block: _Block, before: str) -> str:
    """Return the units that a snapshot names, else those ``before``."""
    named = block.parts.get("UNITS")
    if named is None:
        return before
    word = b"".join(named[1]).decode("utf-8", errors="replace").strip()
    return _BY_WORD.get(word, f"LAMMPS {word}")


def _item(block: _Block, units: str, file: OpenFile, index: int, end: str) -> Frame | FrameProblem:
    try:
        return _frame(block, units, file, index, end)
    except FrameSyntaxError as error:
        return FrameProblem(index, f"{error} (snapshot of line {block.line})", _FIX)


def _counted(file: OpenFile) -> CountedFrames:
    """Find snapshots by their first lines; units that the first one names are those of all."""
    first = next(_blocks(WholeLines(file.stream)), None)
    units = file.units if first is None else _units_of(first, file.units)
    file.stream.seek(0)
    mark = b"ITEM: TIMESTEP\n"

    def parse(text: bytes, number: int, line: int) -> Frame | FrameProblem:
        lines = WholeLines(io.BytesIO(text), number=line - 1)
        block = next(_blocks(lines))
        return _item(block, _units_of(block, units), file, number, lines.end)

    return CountedFrames(marked_places(file.stream, mark, file.check), parse)


def _blocks(lines: WholeLines) -> Iterator[_Block]:
    """Yield the snapshots: each begins at the first item behind the one with the atoms."""
    parts: dict[str, tuple[int, list[bytes]]] = {}
    rows: list[bytes] = []
    heading, start = "", lines.number + 1
    for line in lines:
        if not line.startswith(b"ITEM:"):
            rows.append(line)
            continue
        new = line[5:].decode("utf-8", errors="replace").strip()
        if heading.startswith("ATOMS") or new.split()[:1] in ([name] for name in parts):
            yield _Block(start, parts)
            parts, start = {}, lines.number
        heading, rows = new, []
        name = next((n for n in ("ATOMS", "BOX BOUNDS", "NUMBER OF ATOMS") if new.startswith(n)), new)
        parts[name] = (lines.number, rows)
        parts[f"{name}:"] = (lines.number, [line[5:].strip()[len(name) :]])
    if parts:
        yield _Block(start, parts)


def _frame(block: _Block, units: str, file: OpenFile, index: int, end: str) -> Frame:
    rows = block.parts.get("ATOMS", (0, []))[1]
    n_atoms = _count(block)
    if len(rows) != n_atoms:
        where = f" before the file ends in {end}" if end else ""
        raise FrameSyntaxError(f"it has {len(rows)} of {n_atoms} atoms{where}")
    columns = _columns(block, n_atoms)
    if units and units not in _UNITS:
        raise FrameSyntaxError(f"its units, {units}, are no units of matter that can be converted")
    scale = _UNITS[units or METAL]
    cell, origin, pbc = _box(block)
    forces = None
    if all(name in columns for name in _FORCES):
        forces = np.array([_floats(columns, name) for name in _FORCES]).T * scale.force
    step = block.parts.get("TIMESTEP", (0, [b"0"]))[1]
    info: dict[str, object] = {}
    if step and step[0].strip().isdigit() and len(step[0]) < 19:
        info["step"] = int(step[0])
    if forces is not None and not units:
        add_note(info, "the dump names no units, its forces are taken for eV/Å (LAMMPS' metal units)")
    return Frame(
        numbers=_numbers(columns, file),
        positions=_positions(columns, cell, origin) * scale.length,
        cell=cell * scale.length,
        pbc=pbc,
        forces=forces,
        arrays=_further(columns),
        info=info,
        source=str(file.path),
        index=index,
    )


def _count(block: _Block) -> int:
    rows = block.parts.get("NUMBER OF ATOMS", (0, []))[1]
    if len(rows) != 1 or not rows[0].strip().isdigit() or len(rows[0]) > 12:
        raise FrameSyntaxError("its number of atoms is missing or none")
    return int(rows[0])


def _columns(block: _Block, n_atoms: int) -> dict[str, np.ndarray]:
    """Return the words of the atoms' lines by column, sorted by the atoms' ids."""
    line, rows = block.parts["ATOMS"]
    names = block.parts["ATOMS:"][1][0].decode("utf-8", errors="replace").split()
    words = [row.split() for row in rows]
    for number, row in enumerate(words, start=line + 1):
        if len(row) != len(names):
            raise FrameSyntaxError(f"line {number} has {len(row)} values for {len(names)} columns")
    found = dict(zip(names, np.array(words, dtype=bytes).reshape(n_atoms, len(names)).T, strict=True))
    if "id" not in found:
        return found
    ids = _floats(found, "id")
    if len(np.unique(ids)) != n_atoms:
        raise FrameSyntaxError("two of its atoms have the same id")
    order = np.argsort(ids, kind="stable")
    return {name: values[order] for name, values in found.items()}


def _floats(columns: dict[str, np.ndarray], name: str) -> np.ndarray:
    try:
        return columns[name].astype(np.float64)
    except ValueError as error:
        raise FrameSyntaxError(f"its column {name!r} has no numbers ({error})") from None


def _numbers(columns: dict[str, np.ndarray], file: OpenFile) -> np.ndarray:
    """Return the atomic numbers by what the user says of types, else by the column that tells them."""
    if "type" in columns and file.types:
        return _by_type(_floats(columns, "type"), file.types)
    if "element" in columns and not _are_untold(columns):
        kinds = {
            word: atomic_numbers.get(word.decode(errors="replace"), 0) for word in set(columns["element"])
        }
        bad = next((word for word, number in kinds.items() if number < 1), None)
        if bad is not None:
            raise FrameSyntaxError(f"{bad.decode(errors='replace')!r} is not a chemical element")
        return np.array([kinds[word] for word in columns["element"]], dtype=np.int32)
    if "mass" in columns:
        return _by_mass(_floats(columns, "mass"))
    why = "there is no column 'element'"
    if "element" in columns:
        why = "all types are C, as LAMMPS writes where it was not told the elements"
    raise DataError(f"its atoms have types but no elements ({why})", where=str(file.path), fix=TYPES_FIX)


def _by_type(types: np.ndarray, symbols: Sequence[str]) -> np.ndarray:
    if not np.isin(types, np.arange(1, len(symbols) + 1)).all():
        raise FrameSyntaxError(f"it has types beyond the {len(symbols)} that were given")
    numbers = np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int32)
    return numbers[types.astype(int) - 1]


def _are_untold(columns: dict[str, np.ndarray]) -> bool:
    """Return whether the elements are LAMMPS' default, C for each of several types, or against the masses."""
    if set(columns["element"]) != {b"C"}:
        return False
    if "mass" in columns:
        return bool((np.abs(_floats(columns, "mass") - atomic_masses[6]) > _MASS_TOLERANCE).any())
    return "type" in columns and len(set(columns["type"])) > 1


def _by_mass(masses: np.ndarray) -> np.ndarray:
    misfits = np.abs(atomic_masses[None, 1:] - masses[:, None])
    nearest = misfits.argmin(axis=1)
    if not (misfits[np.arange(len(masses)), nearest] < _MASS_TOLERANCE).all():
        raise FrameSyntaxError("its masses are not those of elements")
    return (nearest + 1).astype(np.int32)


def _box(block: _Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cell (3, 3), origin (3,) and periodic directions (3,), in the dump's lengths."""
    rows = block.parts.get("BOX BOUNDS", (0, []))[1]
    if len(rows) != 3:
        raise FrameSyntaxError("its box has not three lines")
    words = block.parts["BOX BOUNDS:"][1][0].decode("utf-8", errors="replace").split()
    directions = [word for word in words if len(word) == 2 and set(word) <= set("pfsm")]
    if len(directions) not in (0, 3):
        raise FrameSyntaxError(f"its box has {len(directions)} boundaries, three are expected")
    pbc = np.array([word == "pp" for word in directions] or [True] * 3)
    if "abc" in words:
        values = table(rows, 4)
        return values[:, :3], values[:, 3], pbc
    tilted = "xy" in words
    values = table(rows, 3 if tilted else 2)
    xy, xz, yz = values[:, 2] if tilted else np.zeros(3)
    low, high = values[:, 0].copy(), values[:, 1].copy()
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    lx, ly, lz = high - low
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]), low, pbc


def _positions(columns: dict[str, np.ndarray], cell: np.ndarray, origin: np.ndarray) -> np.ndarray:
    for names in _COORDINATES:
        if all(name in columns for name in names):
            found = np.array([_floats(columns, name) for name in names]).T
            return found @ cell + origin if "s" in names[0] else found
    raise FrameSyntaxError("it has no coordinates (columns x y z, xu yu zu, xs ys zs)")


def _further(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The other columns that hold numbers, under their names; charges under ASE's."""
    arrays = {}
    for name in columns:
        if name in _USED:
            continue
        try:
            arrays["charges" if name == "q" else name] = columns[name].astype(np.float64)
        except ValueError:
            continue
    return arrays


DUMP = Reader(
    "lammps-dump-text",
    read_dump,
    lambda path, head: head.startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME\n")),
    ("*.lammpstrj", "*.dump"),
    {"metal": METAL, "real": REAL, "electron": ELECTRON},
    counted=_counted,
)
