"""One writer at a time: the lock of a run folder, and of one that holds many trainings.

Whoever writes there holds ``training.lock``, with what it does, its process, when that began and a hash of
the computer's name, and the system's own lock on that file. The latter ends with its process, however that
ends; where a file system has none, the process is looked up instead. A copy of a folder may have the file,
too: nobody holds it there. What is written in a moment, such as a note, is waited for.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from nnpcore.errors import RunFolderError
from nnpcore.files import NO_ROOM, writing_failed

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind: there the mark and its process decide
    fcntl = None

LOCK_FILE = "training.lock"
_SAME_START = 2.0  # s, by which the start of one and the same process may be told differently
_PATIENCE, _BETWEEN = 5.0, 0.02  # s, for which a short lock is waited for, and between two looks


class Writer(StrEnum):
    """What writes into a folder."""

    TRAINING = "training"
    NOTE = "note"
    CALIBRATION = "calibration"
    LEARNING_CURVE = "learning curve"
    SWEEP = "sweep"


class FolderLock:
    """The right to write into a run folder, from :meth:`acquire` to :meth:`release`."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._path = folder / LOCK_FILE
        self._handle = handle
        self._end = weakref.finalize(self, _give_up, self._path, handle, os.getpid())

    @classmethod
    def acquire(cls, folder: Path, writer: Writer = Writer.TRAINING) -> FolderLock:
        """Make the folder where it is missing, and take its lock; one that is held for a moment is awaited.

        Raises
        ------
        RunFolderError : something else writes there, or the folder cannot be written.
        """
        path, until = folder / LOCK_FILE, time.monotonic() + _PATIENCE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | _flags("O_CLOEXEC", "O_NOFOLLOW"), 0o644)
                try:
                    if not _has_taken(handle, path, writer, waits=time.monotonic() < until):
                        time.sleep(_BETWEEN)
                        continue
                    if not _is_at(path, handle):
                        continue  # its holder has just ended and removed it
                    _mark(handle, writer)
                    taken, handle = handle, -1
                    return cls(folder, taken)
                finally:
                    if handle >= 0:
                        os.close(handle)
        except OSError as error:
            raise writing_failed(error, folder) from error

    def still_there(self) -> bool:
        """Whether the folder is the one that was locked: not removed, moved or replaced."""
        return self._end.alive and _is_at(self._path, self._handle)

    def release(self) -> None:
        """Let others write; nothing happens where that was done before."""
        self._end()


@contextmanager
def one_writer(folder: Path, writer: Writer) -> Iterator[None]:
    """Hold a folder's lock for a block; a folder that is empty then goes.

    Raises RunFolderError where something else writes there, or the folder cannot be written.
    """
    lock = FolderLock.acquire(folder, writer)
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # something was written into it
            folder.rmdir()


def writer_of(folder: Path) -> str:
    """Return who trains in a folder, in words; empty where nobody does as far as can be told.

    Nothing is locked by asking. Of a process of another computer only its mark is known: it may have ended.
    """
    mark = _mark_of_training(folder)
    if not mark:
        return ""
    if not _same_host(mark):
        return f"process {mark['pid']} on another computer"
    return f"process {mark['pid']}" if _lives(mark) or mark["pid"] == os.getpid() else ""


def was_broken_off(folder: Path) -> bool:
    """Return whether the last training there was killed or crashed: its mark is left."""
    mark = _mark_of_training(folder)
    return bool(mark) and _same_host(mark) and not _lives(mark) and mark["pid"] != os.getpid()


