"""A layer under the file writing: the disk that fills up, becomes read-only or breaks, and sudden death.

Every operation that changes something under a folder is counted; at a chosen one the process dies, or it and
some that follow fail. A write fails or dies after half of it.
"""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEATH = 0
"""Instead of an error number: the process is killed."""


@dataclass
class Faults:
    """Where faults strike.

    Attributes
    ----------
    folder : only operations in it count.
    first, last : numbers of the operations that fail, from 0; none by default.
    error : an error number of the system, or DEATH.
    done : the operations so far, by name and path within the folder.
    """

    folder: Path
    first: int = -1
    last: int = -1
    error: int = DEATH
    done: list[str] = field(default_factory=list)
    _paths: dict[int, Path] = field(default_factory=dict)
    _real_open: Callable[..., Any] = field(default=io.open, repr=False)

    @contextmanager
    def at_work(self) -> Iterator[Faults]:
        """Put the layer under this process's file operations for a while."""
        real = self.start()
        try:
            yield self
        finally:
            io.open = self._real_open
            for name, function in real.items():
                setattr(os, name, function)

    def start(self) -> dict[str, Callable[..., Any]]:
        """Put the layer under this process's file operations; return the real ones by name."""
        on_paths = ("replace", "rename", "link", "unlink", "mkdir", "rmdir", "chmod")
        names = ("open", "fdopen", "write", "fsync", "ftruncate", *on_paths)
        real = {name: getattr(os, name) for name in names}
        of_paths = {name: self._on_path(real[name], name) for name in on_paths}
        of_handles = {name: self._on_handle(real[name], name) for name in ("fsync", "ftruncate", "write")}
        changed = {"open": self._open(real["open"]), "fdopen": self._fdopen(real["fdopen"])}
        for name, function in {**of_paths, **of_handles, **changed}.items():
            setattr(os, name, function)
        self._real_open, io.open = io.open, self._file  # what a path opens itself by
        return real

    def _strike(self, name: str, path: Path, before: Callable[[], object] = lambda: None) -> None:
        number = len(self.done)
        self.done.append(f"{name} {path.relative_to(self.folder)}")
        if not self.first <= number <= self.last:
            return
        before()
        if self.error == DEATH:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.error, os.strerror(self.error), str(path))

    def _is_mine(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and Path(path).is_relative_to(self.folder)

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            writes = bool(flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)) and self._is_mine(path)
            if writes:
                self._strike("open", Path(path))
            handle = real(path, flags, *rest, **more)
            if writes:
                self._paths[handle] = Path(path)
            else:
                self._paths.pop(handle, None)
            return handle

        return opened

    def _file(self, path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        writes = any(letter in mode for letter in "wax+") and self._is_mine(path)
        if not writes:
            return self._real_open(path, mode, *rest, **more)
        self._strike("open", Path(path))
        file = self._real_open(path, mode, *rest, **more)
        self._paths[file.fileno()] = Path(path)
        return _Writing(file, Path(path), self._strike)

    def _on_path(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def called(path: Any, *rest: Any, **more: Any) -> Any:
            if self._is_mine(path):
                self._strike(name, Path(path))
            return real(path, *rest, **more)

        return called

    def _on_handle(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def called(handle: int, *rest: Any) -> Any:
            if handle in self._paths:
                self._strike(name, self._paths[handle])
            return real(handle, *rest)

        return called

    def _fdopen(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(handle: int, *rest: Any, **more: Any) -> Any:
            file = real(handle, *rest, **more)
            path = self._paths.get(handle)
            return file if path is None else _Writing(file, path, self._strike)

        return opened


class _Writing:
    """A file whose writes may fail half-way."""

    def __init__(self, file: Any, path: Path, strike: Callable[..., None]) -> None:
        self._file, self._path, self._strike = file, path, strike

    def write(self, content: Any) -> int:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        self._strike("write", self._path, half)
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
