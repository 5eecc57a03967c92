"""A training by command, in a process of its own, that a signal meets after its first epoch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

START = "import sys; from nnpcore.cli import main; sys.exit(main())"


def interrupted(
    arguments: Sequence[str], number: int, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run ``eatlas train`` with arguments, send the signal once an epoch is told; return the exit status and
    what it told afterwards.
    """
    own = os.environ | {"PYTHONUNBUFFERED": "1"} | dict(environment or {})
    command = [sys.executable, "-c", START, "train", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=own) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Epoch"):
                process.send_signal(number)
                break
        rest = process.stderr.read()
        return process.wait(timeout=60), rest
