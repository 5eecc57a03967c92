"""Kernels compiled by processes of their own, once after an installation: two at a time, no lock held here.

numba keeps what it has compiled beside the sources or in ``NUMBA_CACHE_DIR``; a small file there for each
part says that its kernels are done for these sources and this processor. Who asks waits for what it needs.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import nnpcore
from nnpcore.progress import Progress

SOURCES = (
    "descriptors/simd.py",
    "descriptors/inner_functions.py",
    "descriptors/shape_kernels.py",
    "descriptors/kernels.py",
    "descriptors/neighbor_kernels.py",
    "training/engines/contractions.py",
    "training/engines/kernels.py",
    "training/engines/compiled.py",
    "potential/pair_forces.py",
    "potential/network_kernels.py",
    "reference/potential_kernels.py",
    "mapping/tree_kernel.py",
)
"""Files with compiled functions, below the package."""
TEXT = "Compiling the kernels, once after an installation"
PROCESSES = (("descriptors", "prediction", "references"), ("kalman", "gradients"))
"""What each process compiles, in order: first what the first training waits for, in about equal shares."""
ALL = tuple(part for parts in PROCESSES for part in parts)
_HOME = Path(nnpcore.__path__[0])
_ENTRY = "import sys; from nnpcore.cli.warm_up import main; sys.exit(main(sys.argv[1:]))"
_LOOK_SECONDS = 0.1


def parts_of_training(optimizer: str) -> tuple[str, ...]:
    """Return the parts that a training with this optimizer, and the pictures of it, take."""
    first = ("descriptors", "kalman", "prediction")
    return first if optimizer in ("auto", "kalman") else (*first, "gradients")


def marker(part: str) -> Path:
    """Return the file that exists once the kernels of a part are compiled; loads numba."""
    return _place() / f"compiled-{_stamp()}-{part}"


def _place() -> Path:
    from nnpcore.descriptors.neighbor_kernels import search

    return Path(str(search.stats.cache_path))


def _stamp() -> str:
    """Name numba, Python, the processor and the sources as they are."""
    import numba
    from llvmlite.binding import get_host_cpu_name

    said = [numba.__version__, sys.version, get_host_cpu_name()]
    for source in SOURCES:
        found = (_HOME / source).stat()
        said += [source, str(found.st_mtime_ns), str(found.st_size)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def compiled(parts: Iterable[str] = ALL) -> bool:
    """Whether nothing of these parts is left to compile; loads numba."""
    return all(marker(part).exists() for part in parts)


def say_compiled(part: str) -> None:
    """Note that a part is compiled; where that place cannot be written, the next start looks again."""
    path = marker(part)
    current = path.name.removesuffix(part)
    try:
        for old in path.parent.glob("compiled-*"):
            if not old.name.startswith(current):
                old.unlink(missing_ok=True)
        path.touch()
    except OSError:
        return


def process(*parts: str, told: bool = False) -> subprocess.Popen[bytes]:
    """Start ``nnpcore.cli.warm_up`` for these parts; its complaints are shown only where ``told``."""
    paths = (str(_HOME.parent), os.environ.get("PYTHONPATH"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _ENTRY, *parts],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if told else subprocess.DEVNULL,
    )


class _Compiling:
    """The processes of this program and who waits for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._children: list[subprocess.Popen[bytes]] | None = None

    def join(self, told: bool) -> list[subprocess.Popen[bytes]]:
        """Start the processes, once, and count as one who waits for them."""
        with self._lock:
            if self._children is None:
                self._children = [process(*parts, told=told) for parts in PROCESSES]
            self._waiting += 1
            return self._children

    def leave(self, cancelled: bool) -> None:
        """Wait no longer; what the last one has cancelled ends, and may be started again."""
        with self._lock:
            self._waiting -= 1
            if cancelled and self._waiting == 0 and self._children is not None:
                for child in self._children:
                    child.terminate()
                    child.wait()
                self._children = None


_compiling = _Compiling()


def compile_kernels(progress: Progress | None = None, parts: Iterable[str] = ALL, told: bool = False) -> None:
    """Wait until the kernels of these parts are compiled, by processes that this starts where they are not.

    Whoever comes meanwhile, from another thread, waits for the same processes, which go on with the other
    parts afterwards. Where they fail, kernels are compiled when they are first called, here, as numba does.
    """
    progress = progress or Progress()
    markers = [marker(part) for part in parts]
    if all(path.exists() for path in markers):
        return
    children, done = _compiling.join(told), False
    try:
        while not all(path.exists() for path in markers) and any(c.poll() is None for c in children):
            progress.report(None, TEXT)
            _wait(children)
        done = True
        if compiled():  # nothing follows but their end
            for child in children:
                child.wait()
    finally:
        _compiling.leave(cancelled=not done)


def _wait(children: list[subprocess.Popen[bytes]]) -> None:
    """Wait a moment for the first of these that still runs."""
    for child in children:
        if child.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_SECONDS)
            return
