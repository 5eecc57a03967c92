"""A training from disk where memory is really short: ``pressure.py FRAMES MEGABYTES`` (Linux, as root).

The process is put into a control group whose memory, pages of files included, is limited, so that the system
takes pages back all the time. Prints what :func:`bench_large.train` found, how often the limit was met, and
the most that was held.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench_large import train

VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
NAMES = {
    VERSION_1: ("memory.limit_in_bytes", "memory.failcnt", "memory.max_usage_in_bytes"),
    VERSION_2: ("memory.max", "memory.events", "memory.peak"),
}


def main(n_frames: int, megabytes: int) -> int:
    """Run the training in a group of its own; return its exit status."""
    root = VERSION_1 if VERSION_1.is_dir() else VERSION_2
    limit, met, most = NAMES[root]
    group = root / "eatlas-pressure"
    group.mkdir()
    try:
        (group / limit).write_text(str(megabytes << 20))
        command = [sys.executable, __file__, "child", str(group / "cgroup.procs"), str(n_frames)]
        status = subprocess.run(command, check=False).returncode
        print((group / met).read_text().strip(), (group / most).read_text().strip())
    finally:
        group.rmdir()
    return status


if __name__ == "__main__":
    if sys.argv[1] == "child":
        Path(sys.argv[2]).write_text(str(os.getpid()))
        print(json.dumps(train(1, "disk", int(sys.argv[3]))))
    else:
        sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
