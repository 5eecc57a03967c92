"""Colours of elements, and ranges of colour maps that do not jump from frame to frame. No Qt here."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache

import numpy as np

from app.documents.coloring import ALL_FRAMES, Coloring
from app.look.colormaps import percentile_range

UNKNOWN = 150
"""Grey of atoms without a value."""

PERCENTILES = {
    "frame": (0.0, 100.0),
    "percentile": (2.0, 98.0),
    "all": (0.0, 100.0),
    "all_percentile": (2.0, 98.0),
}
_NICE = np.array([1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0])
OUTSIDE = 0.03
"""Share of the atoms that may lie outside the kept range before it grows."""

SHRINK = 0.4
"""The kept range shrinks when another prediction needs less than this share of it."""


def element_colors(numbers: np.ndarray) -> np.ndarray:
    """Colours (n, 3) uint8 of elements (Jmol's)."""
    known = _element_bytes()
    return known[np.clip(numbers, 0, len(known) - 1)]


@cache
def _element_bytes() -> np.ndarray:
    from ase.data.colors import jmol_colors

    return (jmol_colors * 255 + 0.5).astype(np.uint8)


@dataclass
class _Kept:
    """A range kept over frames, and the prediction it was last fitted to."""

    low: float
    high: float
    version: Hashable


class ColorRange:
    """Chooses the range of the colour map by the colouring's mode and remembers what it chose.

    - "auto": kept over frames. It covers nearly all values (0.5 to 99.5 %) in round numbers, grows when a
      frame needs more, and shrinks only when the numbers themselves change (another epoch).
    - "frame": smallest to largest value of the frame. "percentile": 2 to 98 % of them.
    - "all", "all_percentile": the same of all frames, as far as their values are known.
    - "locked": what the user set.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Kept] = {}

    def limits(
        self,
        values: np.ndarray,
        coloring: Coloring,
        *,
        key: Hashable = None,
        version: Hashable = None,
        all_values: np.ndarray | None = None,
        floor: float = 0.0,
    ) -> tuple[float, float]:
        """The range (low, high), always with low < high, and no narrower than twice ``floor``.

        Parameters
        ----------
        values : (n,) of the frame shown; NaN is left out.
        key : what the kept range belongs to, such as (data set, kind, run).
        version : changes when the same frame has other numbers now, such as the epoch.
        all_values : values of all frames, where they are known; they decide the kept range alone.
        """
        if coloring.range_mode == "locked":
            return ordered(coloring.low, coloring.high)
        finite = np.asarray(values)[np.isfinite(values)]
        if coloring.range_mode in PERCENTILES:
            if coloring.range_mode in ALL_FRAMES and all_values is not None:
                finite = all_values[np.isfinite(all_values)]
            percentiles = PERCENTILES[coloring.range_mode]
            return widened(*span_of(finite, percentiles, coloring.diverging), floor, coloring.diverging)
        full_key = (key, coloring.kind, coloring.relative, coloring.baseline)
        kept = self._steady(finite, coloring.diverging, full_key, version, all_values)
        return widened(*kept, floor, coloring.diverging)

    def _steady(
        self,
        finite: np.ndarray,
        diverging: bool,
        key: Hashable,
        version: Hashable,
        all_values: np.ndarray | None,
    ) -> tuple[float, float]:
        if all_values is not None:
            return rounded(*span_of(all_values[np.isfinite(all_values)], (0.5, 99.5), diverging), diverging)
        if finite.size == 0:
            kept = self._kept.get(key)
            return (kept.low, kept.high) if kept else span_of(finite, (0.0, 100.0), diverging)
        low, high = rounded(*span_of(finite, (0.5, 99.5), diverging), diverging)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(low, high, version)
        outside = np.mean((finite < kept.low) | (finite > kept.high))
        if outside > OUTSIDE:
            low, high = min(low, kept.low), max(high, kept.high)
            kept.low, kept.high = rounded(low, high, diverging)
            kept.version = version
        elif version != kept.version and high - low < SHRINK * (kept.high - kept.low):
            kept.low, kept.high = low, high
        kept.version = version
        return kept.low, kept.high


def span_of(finite: np.ndarray, percentiles: tuple[float, float], diverging: bool) -> tuple[float, float]:
    """Percentiles of finite values as a range, its ends never equal."""
    return ordered(*percentile_range(finite, percentiles, diverging))


def widened(low: float, high: float, floor: float, diverging: bool) -> tuple[float, float]:
    """The range, at least ``floor`` to either side of its middle: differences below it are rounding."""
    if (high - low) / 2 >= floor:
        return low, high
    middle = 0.0 if diverging else (low + high) / 2
    return middle - nice(floor), middle + nice(floor)


def ordered(low: float, high: float) -> tuple[float, float]:
    """The two in order, a little apart where they are equal."""
    low, high = min(low, high), max(low, high)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-6):
        pad = max(abs(high), 1e-3) * 1e-3
        return low - pad, high + pad
    return low, high


def rounded(low: float, high: float, diverging: bool) -> tuple[float, float]:
    """The range in round numbers, a little larger; magnitudes start at zero."""
    if diverging:
        top = nice(max(abs(low), abs(high)))
        return -top, top
    if 0 <= low < 0.5 * high:
        return 0.0, nice(high)
    if high <= 0 and -high < 0.5 * -low:
        return -nice(-low), 0.0
    step = nice((high - low) / 10)
    return float(np.floor(low / step + 1e-9) * step), float(np.ceil(high / step - 1e-9) * step)


def nice(value: float) -> float:
    """The next round number at or above a positive value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(_NICE[np.searchsorted(_NICE, value / power * (1 - 1e-9))] * power)
