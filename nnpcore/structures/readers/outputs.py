"""What readers of programs' outputs share: whole lines, numbers that touch, elements of kinds, words.

An output may end at any byte when a job is killed. A line without its end is not read: a number that is cut
off is still a number, and a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import DataError
from nnpcore.structures.problems import FrameSyntaxError
from nnpcore.structures.readers.reader import MAX_LINE, UNPACKING_ERRORS

USE_BEFORE = "Use the frames before this one"
UNCONVERGED = "its electrons did not converge"
LEFT_OUT = "Converge it, or take it as it is (--unconverged)"
"""What to do about an unconverged step."""

PREDICTED = "steps predicted by VASP's machine-learned force field are left out; ML_AB has its reference data"

_NUMBER = re.compile(rb"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[EeDd][-+]?\d+)?|\*+|nan|inf", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Za-z]{1,2}")
_CHECK_EVERY = 20_000


def only_predicted(count: int, path: Path) -> DataError:
    """Return the error for a run of VASP in which nothing but its force field was asked."""
    what = f"all {count} steps were predicted by VASP's machine-learned force field"
    return DataError(what, where=str(path), fix="Open ML_AB, which has its reference data")


class WholeLines:
    """The lines of an output with their numbers; a last one without its end is left out.

    Attributes
    ----------
    number : of the line given last, from 1; the stream may be given from behind some line of its file on.
    end : says where the file ends, such as "line 30".
    """

    def __init__(
        self, stream: IO[bytes], check: Callable[[], None] = lambda: None, *, number: int = 0
    ) -> None:
        self._stream, self._check = stream, check
        self.number = number
        self.end = ""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            line = self._stream.readline(MAX_LINE)
        except UNPACKING_ERRORS:
            line = b""
        if not line.endswith(b"\n"):
            self.end = f"line {self.number + bool(line)}"
            raise StopIteration
        self.number += 1
        if self.number % _CHECK_EVERY == 0:
            self._check()
        return line

    def take(self, count: int) -> list[bytes]:
        """Return the next lines; FrameSyntaxError where the file has fewer."""
        lines = [line for _, line in zip(range(count), self, strict=False)]
        if len(lines) < count:
            raise CutOffError(f"the file ends in {self.end}")
        return lines


class CutOffError(FrameSyntaxError):
    """The file ends where more is expected."""


def numbers(line: bytes, count: int, first: int = 0) -> list[float]:
    """Return ``count`` numbers of a line from the ``first`` on, also where they touch as in ``1.25-0.75``.

    FrameSyntaxError where there are fewer, or stars in the place of one.
    """
    words = _NUMBER.findall(line)[first : first + count]
    if len(words) < count or any(word.startswith(b"*") for word in words):
        text = line.decode("utf-8", errors="replace").strip()
        raise FrameSyntaxError(f"{count} numbers are expected in {text[:80]!r}")
    return [float(word.replace(b"D", b"E").replace(b"d", b"e")) for word in words]


def table(lines: list[bytes], count: int, first: int = 0) -> np.ndarray:
    """Return :func:`numbers` of each line as an array (n_lines, count)."""
    return np.array([numbers(line, count, first) for line in lines]).reshape(-1, count)


def element_number(kind: str) -> int:
    """Return the atomic number of a kind such as ``O1`` or ``Fe_up``; FrameSyntaxError where it is none."""
    match = _LETTERS.match(kind)
    name = match.group(0).capitalize() if match else kind
    number = atomic_numbers.get(name) or atomic_numbers.get(name[:1])
    if not number:
        raise FrameSyntaxError(f"{kind!r} is not a chemical element")
    return number
