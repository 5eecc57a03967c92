"""Fast, forgiving reader of XYZ and extended XYZ files.

ASE's reader gives up on a whole file when one frame is damaged, and costs half a second of imports, so the
common format is parsed here: every frame on its own, with its index and line number in each message. Rarer
syntax (``VEC`` lines, ``move_mask``, nested quotes, JSON values) is handed to ASE frame by frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, NamedTuple

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.reader import IndexedFrames, OpenFile, Reader

_FORMAT = "a count of atoms, a comment line, then one line per atom"
_PAIR = re.compile(r'([^\s="]+)(?:\s*=\s*(?:"([^"]*)"|([^\s"]*)))?')
_BOOLS = {
    name: value
    for value in (True, False)
    for name in (str(value)[0], str(value), str(value).lower(), str(value).upper())
}
_RARE = ("\\", "{", "[", "'", "_JSON", "move_mask")
_MATRICES = {"Lattice", "stress", "virial"}
_NAMES = {"pos": "positions", "Z": "numbers", "charge": "charges", "species": "symbols"}
_MAX_LINE = 60


class FrameSyntaxError(ValueError):
    """One frame's text does not follow the format; the message says where."""


class FrameText(NamedTuple):
    """Where the text of frame ``number`` lies: first line (from 1), offset and size in bytes, what is wrong.

    ``rare`` tells syntax that only ASE reads.
    """

    number: int
    line: int
    offset: int
    size: int
    problem: str
    rare: bool


