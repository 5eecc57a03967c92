"""VASP's XDATCAR: the structures of a run, without energies.

A header (title, scale, three vectors, symbols, numbers of atoms) stands above the first configuration, and
above each further one where the cell varies.
"""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.counted_lines import Places, line_starts, mark_starts, plain_places
from nnpcore.structures.readers.outputs import WholeLines, table
from nnpcore.structures.readers.reader import CountedFrames, OpenFile, Reader

MARK = b"Direct configuration="
_HEADER = 7
_FIX = "Mend or remove this frame"


class _Header(NamedTuple):
    """The lines above a configuration, and the number of the first."""

    line: int
    lines: tuple[bytes, ...]

    def n_atoms(self) -> int:
        """Return how many atoms follow; FrameSyntaxError where it does not tell."""
        words = self.lines[_HEADER - 1].split() if len(self.lines) == _HEADER else []
        if not words or not all(word.isdigit() and len(word) < 10 for word in words):
            raise FrameSyntaxError(f"the header above it (line {self.line} on) has no numbers of atoms")
        return sum(map(int, words))

    def cell(self) -> np.ndarray:
        """Return the cell (3, 3), Å."""
        scale = float(table([self.lines[1]], 1)[0, 0])
        cell = table(list(self.lines[2:5]), 3)
        if scale < 0:  # the volume
            volume = abs(np.linalg.det(cell))
            scale = (-scale / volume) ** (1 / 3) if volume > 0 else 1.0
        return cell * scale

    def numbers(self) -> np.ndarray:
        """Return the atomic numbers (n_atoms,)."""
        words = [word.decode("utf-8", errors="replace") for word in self.lines[5].split()]
        symbols = [word.partition("/")[0].partition("_")[0] for word in words]
        counts = [int(word) for word in self.lines[6].split()]
        unknown = [word for word, symbol in zip(words, symbols, strict=True) if symbol not in atomic_numbers]
        if unknown:
            raise FrameSyntaxError(f"{unknown[0]!r} (line {self.line + 5}) is not a chemical element")
        if len(symbols) != len(counts):
            raise FrameSyntaxError(
                f"line {self.line + 5} has {len(symbols)} elements for {len(counts)} numbers"
            )
        return np.repeat([atomic_numbers[symbol] for symbol in symbols], counts).astype(np.int32)


class _Text(NamedTuple):
    """A configuration: the number of its line, its header, and the lines of its atoms."""

    line: int
    header: _Header
    rows: list[bytes]


def read_xdatcar(file: OpenFile) -> Iterator[Frame | FrameProblem]:
    """Yield the configurations of an XDATCAR."""
    lines = WholeLines(file.stream, file.check)
    for index, text in enumerate(_texts(lines)):
        yield _item(text, file.path, index, lines.end)


def _texts(lines: WholeLines, header: _Header | None = None) -> Iterator[_Text]:
    header, start, above, rows = header or _Header(1, ()), 0, [], []
    for line in lines:
        if not line.startswith(MARK):
            rows.append(line)
            continue
        if start:
            text, above = _divided(_Text(start, header, rows))
            yield text
        else:
            above = rows
        if above:
            header = _Header(lines.number - len(above), tuple(above))
        start, rows = lines.number, []
    if start:
        yield _divided(_Text(start, header, rows))[0]


def _divided(text: _Text) -> tuple[_Text, list[bytes]]:
    """Return a configuration without the header of the next below it, and that header."""
    try:
        n_atoms = text.header.n_atoms()
    except FrameSyntaxError:
        return text, []
    above = text.rows[n_atoms:]
    if not any(line.strip() for line in above):
        above = []
    return text._replace(rows=text.rows[:n_atoms]), above


def _item(text: _Text, path: Path, index: int, end: str) -> Frame | FrameProblem:
    try:
        return _frame(text, path, index, end)
    except (FrameSyntaxError, ValueError) as error:
        return FrameProblem(index, f"{error} (configuration of line {text.line})", _FIX)


def _frame(text: _Text, path: Path, index: int, end: str) -> Frame:
    n_atoms = text.header.n_atoms()
    if len(text.rows) < n_atoms:
        where = f" before the file ends in {end}" if end else ""
        raise FrameSyntaxError(f"it has {len(text.rows)} of {n_atoms} atoms{where}")
    short = next((k for k, row in enumerate(text.rows) if len(row.split()) != 3), None)
    if short is not None:
        raise FrameSyntaxError(f"line {text.line + 1 + short} has no three numbers")
    cell = text.header.cell()
    return Frame(
        numbers=text.header.numbers(),
        positions=np.array([row.split() for row in text.rows], dtype=np.float64).reshape(-1, 3) @ cell,
        cell=cell,
        pbc=np.ones(3, dtype=bool),
        source=str(path),
        index=index,
    )


def _counted(file: OpenFile) -> CountedFrames:
    found = _Found()

    def parse(text: bytes, number: int, line: int) -> Frame | FrameProblem:
        lines = WholeLines(io.BytesIO(text), number=line - 1)
        return _item(next(_texts(lines, found.above(number))), file.path, number, lines.end)

    return CountedFrames(plain_places(file.stream, found.walk, file.check), parse)


class _Found:
    """Headers of a file as its configurations are found."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._headers: list[_Header] = []
        self._n_found = 0

    def above(self, number: int) -> _Header:
        """Return the header of a configuration."""
        return self._headers[bisect_right(self._firsts, number) - 1]

    def walk(self, text: bytes, line: int, last: bool) -> tuple[Places, bool]:
        """Find whole configurations; see ``Walk``."""
        starts = line_starts(text)
        marks = np.searchsorted(starts, mark_starts(text, MARK)).tolist()
        found, i, at_end = [], 0, True
        while (place := bisect_left(marks, i)) < len(marks):
            mark = marks[place]
            if mark > i:
                lines = tuple(text[starts[i] : starts[mark]].splitlines(keepends=True))
                header = _Header(line + i, lines)
            else:
                header = self._headers[-1] if self._headers else _Header(1, ())
            try:
                behind = mark + 1 + header.n_atoms()
            except FrameSyntaxError:
                at_end = False
                break
            if behind >= len(starts) or (behind == len(starts) - 1 and not last):
                break
            if place + 1 < len(marks) and marks[place + 1] < behind:
                at_end = False
                break
            if not self._headers or header is not self._headers[-1]:
                self._firsts.append(self._n_found)
                self._headers.append(header)
            self._n_found += 1
            found.append((starts[i], starts[behind] - starts[i], i))
            i = behind
        return np.array(found, dtype=np.int64).reshape(-1, 3), at_end


def _recognizes(path: Path, head: bytes) -> bool:
    lines = list(islice(io.BytesIO(head), _HEADER + 1))
    return len(lines) > _HEADER and lines[_HEADER].startswith(MARK)


XDATCAR = Reader("vasp-xdatcar", read_xdatcar, _recognizes, ("XDATCAR*",), counted=_counted)
