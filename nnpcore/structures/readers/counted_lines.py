"""Where the frames of a long text file lie, found by counting lines: nothing is parsed for it.

The lines of a piece of the file are told apart by arrays; per frame only its header is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from typing import IO, NamedTuple

import numpy as np

from nnpcore.structures.readers.xyz_frames import LONGEST_COUNT, find_frames, is_count, read_text

PIECE = 1 << 22
_MOST_HELD = 1 << 28  # bytes; frames larger than that are not looked for
_CAREFUL = 256  # frames that are gone over line by line where the quick way met something else

Places = np.ndarray
"""Frames (n, 3) int64: offset and size in bytes, number of the first line from 1."""
Walk = Callable[[bytes, int, bool], tuple[Places, bool]]
"""Finds the frames that lie whole in a text, which begins with this line and is the file's last or not: their
places, offsets and lines (from 0) in the text, and whether only the text's end ended the search."""


def xyz_places(stream: IO[bytes], check: Callable[[], None]) -> Iterator[Places]:
    """Find the frames of an XYZ stream as :func:`find_frames` does, from where it stands.

    Raises
    ------
    FrameSyntaxError : the stream does not start with a count of atoms.
    """
    offset, line, careful = stream.tell(), 1, _CAREFUL
    while True:
        for found in _walked(stream, _plain_xyz, offset, line):
            check()
            offset, line = found.offset, found.line
            if len(found.places):
                yield found.places
        stream.seek(offset)
        rest = list(islice(find_frames(stream, line), careful))
        check()
        if not rest:
            return
        yield np.array([(place.offset, place.size, place.line) for place in rest], dtype=np.int64)
        text = read_text(stream, rest[-1])
        offset, line = rest[-1].offset + rest[-1].size, rest[-1].line + text.count(b"\n")
        careful *= 2


def plain_places(stream: IO[bytes], walk: Walk, check: Callable[[], None]) -> Iterator[Places]:
    """Find the frames of a stream, from where it stands, as far as ``walk`` knows its way."""
    for found in _walked(stream, walk, stream.tell(), 1):
        check()
        if len(found.places):
            yield found.places


class _Stretch(NamedTuple):
    """Frames, and the offset and line behind them."""

    places: Places
    offset: int
    line: int


def _walked(stream: IO[bytes], walk: Walk, offset: int, line: int) -> Iterator[_Stretch]:
    """Give frames as a walk finds them; ends where it does not go on."""
    stream.seek(offset)
    held = b""
    while len(held) < _MOST_HELD:
        piece = stream.read(max(PIECE, len(held)))
        held += piece
        places, at_end = walk(held, line, not piece)
        if len(places):
            used = int(places[-1, 0] + places[-1, 1])
            places += (offset, 0, line)
            line += held.count(b"\n", 0, used)
            offset, held = offset + used, held[used:]
        yield _Stretch(places, offset, line)
        if not at_end or not piece:
            return


def line_starts(text: bytes) -> np.ndarray:
    """Return where the lines of a text begin, and where the one behind its last line end would."""
    return np.concatenate([[0], np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == 10) + 1])


def _plain_xyz(text: bytes, _: int, last: bool) -> tuple[Places, bool]:
    """Return the plain frames that lie whole in a text, and whether only its end ended the search."""
    data, edges = np.frombuffer(text, dtype=np.uint8), line_starts(text)
    starts, ends = edges[:-1], edges[1:]
    if last and len(text) == edges[-1]:  # what would follow is the end of the file
        text += b"0"
    sure = _no_counts(data, starts, ends)
    unsure, pointed = _before(~sure), False
    found, i, at_end = [], 0, True
    while i < len(ends):
        header = text[starts[i] : ends[i]]
        behind = i + 2 + int(header) if is_count(header) else -1
        if behind >= len(edges) or (behind == len(edges) - 1 and not last):
            break
        if behind > 0 and unsure[behind] > unsure[i + 2] and not pointed:
            unsure, pointed = _before(~(sure | _have_point(data, starts, ends))), True
        start = int(edges[behind]) if behind > 0 else 0
        following = text[start : start + LONGEST_COUNT + 1].partition(b"\n")[0]
        if behind < 0 or unsure[behind] > unsure[i + 2] or not is_count(following + b"\n"):
            at_end = False
            break
        found.append((edges[i], start - edges[i], i))
        i = behind
    return np.array(found, dtype=np.int64).reshape(-1, 3), at_end


def _no_counts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Whether lines cannot be counts of atoms: they begin with a letter, or are too long."""
    first = data[starts] | 32
    return ((first >= ord("a")) & (first <= ord("z"))) | (ends - starts > LONGEST_COUNT)


def _have_point(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Whether lines have a decimal point in them, which no count has."""
    points = np.flatnonzero(data == ord("."))
    return np.searchsorted(points, ends) > np.searchsorted(points, starts)


def _before(flags: np.ndarray) -> np.ndarray:
    """Return how many are true before each place, (n + 1,)."""
    return np.concatenate([[0], np.cumsum(flags)])


def marked_places(stream: IO[bytes], mark: bytes, check: Callable[[], None]) -> Iterator[Places]:
    """Find the frames of a stream, from where it stands, each of which begins with the line ``mark``.

    What lies before the first mark belongs to the first frame.
    """
    offset, line, held, seen = stream.tell(), 1, b"", 0
    marks: list[int] = []
    while piece := stream.read(max(PIECE, len(held))):
        check()
        held += piece
        marks += mark_starts(held, mark, seen)
        seen = max(0, len(held) - len(mark) + 1)
        if len(marks) < 2:
            continue
        edges = [0, *marks[1:]]
        yield _places(held, edges, offset, line)
        line += held.count(b"\n", 0, edges[-1])
        offset, held, seen = offset + edges[-1], held[edges[-1] :], max(0, seen - edges[-1])
        marks = [0]
    if held:
        yield _places(held, [0, len(held)], offset, line)


def mark_starts(text: bytes, mark: bytes, start: int = 0) -> list[int]:
    """Return where lines begin that begin with a mark, from ``start`` on."""
    found = []
    while (place := text.find(mark, start)) >= 0:
        if place == 0 or text[place - 1 : place] == b"\n":
            found.append(place)
        start = place + len(mark)
    return found


def _places(text: bytes, edges: list[int], offset: int, line: int) -> Places:
    lines = [line]
    for begin, end in pairwise(edges):
        lines.append(lines[-1] + text.count(b"\n", begin, end))
    sizes = np.diff(edges)
    return np.column_stack([np.array(edges[:-1]) + offset, sizes, lines[:-1]]).astype(np.int64)
