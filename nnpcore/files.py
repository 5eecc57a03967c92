"""Eatlas's own files: written so that nobody ever sees a half of one, read with mark and version checked."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnpcore.errors import EatlasError, NoRoomError, RunFolderError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space or choose another folder"),
    errno.EDQUOT: ("your disk quota is used up", "Free some space or choose another folder"),
    errno.EACCES: ("you may not write here", "Choose a folder of your own"),
    errno.EPERM: ("you may not write here", "Choose a folder of your own"),
    errno.EROFS: ("this place is read-only", "Choose another folder"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Choose another folder"),
    errno.EEXIST: ("this is a file, not a folder", "Choose another folder"),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name"),
    errno.EFBIG: ("files of this size may not be written here", "Choose another folder"),
    errno.EIO: ("the disk reports an error", "Choose a folder on another disk"),
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of the system's errors that may go by when others make room."""
_PART = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.part")
"""Names of files that are being written, see :func:`write_atomically`."""


def writing_failed(error: OSError, path: Path) -> RunFolderError:
    """Say in plain words why ``path`` could not be written."""
    fallback = (f"writing failed ({error.strerror or error})", "Choose another folder")
    what, fix = _REASONS.get(error.errno or 0, fallback)
    kind = NoRoomError if error.errno in NO_ROOM else RunFolderError
    return kind(what, where=str(path), fix=fix)


