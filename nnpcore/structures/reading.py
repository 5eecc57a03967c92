"""Reading structure files into checked data sets."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from nnpcore.errors import Cancelled, DataError, EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.checking import check_frame
from nnpcore.structures.dataset import Dataset
from nnpcore.structures.frame import NOTES, Frame
from nnpcore.structures.labels.key_names import (
    NONE,
    QUANTITIES,
    KeyNames,
    KeyProposal,
    apply_keys,
    propose_keys,
    rival_notes,
)
from nnpcore.structures.problems import BadFramesError, FrameProblem
from nnpcore.structures.readers.reader import (
    IndexedFrames,
    OpenFile,
    StreamedFrames,
    open_stream,
    read_error,
)
from nnpcore.structures.readers.registry import find_reader
from nnpcore.structures.repeated import Repeated
from nnpcore.structures.spool import Spool
from nnpcore.structures.zeros import Zeros

_SLICE = re.compile(r"^(-?\d+)?(:(-?\d+)?(:(-?\d+)?)?)?$")
_REPORT_SECONDS = 0.05
_USUAL = KeyNames()


class Source(NamedTuple):
    """A file and the part of it that is wanted: one index, or a slice."""

    path: Path
    part: int | slice

    @property
    def selection(self) -> slice:
        """The part as a slice."""
        part = self.part
        return slice(part, part + 1 or None) if isinstance(part, int) else part

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


def name_of(source: Source) -> str:
    """Return the name of a file and its slice, without the folder."""
    return source.path.name + source.text[len(str(source.path)) :]


def read_dataset(
    path: str | Path,
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    keys: KeyNames | None = None,
    progress: Progress | None = None,
    seen: Callable[[Frame], object] | None = None,
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
    seen : called with every good frame as soon as it is read.

    Raises
    ------
    DataError
        When the file cannot be read or holds no usable frame (:class:`BadFramesError` where frames are bad).
    """
    source = parse_path(path)
    try:
        frames, problems, odd = _gathered(iter_frames(path, keys=keys, progress=progress), seen)
    except MemoryError as error:
        raise read_error(error, str(source.path)) from error
    if not frames and not problems:
        raise DataError("there is no frame in this file", where=source.text, fix="Open another file")
    if problems and (on_bad == "raise" or not frames):
        raise BadFramesError(source.text, tuple(problems), len(frames))
    if keys is not None:
        _check_names(frames, keys, source.text)
    return Dataset(
        name=name_of(source),
        path=source.text,
        frames=tuple(frames),
        problems=tuple(problems),
        keys=keys,
        notes=(*_notes(frames), *odd, *(rival_notes(frames) if keys is None else ())),
    )


def _gathered(
    items: Iterable[Frame | FrameProblem], seen: Callable[[Frame], object] | None
) -> tuple[list[Frame], list[FrameProblem], list[str]]:
    """Return good frames, bad ones, and what is odd about all; long files keep their arrays on disk."""
    frames: list[Frame] = []
    problems: list[FrameProblem] = []
    repeated, zeros = Repeated(), Zeros()
    try:
        with Spool() as spool:
            for item in items:
                if isinstance(item, FrameProblem):
                    problems.append(item)
                    continue
                frames.append(item)
                repeated.look(item)
                zeros.look(item)
                spool.take(item)
                if seen is not None:
                    seen(item)
    except MemoryError:
        frames.clear()
        raise
    return frames, problems, [*repeated.notes(), *zeros.notes()]


def iter_frames(
    path: str | Path, *, keys: KeyNames | None = None, progress: Progress | None = None
) -> Iterator[Frame | FrameProblem]:
    """Yield the frames of a file as they are read and checked, a :class:`FrameProblem` for each bad one.

    The first of a large trajectory comes at once, and one frame is in memory at a time; for the parameters
    see :func:`read_dataset`.

    Raises
    ------
    DataError
        When the file cannot be read, at the first frame.
    """
    for item in _reported(parse_path(path), keys or KeyNames(), progress or Progress()):
        yield _fit(item)


