"""Lines around the densest part of a cloud of points that hold a stated share of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHARES = (0.5, 0.8, 0.95)
"""Parts of the points that the lines hold."""

FEWEST = 50
"""Fewer points have no density worth a line."""

BINS = 192
BROADEST, NARROWEST = 4.0, 1.5
"""How far the grid goes beyond the points, in widths of the smoothing; the least such width, in bins."""

RANGE = (0.5, 99.5)
"""Percentiles of the points that the grid spans: a few far away do not make it coarse."""


@dataclass(frozen=True, eq=False)
class DensityLine:
    """Closed lines, each (m, 2), of one density; ``share`` of the points lie inside.

    A line within another is the rim of a hole.
    """

    share: float
    lines: tuple[np.ndarray, ...]


def density_lines(xy: np.ndarray, shares: Sequence[float] = SHARES) -> tuple[DensityLine, ...]:
    """Return lines of equal density around the densest ``shares`` of points (n, 2), the widest first.

    The density is a histogram in two dimensions, smoothed along each axis by a Gaussian three quarters as
    wide as Scott's rule for a single lump says (D. W. Scott, *Multivariate Density Estimation*, 1992). A
    line's level is the quantile of the density at the points themselves, so that the share holds whatever
    the smoothing does (R. J. Hyndman, *Am. Stat.* 50, 120, 1996). Points that are not finite are left out;
    nothing is returned for fewer than :data:`FEWEST` points, or where they do not scatter along both axes.
    """
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter, map_coordinates

    points = xy[np.isfinite(xy).all(axis=1)]
    if len(points) < FEWEST:
        return ()
    width = _widths(points)
    low, high = np.percentile(points, RANGE, axis=0) + np.outer((-BROADEST, BROADEST), width)
    step = (high - low) / BINS
    if not (step > 0).all():
        return ()
    places = ((points - low) / step - 0.5).T
    density = gaussian_filter(_counts(places), np.maximum(width / step, NARROWEST), mode="constant")
    at_points = map_coordinates(density, places, order=1, mode="constant")
    x, y = low[:, None] + step[:, None] * (np.arange(BINS) + 0.5)
    contours = contour_generator(x, y, density.T)
    found = []
    for share in sorted(shares, reverse=True):
        level = _level(at_points, share)
        found.append(DensityLine(share, tuple(np.asarray(line) for line in contours.lines(level))))
    return tuple(found)


def _level(at_points: np.ndarray, share: float) -> float:
    """Return the density that a share of the points reach, halfway to what the next one has."""
    reached = float(np.quantile(at_points, 1.0 - share, method="higher"))
    lower = at_points[at_points < reached]
    return 0.5 * (reached + (float(lower.max()) if len(lower) else 0.0))


def _counts(places: np.ndarray) -> np.ndarray:
    """Return how many of the places (2, n), in bins, lie in each; none at the rim, so that lines close."""
    bins = np.rint(places)
    inside = ((bins >= 1) & (bins < BINS - 1)).all(axis=0)
    column, row = bins[:, inside].astype(np.intp)
    return np.bincount(column * BINS + row, minlength=BINS * BINS).reshape(BINS, BINS).astype(float)


def _widths(points: np.ndarray) -> np.ndarray:
    """Return the width of the smoothing along each axis, by the narrower of two measures of their scatter."""
    scatter = points.std(axis=0)
    quarters = np.subtract(*np.percentile(points, (75.0, 25.0), axis=0)) / 1.349
    scatter = np.where(quarters > 0, np.minimum(scatter, quarters), scatter)
    return 0.75 * scatter * len(points) ** (-1.0 / 6.0)