def write_atomically(path: Path, content: bytes) -> None:
    """Fill a sibling of ``path`` and move it onto ``path``; RunFolderError in plain words where it fails."""
    with file_beside(path) as beside, beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def file_beside(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` to fill; it is moved onto ``path`` at the end.

    Where the block fails nothing is left of it; RunFolderError in plain words where it cannot be written.
    """
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        beside = Path(name)
        yield beside
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        raise writing_failed(error, path) from error
    finally:
        if beside is not None:
            with suppress(OSError):  # on a disk that has just become read-only it stays
                beside.unlink(missing_ok=True)


@contextmanager
def all_or_nothing(folder: Path) -> Iterator[Path]:
    """Give a new folder beside ``folder`` to write into: its files go there at the end, all or none.

    Where the block fails, nothing is left of it; files that ``folder`` had are as before.

    Raises
    ------
    RunFolderError : in plain words, where it cannot be written.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise writing_failed(error, folder) from error
    try:
        yield beside
        _move_all(beside, folder)
    except OSError as error:
        raise writing_failed(error, folder) from error
    except RunFolderError as error:
        where = error.where.replace(str(beside), str(folder))
        raise type(error)(error.what, where=where, fix=error.fix) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if new:
            with suppress(OSError):  # something was written into it
                folder.rmdir()


def _move_all(beside: Path, folder: Path) -> None:
    """Move what is in ``beside`` into ``folder``; where a file cannot be moved, all is as it was before."""
    if not any(folder.iterdir()):
        with suppress(OSError):  # some systems move no folder onto another
            beside.chmod(stat.S_IMODE(folder.stat().st_mode))
            beside.replace(folder)
            return
    found, moved = sorted(beside.rglob("*")), list[tuple[Path, Path | None]]()
    older = Path(tempfile.mkdtemp(dir=beside))
    made: list[Path] = []
    try:
        for path in found:
            place = folder / path.relative_to(beside)
            if path.is_dir():
                if not place.is_dir():
                    place.mkdir()
                    made.append(place)
                continue
            kept = older / str(len(moved)) if os.path.lexists(place) else None
            if kept is not None:
                _link(place, kept)
            moved.append((place, kept))
            path.replace(place)
    except BaseException:
        for place, kept in reversed(moved):
            with suppress(OSError):
                place.unlink() if kept is None else kept.replace(place)
        for place in reversed(made):
            with suppress(OSError):
                place.rmdir()
        raise


def _link(path: Path, other: Path) -> None:
    """Let a file have another name, too, or be copied where the file system has no links."""
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, "there is a folder of this name", str(path))
    try:
        os.link(path, other, follow_symlinks=False)
    except OSError:
        shutil.copy2(path, other, follow_symlinks=False)


def left_half_written(folder: Path, names: Collection[str]) -> list[Path]:
    """Return what is left in ``folder`` of files of these names whose writing was cut off."""
    try:
        found = [(path, _PART.fullmatch(path.name)) for path in folder.iterdir()]
    except OSError:
        return []
    return [path for path, match in found if match is not None and match["name"] in names]


def read_regular(path: Path) -> bytes:
    """Return the content of a file; OSError for what is none, such as a pipe or a device, without waiting."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "this is a pipe, a device or a folder, not a file", str(path))
        return file.read()


def json_value(value: Any, digits: int | None = None) -> Any:
    """Return ``value`` as JSON can hold it: arrays as lists, numbers that are not finite as None.

    Parameters
    ----------
    digits : significant ones of numbers; None keeps all.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): json_value(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item, digits) for item in value]
    if isinstance(value, float):
        kept = value if digits is None else float(f"{value:.{digits}g}")
        return kept if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


@dataclass(frozen=True)
class FileFormat:
    """A kind of JSON document of Eatlas's own, known by a mark and a version.

    Attributes
    ----------
    name : value of the entry "format"; empty for documents that carry none.
    version : the newest version that is read; older ones are read, too.
    noun : what it is called in messages, such as "a file of regions".
    error : class of the errors that are raised.
    fix : what to do about a damaged one.
    version_key : name of the entry with the version; a document without it has version 1.
    """

    name: str
    version: int
    noun: str
    error: type[EatlasError]
    fix: str
    version_key: str = "format_version"

    @property
    def mark(self) -> dict[str, Any]:
        """The entries by which a document is known."""
        return ({"format": self.name} if self.name else {}) | {self.version_key: self.version}

    def write(self, path: Path, content: Mapping[str, Any], *, indent: int | None = 1) -> None:
        """Write a document with its mark, whole or not at all; RunFolderError where that is impossible."""
        write_atomically(path, json.dumps(self.mark | dict(content), indent=indent).encode())

    @contextmanager
    def reading(self, source: Path | Mapping[str, Any], where: str = "") -> Iterator[dict[str, Any]]:
        """Give the content of a file, or of a document that is at hand (and came from ``where``), with its
        mark checked. Whatever the block stumbles over in the content becomes an ``error``, too, that names
        the file.

        Raises
        ------
        EatlasError
            Of class ``error``: missing, unreadable, damaged, foreign or of a newer Eatlas.
        """
        where = str(source) if isinstance(source, Path) else where
        try:
            yield self._checked(self._parsed(source) if isinstance(source, Path) else source)
        except EatlasError as error:
            raise self.error(error.what, where=where or error.where, fix=error.fix or self.fix) from error
        except KeyError as error:
            raise self.error(f"damaged: the entry {error} is missing", where=where, fix=self.fix) from error
        except (TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            what = f"damaged: an entry has an unexpected form ({error})"
            raise self.error(what, where=where, fix=self.fix) from error

    def _parsed(self, path: Path) -> Any:
        try:
            return json.loads(read_regular(path))
        except OSError as error:
            raise self.error(f"{self.noun} cannot be read ({error.strerror})") from error
        except RecursionError as error:
            raise self.error(f"this is not {self.noun}: its entries are nested too deep") from error
        except ValueError as error:
            what = f"it cannot be read (not readable as JSON: {error})"
            raise self.error(f"{what}; this is not {self.noun}, or a damaged one") from error

    def _checked(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, Mapping) or (self.name and document.get("format") != self.name):
            missing = f'no "format": "{self.name}"' if self.name else "no object with names"
            raise self.error(f"this is not {self.noun}, or a damaged one ({missing})")
        self.check_version(document.get(self.version_key, 1))
        return dict(document)

    def check_version(self, version: object) -> None:
        """Raise ``error`` where a version is none, or newer than what is read."""
        if not isinstance(version, int) or version < 1:
            raise self.error(f"damaged: it has an unknown format version {version!r}", fix=self.fix)
        if version > self.version:
            versions = f"format version {version}; this one reads up to {self.version}"
            raise self.error(f"this was made by a newer Eatlas ({versions})", fix="Update Eatlas to open it")