def as_read(item: Frame | FrameProblem, keys: KeyNames) -> Frame | FrameProblem:
    """Return a frame as it was parsed under the names of ``keys``, or a problem where it is unfit."""
    return _fit(item if keys == _USUAL else _renamed(item, keys))


def _fit(item: Frame | FrameProblem) -> Frame | FrameProblem:
    if isinstance(item, Frame) and (texts := _checked(item)):
        return FrameProblem(item.index, "; ".join(texts), "Mend or remove this frame")
    return item


def _notes(frames: list[Frame]) -> tuple[str, ...]:
    """What was decided about frames when they were read, each text once with the frames it is about."""
    about: dict[str, list[int]] = {}
    for frame in frames:
        for text in frame.info.get(NOTES, ()):
            about.setdefault(text, []).append(frame.index)
    notes = []
    for text, indices in about.items():
        which = f"frame {indices[0]}" if len(indices) == 1 else f"{len(indices)} frames"
        notes.append(f"{'all frames' if len(indices) == len(frames) > 1 else which}: {text}")
    return tuple(notes)


def _checked(frame: Frame) -> list[str]:
    """What makes a frame unfit; whatever a check stumbles over is the frame's problem, too."""
    try:
        return check_frame(frame)
    except MemoryError:
        raise
    except Exception as error:
        return [f"it cannot be checked ({type(error).__name__}: {error})"]


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


def _reported(source: Source, keys: KeyNames, progress: Progress) -> Iterator[Frame | FrameProblem]:
    """Frames and problems of a file; tells ``progress`` often, but not more than 20 times a second."""
    last = 0.0
    for fraction, item in _read(source, keys, progress):
        progress.check()
        if time.monotonic() - last > _REPORT_SECONDS:
            last = time.monotonic()
            progress.report(fraction, f"Reading {source.path.name}: frame {item.index}")
        yield item


def _read(
    source: Source, keys: KeyNames, progress: Progress
) -> Iterator[tuple[float | None, Frame | FrameProblem]]:
    """Yield (share done, frame or problem) for the wanted part of a file."""
    reader = find_reader(source.path)
    try:
        with open_stream(source.path) as stream:
            types = tuple(keys.types.split())
            file = OpenFile(source.path, stream, keys.units, progress.check, keys.unconverged, types)
            items = reader.read(file)
            for share, item in _chosen(source, items):
                yield share, item if keys == _USUAL else _renamed(item, keys)
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


def _wanted(n_frames: int, source: Source) -> range:
    """The indices that a slice selects of ``n_frames``; selecting none is an error that gives the range."""
    wanted = range(n_frames)[source.selection]
    if n_frames and not wanted:
        raise DataError(
            f"the slice selects none of its {n_frames} frames",
            where=source.text,
            fix=f"Frames are numbered from 0 to {n_frames - 1}",
        )
    return wanted


def _chosen(
    source: Source, items: Iterable[Frame | FrameProblem] | IndexedFrames | StreamedFrames
) -> Iterator[tuple[float | None, Frame | FrameProblem]]:
    """Yield the wanted part of all frames. Slices that count from the end need the whole file first."""
    start, stop, step = source.selection.start, source.selection.stop, source.selection.step or 1
    forward = (start or 0) >= 0 and (stop or 0) >= 0 and step > 0
    if not isinstance(items, IndexedFrames) and forward:
        counter, one = itertools.count(), None
        for one, _ in itertools.islice(zip(_found(items), counter, strict=False), start, stop, step):
            share, make = one
            yield share, make()
        if one is None:
            _wanted(next(counter), source)
        return
    if isinstance(items, StreamedFrames):
        items = items.indexed()
    elif not isinstance(items, IndexedFrames):
        everything = list(items)
        items = IndexedFrames(len(everything), everything.__getitem__)
    wanted = _wanted(items.count, source)
    for done, index in enumerate(wanted, start=1):
        yield done / len(wanted), items.get(index)


def _found(
    items: Iterable[Frame | FrameProblem] | StreamedFrames,
) -> Iterator[tuple[float | None, Callable[[], Frame | FrameProblem]]]:
    if isinstance(items, StreamedFrames):
        yield from items.found()
    else:
        yield from ((None, lambda item=item: item) for item in items)
