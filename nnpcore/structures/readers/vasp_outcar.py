"""VASP's ``OUTCAR``, of versions 5 and 6: every ionic step with its energy (sigma → 0), forces and stress.

A step counts once its last line, the energies behind the forces, is there. Steps whose electrons did not
converge are named and left out unless they are asked for. Steps that a machine-learned force field has
predicted are no reference data: they are left out, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ase.units import bar

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame, add_note
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.outputs import (
    LEFT_OUT,
    PREDICTED,
    UNCONVERGED,
    USE_BEFORE,
    CutOffError,
    WholeLines,
    element_number,
    numbers,
    only_predicted,
    table,
)
from nnpcore.structures.readers.reader import OpenFile, Reader

_BEGINS = re.compile(rb"\A\s*vasp\.\d")
_STEP = re.compile(rb"(?:Iteration|Ionic step)\s+(\d+|\*+)(?:\(\s*(\d+|\*+)\))?")
_KIND = re.compile(rb"VRHFIN\s*=\s*([A-Za-z]{1,2})\s*:")
_TITLE = re.compile(rb"TITEL\s*=\s*\S+\s+([A-Za-z]{1,2})")
_POTCAR = re.compile(rb"^ POTCAR:\s+\S+\s+([A-Za-z]{1,2})")
_FINAL = re.compile(rb"energy\s+without entropy\s*=.*energy\(sigma->0\)\s*=\s*(\S+)")
_MARKS = re.compile(
    rb"Iteration|Ionic step|VRHFIN|TITEL|POTCAR:|ions per type|NIONS =|NELM  |in kB|direct lattice vectors|"
    rb"TOTAL-FORCE|FORCE on cell|energy  without entropy|EDIFF|General timing|^ *vasp\.\d"
)
_NELM = re.compile(rb"NELM\s*=\s*(\d+)")


@dataclass
class _Header:
    """What stands before the first step."""

    symbols: dict[str, list[bytes]] = field(default_factory=dict)
    per_type: list[int] = field(default_factory=list)
    n_ions: int = 0
    n_elm: int = 0

    def numbers(self) -> np.ndarray:
        """Return the atomic numbers; FrameSyntaxError where the header does not tell them."""
        for names in self.symbols.values():
            for found in (names, names[: len(names) // 2]):  # POTCAR lines are printed twice
                if self.per_type and len(found) == len(self.per_type):
                    kinds = [element_number(name.decode()) for name in found]
                    return np.repeat(np.array(kinds, dtype=np.int32), self.per_type)
        n_kinds = max((len(names) for names in self.symbols.values()), default=0)
        raise FrameSyntaxError(
            f"its header tells {n_kinds} kinds of atoms for {len(self.per_type)} numbers of ions per type; "
            "vasprun.xml of the same run has them"
        )


@dataclass
class _Step:
    """An ionic step while it is read.

    ``iterations`` is 0 where only the machine-learned force field was asked; ``closed`` once its energies
    were there.
    """

    number: int
    line: int
    iterations: int = 0
    reached: bool = False
    unconverged: bool = False
    stress: np.ndarray | None = None
    positions: np.ndarray | None = None
    forces: np.ndarray | None = None
    closed: bool = False
    predicted: bool = False
    problem: str = ""


def read_outcar(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the steps of an OUTCAR."""
    return _Outcar(file).read()


