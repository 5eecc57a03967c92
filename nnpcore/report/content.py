"""What a report says, before it is written as HTML or PDF: sections of paragraphs, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnpcore.mapping.findings import Level

LEVELS: dict[Level, str] = {
    "right": "The mapping is right",
    "doubtful": "The mapping is doubtful",
    "open": "The data leave the mapping open",
    "wrong": "The mapping is wrong",
    "unknown": "Nothing tells whether the mapping is right",
}
"""The verdict in a few words, so that its color is not needed to understand it."""

NOTHING = "–"
"""What stands in a table where there is no value."""


@dataclass(frozen=True)
class Text:
    """A paragraph. ``missing`` marks a sentence that stands where something could not be shown."""

    text: str
    missing: bool = False


@dataclass(frozen=True)
class Table:
    """Cells as text: the first column names the row. Columns in ``words`` hold text, the others numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, what it shows for those who cannot see it, and its caption."""

    figure: Figure
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Lines to be kept as they are."""

    text: str


Block = Text | Table | Picture | Code


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def missing(self) -> list[str]:
        """The sentences on what could not be shown."""
        return [block.text for block in self.blocks if isinstance(block, Text) and block.missing]


@dataclass(frozen=True, eq=False)
class Report:
    """A whole report.

    Attributes
    ----------
    title : name of the run.
    about : one line: what the potential is, and when the report was made.
    verdict, level : of the mapping.
    numbers : (name, value with its unit) of what matters most.
    sections : in the order they are read.
    """

    title: str
    about: str
    verdict: str
    level: Level
    numbers: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def missing(self) -> list[str]:
        """The sentences on what could not be shown, in order."""
        return [text for section in self.sections for text in section.missing]


def number(value: float | None, digits: int = 1, *, sign: bool = False, unit: str = "") -> str:
    """Return a number as text with so many decimals, a dash where there is none."""
    if value is None or value != value:
        return NOTHING
    text = f"{round(value, digits) + 0.0:{'+' if sign else ''}.{digits}f}"
    return f"{text} {unit}".rstrip()


def significant(value: float | None) -> str:
    """Return a number as text with three significant digits, a dash where there is none."""
    return NOTHING if value is None or value != value else f"{value:.3g}"


def sentence(text: str) -> str:
    """Return a message as a sentence: a capital at the front, a full stop at the end."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def missing(text: str) -> Text:
    """Return a message as a sentence that stands where something could not be shown."""
    return Text(sentence(text), missing=True)


def counted(count: int, noun: str) -> str:
    """Return "1 frame", "2 frames", "12 000 frames"."""
    return f"{count:,}".replace(",", " ") + f" {noun}{'' if count == 1 else 's'}"
