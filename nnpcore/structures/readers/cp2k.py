"""Reference data of CP2K: its output, and the trajectory it writes (``NAME-pos-1.xyz`` and friends).

CP2K works in Hartree and Bohr and prints stress with the sign of a pressure. The layouts are those of
versions 6 to 2025. A molecular dynamics' ``.stress`` holds the kinetic part too, which is no property of a
structure: it is left out. An output repeats the coordinates only where told to; energies without them are
reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from ase.geometry import cellpar_to_cell
from ase.units import Bohr, GPa, Hartree, bar, kcal, kJ, mol

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame, add_note
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.extxyz import looks_like_xyz, parse_atoms, split_text
from nnpcore.structures.readers.foreign_xyz import STEP_COMMENT
from nnpcore.structures.readers.outputs import (
    LEFT_OUT,
    UNCONVERGED,
    USE_BEFORE,
    WholeLines,
    element_number,
)
from nnpcore.structures.readers.reader import OpenFile, Reader, open_stream
from nnpcore.structures.readers.xyz_frames import FrameText, find_frames, read_text

_OUTPUT_LINE = re.compile(rb"^ CP2K\|", re.MULTILINE)

_ENSEMBLE = re.compile(r" MD(?:_PAR)?\|\s+Ensemble Type\s+(\S+)", re.IGNORECASE)
_FORCES_HEAD = re.compile(r" FORCES\| Atomic forces| ATOMIC FORCES in", re.IGNORECASE)
_NAME = re.compile(r"(.*)-pos-(\d+)\.xyz")
_OTHERS = re.compile(r"(.*)-(frc|vel)-(\d+)\.xyz")
_FIX = "Mend the file, or use the frames before this one"
_LENGTHS = {"angstrom": 1.0, "bohr": Bohr, "au": Bohr, "nm": 10.0, "pm": 0.01}
_CLOSING = re.compile(
    r" ENERGY\| Total| CELL\|| CELL_| MD\||.*MD_VEL| OPT\||.*Informations at step|.*OPTIMIZATION|"
    r".*PROGRAM ENDED|.*T I M I N G| MEMORY\|| DBCSR|.*DBCSR STATISTICS| BFGS|.*MULTI GRID INFO|"
    r" \*+$| ENSEMBLE TYPE| STEP NUMBER"
)
"""What stands behind a structure's last numbers."""

_PRINTED = {"TRAJECTORY": ("angstrom",), "FORCES": ("hartree*bohr^-1", "bohr^-1*hartree")}
"""Usual units of what a run prints."""

