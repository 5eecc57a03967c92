"""A long extxyz file: when its first frame is there, what reading it costs, what its frames keep in memory.

100,000 frames of 64 silicon atoms, 1 GB, written to the folder of temporary files and deleted afterwards. The
first frame and the index are measured in the real window, too, where the last frame used to be seen when all
had been read.
Anonymous memory is what the process has for itself; mapped pages of files, which the system takes back when
it needs them, are not counted (Linux only).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_large import Anonymous
from bench_training import in_child_of
from bench_window import display, measured

N_FRAMES = int(os.environ.get("BENCH_FILE_FRAMES", "100000"))


def write_long(path: Path, n_frames: int) -> None:
    """Write frames of the reference workload with momenta again and again, each a little moved."""
    from workload import load_workload

    known = [frame for part in load_workload() for frame in part]
    momenta = np.random.default_rng(0).normal(0.0, 10.0, (64, 3))
    heads, bodies = [], []
    for frame in known:
        assert frame.forces is not None
        rows = [_columns(row) for row in np.hstack([frame.positions, frame.forces, momenta])]
        cell = " ".join(f"{x:.8f}" for x in frame.cell.ravel())
        properties = "species:S:1:pos:R:3:forces:R:3:momenta:R:3"
        heads.append(f'64\nLattice="{cell}" Properties={properties} energy={frame.energy}\n')
        bodies.append((rows[0].partition(" ")[2], "".join(f"Si {row}\n" for row in rows[1:])))
    with path.open("w") as file:
        for k in range(n_frames):
            (first, others), x = bodies[k % len(known)], known[k % len(known)].positions[0, 0]
            file.write(f"{heads[k % len(known)]}Si {x + 1e-7 * k:.13f} {first}\n{others}")


def _columns(values: np.ndarray) -> str:
    return " ".join(f"{value:.13f}" for value in values)


def read(path: str) -> dict[str, Any]:
    """Return seconds to the first frame, CPU seconds of finding all and of reading all, and memory in MB."""
    from nnpcore.structures import iter_frames, read_dataset
    from nnpcore.structures.frame_index import FrameIndex

    started = time.perf_counter()
    next(iter_frames(path))
    first = time.perf_counter() - started
    used = time.process_time()
    with FrameIndex(path) as found:
        (*_, n_frames) = found.grow()
    index = time.process_time() - used
    used = time.process_time()
    with Anonymous() as memory:
        dataset = read_dataset(path)
    cpu = time.process_time() - used
    assert len(dataset.frames) == n_frames
    return {"first": first, "index": index, "cpu": cpu, "memory": memory.peak, "n": n_frames}


def rows(threads: int = 2) -> list[dict[str, Any]]:
    """Measure in a process of its own, and in a window."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.extxyz"
        write_long(path, N_FRAMES)
        size = path.stat().st_size / 1e9
        found = in_child_of(__file__, str(path))
        with display() as environment:
            seen = measured(environment, "file_child.py", str(path), patience=1800)
    name = f"{N_FRAMES:,} frames of extxyz, {size:.1f} GB"
    values = [
        ("the first frame", found["first"], "s", 0.3, None),
        ("finding all frames, CPU", found["index"], "s", None, None),
        ("reading and checking all, CPU", found["cpu"], "s", None, None),
        ("anonymous memory", found["memory"], "MB", 300.0, None),
        ("the first frame drawn in the window", seen["first"], "s", 0.3, None),
        ("the last frame at hand in the window", seen["last"], "s", None, seen["all"]),
        ("longest turn of the window's thread meanwhile, CPU", seen["worst_cpu_ms"], "ms", 100.0, None),
        ("the window's anonymous memory", seen["memory"], "MB", None, None),
    ]
    return [
        {"name": f"{name}: {what}", "value": value, "unit": unit, "aim": aim, "before": before}
        for what, value, unit, aim, before in values
    ]


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
