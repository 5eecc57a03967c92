"""Reference data of CP2K: its output, and the trajectory it writes (``NAME-pos-1.xyz`` and friends).

CP2K works in Hartree and Bohr and prints stress with the sign of a pressure. The layouts are those of
versions 6 to 2025. A molecular dynamics' ``.stress`` holds the kinetic part too, which is no property of a
structure: it is left out. An output repeats the coordinates only where told to; energies without them are
reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from ase.data import atomic_numbers
from ase.geometry import cellpar_to_cell
from ase.units import Bohr, GPa, Hartree, bar

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.extxyz import (
    FrameSyntaxError,
    find_frames,
    looks_like_xyz,
    parse_atoms,
    read_text,
    split_text,
)
from nnpcore.structures.readers.reader import OpenFile, Reader, open_stream

_OUTPUT_LINE = re.compile(rb"^ CP2K\|", re.MULTILINE)

STEP_COMMENT = re.compile(r"^\s*i\s*=\s*(\d+),.*\bE\s*=\s*(\S+)")
"""The comment line of a frame that CP2K writes: `` i = 0, time = 0.000, E = -17.1643447508``."""

_NAME = re.compile(r"(.*)-pos-(\d+)\.xyz")
_OTHERS = re.compile(r"(.*)-(frc|vel)-(\d+)\.xyz")
_FIX = "Mend the file, or use the frames before this one"
_STRESS_UNITS = {"GPa": GPa, "bar": bar, "kbar": 1000.0 * bar}


def is_trajectory(path: Path, head: bytes) -> bool:
    """Whether a file is CP2K's ``NAME-pos-1.xyz``, by its name and the comment of its first frame.

    DataError for the forces and velocities beside it.
    """
    if not looks_like_xyz(head) or not STEP_COMMENT.match(head.split(b"\n", 2)[1].decode(errors="replace")):
        return False
    other = _OTHERS.fullmatch(path.name)
    if other:
        stem, kind, number = other.groups()
        what = "forces" if kind == "frc" else "velocities"
        raise DataError(
            f"these are {what} of CP2K, not structures",
            where=str(path),
            fix=f"Open {stem}-pos-{number}.xyz; what lies beside it is read with it",
        )
    return bool(_NAME.fullmatch(path.name))


def read_trajectory(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the frames of ``NAME-pos-1.xyz`` with what the files beside it say.

    Forces come from ``NAME-frc-1.xyz``, cells from ``NAME-1.cell`` or, where they are constant, from
    ``NAME-1.restart`` or ``NAME.inp``, stresses from ``NAME-1.stress``.

    Raises
    ------
    DataError
        When nothing tells the cell.
    """
    path, index = file.path, 0
    match = _NAME.fullmatch(path.name)
    stem, number = match.groups() if match else (path.stem, "1")
    cells = _table(path.parent / f"{stem}-{number}.cell")
    constant = None if cells else _constant_cell(path, stem, number)
    stresses = _table(path.parent / f"{stem}-{number}.stress")
    forces = _Forces(path.with_name(f"{stem}-frc-{number}.xyz"))
    try:
        for step in _steps(file.stream):
            force = forces.of(step)
            cell = cells.get(step.number) if cells else constant
            if cell is None:
                raise FrameSyntaxError(f"{stem}-{number}.cell has no step {step.number}")
            stress = None if "time" in step.comment else stresses.get(step.number)
            energy = _energy_of(step.comment)
            yield _frame(step, cell, energy, force, stress, str(path), index, {"step": step.number})
            index += 1
    except FrameSyntaxError as error:
        yield FrameProblem(index, str(error), _FIX)


class _Step(NamedTuple):
    """A frame of CP2K's XYZ files: its first line, step, comment, symbols and three numbers for each atom."""

    line: int
    number: int
    comment: str
    symbols: list[str]
    vectors: np.ndarray


def _steps(stream: IO[bytes]) -> Iterator[_Step]:
    """Yield what an XYZ file of CP2K holds; FrameSyntaxError names the line of the first damage."""
    for place in list(find_frames(stream)):
        comment, lines = split_text(read_text(stream, place), place)
        columns = parse_atoms(lines, None, place.line + 2)
        match = STEP_COMMENT.match(comment)
        symbols, vectors = columns["symbols"].tolist(), columns["positions"]
        yield _Step(place.line, int(match.group(1)) if match else -1, comment, symbols, vectors)