_STRESS_UNITS = {
    "gpa": GPa, "mpa": 1e-3 * GPa, "pa": 1e-9 * GPa, "bar": bar, "kbar": 1000.0 * bar, "atm": 1.01325 * bar,
    "ev/angstrom^3": 1.0, "hartree/bohr^3": Hartree / Bohr**3, "a.u.": Hartree / Bohr**3,
}  # fmt: skip
_ENERGY_UNITS = {
    "a.u.": 1.0, "hartree": 1.0, "ha": 1.0, "ev": 1.0 / Hartree, "ry": 0.5, "rydberg": 0.5,
    "kcalmol": kcal / mol / Hartree, "kjmol": kJ / mol / Hartree,
}  # fmt: skip
_FORCE_UNITS = {
    "a.u.": 1.0, "hartree/bohr": 1.0, "hartree*bohr^-1": 1.0, "ev/angstrom": Bohr / Hartree,
    "ev*angstrom^-1": Bohr / Hartree,
}  # fmt: skip
"""Since 2025 CP2K's output may be printed in other units than its own."""
_UNIT = re.compile(r"\[([^]]+)\]")


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
        When nothing tells the cell, or when it changes and its file is not there.
    """
    path = file.path
    match = _NAME.fullmatch(path.name)
    stem, number = match.groups() if match else (path.stem, "1")
    cells = _table(path.parent / f"{stem}-{number}.cell")
    box = _box_beside(path, stem, number, changing=bool(cells))
    stresses = _table(path.parent / f"{stem}-{number}.stress")
    forces = _Forces(path.with_name(f"{stem}-frc-{number}.xyz"))
    for index, step in enumerate(_steps(file.stream)):
        force = forces.of(step)
        try:
            if step.problem or isinstance(force, str):
                raise FrameSyntaxError(step.problem or str(force))
            cell = cells.get(step.number) if cells else box.cell
            if cell is None:
                raise FrameSyntaxError(f"{stem}-{number}.cell has no step {step.number}")
            stress = None if "time" in step.comment else stresses.get(step.number)
            given = _Labels(_energy_of(step.comment), force, stress)
            yield _frame(step, _Box(cell, box.pbc), given, str(path), index, {"step": step.number})
        except FrameSyntaxError as error:
            yield FrameProblem(index, str(error), _FIX)


class _Step(NamedTuple):
    """A frame of CP2K's XYZ files: its first line, step, comment, symbols and three numbers for each atom.

    One that cannot be understood has a ``problem``.
    """

    line: int
    number: int
    comment: str
    symbols: list[str]
    vectors: np.ndarray
    problem: str = ""


@dataclass(frozen=True)
class _Box:
    """The cell (3, 3), Å, and along which of its vectors the structure repeats."""

    cell: np.ndarray
    pbc: np.ndarray


@dataclass(frozen=True)
class _Labels:
    """Energy, Hartree, forces (n_atoms, 3), Hartree/Bohr, and stress (9,), bar, of a structure."""

    energy: float | None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None


def _steps(stream: IO[bytes]) -> Iterator[_Step]:
    """Yield what an XYZ file of CP2K holds; a damaged frame has a problem that names the line."""
    for place in list(find_frames(stream)):
        text = read_text(stream, place)
        second = text.partition(b"\n")[2].partition(b"\n")[0].decode("utf-8", errors="replace")
        match = STEP_COMMENT.match(second)
        number = int(match.group(1)) if match and len(match.group(1)) < 18 else -1
        try:
            yield _step(text, place, number)
        except FrameSyntaxError as error:
            yield _Step(place.line, number, "", [], np.zeros((0, 3)), str(error))


def _step(text: bytes, place: FrameText, number: int) -> _Step:
    comment, lines = split_text(text, place)
    if place.open_end:
        raise FrameSyntaxError(f"the file breaks off in line {place.line + 1 + len(lines)}")
    columns = parse_atoms(lines, None, place.line + 2)
    return _Step(place.line, number, comment, columns["symbols"].tolist(), columns["positions"])


class _Forces:
    """The forces beside a trajectory, step by step in the same order; none where there is no such file."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._steps = self._read(path) if path.is_file() else None
        self._next: _Step | None = None

    @staticmethod
    def _read(path: Path) -> Iterator[_Step]:
        with open_stream(path) as stream:
            yield from _steps(stream)

    def of(self, step: _Step) -> np.ndarray | str | None:
        """Return a step's forces (n_atoms, 3), Hartree/Bohr, or why there are none; None without a file."""
        if self._steps is None:
            return None
        try:
            self._next = self._next or next(self._steps, None)
            while self._next is not None and self._next.number < step.number:
                self._next = next(self._steps, None)
        except FrameSyntaxError as error:
            return f"its forces are missing: {self._name}, {error}"
        found = self._next
        if found is None or found.number != step.number:
            return f"its forces are missing: {self._name}, it has no step {step.number} with the same atoms"
        self._next = None
        if found.problem or found.symbols != step.symbols:
            why = found.problem or f"it has no step {step.number} with the same atoms"
            return f"its forces are missing: {self._name}, {why}"
        return found.vectors


