"""Reading a file in the background, and words for the frames that cannot be used."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.documents.counting import from_one
from nnpcore.errors import DataError
from nnpcore.progress import Progress
from nnpcore.structures import Dataset, KeyMemory, KeyNames, KeyProposal, propose_keys, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.structures.frame_index import FrameIndex
from nnpcore.structures.readers.reader import TYPES_FIX
from nnpcore.structures.reading import name_of, parse_path

FIRST_SECONDS, LONGER = 0.4, 1.6
"""When a file that is still being read is first shown, and how much later each further time."""
LARGE = 4_000_000
"""Bytes of a file whose first frame is shown as soon as it is there: the others take a while."""
_TELL_SECONDS = 0.1


Came = Callable[[Dataset, FrameIndex | None], object]


@dataclass(frozen=True, eq=False)
class ReadFile:
    """A file as it was read.

    Attributes
    ----------
    proposal : what has to be confirmed about the names of its labels; None where nothing has.
    note : which names were taken because the user confirmed them before; empty where none were.
    """

    dataset: Dataset
    proposal: KeyProposal | None = None
    note: str = ""


def read(
    path: str,
    progress: Progress,
    memory: KeyMemory | None = None,
    keys: KeyNames | None = None,
    came: Came | None = None,
) -> ReadFile:
    """Read a trajectory, keeping good frames and listing bad ones in ``problems``; raises DataError.

    Labels under other names are read as ``memory`` knows, else proposed; with ``keys`` nothing is asked.
    ``came`` gets what a long file has so far: its first frame soon, then ever more at ever longer intervals;
    with the first an index of all its frames, where there is one.
    """
    if keys is not None and keys != KeyNames():
        return ReadFile(read_with(path, keys, progress))
    seen = None if came is None else Growing(path, came).take
    dataset = read_dataset(path, on_bad="skip", progress=progress, seen=seen)
    _count(dataset)
    if keys is not None:
        return ReadFile(dataset)
    proposal = propose_keys(dataset.frames)
    known = memory.recall(proposal.signature) if memory is not None else None
    if known is None:
        return ReadFile(dataset, proposal if proposal.needed else None)
    if known == KeyNames():
        return ReadFile(dataset)
    note = f"{words_of(known)}, as you confirmed for a file with the same names."
    return ReadFile(read_with(path, known, progress), None, note[:1].upper() + note[1:])


class Growing:
    """Shows the first frames of a file that takes long, and more of them as they come."""

    def __init__(self, path: str, came: Came) -> None:
        self._source, self._came = parse_path(path), came
        self._frames: list[Frame] = []
        self._shown = False
        self._start, self._wait = time.monotonic(), 0.0 if _is_large(self._source.path) else FIRST_SECONDS

    def take(self, frame: Frame) -> None:
        """Keep a frame, and show all of them where it is time to."""
        self._frames.append(frame)
        if time.monotonic() - self._start >= self._wait:
            dataset = Dataset(name_of(self._source), self._source.text, tuple(self._frames))
            _count(dataset)
            self._came(dataset, None if self._shown else _index(self._source.text))
            self._shown = True
            self._wait = max(FIRST_SECONDS, LONGER * (time.monotonic() - self._start))


def _count(dataset: Dataset) -> None:
    """Have it count what its frames are, here and not where that would hold up the window."""
    dataset.summary()
    dataset.groups()


def _is_large(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > LARGE


def _index(path: str) -> FrameIndex | None:
    return FrameIndex(path) if FrameIndex.serves(path) else None


def find_frames(index: FrameIndex, told: Callable[[], object], progress: Progress) -> None:
    """Find all frames of a file that is being read; ``told`` is called now and then, and at the end."""
    last = 0.0
    for _ in index.grow(progress):
        if time.monotonic() - last > _TELL_SECONDS:
            last = time.monotonic()
            told()
    told()


def read_with(path: str, keys: KeyNames, progress: Progress) -> Dataset:
    """Read a trajectory with these names for its labels; DataError where no frame has them."""
    return read_dataset(path, on_bad="skip", keys=None if keys == KeyNames() else keys, progress=progress)


def wants_types(error: BaseException) -> bool:
    """Whether a file was refused because nothing tells the elements of its numeric types."""
    return isinstance(error, DataError) and error.fix == TYPES_FIX.rstrip(".")


def words_of(keys: KeyNames) -> str:
    """Say which names stand for what."""
    from nnpcore.structures import StressKind
    from nnpcore.structures.labels.key_names import NONE, QUANTITIES

    parts = []
    for quantity in QUANTITIES:
        name = getattr(keys, quantity)
        if name == NONE:
            parts.append(f"no {quantity}")
        elif name:
            parts.append(f"{quantity} from {name}")
    if keys.negative_forces:
        parts.append("forces with their sign turned")
    if keys.stress_kind and keys.stress != NONE:
        parts.append(f"the stress as {StressKind.from_text(keys.stress_kind).words}")
    if keys.units:
        parts.append(f"units {keys.units}")
    return ", ".join(parts)


def describe_problems(dataset: Dataset) -> tuple[str, str, str]:
    """Return (title, text, details) for a data set some frames of which are bad."""
    n_bad, n_good = len(dataset.problems), len(dataset.frames)
    frames = "frame" if n_bad == 1 else "frames"
    title = f"{dataset.name}: {n_bad} of {n_bad + n_good} frames cannot be used"
    first = dataset.problems[0]
    text = f"Frame {first.index + 1}: {from_one(first.what)}. {first.fix}".rstrip(". ") + "."
    if n_bad > 1:
        text += f" {n_bad - 1} more {'frame has' if n_bad == 2 else 'frames have'} problems, too."
    text += f" Skip the bad {frames} to open the other {n_good}, or mend the file."
    details = "\n".join(
        f"{dataset.path}, frame {p.index + 1}: {from_one(p.what)}. {p.fix}" for p in dataset.problems
    )
    return title, text, details
