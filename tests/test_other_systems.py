"""What Linux has and Windows or macOS have not: the code does without."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from nnpcore.errors import RunFolderError
from nnpcore.structures.readers import reading_apart
from nnpcore.training import folder_lock
from nnpcore.training.folder_lock import LOCK_FILE, FolderLock, writer_of


def test_a_run_folder_is_locked_without_the_systems_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "fcntl", None)
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
        monkeypatch.delattr(os, name)
    lock = FolderLock.acquire(tmp_path)
    assert lock.still_there() and writer_of(tmp_path).startswith("process")
    with pytest.raises(RunFolderError, match="another training writes into this folder"):
        FolderLock.acquire(tmp_path)
    lock.release()
    assert not (tmp_path / LOCK_FILE).exists()
    mark = folder_lock._own_mark() | {"pid": os.getppid(), "started": 1.0}
    (tmp_path / LOCK_FILE).write_text(json.dumps(mark))
    FolderLock.acquire(tmp_path).release()  # its process is another one than that of the mark


def test_a_file_that_cannot_be_removed_while_open_is_removed_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, unlink, tries = FolderLock.acquire(tmp_path), Path.unlink, []

    def refused_once(path: Path, missing_ok: bool = False) -> None:
        tries.append(path.name)
        if len(tries) == 1:
            raise PermissionError("it is open")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused_once)
    lock.release()
    assert tries == [LOCK_FILE] * 2 and not (tmp_path / LOCK_FILE).exists()


def test_a_reader_apart_works_without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    for name in ("setitimer", "SIGPROF"):
        monkeypatch.delattr(signal, name)
    reading_apart._limit(1)
    reading_apart._watch(1.0)
    assert "crashed (status 1)" in reading_apart._how_it_ended(1, 2.0)
