"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return to the system what the C library keeps of freed memory; nothing happens where it is not glibc.

    Arrays of closed files and ended analyses leave holes between others in the heaps of many threads. The
    library gives back only what lies at the end of a heap, so that a window that is open for long would grow.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
