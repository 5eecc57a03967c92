"""Fast, forgiving reader of XYZ and extended XYZ files.

ASE's reader gives up on a whole file when one frame is damaged, and costs half a second of imports, so the
common format is parsed here: every frame on its own, with its index and line number in each message. ``VEC``
lines are handed to ASE frame by frame.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from nnpcore.errors import Cancelled, DataError
from nnpcore.structures.frame import Frame, add_note
from nnpcore.structures.labels.units_in_file import convert_units
from nnpcore.structures.problems import FrameProblem, FrameSyntaxError
from nnpcore.structures.readers.counted_lines import xyz_places
from nnpcore.structures.readers.foreign_xyz import parse_foreign
from nnpcore.structures.readers.reader import (
    CountedFrames,
    IndexedFrames,
    OpenFile,
    Reader,
    StreamedFrames,
    is_packed,
)
from nnpcore.structures.readers.xyz_comment import parse_comment
from nnpcore.structures.readers.xyz_frames import FrameText, find_frames, find_texts, is_count, read_text

_BOOLS = {
    name: value
    for value in (True, False)
    for name in (str(value)[0], str(value), str(value).lower(), str(value).upper())
}
_NAMES = {"pos": "positions", "Z": "numbers", "charge": "charges", "species": "symbols"}
_CONTRADICTION = 0.02  # of the larger one, from which a stress and a virial do not agree
_ROUNDING = 2e-5  # eV/Å³, what may be off in stresses of relaxed crystals


def looks_like_xyz(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is an XYZ file by its content."""
    lines = head.split(b"\n", 3)
    if len(lines) < 3 or not is_count(lines[0]):
        return False
    if int(lines[0]) == 0 or b"Properties=" in lines[1]:
        return True
    columns = lines[2].split()
    return len(columns) >= 4 and all(_is_float(x) for x in columns[1:4])