def _frame(step: _Step, box: _Box, labels: _Labels, source: str, index: int, info: dict[str, Any]) -> Frame:
    """Return a structure with its labels in eV and Å. Kinds such as ``O1`` are taken by their element."""
    try:
        kinds = {symbol: element_number(symbol) for symbol in set(step.symbols)}
    except FrameSyntaxError as error:
        raise FrameSyntaxError(f"{error} (structure of line {step.line})") from None
    stress = None if labels.stress is None else labels.stress.reshape(3, 3)
    return Frame(
        numbers=np.array([kinds[symbol] for symbol in step.symbols], dtype=np.int32),
        positions=step.vectors,
        cell=box.cell.reshape(3, 3),
        pbc=box.pbc & bool(box.cell.any()),
        energy=None if labels.energy is None else labels.energy * Hartree,
        forces=None if labels.forces is None else labels.forces * (Hartree / Bohr),
        stress=None if stress is None else -0.5 * bar * (stress + stress.T),
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
    with open_stream(path) as stream:
        lines = WholeLines(stream)
        for line in lines:
            words = line.split()
            if not words or words[0].startswith(b"#"):
                continue
            try:
                step, values = int(words[0]), np.array([float(word) for word in words[2:11]])
                if len(words) < 11:
                    raise ValueError("too few numbers")
                if not np.allclose(rows.get(step, values), values, rtol=1e-6, atol=1e-6):
                    raise ValueError(
                        f"step {step} stands there with other numbers before: runs put together?"
                    )
                rows[step] = values
            except ValueError as error:
                raise DataError(
                    f"line {lines.number} cannot be understood ({error})",
                    where=str(path),
                    fix="Mend this file",
                ) from None
    return rows


def _box_beside(path: Path, stem: str, number: str, *, changing: bool) -> _Box:
    """Return the box that a restart or input file beside the trajectory tells; zero for PERIODIC NONE.

    ``changing``: whether the cells of all steps are there, so that only the directions are wanted.
    """
    found: _Box | None = None
    for name in (f"{stem}-{number}.restart", f"{stem}.restart", f"{stem}.inp"):
        file = path.with_name(name)
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if odd := _odd_unit(text):
            raise DataError(
                f"{name} has it printed with {odd}, and Eatlas reads Å and Hartree/Bohr",
                where=str(path),
                fix="Print it without UNIT, or open the output of CP2K",
            )
        changes = _changes_cell(text)
        if changes and not changing:
            raise DataError(
                f"the cell changes in this run ({changes} in {name}), and {stem}-{number}.cell is not there",
                where=str(path),
                fix=f"Put {stem}-{number}.cell beside it",
            )
        try:
            found = found or parse_box(text)
        except FrameSyntaxError as error:
            raise DataError(str(error), where=str(file), fix=f"Put {stem}-{number}.cell beside it") from None
    if found is not None:
        return found
    if changing:
        return _Box(np.zeros((3, 3)), np.ones(3, dtype=bool))
    raise DataError(
        "nothing beside this trajectory of CP2K tells its cell",
        where=str(path),
        fix=f"Put {stem}-{number}.cell, {stem}-{number}.restart or {stem}.inp beside it",
    )


def _keywords(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield (the sections one is in, the words) of each line of a CP2K input, comments left out."""
    sections: list[str] = []
    for line in text.splitlines():
        words = line.partition("#")[0].partition("!")[0].split()
        if not words:
            continue
        if words[0].upper().startswith("&END"):
            sections = sections[:-1]
        elif words[0].startswith("&"):
            sections = [*sections, words[0][1:].upper()]
        else:
            yield sections, words


def _odd_unit(text: str) -> str:
    """Return the line that has positions or forces printed in other units, such as UNIT bohr, or ""."""
    for sections, words in _keywords(text):
        usual = _PRINTED.get(sections[-1]) if sections[-2:-1] == ["PRINT"] else None
        if usual and words[0].upper() == "UNIT" and len(words) > 1 and words[1].lower() not in usual:
            return f"UNIT {words[1]} ({sections[-1]})"
    return ""


def _changes_cell(text: str) -> str:
    """Return what makes the cell change in a run, such as NPT_F; empty where nothing does."""
    run, ensemble = "", ""
    for sections, words in _keywords(text):
        key, value = words[0].upper(), (words[1].upper() if len(words) > 1 else "")
        if key == "RUN_TYPE" and sections[-1:] == ["GLOBAL"]:
            run = value
        elif key == "ENSEMBLE" and sections[-1:] == ["MD"]:
            ensemble = value
    if run == "CELL_OPT":
        return run
    dynamics = run in ("", "MD", "MOLECULAR_DYNAMICS")
    return ensemble if dynamics and ensemble.startswith("NP") else ""


def parse_box(text: str) -> _Box | None:
    """Return the cell of the ``&CELL`` section of a CP2K input, or None where there is none.

    FrameSyntaxError for what cannot be understood: units, directions, multiplied cells.
    """
    values: dict[str, list[str]] = {}
    for sections, words in _keywords(text):
        if sections[-1:] == ["CELL"]:
            values.setdefault(words[0].upper(), words[1:])
    periodic = values.get("PERIODIC", ["XYZ"])[0].upper()
    if periodic != "NONE" and not re.fullmatch("X?Y?Z?", periodic):
        raise FrameSyntaxError(f"PERIODIC {periodic} cannot be understood")
    if any(word != "1" for word in values.get("MULTIPLE_UNIT_CELL", [])):
        raise FrameSyntaxError("MULTIPLE_UNIT_CELL makes the cell another one than the input's")
    if periodic == "NONE" and values:
        return _Box(np.zeros((3, 3)), np.zeros(3, dtype=bool))
    pbc = np.array([axis in periodic for axis in "XYZ"])
    try:
        if "ABC" in values:
            angles = [float(x) for x in values.get("ALPHA_BETA_GAMMA", ["90", "90", "90"])[:3]]
            return _Box(np.array(cellpar_to_cell(_lengths(values["ABC"]) + angles)), pbc)
        return _Box(np.array([_lengths(values[axis]) for axis in "ABC"]), pbc)
    except (KeyError, ValueError):
        return None


def _lengths(words: list[str]) -> list[float]:
    """Return three lengths, Å, that may have their unit before them, as in ``[bohr] 1 2 3``."""
    scale = 1.0
    if words[:1] and words[0].startswith("["):
        unit = words[0].strip("[]").lower()
        if unit not in _LENGTHS:
            raise FrameSyntaxError(f"the unit [{unit}] of a length is unknown")
        scale, words = _LENGTHS[unit], words[1:]
    return [scale * float(word) for word in (*words[:3], *[""] * (3 - len(words)))]


def read_output(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the structures of a CP2K output that stand there with coordinates and energy.

    The structure's coordinates and cell come before its energy, forces and stress behind it, up to the next
    coordinates or energy, or what else shows that they are complete.
    """
    return _Output(file).read()


@dataclass
class _Calculation:
    """The line of an energy, the structure it belongs to, and the lines behind it.

    ``old_cell`` : ensemble in which the cell changes, where it is that of an earlier structure.
    """

    line: int
    energy: str
    structure: _Step
    box: _Box
    unconverged: bool
    old_cell: str
    part: list[str] = field(default_factory=list)


class _Output:
    """An output while it is read."""

    def __init__(self, file: OpenFile) -> None:
        self.file, self.lines = file, WholeLines(file.stream, file.check)
        self.box = _Box(np.zeros((3, 3)), np.ones(3, dtype=bool))
        self.structure: _Step | None = None
        self.open: _Calculation | None = None
        self.index, self.lost, self.unconverged = 0, 0, False
        self.ensemble, self.old_cell = "", False

    def read(self) -> Iterator[Frame | FrameProblem]:
        """Go over the lines; a structure is given where something behind it shows that it is complete."""
        for raw in self.lines:
            line = raw.decode("utf-8", errors="replace")
            if self.open is not None:
                if _CLOSING.match(line) or _heads_coordinates(line):
                    yield self._closed(self.open)
                else:
                    self.open.part.append(line)
            self._line(line)
        yield from self._end()

    def _line(self, line: str) -> None:
        """Take in a line that says something."""
        if line.startswith(" CELL| Vector"):
            self._vector(line)
        elif line.startswith(" POISSON| Periodicity"):
            word = line.split()[-1].upper()
            self.box = _Box(self.box.cell, np.array([axis in word for axis in "XYZ"]) & (word != "NONE"))
        elif _heads_coordinates(line):
            self.structure = _output_coordinates(self.lines, line)
        elif "SCF run NOT converged" in line:
            self.unconverged = True
        elif match := _ENSEMBLE.match(line):
            self.ensemble = match.group(1).upper()
        elif line.startswith(" ENERGY| Total FORCE_EVAL"):
            self._energy(line)

    def _energy(self, line: str) -> None:
        """Begin with the labels of a structure, whose energy this line has."""
        if self.structure is None:
            self.lost += 1
            return
        old = self.ensemble if self.ensemble.startswith("NP") and self.old_cell else ""
        number = self.lines.number
        self.open = _Calculation(number, line, self.structure, self.box, self.unconverged, old)
        self.structure, self.unconverged, self.old_cell = None, False, True

    def _vector(self, line: str) -> None:
        """Take in `` CELL| Vector a [angstrom]: x y z |a| = l``; one that is damaged is zero."""
        axis, words = line[14:15], line.partition("]")[2].lstrip(":").split()
        unit = _UNIT.search(line)
        self.old_cell = False
        if axis in "abc":
            cell = self.box.cell.copy()
            try:
                scale = _LENGTHS[unit.group(1).lower() if unit else "angstrom"]
                cell["abc".index(axis)] = [scale * float(word) for word in words[:3]]
            except (ValueError, KeyError):
                cell["abc".index(axis)] = np.nan
            self.box = _Box(cell, self.box.pbc)

    def _closed(self, found: _Calculation) -> Frame | FrameProblem:
        index, self.open, self.index = self.index, None, self.index + 1
        if found.unconverged and not self.file.unconverged:
            what = f"{UNCONVERGED} (SCF run NOT converged) before its energy in line {found.line}"
            return FrameProblem(index, what, LEFT_OUT)
        try:
            if found.old_cell:
                what = f"the cell changes in this run ({found.old_cell}), and its new one is not told"
                raise ValueError(f"{what}: open NAME-pos-1.xyz with its .cell")
            info: dict[str, Any] = {}
            energy = float(found.energy.split()[-1]) * _scale_of(found.energy, _ENERGY_UNITS, "energy")
            forces = _output_forces(found.part, len(found.structure.symbols), found.line)
            labels = _Labels(energy, forces, _output_stress(found.part, info))
            return _frame(found.structure, found.box, labels, str(self.file.path), index, info)
        except (ValueError, IndexError) as error:
            return FrameProblem(index, f"line {found.line} on: {error}", _FIX)

    def _end(self) -> Iterator[FrameProblem]:
        """Say what is missing at the end."""
        end = self.lines.end or f"line {self.lines.number}"
        if self.open is not None:
            line = self.open.line
            item = self._closed(self.open)
            if isinstance(item, Frame):
                what = (
                    f"line {line} on: the output breaks off in {end}, before it shows that this is complete"
                )
                item = FrameProblem(item.index, what, USE_BEFORE)
            yield item
        if self.lost:
            what = f"{self.lost} more energies stand in this output without coordinates"
            yield FrameProblem(self.index, what, "Open NAME-pos-1.xyz beside it instead, or skip this")
        elif self.structure is not None:
            what = f"the output breaks off in {end}, before the energy of this structure"
            yield FrameProblem(self.index, what, USE_BEFORE)


def _output_coordinates(lines: WholeLines, heading: str) -> _Step:
    """Read the lines ``index kind symbol Z x y z Z(eff) mass`` behind the heading, up to an empty one."""
    at, scale = lines.number, Bohr if "BOHR" in heading.upper() else 1.0
    symbols, rows = [], []
    for raw in lines:
        words = raw.decode("utf-8", errors="replace").split()
        if len(words) >= 7 and words[0].isdigit() and words[1].isdigit():
            symbols.append(words[2])
            try:
                rows.append([scale * float(word) for word in words[4:7]])
            except ValueError:
                rows.append([np.nan] * 3)
        elif rows:
            break
    return _Step(at, -1, "", symbols, np.array(rows).reshape(-1, 3))


def _heads_coordinates(line: str) -> bool:
    return "ATOMIC COORDINATES IN" in line.upper() and "MODULE" in line


def _output_forces(part: list[str], n_atoms: int, at: int) -> np.ndarray | None:
    """Return forces, Hartree/Bohr: `` FORCES| 1 x y z |f|`` or, until 2024, ``1 kind symbol x y z``."""
    rows = [line.split() for line in part if re.match(r" FORCES\|\s+\d+\s", line)]
    columns = slice(2, 5)
    told = next((line for line in part if _FORCES_HEAD.match(line)), "")
    heading = next((k for k, line in enumerate(part) if line.startswith(" ATOMIC FORCES in [")), None)
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
    return np.array(found) * _scale_of(told, _FORCE_UNITS, "forces")


def _scale_of(line: str, units: Mapping[str, float], what: str) -> float:
    """Return one of the unit in a line, in brackets, in CP2K's own; ValueError for one that is unknown."""
    unit = _UNIT.search(line)
    if unit is None:
        return 1.0
    if unit.group(1).lower() not in units:
        raise ValueError(f"its {what} stand in [{unit.group(1)}], which is no unit Eatlas knows")
    return units[unit.group(1).lower()]


def _output_stress(part: list[str], info: dict[str, Any]) -> np.ndarray | None:
    """Return the stress (9,) as CP2K prints it, in bar: two layouts; ``info`` is told of unknown units."""
    for k, line in enumerate(part):
        unit = re.search(r"stress tensor \[([^]]+)\]", line, re.IGNORECASE)
        if unit is None:
            continue
        if unit.group(1).lower() not in _STRESS_UNITS:
            add_note(info, f"its stress stands in [{unit.group(1)}], no unit Eatlas knows, and is not taken")
            return None
        rows = []
        for text in part[k + 1 : k + 8]:
            words = text.replace("STRESS|", " ").split()
            if len(words) == 4 and words[0].lower() in "xyz":
                rows.append([float(word) for word in words[1:]])
        if len(rows) == 3:
            return np.array(rows).ravel() * (_STRESS_UNITS[unit.group(1).lower()] / bar)
        raise ValueError("its stress tensor is cut off")
    return None


TRAJECTORY = Reader("cp2k-trajectory", read_trajectory, is_trajectory)
OUTPUT = Reader("cp2k-output", read_output, lambda path, head: _OUTPUT_LINE.search(head) is not None)
