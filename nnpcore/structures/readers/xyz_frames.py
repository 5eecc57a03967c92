"""Where the frames of an XYZ file lie: a count of atoms, a comment, a line per atom, and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

from nnpcore.structures.problems import FrameSyntaxError
from nnpcore.structures.readers.reader import MAX_LINE, UNPACKING_ERRORS
from nnpcore.structures.readers.xyz_comment import quote

_FORMAT = "a count of atoms, a comment line, then one line per atom"
LONGEST_COUNT = 80
"""Bytes of the longest line that is a count of atoms."""


class FrameText(NamedTuple):
    """Where the text of frame ``number`` lies: first line (from 1), offset and size in bytes, what is wrong.

    ``rare`` tells syntax that only ASE reads, ``open_end`` that the file ends without a line's end.
    """

    number: int
    line: int
    offset: int
    size: int
    problem: str
    rare: bool
    open_end: bool = False


def is_count(line: bytes) -> bool:
    """Whether a line is a count of atoms."""
    if len(line) > LONGEST_COUNT:
        return False
    word = line.strip()
    return word.isdigit() and len(word) < 10


def find_frames(stream: IO[bytes], line: int = 1) -> Iterator[FrameText]:
    """Find the frames of an XYZ stream, from where it stands, at this ``line``, without parsing them.

    A frame with too few or too many lines is given with its ``problem``; the search goes on at the next line
    that holds a single integer.

    Raises
    ------
    FrameSyntaxError
        When the file does not start with a count of atoms.
    """
    return (place for place, _ in find_texts(stream, line))


def find_texts(stream: IO[bytes], line: int = 1) -> Iterator[tuple[FrameText, bytes]]:
    """Give the frames as :func:`find_frames` does, each with its text: the stream is gone over once."""
    lines, number, index = _Lines(stream), line - 1, 0
    header = lines.next()
    while header:
        number += 1
        if not header.strip():
            header = lines.next()
            continue
        if not is_count(header):
            raise FrameSyntaxError(f"line {number} is {_quote(header)}, but an XYZ file has {_FORMAT}")
        start, lines.taken = lines.at - len(header), [header]
        end, used, problem, rare, open_end, following = _measure_frame(lines, int(header), number)
        text = b"".join(lines.taken[: 1 + used])
        yield FrameText(index, number, start, end - start, problem, rare, open_end), text
        number += used
        index += 1
        header = following


class _Lines:
    """Lines of a stream one after the other, and how far it was read; what ends a packed file is its end.

    Attributes
    ----------
    at : the place behind the last line. taken : the lines since it was emptied.
    trouble : why a packed file ends here.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.at = stream.tell()
        self.taken: list[bytes] = []
        self.trouble = ""

    def next(self) -> bytes:
        """Return the next line, empty at the end."""
        try:
            line = self._stream.readline(MAX_LINE)
        except UNPACKING_ERRORS as error:
            self.trouble = f"the packed file breaks off here ({error})"
            return b""
        if len(line) == MAX_LINE:
            raise FrameSyntaxError(f"a line is longer than {MAX_LINE:,} bytes")
        self.at += len(line)
        self.taken.append(line)
        return line


def _measure_frame(lines: _Lines, n_atoms: int, number: int) -> tuple[int, int, str, bool, bool, bytes]:
    """Return where it ends, lines behind the header, a problem, whether it has VEC lines and a cut last line,
    and the next header.
    """
    comment = lines.next()
    used, found, last = int(bool(comment)), 0, comment
    line = lines.next()
    while found < n_atoms and line and not is_count(line):
        used, found, last = used + 1, found + 1, line
        line = lines.next()
    problem = ""
    if found < n_atoms:
        problem = f"its header (line {number}) promises {n_atoms} atoms, but only {found} atom lines follow"
        problem += "" if line else f"; {lines.trouble}" if lines.trouble else " before the file ends"
    rare = False
    while line and line.strip() and not is_count(line):
        if line.lstrip().startswith(b"VEC"):
            rare = True
        elif not problem:
            problem = (
                f"its header (line {number}) promises {n_atoms} atoms, but more lines follow: {_quote(line)}"
            )
        used, last = used + 1, line
        line = lines.next()
    return lines.at - len(line), used, problem, rare, not last.endswith(b"\n"), line


def _quote(line: bytes) -> str:
    return quote(line.decode("utf-8", errors="replace"))


def read_text(stream: IO[bytes], place: FrameText) -> bytes:
    """Return the text of one frame."""
    stream.seek(place.offset)
    return stream.read(place.size)