class _Forces:
    """The forces beside a trajectory, step by step in the same order; none where there is no such file."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._steps = self._read(path) if path.is_file() else None

    @staticmethod
    def _read(path: Path) -> Iterator[_Step]:
        with open_stream(path) as stream:
            yield from _steps(stream)

    def of(self, step: _Step) -> np.ndarray | None:
        """Return the forces (n_atoms, 3) of the next step, Hartree/Bohr; FrameSyntaxError for another one."""
        if self._steps is None:
            return None
        why = f"it has no step {step.number} with the same atoms"
        try:
            force = next(self._steps, None)
        except FrameSyntaxError as error:
            force, why = None, str(error)
        if force is None or force.number != step.number or force.symbols != step.symbols:
            raise FrameSyntaxError(f"its forces are missing: {self._name}, {why}")
        return force.vectors


def _frame(
    step: _Step,
    cell: np.ndarray,
    energy: float | None,
    forces: np.ndarray | None,
    stress: np.ndarray | None,
    source: str,
    index: int,
    info: dict[str, Any],
) -> Frame:
    """Return a structure with its cell (Å, zero for none) and its labels in CP2K's units, the stress in bar.

    Kinds such as ``O1`` or ``Fe_up`` are taken by their element.
    """
    numbers = []
    for symbol in step.symbols:
        match = re.match(r"[A-Za-z]{1,2}", symbol)
        name = match.group(0).capitalize() if match else symbol
        number = atomic_numbers.get(name) or atomic_numbers.get(name[:1])
        if not number:
            raise FrameSyntaxError(f"{symbol!r} is not a chemical element (structure of line {step.line})")
        numbers.append(number)
    return Frame(
        numbers=np.array(numbers, dtype=np.int32),
        positions=step.vectors,
        cell=cell.reshape(3, 3),
        pbc=np.full(3, bool(cell.any())),
        energy=None if energy is None else energy * Hartree,
        forces=None if forces is None else forces * (Hartree / Bohr),
        stress=None if stress is None else -0.5 * bar * (stress.reshape(3, 3) + stress.reshape(3, 3).T),
        info=info,
        source=source,
        index=index,
    )


def _energy_of(comment: str) -> float | None:
    match = STEP_COMMENT.match(comment)
    try:
        return float(match.group(2)) if match else None
    except ValueError:
        return None


def _table(path: Path) -> dict[int, np.ndarray]:
    """Return the rows of a ``.cell`` or ``.stress`` file by step: nine numbers behind step and time."""
    rows: dict[int, np.ndarray] = {}
    if not path.is_file():
        return rows
    with open(path, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                rows[int(words[0])] = np.array([float(word) for word in words[2:11]])
                if len(rows[int(words[0])]) != 9:
                    raise ValueError("too few numbers")
            except ValueError as error:
                raise DataError(
                    f"line {number} cannot be understood ({error})", where=str(path), fix="Mend this file"
                ) from None
    return rows


def _constant_cell(path: Path, stem: str, number: str) -> np.ndarray:
    """Return the cell (3, 3), Å, of a restart or input file beside the trajectory; zero for PERIODIC NONE."""
    for name in (f"{stem}-{number}.restart", f"{stem}.restart", f"{stem}.inp"):
        file = path.with_name(name)
        if file.is_file():
            cell = parse_cell(file.read_text(encoding="utf-8", errors="replace"))
            if cell is not None:
                return cell
    raise DataError(
        "nothing beside this trajectory of CP2K tells its cell",
        where=str(path),
        fix=f"Put {stem}-{number}.cell, {stem}-{number}.restart or {stem}.inp beside it",
    )


def parse_cell(text: str) -> np.ndarray | None:
    """Return the cell (3, 3), Å, of the ``&CELL`` section of a CP2K input, or None where there is none."""
    section = re.search(r"^\s*&CELL\b[^\n]*\n(.*?)^\s*&END", text, re.DOTALL | re.MULTILINE | re.IGNORECASE)
    if section is None:
        return None
    values: dict[str, list[str]] = {}
    for line in section.group(1).splitlines():
        words = line.partition("#")[0].partition("!")[0].split()
        if words:
            values[words[0].upper()] = [word for word in words[1:] if not word.startswith("[")]
            if "[bohr]" in line.lower():
                values[words[0].upper()] = [str(float(word) * Bohr) for word in values[words[0].upper()]]
    if values.get("PERIODIC", [""])[0].upper() == "NONE":
        return np.zeros((3, 3))
    try:
        if "ABC" in values:
            angles = values.get("ALPHA_BETA_GAMMA", ["90", "90", "90"])
            return np.array(cellpar_to_cell([float(x) for x in values["ABC"] + angles]))
        return np.array([[float(x) for x in values[axis]] for axis in "ABC"]).reshape(3, 3)
    except (KeyError, ValueError):
        return None


def read_output(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the structures of a CP2K output that stand there with coordinates and energy.

    The structure's coordinates and cell come before its energy, forces and stress behind it, up to the next
    coordinates or energy.
    """
    lines = file.stream.read().decode("utf-8", errors="replace").splitlines()
    cell = np.zeros((3, 3))
    coordinates: _Step | None = None
    index, lost = 0, 0
    for number, line in enumerate(lines, start=1):
        if line.startswith(" CELL| Vector a [angstrom"):
            cell = _output_cell(lines, number - 1)
        elif _heads_coordinates(line):
            coordinates = _output_coordinates(lines, number)
        elif line.startswith(" ENERGY| Total FORCE_EVAL"):
            if coordinates is None:
                lost += 1
                continue
            try:
                yield _output_frame(lines, number, cell, coordinates, str(file.path), index)
            except (ValueError, IndexError) as error:
                yield FrameProblem(index, f"line {number} on: {error}", _FIX)
                return
            coordinates, index = None, index + 1
    if lost:
        what = f"{lost} more energies stand in this output without coordinates"
        yield FrameProblem(index, what, "Open NAME-pos-1.xyz beside it instead, or skip this")
    elif coordinates is not None:
        what = f"the output breaks off in line {len(lines)}, before the energy of this structure"
        yield FrameProblem(index, what, "Use the frames before this one")


