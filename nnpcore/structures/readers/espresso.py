"""Outputs of Quantum ESPRESSO's ``pw.x``: self-consistent runs, relaxations and molecular dynamics.

The coordinates come before the energy, forces and stress behind it. A step counts once something behind it
shows that it is complete: the next structure, or the end of the run. Steps whose electrons did not converge
are named and left out unless they are asked for. Lengths are Bohr or alat, energies Rydberg; the stress is
printed with the sign of a pressure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase.units import Bohr, Rydberg

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.outputs import (
    LEFT_OUT,
    UNCONVERGED,
    USE_BEFORE,
    CutOffError,
    WholeLines,
    element_number,
    numbers,
    table,
)
from nnpcore.structures.readers.reader import OpenFile, Reader

_BEGINS = re.compile(rb"^\s*Program PWSCF v", re.MULTILINE)
_MARKS = re.compile(
    rb"Program PWSCF|lattice parameter \(alat\)|number of atoms/cell|crystal axes:|positions \(alat units\)|"
    rb"CELL_PARAMETERS|ATOMIC_POSITIONS|^!|^ +total energy  |convergence NOT achieved|"
    rb"Forces acting on atoms|total   stress|JOB DONE|Entering Dynamics|Begin final coordinates|"
    rb"number of scf cycles|Writing |init_run"
)
_CLOSING = (
    b"Program PWSCF", b"CELL_PARAMETERS", b"ATOMIC_POSITIONS", b"JOB DONE", b"Entering Dynamics",
    b"Begin final", b"number of scf", b"Writing ", b"init_run", b"crystal axes",
)  # fmt: skip
_SITE = re.compile(rb"^\s*\d+\s+(\S+)\s+tau\(\s*\d+\)\s*=\s*\((.*)\)")
_STRESS = Rydberg / Bohr**3


@dataclass(frozen=True)
class _Structure:
    """Kinds, positions (Å) and the line they begin in."""

    kinds: list[str]
    positions: np.ndarray
    line: int


@dataclass
class _Step:
    """An energy (eV) with the structure it belongs to, and what is printed behind it."""

    line: int
    energy: float
    structure: _Structure
    cell: np.ndarray
    unconverged: bool
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    problem: str = ""


def read_pwscf(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the steps of an output of pw.x."""
    return _Output(file).read()


