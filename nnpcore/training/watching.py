"""Following a training that another process does: a run folder that grows is read, and never written."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nnpcore.errors import RunFolderError
from nnpcore.training.folder_lock import was_broken_off, writer_of
from nnpcore.training.history import EpochRecord

SILENT_AFTER = 120.0
"""Seconds without a new epoch after which a training counts as silent; longer where its epochs take long."""

_EPOCHS = 5
"""So many epochs' time is no silence."""

_TRIES = 3


class Activity(StrEnum):
    """What a run folder does."""

    TRAINING = "training"
    SILENT = "silent"
    ENDED = "ended"
    TROUBLE = "trouble"


@dataclass(frozen=True, eq=False)
class Sight:
    """What a run folder showed when it was looked at.

    Attributes
    ----------
    activity : "silent" where whoever trains has written nothing for long.
    writer : who trains there, in words; empty where nobody does.
    records : of the epochs so far.
    goal : epochs it is to reach; None where the settings leave it to the optimizer.
    quiet_for : seconds since the folder last changed.
    replaced : whether it is another training than the one looked at before.
    trouble : why it cannot be read, else None; the records are then those last seen.
    broken_off : whether it has ended because its process was, as by a kill or a crash.
    """

    activity: Activity
    writer: str
    records: Sequence[EpochRecord]
    goal: int | None
    quiet_for: float
    replaced: bool = False
    trouble: RunFolderError | None = None
    broken_off: bool = False

    @property
    def silence(self) -> str:
        """How long nothing has come, and what that may mean."""
        means = "it may have ended" if self.writer.endswith("computer") else "it is there, but may hang"
        return f"nothing new for {self.quiet_for / 60:.0f} min from {self.writer}; {means}"


class RunWatch:
    """Looks at a run folder again and again; what has not changed is not read again.

    Attributes
    ----------
    path : the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self._id: str | None = None
        self._state: tuple[object, ...] = ()
        self._records: list[EpochRecord] = []
        self._goal: int | None = None

    def look(self) -> Sight:
        """Return what the folder shows now; trouble with it is in the answer, not raised."""
        writer = writer_of(self.path)
        replaced, trouble = False, None
        try:
            replaced = self._read()
        except RunFolderError as error:
            trouble = error
        quiet = self._quiet_for()
        if trouble is not None:
            activity = Activity.TROUBLE
        elif not writer:
            activity = Activity.ENDED
        else:
            activity = Activity.SILENT if quiet > self._longest() else Activity.TRAINING
        broken_off = activity is Activity.ENDED and was_broken_off(self.path)
        return Sight(activity, writer, self._records, self._goal, quiet, replaced, trouble, broken_off)

    def _read(self) -> bool:
        """Read what has changed; return whether it is another training than before."""
        from nnpcore.training.run_folder import RunFolder

        for attempt in range(_TRIES):
            state = _state_of(self.path)
            if state == self._state:
                return False
            try:
                run = RunFolder.open(self.path)
                records = run.read_history()
            except RunFolderError:
                if attempt + 1 < _TRIES and _state_of(self.path) != state:
                    continue  # it was written in between: its files are those of two moments
                raise
            replaced = self._id is not None and run.id != self._id
            self._state, self._id, self._records = state, run.id, records
            self._goal = run.settings.epochs
            return replaced
        return False

    def _longest(self) -> float:
        """Return after how many seconds without news a training is silent."""
        last = self._records[-1] if self._records else None
        return SILENT_AFTER if last is None else max(SILENT_AFTER, _EPOCHS * last.seconds / last.epoch)

    def _quiet_for(self) -> float:
        newest = max((stamp[1] for stamp in _state_of(self.path) if stamp is not None), default=None)
        return 0.0 if newest is None else max(0.0, time.time() - newest / 1e9)


def _state_of(folder: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """Return size, time of change and place of the files that are read, None for what is not there."""
    found = []
    for name in ("data.json", "settings.toml", "history.csv"):
        try:
            status = os.stat(folder / name)
            found.append((status.st_size, status.st_mtime_ns, status.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
