"""Frames and atoms count from 1 in the window; the core, as files and Python do, counts from 0."""

from __future__ import annotations

import re

_NUMBERED = re.compile(r"\b(frame|atom|atoms) \d+\b")
FROM_ZERO = "(Frames and atoms are counted from 0 here, as in Python; in the window from 1.)"


def with_base(text: str) -> str:
    """Return a message of the core; where it names frames or atoms by number, with how these count."""
    return f"{text} {FROM_ZERO}" if _NUMBERED.search(text) else text
