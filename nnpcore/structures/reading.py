"""Reading structure files into checked data sets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from nnpcore.errors import Cancelled, DataError, EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.checking import check_frame
from nnpcore.structures.dataset import BadFramesError, Dataset, FrameProblem
from nnpcore.structures.frame import Frame
from nnpcore.structures.labels.key_names import (
    NONE,
    QUANTITIES,
    KeyNames,
    KeyProposal,
    apply_keys,
    propose_keys,
)
from nnpcore.structures.readers import cp2k as cp2k_data
from nnpcore.structures.readers import n2p2 as n2p2_data
from nnpcore.structures.readers.broken_off import broken_off, end_note
from nnpcore.structures.readers.extxyz import Block, FrameSyntaxError, find_blocks, parse_block
from nnpcore.structures.readers.formats import (
    OWN_FORMATS,
    detect_format,
    no_structure,
    open_stream,
    read_error,
)
from nnpcore.structures.writing import PER_ATOM_NAMES

_SLICE = re.compile(r"^(-?\d+)?(:(-?\d+)?(:(-?\d+)?)?)?$")
_REPORT_SECONDS = 0.05


class Source(NamedTuple):
    """A file and the part of it that is wanted: one index, or a slice."""

    path: Path
    part: int | slice

    @property
    def text(self) -> str:
        """The path with its slice, as :func:`read_dataset` takes it."""
        if self.part == slice(None):
            return str(self.path)
        if isinstance(self.part, int):
            return f"{self.path}@{self.part}"
        numbers = ["" if n is None else str(n) for n in (self.part.start, self.part.stop, self.part.step)]
        return f"{self.path}@{':'.join(numbers if numbers[2] else numbers[:2])}"


def parse_path(path: str | Path) -> Source:
    """Split ``file@slice`` into file and slice; a file whose name really contains '@' wins.

    Raises
    ------
    DataError
        When the part behind '@' is not an index or slice, or the slice's step is 0.
    """
    text = str(path)
    whole = Path(text).expanduser().absolute()
    name, _, part = whole.name.rpartition("@")
    if whole.exists() or not name:
        return Source(whole, slice(None))
    file = whole.with_name(name)
    if not part or not _SLICE.match(part):
        if file.exists():
            raise DataError(
                f"'{part}' is no frame number or slice",
                where=str(file),
                fix="Write FILE@5, FILE@:100 or FILE@::10",
            )
        return Source(whole, slice(None))
    if ":" not in part:
        return Source(file, int(part))
    numbers = [int(n) if n else None for n in part.split(":")]
    if len(numbers) == 3 and numbers[2] == 0:
        raise DataError(
            "a slice with step 0 has no meaning", where=text, fix="Write FILE@::10 for every tenth frame"
        )
    return Source(file, slice(*numbers))


def read_dataset(
    path: str | Path,
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    keys: KeyNames | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read and check all frames of a file, whatever its format, told by its content.

    Parameters
    ----------
    path : file, optionally with a slice: ``file.xyz@5``, ``file@::10``, ``file@-20:``.
    on_bad : with "raise" any bad frame is an error that lists all of them; with "skip" they are left out and
        listed in ``Dataset.problems``.
    keys : under which names the file keeps energy, forces and stress; None for the usual ones. See
        :func:`detect_key_names`.
    progress : told about every frame; reading can be cancelled there.

    Raises
    ------
    DataError
        When the file cannot be read or holds no usable frame (:class:`BadFramesError` where frames are bad).
    """
    source, names = parse_path(path), keys or KeyNames()
    frames: list[Frame] = []
    problems: list[FrameProblem] = []
    try:
        for item in _reported(source, names, progress or Progress()):
            problem = item if isinstance(item, FrameProblem) else _problem_of(item)
            if problem is not None:
                problems.append(problem)
            elif isinstance(item, Frame):
                frames.append(item)
    except MemoryError as error:
        frames.clear()
        raise read_error(error, str(source.path)) from error
    if not frames and not problems:
        raise DataError("there is no frame in this file", where=source.text, fix="Open another file")
    if problems and (on_bad == "raise" or not frames):
        raise BadFramesError(source.text, tuple(problems), len(frames))
    name = source.path.name + source.text[len(str(source.path)) :]
    if keys is not None:
        _check_names(frames, names, source.text)
    return Dataset(name=name, path=source.text, frames=tuple(frames), problems=tuple(problems), keys=keys)


