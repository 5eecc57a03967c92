"""Reading other programs' text files: every complaint names the file and the line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from nnpcore.descriptors.functions import SymmetryFunction
from nnpcore.errors import PotentialError
from nnpcore.files import read_regular

COPY_AGAIN = "Take a fresh copy of the file"


BEYOND_SENSE = 1e15
"""No weight, parameter or energy of a potential is as large: such a number is a fault of its file."""

_LARGEST = 2_000_000_000


def _shape(word: str) -> tuple[int, int]:
    """The number of decimals, and the length of the exponent, of a number."""
    mantissa, _, power = word.lower().replace("d", "e").partition("e")
    return len(mantissa.partition(".")[2]), len(power)


class Line(NamedTuple):
    """One line with words on it: its number from 1, and the words."""

    number: int
    words: list[str]


class ForeignText:
    """A text file as lines of words; ``comments`` are the characters after which a line is ignored.

    Raises
    ------
    PotentialError : missing, unreadable, or its last line has no end: a number may lack digits.
    """

    def __init__(self, path: Path, comments: str = "#") -> None:
        self.path = path
        try:
            if path.is_file() and path.stat().st_size > _LARGEST:
                raise PotentialError(
                    f"the file is larger than {_LARGEST / 1e9:g} GB: no potential is",
                    where=str(path),
                    fix="Choose the files of a potential",
                )
            text = read_regular(path).decode("utf-8-sig", errors="replace")
        except FileNotFoundError:
            raise PotentialError(
                "the file is missing", where=str(path), fix="Put it beside the others"
            ) from None
        except OSError as error:
            raise PotentialError(f"cannot be read ({error.strerror})", where=str(path)) from None
        self.lines: list[Line] = []
        raw = text.splitlines()
        for number, line in enumerate(raw, start=1):
            for mark in comments:
                line = line.split(mark, 1)[0]
            if words := line.split():
                self.lines.append(Line(number, words))
        self.end = len(raw) or None
        whole = text.endswith(("\n", "\r")) or not self.lines or self.lines[-1].number != self.end
        if not whole and not self._ends_like_others():
            fix = f"{COPY_AGAIN}; if it is whole, end its last line by a line break"
            raise self.problem(self.end, "the file is truncated: its last line has no end", fix)

    def _ends_like_others(self) -> bool:
        """Whether a last line without its end is whole, as some programs and editors leave it.

        It has as many words as a line like it, and a last number with decimals has as many of them as in a
        line like it: one that is cut off has fewer. Where no line is like it there is nothing to compare
        with, and what counts its lines or words decides.
        """
        words = self.lines[-1].words
        alike = [
            line.words
            for line in self.lines[:-1]
            if (len(words) == 1 and len(line.words) == 1) or line.words[0] == words[0]
        ]
        ends = [other[-1] for other in alike if len(other) == len(words)]
        if not alike or not any("." in word for word in (*ends, words[-1])):
            return not alike or bool(ends)
        return _shape(words[-1]) in {_shape(end) for end in ends}

    def problem(self, number: int | None, what: str, fix: str = COPY_AGAIN) -> PotentialError:
        """Return the error about one line, or about the file where ``number`` is None."""
        place = str(self.path) if number is None else f"{self.path}, line {number}"
        return PotentialError(what, where=place, fix=fix)

    def check_elements(self, line: Line) -> None:
        """Raise the error about words of a line, after the first, that are no chemical elements."""
        from ase.data import atomic_numbers

        for symbol in line.words[1:]:
            if atomic_numbers.get(symbol, 0) < 1:
                raise self.problem(line.number, f"'{symbol}' is not a chemical element")

    def add_function(
        self, line: Line, function: SymmetryFunction, found: dict[SymmetryFunction, int]
    ) -> None:
        """Add a symmetry function to those found, with the number of its line; none may come twice."""
        if function in found:
            what = f"the function of line {found[function]} is listed again"
            raise self.problem(line.number, what, "Train without the double function")
        found[function] = line.number

    def number(self, line: Line, position: int, name: str, largest: float = BEYOND_SENSE) -> float:
        """Return the number at a position of a line, not beyond ``largest``; ``name`` says what it is."""
        word = self.word(line, position, name)
        try:
            value = float(word.replace("D", "E").replace("d", "e"))
        except ValueError:
            raise self.problem(line.number, f"{name} must be a number, not '{word}'") from None
        if not math.isfinite(value):
            raise self.problem(line.number, f"{name} must be a finite number, not '{word}'")
        if abs(value) > largest:
            raise self.problem(line.number, f"{name} is {value:g}, beyond any sense")
        return value

    def integer(self, line: Line, position: int, name: str) -> int:
        """Return the whole number at a position of a line."""
        word = self.word(line, position, name)
        try:
            return int(word)
        except ValueError:
            raise self.problem(line.number, f"{name} must be a whole number, not '{word}'") from None

    def word(self, line: Line, position: int, name: str) -> str:
        """Return the word at a position of a line, or say what is missing there."""
        if position >= len(line.words):
            raise self.problem(line.number, f"{name} is missing")
        return line.words[position]

    def numbers(self, line: Line, first: int, count: int, name: str) -> list[float]:
        """Return exactly ``count`` numbers from position ``first`` to the end of the line."""
        found = len(line.words) - first
        if found != count:
            raise self.problem(line.number, f"{name}: wanted {count} numbers, found {found}")
        return [self.number(line, first + k, name) for k in range(count)]