class _Output:
    """An output while it is read."""

    def __init__(self, file: OpenFile) -> None:
        self.file, self.lines = file, WholeLines(file.stream, file.check)
        self.alat, self.n_atoms = 0.0, 0
        self.cell = np.zeros((3, 3))
        self.structure: _Structure | None = None
        self.used = True  # whether the structure's energy was there
        self.unconverged, self.final = False, False
        self.step: _Step | None = None
        self.index = 0

    def read(self) -> Iterator[Frame | FrameProblem]:
        """Go over the lines; a step is given where something behind it shows that it is complete."""
        for line in self.lines:
            if not _MARKS.search(line):
                continue
            if self.step is not None and any(mark in line for mark in _CLOSING):
                yield self._closed(self.step)
            try:
                self._line(line)
            except CutOffError:
                break
            except FrameSyntaxError as error:
                if self.step is None:
                    yield FrameProblem(self.index, f"line {self.lines.number}: {error}", USE_BEFORE)
                    return
                self.step.problem = self.step.problem or f"line {self.lines.number}: {error}"
        yield from self._end()

    def _closed(self, step: _Step) -> Frame | FrameProblem:
        index, self.step, self.index = self.index, None, self.index + 1
        if step.problem:
            return FrameProblem(index, step.problem, USE_BEFORE)
        if step.unconverged and not self.file.unconverged:
            return FrameProblem(index, f"{UNCONVERGED} before its energy in line {step.line}", LEFT_OUT)
        try:
            kinds = {kind: element_number(kind) for kind in set(step.structure.kinds)}
        except FrameSyntaxError as error:
            return FrameProblem(index, f"{error} (structure of line {step.structure.line})", USE_BEFORE)
        return Frame(
            numbers=np.array([kinds[kind] for kind in step.structure.kinds], dtype=np.int32),
            positions=step.structure.positions,
            cell=step.cell,
            pbc=np.ones(3, dtype=bool),
            energy=step.energy,
            forces=step.forces,
            stress=step.stress,
            source=str(self.file.path),
            index=index,
        )

    def _line(self, line: bytes) -> None:
        """Take in a line that says something."""
        if line.startswith(b"!") or (self.unconverged and b"total energy" in line):
            self._energy(line)
        elif b"Program PWSCF" in line:
            self.structure, self.used, self.alat, self.n_atoms, self.final = None, True, 0.0, 0, False
        elif b"lattice parameter" in line:
            self.alat = numbers(line.partition(b"=")[2], 1)[0] * Bohr
        elif b"number of atoms/cell" in line:
            self.n_atoms = int(numbers(line.partition(b"=")[2], 1)[0])
        elif b"crystal axes:" in line:
            rows = [row.partition(b"=")[2] for row in self.lines.take(3)]
            self.cell = table(rows, 3) * self.alat
        elif b"positions (alat units)" in line:
            self._sites()
        elif b"CELL_PARAMETERS" in line:
            self._cell_parameters(line)
        elif b"ATOMIC_POSITIONS" in line:
            self._positions(line)
        elif b"NOT achieved" in line:
            self.unconverged = True
        elif b"Begin final coordinates" in line:
            self.final = True
        elif self.step is not None and b"Forces acting" in line and self.step.forces is None:
            self._forces(self.step)
        elif self.step is not None and b"total   stress" in line:
            stress = -_STRESS * table(self.lines.take(3), 3)
            self.step.stress = 0.5 * (stress + stress.T)

    def _energy(self, line: bytes) -> None:
        if b"total energy" not in line:
            return
        energy = numbers(line.partition(b"=")[2], 1)[0] * Rydberg
        if self.structure is None:
            raise FrameSyntaxError("an energy stands here before any coordinates")
        # A second energy of one structure, as hybrid functionals print them, takes the place of the first.
        self.step = _Step(self.lines.number, energy, self.structure, self.cell, self.unconverged)
        self.used, self.unconverged = True, False

    def _sites(self) -> None:
        line, kinds, rows = self.lines.number, [], []
        for row in self.lines.take(self._count()):
            match = _SITE.match(row)
            if match is None:
                raise FrameSyntaxError(
                    f"an atom is expected in {row.decode(errors='replace').strip()[:60]!r}"
                )
            kinds.append(match.group(1).decode(errors="replace"))
            rows.append(numbers(match.group(2), 3))
        self.structure, self.used = _Structure(kinds, np.array(rows) * self.alat, line), False

    def _count(self) -> int:
        if not 0 < self.n_atoms < 10_000_000:
            raise FrameSyntaxError("coordinates stand here before the number of atoms")
        return self.n_atoms

    def _cell_parameters(self, line: bytes) -> None:
        text = line.lower()
        scale = Bohr if b"bohr" in text else 1.0 if b"angstrom" in text else self.alat
        if b"alat" in text and b"=" in text:
            scale = numbers(text.partition(b"=")[2], 1)[0] * Bohr
        self.cell = table(self.lines.take(3), 3) * scale

    def _positions(self, line: bytes) -> None:
        text, at = line.lower(), self.lines.number
        rows = self.lines.take(self._count())
        kinds = [(row.split() or [b""])[0].decode(errors="replace") for row in rows]
        values = table([row.strip().partition(b" ")[2] for row in rows], 3)
        if b"crystal" in text:
            values = values @ self.cell
        else:
            values = values * (Bohr if b"bohr" in text else 1.0 if b"angstrom" in text else self.alat)
        self.structure, self.used = _Structure(kinds, values, at), False

    def _forces(self, step: _Step) -> None:
        rows: list[list[float]] = []
        n_atoms = len(step.structure.kinds)
        for row in self.lines:
            if b"force =" in row and row.split()[:1] == [b"atom"]:
                rows.append(numbers(row.partition(b"force =")[2], 3))
            elif rows or row.strip():
                break
            if len(rows) == n_atoms:
                break
        if len(rows) < n_atoms:
            raise (
                CutOffError("")
                if self.lines.end
                else FrameSyntaxError(f"it has the forces of {len(rows)} of {n_atoms} atoms")
            )
        step.forces = np.array(rows) * (Rydberg / Bohr)

    def _end(self) -> Iterator[FrameProblem]:
        """Say what is missing at the end, or why there is nothing."""
        end = f"the file ends in {self.lines.end or f'line {self.lines.number}'}"
        if self.step is not None:
            what = f"the step whose energy stands in line {self.step.line} is not complete: {end}"
            yield FrameProblem(self.index, what, USE_BEFORE)
        elif not self.used and not self.final and self.structure is not None:
            what = f"the structure of line {self.structure.line} has no energy: {end}"
            yield FrameProblem(self.index, what, USE_BEFORE)
        elif self.index == 0:
            what = f"the file is damaged or not what its name says (an output without energies); {end}"
            raise DataError(what, where=str(self.file.path), fix="Look whether the calculation ran")


PWSCF = Reader("espresso-out", read_pwscf, lambda path, head: _BEGINS.search(head) is not None)
