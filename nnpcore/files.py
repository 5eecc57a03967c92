"""Writing files so that nobody ever sees a half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from nnpcore.errors import RunFolderError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space or choose another folder"),
    errno.EDQUOT: ("your disk quota is used up", "Free some space or choose another folder"),
    errno.EACCES: ("you may not write here", "Choose a folder of your own"),
    errno.EPERM: ("you may not write here", "Choose a folder of your own"),
    errno.EROFS: ("this place is read-only", "Choose another folder"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Choose another folder"),
    errno.EEXIST: ("this is a file, not a folder", "Choose another folder"),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name"),
}


def writing_failed(error: OSError, path: Path) -> RunFolderError:
    """Say in plain words why ``path`` could not be written."""
    fallback = (f"writing failed ({error.strerror or error})", "Choose another folder")
    what, fix = _REASONS.get(error.errno or 0, fallback)
    return RunFolderError(what, where=str(path), fix=fix)


def write_atomically(path: Path, content: bytes) -> None:
    """Fill a sibling of ``path`` and move it onto ``path``; RunFolderError in plain words where it fails."""
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        beside = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        raise writing_failed(error, path) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)
