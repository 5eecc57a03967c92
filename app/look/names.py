"""Names where there is little room: cut in the middle, the extension kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics, QFontMetricsF

EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}(?=$|[@\s(])")
"""What tells the kind of a file; a slice or a remark may follow it."""


def extension_of(name: str) -> str:
    """Return the extension in a name, with its point; "" where there is none."""
    found = EXTENSION.findall(name)
    return found[-1] if found and not name.startswith(found[-1]) else ""


def shortened(name: str, metrics: QFontMetricsF, width: float) -> str:
    """Return a name that fits into ``width`` pixels: its stem cut in the middle, its extension kept.

    What follows the extension is kept, too, where there is room for it.
    """
    if metrics.horizontalAdvance(name) <= width:
        return name
    extension = extension_of(name)
    stem, _, rest = name.rpartition(extension) if extension else (name, "", "")
    for end in dict.fromkeys((extension + rest, extension + "…" if rest else extension)):
        cut = metrics.elidedText(stem, Qt.TextElideMode.ElideMiddle, width - metrics.horizontalAdvance(end))
        if len(cut.strip("…")) >= 2:  # enough of it to tell something
            return cut + end
    return metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width)


def told_apart(names: Sequence[str], metrics: QFontMetricsF, width: float) -> list[str]:
    """Return names that fit into ``width`` pixels; where they must be cut, what all begin with goes."""
    if all(metrics.horizontalAdvance(name) <= width for name in names):
        return list(names)
    letters = zip(*names, strict=False) if len(set(names)) > 1 else ()
    start = "".join(same[0] for same in takewhile(lambda each: len(set(each)) == 1, letters))
    start = start[: max((k + 1 for k, letter in enumerate(start) if not letter.isalnum()), default=0)]
    rests = [name[len(start) :] for name in names]
    if not start or not all(rests):
        return [shortened(name, metrics, width) for name in names]
    room = width - metrics.horizontalAdvance("…")
    ends = {extension_of(rest) for rest in rests}
    if len(ends) == 1 and any(metrics.horizontalAdvance(rest) > room for rest in rests):
        rests = [rest.removesuffix(ends.copy().pop()) for rest in rests]  # all have the same
    return [f"…{shortened(rest, metrics, room)}" for rest in rests]


def in_lines(name: str, metrics: QFontMetrics, width: float, most: int) -> list[str]:
    """Return a name in ``most`` lines of ``width`` pixels at most, broken behind what is no letter.

    What does not fit into the last one is cut in the middle.
    """
    if metrics.horizontalAdvance(name) <= width:
        return [name]
    if most == 1:
        return [metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, int(width))]
    fits = max((k for k in range(1, len(name)) if metrics.horizontalAdvance(name[:k]) <= width), default=1)
    breaks = [k for k in range(fits // 2 + 1, fits + 1) if not name[k - 1].isalnum()]
    at = max(breaks, default=fits)
    return [name[:at], *in_lines(name[at:], metrics, width, most - 1)]