class _Outcar:
    """An OUTCAR while it is read."""

    def __init__(self, file: OpenFile) -> None:
        self.file, self.lines = file, WholeLines(file.stream, file.check)
        self.header = _Header()
        self.step: _Step | None = None
        self.cell = np.zeros((3, 3))
        self.index, self.n_predicted, self.n_unprinted = 0, 0, 0
        self.predicted_part, self.ended = False, False

    def read(self) -> Iterator[Frame | FrameProblem]:
        """Go over the lines; a step is given where its last line stands."""
        for line in self.lines:
            if not _MARKS.search(line):
                continue
            try:
                item = self._line(line)
            except CutOffError:
                break
            except FrameSyntaxError as error:
                if self.step is None:
                    raise self._damaged(f"line {self.lines.number}: {error}") from error
                self.step.problem = self.step.problem or f"line {self.lines.number}: {error}"
                continue
            if item is not None:
                self.index += 1
                yield item
        yield from self._end()

    def _line(self, line: bytes) -> Frame | FrameProblem | None:
        """Take in a line that says something; return the step that it completes."""
        if _BEGINS.match(line):
            return self._begin_file()
        if b"Iteration" in line or b"Ionic step" in line:
            self._begin(line)
        elif b"direct lattice vectors" in line:
            self.cell = table(self.lines.take(3), 3)
        elif b"General timing" in line:
            self.ended = True
        elif self.step is None:
            self._header(line)
        elif b"FORCE on cell" in line:
            self.predicted_part = b"ML" in line
        elif b"TOTAL-FORCE" in line:
            self._forces(line, self.step)
        elif b"energy  without entropy" in line:
            return self._energies(line, self.step)
        elif b"in kB" in line and not (self.predicted_part or self.step.closed):
            xx, yy, zz, xy, yz, zx = numbers(line.partition(b"kB")[2], 6)
            self.step.stress = -1000 * bar * np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])
        elif b"EDIFF" in line:
            self.step.reached = self.step.reached or b"EDIFF is reached" in line
            self.step.unconverged = self.step.unconverged or b"EDIFF was not reached" in line
        return None

    def _begin_file(self) -> FrameProblem | None:
        """Begin with another run, put behind the one before; return the step that was left open."""
        before = self.step if not self.ended else None
        self.header, self.step, self.ended = _Header(), None, False
        self.predicted_part = False
        if before is None or before.closed:
            return None
        what = f"ionic step {before.number} begins in line {before.line}, but in line {self.lines.number} "
        return FrameProblem(self.index, f"{what}another run begins", USE_BEFORE)

    def _header(self, line: bytes) -> None:
        head = self.header
        if b"ions per type" in line:
            words = line.partition(b"=")[2].split()
            while words and all(word.isdigit() and len(word) < 10 for word in words):
                head.per_type += [int(word) for word in words]
                words = next(self.lines, b"").split() if sum(head.per_type) < head.n_ions else []
        elif b"NIONS =" in line:
            head.n_ions = int(numbers(line.partition(b"NIONS =")[2], 1)[0])
        elif match := _NELM.search(line):
            head.n_elm = int(match.group(1))
        else:
            for name, pattern in (("VRHFIN", _KIND), ("TITEL", _TITLE), ("POTCAR", _POTCAR)):
                if match := pattern.search(line):
                    head.symbols.setdefault(name, []).append(match.group(1))

    def _begin(self, line: bytes) -> None:
        match = _STEP.search(line)
        if match is None:
            return
        step = self.step
        number = int(match.group(1)) if match.group(1).isdigit() else (step.number if step else 0)
        if step is not None and step.predicted and step.number == number and match.group(2):
            self.n_predicted -= 1  # the prediction only came before the calculation of the same step
        if step is None or step.closed or step.number != number:
            number += step is not None and step.closed and not match.group(1).isdigit()
            self.step = step = _Step(number, self.lines.number)
            self.predicted_part = False
        if match.group(2):
            step.iterations = int(match.group(2)) if match.group(2).isdigit() else self.header.n_elm

    def _forces(self, line: bytes, step: _Step) -> None:
        predicted = b"ML" in line.partition(b"TOTAL-FORCE")[2]
        self.lines.take(1)
        values = table(self.lines.take(self._n_atoms()), 6)
        if not (predicted or step.closed):
            step.positions, step.forces = values[:, :3], values[:, 3:]

    def _energies(self, line: bytes, step: _Step) -> Frame | FrameProblem | None:
        """Close a step by its energies, those behind the forces."""
        match = _FINAL.search(line)
        if match is None or step.closed or (b"ML energy" in line and step.iterations):
            return None
        step.closed = True
        if b"ML energy" in line:
            step.predicted = True
            self.n_predicted += 1
            return None
        if step.problem:
            return FrameProblem(self.index, step.problem, USE_BEFORE)
        if step.positions is None:
            self.n_unprinted += 1
            return None
        if self._is_unconverged(step) and not self.file.unconverged:
            what = f"{UNCONVERGED}: ionic step {step.number}, line {step.line} on, did not reach EDIFF"
            return FrameProblem(self.index, what, LEFT_OUT)
        return self._frame(step, numbers(match.group(1), 1)[0])

    def _is_unconverged(self, step: _Step) -> bool:
        """VASP 6 says so; version 5 goes on in silence when NELM is reached."""
        silent = 1 < self.header.n_elm <= step.iterations and not step.reached
        return step.unconverged or silent

    def _n_atoms(self) -> int:
        total = sum(self.header.per_type)
        if total < 1 or (self.header.n_ions and self.header.n_ions != total):
            raise self._damaged(
                f"its header has {self.header.n_ions} ions (NIONS), but {total} by type (ions per type)"
            )
        return total

    def _frame(self, step: _Step, energy: float) -> Frame:
        assert step.positions is not None
        info: dict[str, object] = {}
        if self.n_predicted:
            add_note(info, f"{self.n_predicted} {PREDICTED}")
            self.n_predicted = 0
        return Frame(
            numbers=self.header.numbers(),
            positions=step.positions,
            cell=self.cell,
            pbc=np.ones(3, dtype=bool),
            energy=energy,
            forces=step.forces,
            stress=step.stress,
            info=info,
            source=str(self.file.path),
            index=self.index,
        )

    def _end(self) -> Iterator[FrameProblem]:
        """Say what is missing at the end, or why there is nothing."""
        step, end = self.step, self.lines.end or f"line {self.lines.number}"
        if step is not None and not step.closed and not self.ended:
            what = (
                f"ionic step {step.number} begins in line {step.line}, but the file ends in {end} before its"
            )
            yield FrameProblem(self.index, f"{what} energy and forces", USE_BEFORE)
        elif self.n_unprinted:
            what = f"{self.n_unprinted} steps are printed without positions and forces (NWRITE = 0?)"
            yield FrameProblem(self.index, what, "Open vasprun.xml of the same run instead")
        elif self.index == 0 and self.n_predicted:
            raise only_predicted(self.n_predicted, self.file.path)
        elif self.index == 0:
            raise DataError(
                f"the file is damaged or not what its name says (no whole step); it ends in {end}",
                where=str(self.file.path),
                fix="Look whether the calculation ran",
            )

    def _damaged(self, what: str) -> DataError:
        return DataError(
            f"the file is damaged or not what its name says ({what})",
            where=str(self.file.path),
            fix="Open vasprun.xml of the same run instead",
        )


OUTCAR = Reader("vasp-out", read_outcar, lambda path, head: _BEGINS.search(head) is not None, ("OUTCAR*",))
