"""Keeping a training on disk while it goes on: when to write, and what to do where that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nnpcore.errors import EatlasError, NoRoomError, RunFolderError
from nnpcore.training.monitoring import Monitor
from nnpcore.training.run_folder import Checkpoint, RunFolder, TrainingValues, entries_of, id_of

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame
    from nnpcore.training.history import EpochRecord
    from nnpcore.training.settings import TrainSettings

SECONDS_BETWEEN_CHECKPOINTS = 3.0
SAVING_PART = 20
"""Checkpoints are rarer where writing one takes long: it may take a twentieth of the time."""


class Kept(Protocol):
    """A training as it stands: what there is to write. ``Trainer`` is one."""

    @property
    def settings(self) -> TrainSettings:
        """The settings as they are now."""
        ...

    @property
    def monitor(self) -> object:
        """What is asked for mapping errors, or None."""
        ...

    @property
    def history(self) -> Sequence[EpochRecord]:
        """One record an epoch."""
        ...

    @property
    def counts(self) -> tuple[float, ...]:
        """How many times each training frame counts; nothing where all count once."""
        ...

    def frames(self) -> Mapping[str, Sequence[Frame]]:
        """Return the frames by role."""
        ...

    def training_values(self) -> TrainingValues:
        """Return the descriptors of all atoms."""
        ...

    def potential(self) -> Potential:
        """Return the best weights so far."""
        ...

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on exactly."""
        ...


