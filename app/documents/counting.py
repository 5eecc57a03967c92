"""Frames and atoms count from 1 in the window; the core, as files and Python do, counts from 0."""

from __future__ import annotations

import re

_ONE = r"(?<![\w'\"“-])(?:[Ff]rame|[Aa]tom) \d+"
_SEVERAL = r"(?<![\w'\"“-])(?:[Ff]rames|[Aa]toms) \d+(?:(?:, | and | to )\d+)*"
_NUMBERED = re.compile(rf"(?:{_SEVERAL}|{_ONE})(?!\w|[.\-/%]\w)")
_FROM_ZERO = " (numbered from 0)"


def from_one(text: str) -> str:
    """Return a message of the core as the window says it: the frames and atoms it numbers count from 1."""
    text = text.replace(_FROM_ZERO, "")
    return _NUMBERED.sub(lambda found: re.sub(r"\d+", _next, found.group()), text)


def _next(number: re.Match[str]) -> str:
    return str(int(number.group()) + 1)
