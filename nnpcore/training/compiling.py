"""Kernels compiled by processes of their own, once after an installation: two at a time, no lock held here.

numba keeps what it has compiled beside the sources or in ``NUMBA_CACHE_DIR``; a small file there says that
all kernels of these sources are done for this processor.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import nnpcore
from nnpcore.progress import Progress

SOURCES = (
    "descriptors/simd.py",
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
_HOME = Path(nnpcore.__path__[0])
_ENTRY = "import sys; from nnpcore.cli.warm_up import main; sys.exit(main(sys.argv[1:]))"
_LOOK_SECONDS = 0.1
_lock = threading.Lock()
_tried = False


def marker() -> Path:
    """Return the file that exists once every kernel is compiled; loads numba."""
    import numba
    from llvmlite.binding import get_host_cpu_name

    from nnpcore.descriptors.neighbor_kernels import search

    said = [numba.__version__, sys.version, get_host_cpu_name()]
    for source in SOURCES:
        found = (_HOME / source).stat()
        said += [source, str(found.st_mtime_ns), str(found.st_size)]
    stamp = hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
    return Path(str(search.stats.cache_path)) / f"compiled-{stamp}"


def compiled() -> bool:
    """Whether nothing is left to compile; loads numba."""
    return marker().exists()


def say_compiled() -> None:
    """Note that every kernel is compiled; where that place cannot be written, the next start looks again."""
    path = marker()
    try:
        for old in path.parent.glob("compiled-*"):
            old.unlink(missing_ok=True)
        path.touch()
    except OSError:
        return


def process(*parts: str) -> subprocess.Popen[bytes]:
    """Start ``nnpcore.cli.warm_up`` for these parts, for all where none is named."""
    paths = (str(_HOME.parent), os.environ.get("PYTHONPATH"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _ENTRY, *parts],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def compile_kernels(progress: Progress | None = None) -> None:
    """Wait until all kernels are compiled, by processes that this starts where they are not.

    Whoever comes meanwhile, from another thread, waits for the same processes. Where they fail, kernels are
    compiled when they are first called, here, as numba does.
    """
    global _tried
    progress = progress or Progress()
    while not _lock.acquire(timeout=_LOOK_SECONDS):
        progress.report(None, TEXT)
    try:
        if _tried or compiled():
            return
        progress.report(None, TEXT)
        _wait(process(), progress)
        _tried = True
    finally:
        _lock.release()


def _wait(child: subprocess.Popen[bytes], progress: Progress) -> None:
    """Wait for a process, and end it where this is cancelled."""
    try:
        while True:
            try:
                child.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                progress.report(None, TEXT)
            else:
                return
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
