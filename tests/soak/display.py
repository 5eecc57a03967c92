"""A display for the window: the one that is there, or a virtual one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nnpcore.cli.window import deaf_display, has_display

_SCREEN = ("-screen", "0", "1600x1000x24", "-nolisten", "tcp")


@contextmanager
def display() -> Iterator[None]:
    """Have a display in this process's environment for a while; SystemExit in words where there is none."""
    if has_display(os.environ, sys.platform) and not deaf_display(os.environ, sys.platform):
        yield
        return
    reading, writing = os.pipe()
    try:  # the server itself looks for a free number, so that no two take the same
        server = subprocess.Popen(
            ["Xvfb", *_SCREEN, "-displayfd", str(writing)], pass_fds=[writing], stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise SystemExit(f"There is no display, and no virtual one either: {error}") from None
    finally:
        os.close(writing)
    before = os.environ.get("DISPLAY")
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise SystemExit("There is no display: the virtual one, Xvfb, ended at once")
        os.environ["DISPLAY"] = f":{number}"
        yield
    finally:
        server.terminate()
        server.wait()
        if before is None:
            os.environ.pop("DISPLAY", None)
        else:
            os.environ["DISPLAY"] = before
