"""Names where there is little room: cut in the middle, the extension kept."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF

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
