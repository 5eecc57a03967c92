"""Background threads give way to the window's own."""

from __future__ import annotations

import os
import sys
import threading

TRAINING, TASK = 10, 5
"""Niceness of the training's threads and of short tasks; the window's thread has 0."""


def step_back(niceness: int) -> None:
    """Let the window's thread go first where threads have priorities of their own (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