def _is_float(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def read_frames(file: OpenFile) -> StreamedFrames:
    """Give the frames of an XYZ file; each is parsed when it is asked for.

    Raises
    ------
    DataError
        When the file does not start with a count of atoms.
    """
    stream, where = file.stream, str(file.path)
    size = 0 if is_packed(file.path) else file.path.stat().st_size

    def found() -> Iterator[tuple[float | None, Callable[[], Frame | FrameProblem]]]:
        for place, text in _places(file):
            share = (place.offset + place.size) / size if size else None
            yield share, partial(_frame_of, text, place, where)

    def indexed() -> IndexedFrames:
        places = [place for place, _ in _places(file)]
        get = lambda index: _frame_of(read_text(stream, places[index]), places[index], where)  # noqa: E731
        return IndexedFrames(len(places), get)

    return StreamedFrames(found, indexed)


def _places(file: OpenFile) -> Iterator[tuple[FrameText, bytes]]:
    try:
        for place, text in find_texts(file.stream):
            file.check()
            yield place, text
    except FrameSyntaxError as error:
        what = f"this is not an XYZ file: {error}"
        raise DataError(what, where=str(file.path), fix="Open another file") from error


def _frame_of(text: bytes, place: FrameText, where: str) -> Frame | FrameProblem:
    """Parse one frame; whatever is wrong with it is its own problem."""
    try:
        return parse_frame(text, place, where)
    except FrameSyntaxError as error:
        what = str(error) if re.search(r"\bline \d", str(error)) else f"{error} (line {place.line} on)"
    except (MemoryError, Cancelled):
        raise
    except Exception as error:
        what = f"it cannot be understood (line {place.line} on): {type(error).__name__}: {error}"
    return FrameProblem(place.number, what, "Mend or remove this frame")


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
    if place.rare:
        return _parse_with_ase(text, place, source)
    foreign = parse_foreign(comment)
    info, length = (parse_comment(comment), 1.0) if foreign is None else foreign
    properties = info.pop("Properties", None)
    arrays = parse_atoms(lines, properties, place.line + 2)
    if length != 1.0:
        arrays["positions"] = length * arrays["positions"]
    if place.open_end:
        _refuse_cut_number(lines, properties, place.line + 1 + len(lines))
    convert_units(info, arrays)
    return _build_frame(arrays, info, source, place.number)


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
        info = frame.info | ({} if frame.stress is None else {"stress": frame.stress})
        return replace(frame, stress=_stress(info, frame.cell), info=info)
    except Exception as error:
        raise FrameSyntaxError(f"cannot be understood (line {place.line} on): {error}") from error


def _refuse_cut_number(lines: list[bytes], properties: Any, number: int) -> None:
    """Refuse a last line without its end unless its last number has as many decimals as those above it.

    A file that breaks off within a number has a shorter one, which is still a number.
    """
    columns = _columns(properties)
    _, kind, count = columns[-1]
    width = sum(n for _, _, n in columns)
    rows = [line.split() for line in lines]
    if not rows or lines[-1][-1:].isspace() or len(rows[-1]) > width or kind == "L":
        return
    words = [word for row in rows for word in row[width - count : width]]
    last = words.pop()
    if kind == "R" and {_shape(word) for word in words} == {_shape(last)}:
        return
    text = last.decode("utf-8", errors="replace")
    raise FrameSyntaxError(
        f"line {number} ends the file without a line break, and its last value {text!r} may be cut off: "
        "if it is whole, end the line"
    )


def _shape(word: bytes) -> tuple[int, bytes]:
    """The number of decimals and the exponent's form of a number."""
    mantissa, exponent, power = word.lower().partition(b"e")
    return len(mantissa.partition(b".")[2]), exponent + b"0" * len(power)


def _columns(properties: str | None) -> list[tuple[str, str, int]]:
    fields = (properties or "species:S:1:pos:R:3").split(":")
    try:
        columns = [(n, k, int(c)) for n, k, c in zip(fields[::3], fields[1::3], fields[2::3], strict=True)]
    except ValueError:
        columns = []
    if not columns or any(kind not in "RISL" or count < 1 for _, kind, count in columns):
        raise FrameSyntaxError(f"Properties={properties} is not a list of name:type:columns")
    names = Counter(_NAMES.get(name, name) for name, _, _ in columns)
    if twice := [name for name, count in names.items() if count > 1]:
        raise FrameSyntaxError(f"its Properties have '{twice[0]}' twice")
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
        except (ValueError, KeyError, OverflowError) as error:
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
        except (ValueError, KeyError, OverflowError):
            return number
    return first_line


def _numbers(arrays: dict[str, np.ndarray]) -> np.ndarray:
    numbers, symbols = arrays.pop("numbers", None), arrays.pop("symbols", None)
    if symbols is None and numbers is None:
        raise FrameSyntaxError("its Properties have neither 'species' nor 'Z'")
    table = {word: atomic_numbers.get(str(word).capitalize()) for word in set(_words(symbols))}
    found = np.array([table[word] or 0 for word in _words(symbols)], dtype=np.int32)
    if numbers is None:
        if bad := next((word for word in table if table[word] is None), None):
            raise FrameSyntaxError(f"{bad!r} is not a chemical element")
        return found
    told = as_atomic_numbers(numbers)
    if len(found) and (against := np.flatnonzero((found != told) & (found > 0))).size:
        k = int(against[0])
        raise FrameSyntaxError(f"atom {k} is {_words(symbols)[k]} by 'species' and number {told[k]} by 'Z'")
    return told


def _words(symbols: np.ndarray | None) -> list[str]:
    return [] if symbols is None else symbols.ravel().tolist()


def as_atomic_numbers(values: np.ndarray) -> np.ndarray:
    """Return atomic numbers as int32; FrameSyntaxError where one is no whole number of an element."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        raise FrameSyntaxError("its atomic numbers are no numbers")
    bad = np.flatnonzero(~((array >= 0) & (array <= 118) & (array == np.floor(array))))
    if len(bad):
        raise FrameSyntaxError(f"atom {bad[0]} has no element (atomic number {array[bad[0]]})")
    return array.astype(np.int32)


def _positions(arrays: dict[str, np.ndarray]) -> np.ndarray:
    positions = arrays.pop("positions", None)
    if positions is None:
        raise FrameSyntaxError("its Properties have no 'pos'")
    if positions.dtype.kind not in "fi":
        raise FrameSyntaxError("its positions are not numbers by their type in Properties")
    return (positions if positions.ndim == 2 else positions[:, None]).astype(np.float64)


def _build_frame(arrays: dict[str, np.ndarray], info: dict[str, Any], source: str, index: int) -> Frame:
    numbers, positions = _numbers(arrays), _positions(arrays)
    lattice = info.pop("Lattice", None)
    pbc = info.pop("pbc", np.full(3, lattice is not None))
    cell = np.zeros((3, 3)) if lattice is None else lattice
    energy = _energy(info)
    return Frame(
        numbers=numbers,
        positions=positions,
        cell=cell,
        pbc=pbc,
        energy=energy,
        forces=arrays.pop("forces", None),
        stress=_stress(info, cell),
        arrays=arrays,
        info=info,
        source=source,
        index=index,
    )


def _stress(info: dict[str, Any], cell: np.ndarray) -> np.ndarray | None:
    """Take the symmetric stress out of ``info``, or make it of the virial where only that is given.

    Where both are there and contradict each other, there is none; both stay, to be asked about.
    """
    stress, virial = info.get("stress"), info.get("virial")
    volume = float(abs(np.linalg.det(cell))) if np.isfinite(cell).all() else 0.0
    made = -virial / volume if virial is not None and volume > 0.0 else None
    if stress is not None and made is not None and _contradict(stress, made):
        add_note(info, "stress and virial contradict each other, so that neither is taken")
        return None
    info.pop("stress", None)
    taken = stress if stress is not None else made
    if taken is not None and _contradict(taken, taken.T):
        add_note(info, f"{'stress' if stress is not None else 'virial'} is not symmetric and is not taken")
        return None
    return None if taken is None else 0.5 * (taken + taken.T)


def _contradict(a: np.ndarray, b: np.ndarray) -> bool:
    size = max(np.abs(a).max(), np.abs(b).max())
    return bool(np.isfinite(size) and np.abs(a - b).max() > max(_CONTRADICTION * size, _ROUNDING))


def _energy(info: dict[str, Any]) -> float | None:
    """Take the energy out of ``info``, else the free energy; an empty value is none."""
    key, value = "energy", info.pop("energy", None)
    if value is None or (isinstance(value, str) and not value):
        key, value = "free_energy", info.get("free_energy")
    if value is None or (isinstance(value, str) and not value):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise FrameSyntaxError(f"{key} is {value!r}, but one number is expected")


def _counted(file: OpenFile) -> CountedFrames:
    where = str(file.path)

    def parse(text: bytes, number: int, line: int) -> Frame | FrameProblem:
        place = next(find_frames(io.BytesIO(text), line))
        return _frame_of(text, place._replace(number=number), where)

    return CountedFrames(xyz_places(file.stream, file.check), parse)


EXTXYZ = Reader(
    "extxyz",
    read_frames,
    lambda path, head: looks_like_xyz(head),
    ("*.extxyz", "*.xyz"),
    counted=_counted,
)
