"""Where the entries of a legend go on its one line: as they are, cut in the middle, or folded into a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFontMetricsF

from app.look.names import extension_of, shortened
from app.plots.swatch import Entry, swatch_width

GAP = 6.0
SHORTEST, WHOLE = 9.0, 12
"""Names are cut down to this many average letters and their extension before entries are folded; those of so
few letters are not cut at all."""


@dataclass(frozen=True)
class Placed:
    """An entry, the text shown of its name, and its box."""

    entry: Entry
    text: str
    box: QRectF


@dataclass(frozen=True)
class Layout:
    """The line of a legend: the title, what is shown, what is folded with the text and box for it."""

    title: str
    placed: tuple[Placed, ...] = ()
    folded: tuple[Entry, ...] = ()
    more: str = ""
    more_box: QRectF = field(default_factory=QRectF)


def lay_out(
    titles: Sequence[str], entries: Sequence[Entry], width: float, height: float, metrics: QFontMetricsF
) -> Layout:
    """Return the line of a legend; ``titles`` are those to choose from, the fullest one first."""
    title = next(
        (t for t in titles if natural_width(t, entries, metrics) <= width), titles[-1] if titles else ""
    )
    least = metrics.horizontalAdvance(_all_folded(entries)) + 3 * GAP if entries else 0.0
    title = metrics.elidedText(title, Qt.TextElideMode.ElideRight, max(width - 2 * GAP - least, 0.0))
    space = width - _title_width(title, metrics) - GAP
    shown = len(entries)
    while shown and not _widths(entries[:shown], space - _more_width(len(entries) - shown, metrics), metrics):
        shown -= 1
    more = f"+{len(entries) - shown} more" if shown else _all_folded(entries)
    more = more if shown < len(entries) else ""
    more_width = metrics.horizontalAdvance(more) + 2 * GAP if more else 0.0
    names = _widths(entries[:shown], space - more_width, metrics) or []
    boxes = [_chrome(e) + w for e, w in zip(entries[:shown], names, strict=True)]
    x = width - GAP - more_width - sum(boxes) - 2 * GAP * max(shown - 1, 0)
    placed = []
    for entry, name, box in zip(entries[:shown], names, boxes, strict=True):
        text = shortened(entry.label, metrics, name - metrics.horizontalAdvance(entry.tail))
        placed.append(Placed(entry, text, QRectF(x, 0, box, height)))
        x += box + 2 * GAP
    more_box = (
        QRectF(width - GAP - more_width + 2 * GAP, 0, more_width - 2 * GAP, height) if more else QRectF()
    )
    return Layout(title, tuple(placed), tuple(entries[shown:]), more, more_box)


def _all_folded(entries: Sequence[Entry]) -> str:
    return f"{len(entries)} series"


def _chrome(entry: Entry) -> float:
    return swatch_width(entry) + 4.0


def _title_width(title: str, metrics: QFontMetricsF) -> float:
    return metrics.horizontalAdvance(title) + 3 * GAP if title else 0.0


def _more_width(n: int, metrics: QFontMetricsF) -> float:
    return metrics.horizontalAdvance(f"+{n} more") + 2 * GAP if n else 0.0


def _natural(entry: Entry, metrics: QFontMetricsF) -> float:
    return metrics.horizontalAdvance(entry.label + entry.tail) + 1.0


def natural_width(title: str, entries: Sequence[Entry], metrics: QFontMetricsF) -> float:
    """Return the pixels of a title and all entries at full length."""
    needed = sum(_chrome(e) + _natural(e, metrics) + 2 * GAP for e in entries)
    return _title_width(title, metrics) + needed + GAP


def _widths(entries: Sequence[Entry], space: float, metrics: QFontMetricsF) -> list[float] | None:
    """Return the pixels of each name in ``space``, the longest ones cut, or None where they do not fit."""
    wanted = [_natural(entry, metrics) for entry in entries]
    kept = [metrics.horizontalAdvance(extension_of(entry.label) + entry.tail) for entry in entries]
    shortest = SHORTEST * metrics.averageCharWidth()
    triples = zip(entries, wanted, kept, strict=True)
    least = [w if e.fixed or len(e.label) <= WHOLE else min(w, shortest + end) for e, w, end in triples]
    room = space - sum(_chrome(entry) + 2 * GAP for entry in entries)
    if not entries or sum(least) > room:
        return None
    low, high = 0.0, max(wanted)
    for _ in range(20):  # the longest name that all of them can have
        middle = (low + high) / 2
        fits = sum(max(min(w, middle), m) for w, m in zip(wanted, least, strict=True)) <= room
        low, high = (middle, high) if fits else (low, middle)
    if sum(wanted) <= room:
        return wanted
    return [max(min(w, low), m) for w, m in zip(wanted, least, strict=True)]