def _mark_of_training(folder: Path) -> dict[str, Any]:
    """Return the mark of who trains in a folder, or has; nothing where there is none."""
    try:
        flags = _flags("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
        handle = os.open(folder / LOCK_FILE, os.O_RDONLY | flags)
    except OSError:
        return {}
    try:
        mark = _mark_of(handle)
    finally:
        os.close(handle)
    return mark if mark and _writer_in(mark) is Writer.TRAINING else {}


def _mark(handle: int, writer: Writer) -> None:
    """Write who holds a lock; on a full disk the system's own lock is enough."""
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        os.write(handle, json.dumps(_own_mark() | {"writer": writer}).encode())
    except OSError as error:
        if error.errno not in NO_ROOM or not _grants_locks(handle):
            raise


def _flags(*names: str) -> int:
    """Return flags of an opening; those that this system does not know are left out."""
    found = 0
    for name in names:
        found |= getattr(os, name, 0)
    return found


def _lock(handle: int) -> None:
    """Take the system's lock; BlockingIOError where another has it, OSError where there is none."""
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "this system has no such locks")
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _grants_locks(handle: int) -> bool:
    try:
        _lock(handle)
    except OSError:
        return False
    return True


def _has_taken(handle: int, path: Path, writer: Writer, *, waits: bool) -> bool:
    """Take the system's lock; False where ``waits`` and what holds it is soon done.

    RunFolderError where something else writes there.
    """
    mark, surely = _mark_of(handle), False
    try:
        _lock(handle)
        held = _same_host(mark) and _lives(mark)  # a file system may grant any lock
    except BlockingIOError:
        held = surely = True
    except OSError:  # a file system without locks
        held = bool(mark) and (not _same_host(mark) or _lives(mark) or mark.get("pid") == os.getpid())
    if held and not (waits and _writer_in(mark) in (Writer.NOTE, None)):
        raise _held(path, mark, writer, surely)
    return not held


def _held(path: Path, mark: dict[str, Any], writer: Writer, surely: bool) -> RunFolderError:
    """Say who writes into a folder; where it is ``surely`` held, deleting its mark would be wrong."""
    here = "" if _same_host(mark) else " on another computer"
    who = f" (process {mark['pid']}{here})" if mark else ""
    other = _writer_in(mark) or Writer.TRAINING
    writes = "is being written" if other is Writer.NOTE else "writes"
    fix = "Stop it first, or choose another folder"
    if writer is not Writer.TRAINING or other is not Writer.TRAINING:
        fix = "Try again when that has ended"
    return RunFolderError(
        f"{'another' if other is writer else 'a'} {other} {writes} into this folder{who}",
        where=str(path.parent),
        fix=fix if surely else f"{fix}. If none runs there, delete {LOCK_FILE}",
    )


def _writer_in(mark: dict[str, Any]) -> Writer | None:
    """Return what a mark says that writes, a training where it does not; None without a mark."""
    if not mark:
        return None
    try:
        return Writer(mark.get("writer", Writer.TRAINING))
    except ValueError:
        return Writer.TRAINING


def _mark_of(handle: int) -> dict[str, Any]:
    """Return who holds or held a lock; nothing where the file does not say."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        found = json.loads(os.read(handle, 1000))
    except (OSError, ValueError, RecursionError):
        return {}
    whole = isinstance(found, dict) and type(found.get("pid")) is int
    return found if whole and isinstance(found.get("started"), int | float) else {}


def _own_mark() -> dict[str, Any]:
    return {"pid": os.getpid(), "started": _start_of(os.getpid()), "host": _host(), "since": time.time()}


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:16]


def _same_host(mark: dict[str, Any]) -> bool:
    return mark.get("host") == _host()


def _lives(mark: dict[str, Any]) -> bool:
    """Whether the process of a mark of this computer, another than this one, still runs."""
    started = _start_of(mark["pid"]) if mark["pid"] != os.getpid() else None
    return started is not None and abs(started - mark["started"]) < _SAME_START


def _start_of(pid: int) -> float | None:
    """Return when a process began, s; None where there is none."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except (psutil.Error, ValueError, OverflowError):
        return None


def _is_at(path: Path, handle: int) -> bool:
    """Whether an open file is the one that ``path`` names."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except OSError:
        return False


def _give_up(path: Path, handle: int, owner: int) -> None:
    ours = os.getpid() == owner and _is_at(path, handle)
    if ours:
        with suppress(OSError):  # Windows removes no file that is open
            path.unlink()
            ours = False
    os.close(handle)
    if ours:
        with suppress(OSError):
            path.unlink()
