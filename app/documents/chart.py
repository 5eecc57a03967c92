"""Numbers that a study has measured, as a chart of an example's page wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ChartWish:
    """What a page wants to be drawn of its claim's numbers.

    Attributes
    ----------
    x : entry of the numbers along x, one number or text each. x_title, y_title : of the axes, with units.
    lines : entry along y -> name of its line.
    """

    x: str
    x_title: str
    y_title: str
    lines: Mapping[str, str] = field(default_factory=dict)

    def draw(self, numbers: Mapping[str, Any], claim: str = "") -> Chart | None:
        """Return the chart of a claim's numbers; None where they have no such entries."""
        x, lines = numbers.get(self.x), {}
        if not isinstance(x, list):
            return None
        for entry, name in self.lines.items():
            values = _numbers(numbers.get(entry), len(x))
            if values is None:
                return None
            lines[name] = values
        along = _numbers(x, len(x))
        if along is not None:
            return Chart(along, (), self.x_title, self.y_title, lines, claim)
        return Chart(
            tuple(map(float, range(len(x)))), tuple(map(str, x)), self.x_title, self.y_title, lines, claim
        )


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines of numbers over x (n,), whose places have ``names`` (n) where they are no numbers.

    ``claim``: the sentence they belong to.
    """

    x: tuple[float, ...]
    names: tuple[str, ...]
    x_title: str
    y_title: str
    lines: Mapping[str, Sequence[float]]
    claim: str = ""


def _numbers(values: object, n: int) -> tuple[float, ...] | None:
    """Return a list of n numbers, None where it is none."""
    if not isinstance(values, list) or len(values) != n:
        return None
    found = tuple(float(value) for value in values if isinstance(value, int | float))
    return found if len(found) == n else None
