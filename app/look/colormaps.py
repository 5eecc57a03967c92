"""Numbers to colours: perceptual maps that colour-blind people can read."""

from __future__ import annotations

from functools import cache

import numpy as np

SEQUENTIAL, DIVERGING = "crameri:batlow", "crameri:vik"
N_COLORS = 256

SEQUENTIAL_MAPS = {
    "Batlow": SEQUENTIAL,
    "Viridis": "bids:viridis",
    "Cividis": "cividis:cividis",
    "Inferno": "bids:inferno",
    "Lajolla": "crameri:lajolla",
    "Oslo": "crameri:oslo",
}
DIVERGING_MAPS = {
    "Vik": DIVERGING,
    "Broc": "crameri:broc",
    "Cork": "crameri:cork",
    "Bam": "crameri:bam",
    "Red to blue": "colorbrewer:RdBu_r",
    "Purple to orange": "colorbrewer:PuOr_r",
}
"""Maps to choose from, by name: evenly stepped, and told apart by colour-blind people."""


_usual = {False: SEQUENTIAL, True: DIVERGING}


def usual(diverging: bool) -> str:
    """Return the name of the map that is used where no other is chosen."""
    return _usual[diverging]


def set_usual(sequential: str, diverging: str) -> None:
    """Use these maps where no other is chosen; names that are not known stand for the program's own."""
    _usual[False] = sequential if sequential in SEQUENTIAL_MAPS.values() else SEQUENTIAL
    _usual[True] = diverging if diverging in DIVERGING_MAPS.values() else DIVERGING


@cache
def table(name: str) -> np.ndarray:
    """Return a map's colours, (256, 3) uint8."""
    from cmap import Colormap

    return (Colormap(name).lut(N_COLORS)[:, :3] * 255 + 0.5).astype(np.uint8)


def limits_of(values: np.ndarray, diverging: bool) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of the finite values, symmetric about 0 for a diverging map."""
    low, high = percentile_range(values[np.isfinite(values)], (2.0, 98.0), diverging)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def percentile_range(
    finite: np.ndarray, percentiles: tuple[float, float], diverging: bool
) -> tuple[float, float]:
    """Return two percentiles, symmetric about 0 when diverging; (0, 1), (-1, 1) of no values."""
    if not len(finite):
        return (-1.0, 1.0) if diverging else (0.0, 1.0)
    low, high = (float(v) for v in np.percentile(finite, percentiles))
    if diverging:
        high = max(abs(low), abs(high))
        low = -high
    return low, high


def to_rgb(
    values: np.ndarray,
    limits: tuple[float, float],
    diverging: bool,
    *,
    reverse: bool = False,
    unknown: int = 128,
    name: str = "",
) -> np.ndarray:
    """Return colours (n, 3) uint8: the ends' beyond the limits, a grey where a value is not finite.

    The middle of a diverging map lies at 0, wherever the limits are: both sides are equally strong. ``name``
    is the map's, the usual one where it is empty.
    """
    colors = map_colors(diverging, reverse, name=name)
    low, high = limits
    values = np.clip(np.asarray(values, dtype=np.float64), low, high)
    if diverging:
        high = max(abs(low), abs(high))
        low = -high
    share = (values - low) / (high - low if high != low else 1.0)
    index = np.nan_to_num(np.clip(share, 0.0, 1.0)) * (N_COLORS - 1) + 0.5
    result = colors[index.astype(np.int64)]
    result[~np.isfinite(values)] = unknown
    return result


def map_colors(diverging: bool, reverse: bool = False, *, name: str = "") -> np.ndarray:
    """Return the colour map, (256, 3) uint8, from low to high."""
    known = DIVERGING_MAPS if diverging else SEQUENTIAL_MAPS
    colors = table(name if name in known.values() else usual(diverging))
    return colors[::-1] if reverse else colors


def range_colors(
    limits: tuple[float, float], diverging: bool, reverse: bool = False, *, name: str = ""
) -> np.ndarray:
    """Return the colours of a range from low to high, (256, 3) uint8, as a colour bar shows them."""
    steps = np.linspace(*limits, N_COLORS)
    return to_rgb(steps, limits, diverging, reverse=reverse, name=name)


def ramp(diverging: bool, n: int = 9) -> tuple[str, ...]:
    """Return some colours of a map as #rrggbb, low to high, for a legend."""
    colors = map_colors(diverging)[np.linspace(0, N_COLORS - 1, n).astype(int)]
    return tuple("#{:02x}{:02x}{:02x}".format(*color) for color in colors)
