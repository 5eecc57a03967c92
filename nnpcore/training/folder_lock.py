"""One writer at a time: the lock of a run folder.

A training holds ``training.lock`` in its folder, with its process, when that began and a hash of the
computer's name, and the system's own lock on that file. The latter ends with its process, however that ends;
where a file system has none, the process is looked up instead. A copy of a folder may have the file, too:
nobody holds it there.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import time
import weakref
from contextlib import suppress
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


class FolderLock:
    """The right to write into a run folder, from :meth:`acquire` to :meth:`release`."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._path = folder / LOCK_FILE
        self._handle = handle
        self._end = weakref.finalize(self, _give_up, self._path, handle, os.getpid())

    @classmethod
    def acquire(cls, folder: Path) -> FolderLock:
        """Make the folder where it is missing, and take its lock.

        Raises
        ------
        RunFolderError : another training writes there, or the folder cannot be written.
        """
        path = folder / LOCK_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | _flags("O_CLOEXEC", "O_NOFOLLOW"), 0o644)
                try:
                    _refuse_held(handle, path)
                    if not _is_at(path, handle):
                        continue  # its holder has just ended and removed it
                    _mark(handle)
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


def writer_of(folder: Path) -> str:
    """Return who holds a folder's lock, in words; empty where nobody does as far as can be told.

    Nothing is locked by asking. Of a process of another computer only its mark is known: it may have ended.
    """
    try:
        flags = _flags("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
        handle = os.open(folder / LOCK_FILE, os.O_RDONLY | flags)
    except OSError:
        return ""
    try:
        mark = _mark_of(handle)
    finally:
        os.close(handle)
    if not mark:
        return ""
    if not _same_host(mark):
        return f"process {mark['pid']} on another computer"
    return f"process {mark['pid']}" if _lives(mark) or mark["pid"] == os.getpid() else ""


def _mark(handle: int) -> None:
    """Write who holds a lock; on a full disk the system's own lock is enough."""
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        os.write(handle, json.dumps(_own_mark()).encode())
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


def _refuse_held(handle: int, path: Path) -> None:
    """Take the system's lock; RunFolderError where somebody writes there."""
    mark = _mark_of(handle)
    try:
        _lock(handle)
        held = _same_host(mark) and _lives(mark)  # a file system may grant any lock
    except BlockingIOError:
        held = True
    except OSError:  # a file system without locks
        held = bool(mark) and (not _same_host(mark) or _lives(mark) or mark.get("pid") == os.getpid())
    if not held:
        return
    here = "" if _same_host(mark) else " on another computer"
    who = f" (process {mark['pid']}{here})" if mark else ""
    raise RunFolderError(
        f"another training writes into this folder{who}",
        where=str(path.parent),
        fix=f"Stop it first, or choose another folder. If none runs there, delete {LOCK_FILE}",
    )


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
