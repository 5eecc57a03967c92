"""VASP's ``vasprun.xml``: every ionic step with its energy (sigma → 0), forces and stress.

Read element by element, so that a file that breaks off gives all steps before. Steps whose electrons used up
NELM iterations are named and left out unless they are asked for; steps without electronic iterations were
predicted by VASP's machine-learned force field and are left out with a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError, XMLPullParser

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
    element_number,
    only_predicted,
)
from nnpcore.structures.readers.reader import UNPACKING_ERRORS, OpenFile, Reader

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_BEGINS = re.compile(rb"<modeling>")
_CHUNK = 1 << 16


def read_vasprun(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the steps of a vasprun.xml."""
    return _Vasprun(file).read()


class _Vasprun:
    """A vasprun.xml while it is read."""

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self.numbers: np.ndarray | None = None
        self.n_elm = 0
        self.pressure = 0.0  # of PSTRESS, eV/Å³
        self.index, self.n_predicted = 0, 0
        self.n_begun, self.begun_line, self.inside = 0, 0, False
        self.broken, self.end = "", 0

    def read(self) -> Iterator[Frame | FrameProblem]:
        """Go over the elements; a step is given when it is closed."""
        for kind, element in self._events():
            if element.tag == "calculation":
                self.inside = kind == "start"
                self.n_begun += self.inside
                if not self.inside and (item := self._step(element)) is not None:
                    yield item
                    self.index += 1
                if not self.inside:
                    element.clear()
            elif kind == "end":
                self._header(element)
        end = f"the file ends in line {self.end}"
        if self.broken and self.n_begun == 0:
            what = f"the file is damaged or not what its name says ({self.broken}); {end}"
            raise DataError(what, where=str(self.file.path), fix="Write it again, or convert it to extxyz")
        if self.inside:
            what = f"ionic step {self.n_begun} begins in line {self.begun_line}, but {end} inside it"
            yield FrameProblem(self.index, what, USE_BEFORE)
        elif self.index == 0 and self.n_predicted:
            raise only_predicted(self.n_predicted, self.file.path)

    def _events(self) -> Iterator[tuple[str, Element]]:
        """Feed the parser line by line; what stops it is kept in ``broken``."""
        parser: Any = XMLPullParser(("start", "end"))
        while not self.broken:
            self.file.check()
            try:
                chunk = self.file.stream.readline(_CHUNK)
            except UNPACKING_ERRORS:
                chunk = b""
            self.end += bool(chunk)
            try:
                if chunk:
                    parser.feed(chunk)
                else:
                    parser.close()
            except ParseError as error:
                self.broken = str(error)
            for kind, element in parser.read_events():
                if kind == "start" and element.tag == "calculation":
                    self.begun_line = self.end
                yield kind, element
            if not chunk:
                return

    def _header(self, element: Element) -> None:
        if element.tag == "atominfo":
            rows = [row.findtext("c") or "" for row in element.findall("array[@name='atoms']/set/rc")]
            kinds = {name: element_number(name.strip()) for name in set(rows)}
            self.numbers = np.array([kinds[name] for name in rows], dtype=np.int32)
        elif element.tag == "i" and element.get("name") == "NELM" and self.n_begun == 0:
            self.n_elm = int(element.text or 0)
        elif element.tag == "i" and element.get("name") == "PSTRESS" and self.n_begun == 0:
            self.pressure = float(element.text or 0) * 1000 * bar

    def _step(self, element: Element) -> Frame | FrameProblem | None:
        """Return a closed step; None for a predicted one."""
        scf = element.findall("scstep")
        if not scf and element.find("energy") is not None:
            self.n_predicted += 1
            return None
        name = f"ionic step {self.n_begun}, line {self.begun_line} on"
        if 1 < self.n_elm <= len(scf) and not self.file.unconverged:
            what = f"{UNCONVERGED}: {name}, used up all {self.n_elm} iterations (NELM)"
            return FrameProblem(self.index, what, LEFT_OUT)
        try:
            return self._frame(element, scf[-1] if scf else None)
        except (FrameSyntaxError, ValueError, TypeError) as error:
            return FrameProblem(self.index, f"{name}: {error}", USE_BEFORE)

    def _frame(self, element: Element, scf: Element | None) -> Frame:
        if self.numbers is None:
            raise FrameSyntaxError("the file does not tell its atoms (atominfo)")
        cell = _varray(element, "structure/crystal/varray[@name='basis']", (3, 3))
        scaled = _varray(element, "structure/varray[@name='positions']", (len(self.numbers), 3))
        if cell is None or scaled is None:
            raise FrameSyntaxError("it has no structure")
        stress = _varray(element, "varray[@name='stress']", (3, 3))
        info: dict[str, object] = {}
        if self.n_predicted:
            add_note(info, f"{self.n_predicted} {PREDICTED}")
            self.n_predicted = 0
        return Frame(
            numbers=self.numbers,
            positions=scaled @ cell,
            cell=cell,
            pbc=np.ones(3, dtype=bool),
            energy=_energy(element, scf, self.pressure * abs(float(np.linalg.det(cell)))),
            forces=_varray(element, "varray[@name='forces']", (len(self.numbers), 3)),
            stress=None if stress is None else -500 * bar * (stress + stress.T),
            info=info,
            source=str(self.file.path),
            index=self.index,
        )


def _energy(element: Element, scf: Element | None, work: float) -> float | None:
    """Return the energy, sigma → 0, of a step; ``work`` is pressure times volume of an external pressure, eV.

    Under pressure (PSTRESS) VASP writes enthalpies for the step itself, not for its iterations.

    VASP writes a wrong e_0_energy for the step itself, and leaves classical van der Waals parts out of those
    of the iterations: the last iteration's difference to its free energy is added to the step's free energy.
    """
    free = _number(element, "energy/i[@name='e_fr_energy']")
    if scf is None or free is None:
        return free
    zero, last = (_number(scf, f"energy/i[@name='{name}']") for name in ("e_0_energy", "e_fr_energy"))
    if last is None or abs(free - last) > 0.5 * abs(work):
        free -= work
    return free if zero is None or last is None else free + (zero - last)


def _number(element: Element, path: str) -> float | None:
    text = element.findtext(path)
    return None if text is None else float(text)


def _varray(element: Element, path: str, shape: tuple[int, int]) -> np.ndarray | None:
    """Return rows of numbers; FrameSyntaxError where they are not as many as they should be."""
    found = element.find(path)
    if found is None:
        return None
    rows = [(row.text or "").split() for row in found.findall("v")]
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        name = found.get("name")
        raise FrameSyntaxError(f"{name} has not {shape[0]} rows of {shape[1]} numbers")
    return np.array(rows, dtype=np.float64)


VASPRUN = Reader("vasp-xml", read_vasprun, lambda path, head: _BEGINS.search(head) is not None, ("*.xml",))
