"""Texts from outside, such as names of files and what stands in them, made harmless where they are shown."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and marks that turn the direction of what follows."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def printable(text: str) -> str:
    r"""Return a text that cannot steer a terminal: control characters are spelled out, such as ``\x1b``."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def printable_line(text: str) -> str:
    r"""Return a text as :func:`printable` does, on one line: line feeds are spelled out, too, as ``\x0a``."""
    return printable(text).replace("\n", "\\x0a")


def one_line(text: str, most: int = 200) -> str:
    """Return a text as one printable line, cut at ``most`` characters with an ellipsis."""
    joined = printable(" ".join(text.split()))
    return joined if len(joined) <= most else f"{joined[: most - 1]}…"


def spreadsheet_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; numbers stay as they are."""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