def _check_names(frames: list[Frame], keys: KeyNames, where: str) -> None:
    """Raise where no frame has a value under a name that was given."""
    for quantity in QUANTITIES:
        name = getattr(keys, quantity)
        if name not in (None, NONE) and all(getattr(frame, quantity) is None for frame in frames):
            others = sorted({*frames[0].info, *frames[0].arrays})
            raise DataError(
                f"no frame has {quantity} under the name {name!r}",
                where=where,
                fix=f"The file has {', '.join(others) or 'no further values'}",
            )


def detect_key_names(path: str | Path, *, progress: Progress | None = None) -> KeyProposal:
    """Read a file and say under which names its energies, forces and stresses seem to stand.

    Nothing is asked here: show the proposal to the user, ask its questions, and give the confirmed names to
    :func:`read_dataset`. For frames that are read already, call ``propose_keys``.
    """
    return propose_keys(read_dataset(path, on_bad="skip", progress=progress).frames)


def iter_frames(path: str | Path) -> Iterator[Frame]:
    """Yield the frames of a file one by one, unchecked, without keeping them.

    Raises
    ------
    DataError
        When the file, or the next frame, cannot be read.
    """
    source = parse_path(path)
    for _, item in _read(source, KeyNames(), Progress()):
        if isinstance(item, FrameProblem):
            raise BadFramesError(source.text, (item,), 0)
        yield item


def _reported(source: Source, keys: KeyNames, progress: Progress) -> Iterator[Frame | FrameProblem]:
    """Frames and problems of a file; tells ``progress`` often, but not more than 20 times a second."""
    last = 0.0
    for fraction, item in _read(source, keys, progress):
        progress.check()
        if time.monotonic() - last > _REPORT_SECONDS:
            last = time.monotonic()
            progress.report(fraction, f"Reading {source.path.name}: frame {item.index}")
        yield item


def _problem_of(frame: Frame) -> FrameProblem | None:
    texts = check_frame(frame)
    return FrameProblem(frame.index, "; ".join(texts), "Mend or remove this frame") if texts else None


def _read(
    source: Source, keys: KeyNames, progress: Progress
) -> Iterator[tuple[float | None, Frame | FrameProblem]]:
    """Yield (share done, frame or problem) for the wanted part of a file."""
    kind = detect_format(source.path)
    try:
        if kind == "extxyz":
            items: Iterator[tuple[float | None, Frame | FrameProblem]] = _read_xyz(source, progress)
        else:
            items = _read_part(source, _iterate(source, kind, keys))
        for share, item in items:
            yield share, item if keys == KeyNames() else _renamed(item, keys)
    except (EatlasError, Cancelled):
        raise
    except Exception as error:
        raise read_error(error, str(source.path)) from error


def _renamed(item: Frame | FrameProblem, keys: KeyNames) -> Frame | FrameProblem:
    if not isinstance(item, Frame):
        return item
    try:
        return apply_keys(item, keys)
    except ValueError as error:
        return FrameProblem(item.index, str(error), "Give another name for it")


def _iterate(source: Source, kind: str, keys: KeyNames) -> Iterator[Frame | FrameProblem]:
    """All frames of a file that is no XYZ."""
    if kind not in OWN_FORMATS:
        yield from _iterate_ase(source, kind)
    elif kind == "cp2k-trajectory":
        yield from cp2k_data.read_trajectory(source.path)
    else:
        with open_stream(source.path) as stream:
            if kind == "cp2k-output":
                yield from cp2k_data.read_output(stream.read(), str(source.path))
                return
            yield from n2p2_data.read_input_data(stream, str(source.path), keys.units or None)


def _read_xyz(source: Source, progress: Progress) -> Iterator[tuple[float | None, Frame | FrameProblem]]:
    where = str(source.path)
    with open_stream(source.path) as stream:
        try:
            blocks: list[Block] = []
            for block in find_blocks(stream):
                blocks.append(block)
                progress.check()
        except FrameSyntaxError as error:
            raise DataError(
                f"this is not an XYZ file: {error}", where=where, fix="Open another file"
            ) from error
        wanted = _wanted(len(blocks), source)
        for done, index in enumerate(wanted, start=1):
            stream.seek(blocks[index].offset)
            yield done / len(wanted), _parse(stream.read(blocks[index].size), blocks[index], where)