class Keeper:
    """Writes a training into its folder.

    What cannot be written stays in memory, :attr:`trouble` says why, and writing is tried again and again. A
    folder that has vanished is written anew, whole; one that was replaced by something else is left alone.

    Attributes
    ----------
    path : the run folder; None keeps the training in memory only.
    parent : the folder of the run whose data this one adds to, else empty.
    drawn : whether the validation frames were drawn by the settings; None where that is unknown.
    folder : the open one, locked while this trains.
    trouble : why the last state is not on disk, else None.
    """

    def __init__(
        self, path: str | Path | None, parent: str | Path | None = None, drawn: bool | None = None
    ) -> None:
        self.path = None if path is None else Path(path).absolute()
        self.parent = "" if parent is None else str(Path(parent).absolute())
        self.drawn = drawn
        self.folder: RunFolder | None = None
        self.trouble: RunFolderError | None = None
        self._notes: list[str] = []
        self._wanted: Path | None = None
        self._next = 0.0
        self._unbegun = False  # whether there was no room yet for what stands before the first epoch
        self._older: str | None = None  # the id of the run that was there before
        self._whole = False  # whether all is known that a folder holds
        self._writing = threading.RLock()

    @property
    def name(self) -> str:
        """The folder's name, empty without one."""
        return "" if self.path is None else self.path.name

    def begin(self, kept: Kept) -> None:
        """Lock the folder, and make it where this is a new training; without room for that it trains on.

        An older run stays there until :meth:`prepared`. Raises RunFolderError where the folder cannot be
        written or another training writes there.
        """
        try:
            self._begin(kept)
        except NoRoomError as error:
            if not (self._whole or self._unbegun or self.folder is None):
                raise  # a resume without a lock
            self.trouble = error

    def _begin(self, kept: Kept) -> None:
        if self.folder is not None:
            if self._whole and not self.folder.still_there:
                self._return_to(self.folder)
            self.folder.lock()
        elif self.path is not None:
            self._claim(kept, self.path)

    def _claim(self, kept: Kept, path: Path) -> RunFolder:
        """Lock the folder of a new training, which is still to be begun."""
        self._older = id_of(path) if (path / "data.json").is_file() else None
        self.folder = RunFolder.claim(
            path, kept.settings, kept.frames(), parent=self.parent, counts=kept.counts, drawn=self.drawn
        )
        self._unbegun = True
        return self.folder

    def _begin_anew(self, folder: RunFolder) -> None:
        folder.begin()
        self._unbegun = False

    def resumed(self, kept: Kept) -> None:
        """Write what a new goal changes in the folder of a training that goes on."""
        self._whole = True
        if self.folder is None:
            return
        self.folder.give_id()
        try:
            self._write_changed_settings(kept, self.folder)
            self._write_monitor(kept, self.folder)
        except NoRoomError as error:
            self.trouble = error

    def prepared(self, kept: Kept) -> None:
        """Write what is known before the first epoch of a new training, in place of an older one.

        Raises RunFolderError where nothing can be written, for another reason than that there is no room.
        """
        self._whole = True
        if self.folder is None or self.trouble is not None:
            return
        try:
            if self._unbegun:
                self.folder.settings = kept.settings  # some of them are known only now
                self._begin_anew(self.folder)
            self.folder.write_training_values(kept.training_values())
            self._write_monitor(kept, self.folder)
        except RunFolderError as error:
            if self._unbegun and not isinstance(error, NoRoomError):
                raise
            self.trouble = error

    def end(self) -> None:
        """Let others write into the folder; one that was made for nothing is removed."""
        if self.folder is not None:
            self.folder.release()
            if self._unbegun:
                with suppress(OSError):  # something is in it
                    self.folder.path.rmdir()

    def move_to(self, path: Path) -> None:
        """Keep the training in another folder from the next writing on; callable from any thread."""
        self._wanted = path.absolute()
        self._next = 0.0

    def take_notes(self) -> list[str]:
        """Return what has happened to the folder since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def write(self, kept: Kept) -> None:
        """Write everything now; RunFolderError where that is impossible."""
        with self._writing:
            wanted, self._wanted = self._wanted, None
            if wanted is not None:
                self._move(kept, wanted)
            elif self.path is not None:
                self._write_into(kept, self.folder or self._claim(kept, self.path))

    def write_now_and_then(self, kept: Kept) -> None:
        """Write where the last time is some seconds ago; what goes wrong is :attr:`trouble`."""
        if (self.path is None and self._wanted is None) or time.perf_counter() < self._next:
            return
        started = time.perf_counter()
        try:
            self.write(kept)
            self.trouble = None
        except RunFolderError as error:
            self.trouble = error
        ended = time.perf_counter()
        self._next = ended + max(SECONDS_BETWEEN_CHECKPOINTS, SAVING_PART * (ended - started))

    def write_last(self, kept: Kept) -> None:
        """Write everything at the end; RunFolderError where that is impossible, kept in :attr:`trouble`."""
        try:
            self.write(kept)
            self.trouble = None
        except RunFolderError as error:
            self.trouble = error
            raise

    def _move(self, kept: Kept, path: Path) -> None:
        folder = RunFolder.create(
            path, kept.settings, kept.frames(), parent=self.parent, counts=kept.counts, drawn=self.drawn
        )
        self._write_whole(kept, folder)
        if self.folder is not None:
            self.folder.release()
        self.folder, self.path, self._unbegun = folder, path, False
        self._notes.append(f"the training is kept in {path} from now on")

    def _write_into(self, kept: Kept, folder: RunFolder) -> None:
        if not folder.still_there:
            self._return_to(folder)
        if self._unbegun or not (folder.data_path.is_file() and folder.settings_path.is_file()):
            self._begin_anew(folder)
        self._write_changed_settings(kept, folder)
        if not folder.training_set_path.is_file():
            folder.write_training_values(kept.training_values())
            self._write_monitor(kept, folder)
        self._write_state(kept, folder)

    def _return_to(self, folder: RunFolder) -> None:
        """Lock the folder again, or a new one in its place; RunFolderError where something else is there."""
        there = folder.path.exists() and not _is_remnant(folder)
        if there and not self._is_ours(folder):
            raise RunFolderError(
                "something else has come into the place of this training's folder",
                where=str(folder.path),
                fix="Save the training in another folder",
            )
        folder.release()
        folder.lock()
        if not there and not self._unbegun:
            self._notes.append(f"{folder.path} was removed or moved in the training and is written anew")
            self._begin_anew(folder)

    def _is_ours(self, folder: RunFolder) -> bool:
        """Whether what is in a folder's place is that folder, or what was there before it could be begun."""
        if not folder.data_path.is_file():
            return self._unbegun and not entries_of(folder.path)
        found = id_of(folder.path)
        return found == folder.id or (self._unbegun and found == self._older)

    def _write_whole(self, kept: Kept, folder: RunFolder) -> None:
        folder.write_training_values(kept.training_values())
        self._write_monitor(kept, folder)
        self._write_state(kept, folder)

    def _write_state(self, kept: Kept, folder: RunFolder) -> None:
        folder.write_potential(kept.potential())
        folder.write_history(kept.history)
        folder.write_checkpoint(kept.checkpoint())

    def _write_changed_settings(self, kept: Kept, folder: RunFolder) -> None:
        if folder.settings != kept.settings:
            folder.write_settings(kept.settings)

    def _write_monitor(self, kept: Kept, folder: RunFolder) -> None:
        if isinstance(kept.monitor, Monitor):
            kept.monitor.save(folder.path)


def _is_remnant(folder: RunFolder) -> bool:
    """Whether a folder holds only what a training wrote there when its own had vanished a moment before."""
    if folder.data_path.exists() or not entries_of(folder.path):
        return False
    try:
        return folder.has_only_its_own()
    except (EatlasError, OSError):
        return False
