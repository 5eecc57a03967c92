"""Any frame of a long file before all are read: where they lie is found by counting lines.

The frames are those that :func:`iter_frames` gives, at the same places; what is wrong with the file as a
whole shows when it is read.
"""

from __future__ import annotations

import os
import threading
import weakref
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from nnpcore.errors import DataError, EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.structures.labels.key_names import KeyNames
from nnpcore.structures.problems import FrameProblem
from nnpcore.structures.readers.reader import CountedFrames, OpenFile, is_packed, open_stream, read_error
from nnpcore.structures.readers.registry import find_reader
from nnpcore.structures.reading import as_read, parse_path

_KEPT = 64
"""Frames that were asked for last, at hand without reading."""
_BEHIND = 128  # bytes, in which it shows how the file goes on behind a frame


class FrameIndex:
    """Where the frames of a file lie, found in one thread while others ask for frames.

    Use it as a context, or call :meth:`close`.

    Attributes
    ----------
    count : frames found so far (of the slice, where a slice was asked for).
    complete : whether all have been found.
    """

    def __init__(self, path: str | Path, keys: KeyNames | None = None) -> None:
        """Open a file; see :meth:`serves` and :func:`read_dataset`.

        Raises
        ------
        DataError : the file cannot be read, or its frames cannot be found without parsing.
        """
        self.source, self._keys = parse_path(path), keys or KeyNames()
        self.count, self.complete = 0, False
        self._places = array("q")
        self._kept: OrderedDict[int, Frame | FrameProblem] = OrderedDict()
        self._lock = threading.Lock()
        reader = find_reader(self.source.path)
        if reader.counted is None or not self.serves(path):
            what = "its frames cannot be found without reading it"
            raise DataError(what, where=self.source.text, fix="Read it as a whole")
        self._progress = Progress()
        with ExitStack() as opened:
            self._stream = opened.enter_context(open_stream(self.source.path))
            self._texts = opened.enter_context(open_stream(self.source.path))
            self._opened = opened.pop_all()
        weakref.finalize(self, self._opened.close)  # where a window ends while it reads
        types = tuple(self._keys.types.split())
        file = OpenFile(
            self.source.path,
            self._stream,
            self._keys.units,
            lambda: self._progress.check(),
            self._keys.unconverged,
            types,
        )
        self._frames: CountedFrames = reader.counted(file)
        self._stamp = self._now()

    @staticmethod
    def serves(path: str | Path) -> bool:
        """Whether frames of a file can be found so: it is not packed, and its slice counts from the start."""
        source = parse_path(path)
        part = source.selection
        forward = (part.start or 0) >= 0 and (part.stop or 0) >= 0 and (part.step or 1) > 0
        return (
            source.path.is_file()
            and not is_packed(source.path)
            and forward
            and (find_reader(source.path).counted is not None)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; frames that were got stay."""
        with self._lock:
            self._opened.close()

    def grow(self, progress: Progress | None = None) -> Iterator[int]:
        """Find the frames, once; yields how many there are whenever more have been found.

        Ends without a word where the file goes on with what is no frame: reading it tells.

        Raises
        ------
        Cancelled, DataError
        """
        self._progress = progress or self._progress
        try:
            for places in self._frames.places:
                self._places.frombytes(places.astype("int64").tobytes())
                self.count = len(range(len(self._places) // 3)[self.source.selection])
                yield self.count
        except EatlasError:
            raise
        except ValueError:  # a frame that does not follow its format, or a closed file
            return
        except Exception as error:
            raise read_error(error, str(self.source.path)) from error
        self.complete = True

    def get(self, position: int) -> Frame | FrameProblem:
        """Return a frame of those found, checked and named as :func:`iter_frames` does.

        Raises
        ------
        IndexError : it has not been found.
        DataError : the file has changed since it was opened, or cannot be read.
        """
        if not 0 <= position < self.count:
            raise IndexError(f"frame {position} of {self.count}")
        number = self.number(position)
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
            item = as_read(self._parsed(number), self._keys)
            self._kept[number] = item
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return item

    def number(self, position: int) -> int:
        """Return the number in the file of the frame at a position."""
        part = self.source.selection
        return (part.start or 0) + position * (part.step or 1)

    def at_hand(self, position: int) -> Frame | None:
        """Return a frame that was asked for lately; None of others."""
        item = self._kept.get(self.number(position))
        return item if isinstance(item, Frame) else None

    def _parsed(self, number: int) -> Frame | FrameProblem:
        offset, size, line = self._places[3 * number : 3 * number + 3]
        try:
            if self._now() != self._stamp:
                what = "the file has changed since it was opened"
                raise DataError(what, where=str(self.source.path), fix="Open it again")
            self._texts.seek(offset)
            return self._frames.parse(self._texts.read(size + _BEHIND), number, line)
        except EatlasError:
            raise
        except Exception as error:
            raise read_error(error, str(self.source.path)) from error

    def _now(self) -> tuple[int, int]:
        """Size and time of change of the open file."""
        now = os.fstat(self._texts.fileno())
        return now.st_size, now.st_mtime_ns