def _parse(text: bytes, block: Block, where: str) -> Frame | FrameProblem:
    try:
        return parse_block(text, block, where)
    except FrameSyntaxError as error:
        return FrameProblem(block.number, str(error), "Mend or remove this frame")


def _wanted(n_frames: int, source: Source) -> range:
    """The indices that a slice selects of ``n_frames``; selecting none is an error that gives the range."""
    if isinstance(source.part, slice):
        wanted = range(n_frames)[source.part]
    else:
        wanted = range(n_frames)[source.part : source.part + 1 or None]
    if n_frames and not wanted:
        raise DataError(
            f"the slice selects none of its {n_frames} frames",
            where=source.text,
            fix=f"Frames are numbered from 0 to {n_frames - 1}",
        )
    return wanted


def _read_part(
    source: Source, items: Iterator[Frame | FrameProblem]
) -> Iterator[tuple[float | None, Frame | FrameProblem]]:
    """Yield the wanted part of all frames. Slices that count from the end need the whole file first."""
    part = source.part
    forward = isinstance(part, int) and part >= 0
    if isinstance(part, slice):
        forward = all(n is None or n >= 0 for n in (part.start, part.stop)) and (part.step or 1) > 0
    if not forward:
        everything = list(items)
        wanted = _wanted(len(everything), source)
        for done, index in enumerate(wanted, start=1):
            yield done / len(wanted), everything[index]
        return
    start, stop, step = (
        (part, part + 1, 1) if isinstance(part, int) else (part.start or 0, part.stop, part.step or 1)
    )
    count, selected = 0, 0
    for item in items:
        if count >= start and (count - start) % step == 0:
            selected += 1
            yield None, item
        count += 1
        if stop is not None and count >= stop:
            break
    if not selected:
        _wanted(count, source)


def _iterate_ase(source: Source, kind: str) -> Iterator[Frame | FrameProblem]:
    """All frames by ASE. An error after good frames becomes the last item: those before it are usable."""
    from ase.io.formats import iread

    images: Iterator[Any] = (
        _rows(source.path, kind)
        if kind in ("db", "json")
        else iread(str(source.path), slice(None), format=kind, parallel=False, do_not_split_by_at_sign=True)
    )
    index = 0
    while True:
        try:
            frame = Frame.from_atoms(next(images), source=str(source.path), index=index)
        except StopIteration:
            what = broken_off(source.path, kind, index)
            if what:
                yield FrameProblem(index, what, "Use the frames before this one")
            return
        except Exception as error:
            failure = read_error(error, str(source.path), end_note(source.path, kind))
            if index == 0:
                raise failure from error
            yield FrameProblem(index, failure.what, "Mend the file, or use the frames before this one")
            return
        if index == 0 and frame.n_atoms == 0:  # what lenient readers make of any text
            raise no_structure(str(source.path))
        if kind in ("db", "json"):
            frame = _with_row_values(frame)
        yield _with_per_atom(frame) if kind == "traj" else frame
        index += 1


def _rows(path: Path, kind: str) -> Iterator[Any]:
    """Yield the atoms of a database's rows with all the values they were written with."""
    from ase.db import connect

    database: Any = connect(str(path), type=kind, use_lock_file=False, serial=True)
    with database:
        for row in database.select():
            yield row.toatoms(add_additional_information=True)


def _with_per_atom(frame: Frame) -> Frame:
    """Put values of single atoms, which a .traj only has room for in ``info``, back among the arrays."""
    names = str(frame.info.get(PER_ATOM_NAMES, "")).split()
    named = {name: frame.info[name] for name in names if name in frame.info}
    found = {n: v for n, v in named.items() if isinstance(v, np.ndarray) and len(v) == frame.n_atoms}
    info = {k: v for k, v in frame.info.items() if k not in found and k != PER_ATOM_NAMES}
    return replace(frame, info=info, arrays=frame.arrays | found)


def _with_row_values(frame: Frame) -> Frame:
    """Put the values that a database row was written with (``dft_energy=...``) among the others."""
    info, arrays = dict(frame.info), dict(frame.arrays)
    info.pop("unique_id", None)
    for name in ("key_value_pairs", "data"):
        values = info.pop(name, None)
        for key, value in values.items() if isinstance(values, dict) else ():
            per_atom = isinstance(value, np.ndarray) and value.ndim > 1 and len(value) == frame.n_atoms
            (arrays if per_atom else info).setdefault(key, value)
    return replace(frame, info=info, arrays=arrays)