def looks_like_xyz(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is an XYZ file by its content."""
    lines = head.split(b"\n", 3)
    if len(lines) < 3 or not _is_count(lines[0]):
        return False
    if int(lines[0]) == 0 or b"Properties=" in lines[1]:
        return True
    columns = lines[2].split()
    return len(columns) >= 4 and all(_is_float(x) for x in columns[1:4])


def _is_count(line: bytes) -> bool:
    word = line.strip()
    return word.isdigit() and len(word) < 10


def _is_float(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def find_frames(stream: IO[bytes]) -> Iterator[FrameText]:
    """Find the frames of an XYZ stream without parsing them.

    A frame with too few or too many lines is given with its ``problem``; the search goes on at the next line
    that holds a single integer.

    Raises
    ------
    FrameSyntaxError
        When the file does not start with a count of atoms.
    """
    offset, number, index = 0, 0, 0
    header = stream.readline()
    while header:
        number += 1
        if not header.strip():
            offset, header = offset + len(header), stream.readline()
            continue
        if not _is_count(header):
            raise FrameSyntaxError(f"line {number} is {_quote(header)}, but an XYZ file has {_FORMAT}")
        size, used, problem, rare, following = _measure_frame(stream, int(header), number)
        yield FrameText(index, number, offset, len(header) + size, problem, rare)
        offset += len(header) + size
        number += used
        index += 1
        header = following


def _measure_frame(stream: IO[bytes], n_atoms: int, number: int) -> tuple[int, int, str, bool, bytes]:
    """Return bytes and lines after the header, a problem, whether it has VEC lines, and the next header."""
    comment = stream.readline()
    size, used, found = len(comment), 1, 0
    line = stream.readline()
    while found < n_atoms and line and not _is_count(line):
        size, used, found = size + len(line), used + 1, found + 1
        line = stream.readline()
    problem = ""
    if found < n_atoms:
        problem = f"its header (line {number}) promises {n_atoms} atoms, but only {found} atom lines follow"
        problem += " before the file ends" if not line else ""
    rare = False
    while line and line.strip() and not _is_count(line):
        if line.lstrip().startswith(b"VEC"):
            rare = True
        elif not problem:
            problem = (
                f"its header (line {number}) promises {n_atoms} atoms, but more lines follow: {_quote(line)}"
            )
        size, used = size + len(line), used + 1
        line = stream.readline()
    return size, used, problem, rare, line


def _quote(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace").strip()
    return repr(text if len(text) <= _MAX_LINE else text[: _MAX_LINE - 1] + "…")


def read_frames(file: OpenFile) -> IndexedFrames:
    """Find the frames of an XYZ file; each is parsed when it is asked for.

    Raises
    ------
    DataError
        When the file does not start with a count of atoms.
    """
    stream, where = file.stream, str(file.path)
    places: list[FrameText] = []
    try:
        for place in find_frames(stream):
            places.append(place)
            file.check()
    except FrameSyntaxError as error:
        raise DataError(f"this is not an XYZ file: {error}", where=where, fix="Open another file") from error

    def get(index: int) -> Frame | FrameProblem:
        place = places[index]
        try:
            return parse_frame(read_text(stream, place), place, where)
        except FrameSyntaxError as error:
            return FrameProblem(place.number, str(error), "Mend or remove this frame")

    return IndexedFrames(len(places), get)


def parse_frame(text: bytes, place: FrameText, source: str) -> Frame:
    """Parse one frame.

    A ``virial`` (eV), where there is no ``stress``, becomes stress = -virial / volume, the convention of the
    programs that write it. ``energy`` is preferred to ``free_energy``.

    Raises
    ------
    FrameSyntaxError
        With a message that names the line.
    """
    comment, lines = split_text(text, place)
    if place.rare or any(mark in comment for mark in _RARE):
        return _parse_with_ase(text, place, source)
    info = parse_comment(comment)
    arrays = parse_atoms(lines, info.pop("Properties", None), place.line + 2)
    return _build_frame(arrays, info, len(lines), source, place.number)


def read_text(stream: IO[bytes], place: FrameText) -> bytes:
    """Return the text of one frame."""
    stream.seek(place.offset)
    return stream.read(place.size)


def split_text(text: bytes, place: FrameText) -> tuple[str, list[bytes]]:
    """Return the comment and the atoms' lines of one frame; FrameSyntaxError where they are not complete."""
    if place.problem:
        raise FrameSyntaxError(place.problem)
    lines = text.split(b"\n")
    return lines[1].decode("utf-8", errors="replace").strip(), lines[2 : 2 + int(lines[0])]


def _parse_with_ase(text: bytes, place: FrameText, source: str) -> Frame:
    from io import StringIO

    from ase.io.extxyz import read_extxyz

    stream = StringIO(text.decode("utf-8", errors="replace"))
    try:
        atoms = next(read_extxyz(stream, 0))
        frame = Frame.from_atoms(atoms, source=source, index=place.number)
        return replace(frame, stress=_stress(frame.stress, frame.info.get("virial"), frame.cell))
    except Exception as error:
        raise FrameSyntaxError(f"cannot be understood (line {place.line} on): {error}") from error


def parse_comment(comment: str) -> dict[str, Any]:
    """Parse the key=value pairs of a comment line; a line without any is kept under ``comment``."""
    if "=" not in comment:
        return {"comment": comment} if comment else {}
    info: dict[str, Any] = {}
    for match in _PAIR.finditer(comment):
        key, quoted, plain = match.groups()
        raw = quoted if quoted is not None else plain
        info[key] = True if raw is None else (raw if key in ("Properties", "uid") else _value(key, raw))
    return info


def _value(key: str, raw: str) -> Any:
    """Numbers, arrays of numbers, booleans or the text itself; matrices are checked."""
    words = raw.replace(",", " ").split()
    value: Any = raw
    for convert in (int, float, _BOOLS.__getitem__):
        try:
            value = [convert(word) for word in words]
            break
        except (ValueError, KeyError):
            continue
    if key in _MATRICES:
        if not isinstance(value, list) or len(value) != 9:
            raise FrameSyntaxError(f"{key} is {_quote(raw.encode())}, but nine numbers are expected")
        return np.array(value, dtype=np.float64).reshape(3, 3)
    if not isinstance(value, list) or not value:
        return raw
    if len(value) == 1:
        return value[0]
    return value if isinstance(value[0], bool) else np.array(value)


def _columns(properties: str | None) -> list[tuple[str, str, int]]:
    fields = (properties or "species:S:1:pos:R:3").split(":")
    try:
        columns = [(n, k, int(c)) for n, k, c in zip(fields[::3], fields[1::3], fields[2::3], strict=True)]
    except ValueError:
        columns = []
    if not columns or any(kind not in "RISL" or count < 1 for _, kind, count in columns):
        raise FrameSyntaxError(f"Properties={properties} is not a list of name:type:columns")
    return columns


def parse_atoms(lines: list[bytes], properties: Any, first_line: int) -> dict[str, np.ndarray]:
    """Return the columns of the atoms' lines by name; ``properties`` None stands for a symbol and a position.

    FrameSyntaxError names the line that does not fit.
    """
    columns = _columns(properties)
    width = sum(count for _, _, count in columns)
    tokens = b" ".join(lines).split()
    if len(tokens) != width * len(lines):
        tokens = _trim_lines(lines, width, first_line, exact=properties is not None)
    arrays: dict[str, np.ndarray] = {}
    start = 0
    for name, kind, count in columns:
        try:
            values = [_convert(tokens[start + c :: width], kind) for c in range(count)]
        except (ValueError, KeyError) as error:
            line = _bad_line(lines, start, count, kind, first_line)
            raise FrameSyntaxError(
                f"line {line} has no valid '{name}' in columns {start + 1} to {start + count}: {error}"
            ) from error
        arrays[_NAMES.get(name, name)] = values[0] if count == 1 else np.ascontiguousarray(np.array(values).T)
        start += count
    return arrays


def _convert(tokens: list[bytes], kind: str) -> np.ndarray:
    if kind == "R":
        return np.array(list(map(float, tokens)), dtype=np.float64)
    if kind == "I":
        return np.array(list(map(int, tokens)), dtype=np.int64)
    words = [token.decode("utf-8", errors="replace") for token in tokens]
    return (
        np.array([_BOOLS[word] for word in words], dtype=bool) if kind == "L" else np.array(words, dtype=str)
    )


def _trim_lines(lines: list[bytes], width: int, first_line: int, *, exact: bool) -> list[bytes]:
    """Cut lines with more than the declared columns (plain XYZ only); refuse others with their number."""
    tokens: list[bytes] = []
    for number, line in enumerate(lines, start=first_line):
        row = line.split()
        if len(row) < width or (exact and len(row) > width):
            raise FrameSyntaxError(f"line {number} has {len(row)} columns where {width} are expected")
        tokens += row[:width]
    return tokens


def _bad_line(lines: list[bytes], start: int, count: int, kind: str, first_line: int) -> int:
    for number, line in enumerate(lines, start=first_line):
        try:
            _convert(line.split()[start : start + count], kind)
        except (ValueError, KeyError):
            return number
    return first_line


def _numbers(arrays: dict[str, np.ndarray]) -> np.ndarray:
    numbers, symbols = arrays.pop("numbers", None), arrays.pop("symbols", None)
    if numbers is not None:
        return numbers.astype(np.int32)
    if symbols is None:
        raise FrameSyntaxError("its Properties have neither 'species' nor 'Z'")
    table = {}
    for word in set(symbols.tolist()):
        table[word] = atomic_numbers.get(word.capitalize())
        if table[word] is None:
            raise FrameSyntaxError(f"{word!r} is not a chemical element")
    return np.array([table[word] for word in symbols.tolist()], dtype=np.int32)


def _build_frame(
    arrays: dict[str, np.ndarray], info: dict[str, Any], n_atoms: int, source: str, index: int
) -> Frame:
    numbers = _numbers(arrays)
    positions = arrays.pop("positions", None)
    if positions is None:
        raise FrameSyntaxError("its Properties have no 'pos'")
    lattice = info.pop("Lattice", None)
    pbc = np.zeros(3, dtype=bool)
    pbc[:] = info.pop("pbc", lattice is not None)
    cell = np.zeros((3, 3)) if lattice is None else lattice
    stress = _stress(info.pop("stress", None), info.get("virial"), cell)
    energy = info.pop("energy", info.get("free_energy"))
    return Frame(
        numbers=numbers,
        positions=positions if positions.ndim == 2 else positions[:, None],
        cell=cell,
        pbc=pbc,
        energy=None if energy is None else _number(energy, "energy"),
        forces=arrays.pop("forces", None),
        stress=stress,
        arrays=arrays,
        info=info,
        source=source,
        index=index,
    )


def _stress(stress: np.ndarray | None, virial: Any, cell: np.ndarray) -> np.ndarray | None:
    """The symmetric stress, from the virial where only that is given."""
    usable = isinstance(virial, np.ndarray) and virial.shape == (3, 3) and np.isfinite(cell).all()
    if stress is None and usable:
        volume = float(abs(np.linalg.det(cell)))
        stress = -virial / volume if volume > 0.0 else None
    return None if stress is None else 0.5 * (stress + stress.T)


def _number(value: Any, key: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise FrameSyntaxError(f"{key} is {value!r}, but one number is expected")


EXTXYZ = Reader("extxyz", read_frames, lambda path, head: looks_like_xyz(head), ("*.extxyz", "*.xyz"))
