"""A long extxyz file: when its first frame is there, what reading it costs, what its frames keep in memory.

100,000 frames of 64 silicon atoms, 0.7 GB, written to the folder of temporary files and deleted afterwards.
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

_BEFORE_MB = 530.0  # three and a third times what 30,000 frames took
N_FRAMES = int(os.environ.get("BENCH_FILE_FRAMES", "100000"))


def write_long(path: Path, n_frames: int) -> None:
    """Write frames of the reference workload again and again, each moved by a step of its own."""
    from workload import load_workload

    known = [frame for part in load_workload() for frame in part]
    bodies = []
    for frame in known:
        assert frame.forces is not None
        columns = np.hstack([frame.positions, frame.forces])
        bodies.append("".join(f"Si {' '.join(f'{x:.8f}' for x in row)}\n" for row in columns[1:]))
    with path.open("w") as file:
        for k in range(n_frames):
            frame = known[k % len(known)]
            assert frame.forces is not None
            cell = " ".join(f"{x:.8f}" for x in frame.cell.ravel())
            x, y, z = frame.positions[0]
            force = " ".join(f"{x:.8f}" for x in frame.forces[0])
            file.write(
                f'64\nLattice="{cell}" Properties=species:S:1:pos:R:3:forces:R:3 energy={frame.energy}\n'
            )
            file.write(f"Si {x + 1e-7 * k:.8f} {y:.8f} {z:.8f} {force}\n{bodies[k % len(known)]}")


def read(path: str) -> dict[str, Any]:
    """Return seconds to the first frame, CPU seconds of finding all and of reading all, and memory in MB."""
    from nnpcore.structures import iter_frames, read_dataset
    from nnpcore.structures.readers.xyz_frames import find_frames

    started = time.perf_counter()
    next(iter_frames(path))
    first = time.perf_counter() - started
    used = time.process_time()
    with open(path, "rb") as stream:
        n_frames = sum(1 for _ in find_frames(stream))
    index = time.process_time() - used
    used = time.process_time()
    with Anonymous() as memory:
        dataset = read_dataset(path)
    cpu = time.process_time() - used
    assert len(dataset.frames) == n_frames
    return {"first": first, "index": index, "cpu": cpu, "memory": memory.peak, "n": n_frames}


def rows(threads: int = 2) -> list[dict[str, Any]]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.extxyz"
        write_long(path, N_FRAMES)
        size = path.stat().st_size / 1e9
        found = in_child_of(__file__, str(path))
    name = f"{N_FRAMES:,} frames of extxyz, {size:.1f} GB"
    return [
        {"name": f"{name}: the first frame, wall", "value": found["first"], "unit": "s", "aim": 0.3},
        {"name": f"{name}: finding all frames, CPU", "value": found["index"], "unit": "s"},
        {"name": f"{name}: reading and checking all, CPU", "value": found["cpu"], "unit": "s"},
        {"name": f"{name}: anonymous memory", "value": found["memory"], "unit": "MB", "aim": 300.0,
         "before": _BEFORE_MB if N_FRAMES == 100_000 else None},
    ]  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1])))