def _output_cell(lines: list[str], at: int) -> np.ndarray:
    rows = []
    for line in lines[at : at + 3]:
        words = line.partition("]")[2].lstrip(":").split()
        rows.append([float(word) for word in words[:3]])
    return np.array(rows) if np.shape(rows) == (3, 3) else np.zeros((3, 3))


def _output_coordinates(lines: list[str], at: int) -> _Step:
    """Read the lines ``index kind symbol Z x y z Z(eff) mass`` behind the heading."""
    scale = Bohr if "BOHR" in lines[at - 1].upper() else 1.0
    symbols, rows = [], []
    for line in lines[at:]:
        words = line.split()
        if len(words) >= 7 and words[0].isdigit() and words[1].isdigit():
            symbols.append(words[2])
            rows.append([scale * float(word) for word in words[4:7]])
        elif rows:
            break
    return _Step(at, -1, "", symbols, np.array(rows).reshape(-1, 3))


def _output_frame(
    lines: list[str], at: int, cell: np.ndarray, coordinates: _Step, source: str, index: int
) -> Frame:
    behind = range(at, len(lines))
    starts = (k for k in behind if lines[k].startswith(" ENERGY| Total") or _heads_coordinates(lines[k]))
    part = lines[at : next(starts, len(lines))]
    forces, stress = _output_forces(part, len(coordinates.symbols), at), _output_stress(part)
    energy = float(lines[at - 1].split()[-1])
    return _frame(coordinates, cell, energy, forces, stress, source, index, {})


def _heads_coordinates(line: str) -> bool:
    return "ATOMIC COORDINATES IN" in line.upper() and "MODULE" in line


def _output_forces(part: list[str], n_atoms: int, at: int) -> np.ndarray | None:
    """Return forces, Hartree/Bohr: `` FORCES| 1 x y z |f|`` or, until 2024, ``1 kind symbol x y z``."""
    rows = [line.split() for line in part if re.match(r" FORCES\|\s+\d+\s", line)]
    columns = slice(2, 5)
    heading = next((k for k, line in enumerate(part) if line.startswith(" ATOMIC FORCES in [a.u.]")), None)
    if not rows and heading is not None:
        columns = slice(3, 6)
        for line in part[heading + 1 :]:
            if "SUM OF ATOMIC FORCES" in line:
                break
            if re.match(r"\s+\d+\s+\d+\s+\S+\s", line):
                rows.append(line.split())
    if not rows and heading is None and not any(line.startswith(" FORCES|") for line in part):
        return None
    found = [[float(word) for word in words[columns]] for words in rows]
    if len(found) != n_atoms or any(len(row) != 3 for row in found):
        raise ValueError(f"it has the forces of {len(found)} of {n_atoms} atoms before line {at + len(part)}")
    return np.array(found)


def _output_stress(part: list[str]) -> np.ndarray | None:
    """Return the stress (9,) as CP2K prints it, in bar: two layouts, in GPa or bar."""
    for k, line in enumerate(part):
        unit = re.search(r"stress tensor \[(\w+)\]", line, re.IGNORECASE)
        if unit is None or unit.group(1) not in _STRESS_UNITS:
            continue
        rows = []
        for text in part[k + 1 : k + 8]:
            words = text.replace("STRESS|", " ").split()
            if len(words) == 4 and words[0].lower() in "xyz":
                rows.append([float(word) for word in words[1:]])
        if len(rows) == 3:
            return np.array(rows).ravel() * (_STRESS_UNITS[unit.group(1)] / bar)
        raise ValueError("its stress tensor is cut off")
    return None


TRAJECTORY = Reader("cp2k-trajectory", read_trajectory, is_trajectory)
OUTPUT = Reader("cp2k-output", read_output, lambda path, head: _OUTPUT_LINE.search(head) is not None)
