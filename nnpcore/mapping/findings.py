"""What was found of an energy or slope whose truth is known, and its possible levels within the margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Level = Literal["right", "doubtful", "open", "wrong", "unknown"]
"""right: as near to the truth as it needs to be. open: off, or anything, because the data do not tell.
wrong: off by more than the data leave open: they could know better. doubtful: on a border of these."""

ORDER: tuple[Level, ...] = ("right", "open", "wrong")

MARGIN = 1.6
"""Factor by which an error may be smaller or larger on another day: other seeds, splits, processors."""

SPREADS = 2.0
"""Foretold spreads up to which an error is what the data leave open."""

SPREAD_MARGIN = 1.3
"""Factor to which a spread, and an error over a spread, is known."""

FEW_ATOMS, FEW_MARGIN = 100, 2.0
"""A spread foretold from frames of fewer atoms is known to this factor only: as many others tell other length
scales and noises. Its logarithm differs by up to 0.42 from split to split (0.24 with more atoms): that times
the root of 2 keeps two splits from falling on both sides of a limit."""

STANDARD_ERRORS = 2.0
"""Standard errors of the members' mean within which an error is known."""


@dataclass(frozen=True)
class Finding:
    """An error in meV/atom or GPa, and what it is judged by.

    Attributes
    ----------
    subject : what it is about: "E_at of the crystal".
    text : what is off, and by how much: "E_at of the crystal is off by +13 meV at -1 % volume".
    error : its size. std : spread of the members. n_members : how many.
    limit : size from which it is no longer right. Where the spread is larger, even a small error is luck.
    foretold : standard deviation that the data leave open; None where nobody foretold it.
    unit : of all of these.
    cure : what helps where the data leave it open.
    spread_margin : factor to which the spread is known.
    widest : the foretold spread where it is largest against what would be right, and where that is: (13.0,
        "at −4 % volume"); None where there is one spread only.
    right_to : the size that would be right where ``text`` says what is off; None: ``limit``.
    differ : spread of the members as it is shown; None: ``std``.
    """

    subject: str
    text: str
    error: float
    std: float
    n_members: int
    limit: float
    foretold: float | None
    unit: str
    cure: str
    spread_margin: float = SPREAD_MARGIN
    widest: tuple[float, str] | None = None
    right_to: float | None = None
    differ: float | None = None

    @property
    def standard_error(self) -> float:
        """By how much the members' mean differs from training to training."""
        return self.std / self.n_members**0.5

    @property
    def errors(self) -> tuple[float, float]:
        """Smallest and largest size the error has within the margins, which add in quadrature.

        Where a spread is foretold, the standard error is part of it, and not counted twice.
        """
        known_to = STANDARD_ERRORS * self.standard_error if self.foretold is None else 0.0
        less = np.hypot((1.0 - 1.0 / MARGIN) * self.error, known_to)
        more = np.hypot((MARGIN - 1.0) * self.error, known_to)
        return max(self.error - float(less), 0.0), self.error + float(more)

    @property
    def spread(self) -> float:
        """What is open: the foretold spread and the standard error of the members' mean, in quadrature.

        Where nobody foretold any it is the members' spread: their mean may miss what all of them do not know.
        """
        if self.foretold is None:
            return self.std
        return float(np.hypot(self.foretold, self.standard_error))

    @property
    def told_by_data(self) -> bool:
        """Whether the spread is mostly what the data leave open, not what the members differ by."""
        return self.foretold is not None and self.foretold >= self.standard_error

    @property
    def levels(self) -> frozenset[Level]:
        """Levels that it may have within the margins: one where it is certain."""
        low, high = self.errors
        least, most = self.spread / self.spread_margin, self.spread * self.spread_margin
        found: set[Level] = set()
        if low <= self.limit:
            found |= {"right"} if least <= self.limit else set()
            found |= {"open"} if most > self.limit else set()
        if high > self.limit:
            open_to = 0.0 if self.foretold is None else SPREADS  # members tell neither from the other
            off = self.error * MARGIN**2 > self.limit
            found |= {"wrong"} if off and self.error > open_to * least else set()
            found |= {"open"} if self.error <= open_to * most else set()
        return frozenset(found)

    @property
    def level(self) -> Level:
        """The one level it has, or "doubtful"."""
        return one_of(self.levels)


def one_of(levels: frozenset[Level]) -> Level:
    """Return the only level of a set, "doubtful" for more than one, "unknown" for none."""
    if len(levels) == 1:
        return next(iter(levels))
    return "doubtful" if levels else "unknown"


def levels_of_all(findings: tuple[Finding, ...]) -> frozenset[Level]:
    """Return the levels that the worst of several findings may have."""
    if not findings:
        return frozenset()
    ranks = [[ORDER.index(level) for level in f.levels] for f in findings]
    least = max(min(r) for r in ranks)
    return frozenset(ORDER[rank] for r in ranks for rank in r if rank >= least)


def rank_of(levels: frozenset[Level]) -> int:
    """Return the place in :data:`ORDER` of the best level that a finding may have."""
    return min(ORDER.index(level) for level in levels)
