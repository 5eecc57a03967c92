"""Compiling after an installation, an empty cache: what the first training waits for, and all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile

from row import Row

_BEFORE_WALL, _BEFORE_CPU = 38.0, 40.0
_FIRST_TRAINING = """
import time
from nnpcore.training.compiling import compile_kernels, parts_of_training
started = time.perf_counter()
compile_kernels(parts=parts_of_training("auto"), told=True)
print(time.perf_counter() - started, flush=True)
compile_kernels(told=True)
print(time.perf_counter() - started)
"""


def rows() -> list[Row]:
    """Compile into a folder of its own; wall time, and CPU time of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command, place = [sys.executable, "-c", _FIRST_TRAINING], {"NUMBA_CACHE_DIR": folder}
        done = subprocess.run(command, env=os.environ | place, stdout=subprocess.PIPE, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    first, everything = map(float, done.stdout.split())
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    load = f"load {os.getloadavg()[0]:.1f}"
    name = "after an installation, until a first training begins to prepare, wall"
    return [
        Row(name, first, "s", aim=15.0, before=_BEFORE_WALL, note=load, threads=2),
        Row("compiling all kernels, wall", everything, "s", before=_BEFORE_WALL, note=load, threads=2),
        Row("compiling all kernels, CPU", cpu, "s", before=_BEFORE_CPU, threads=2),
    ]
