"""The heaps of the C library: few of them, and freed memory given back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

_M_ARENA_MAX, _HEAPS = -8, 2


def hold_heaps() -> None:
    """Let all threads share a few heaps; to be called before they start. Nothing happens without glibc.

    With one heap for each of some dozen threads, what one has freed is of no use to the others: over 40
    openings of files and a run the window grew to 670 MB, with two heaps to 430.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS)


def give_back() -> None:
    """Return to the system what the C library keeps of freed memory; nothing happens where it is not glibc.

    Arrays of closed files and ended analyses leave holes between others in the heaps of many threads. The
    library gives back only what lies at the end of a heap, so that a window that is open for long would grow.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., Any] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
