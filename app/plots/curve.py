"""A curve of any number of points, drawn by as many as the view can tell apart."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from pyqtgraph.graphicsItems.PlotDataItem import PlotDataset

FEW = 4_000
"""Points that are drawn as they are."""

BINS_PER_PIXEL = 2
OUTSIDE = 200
"""Bins for what lies on either side of the view."""


class Curve(pg.PlotDataItem):
    """A curve along a rising x. Peaks, ends and gaps are drawn however many points there are.

    pyqtgraph's own thinning leaves out the last points and all that shares a bin with a missing value,
    and does none where the view holds few of very many points.
    """

    def __init__(self) -> None:
        super().__init__(connect="finite", antialias=True)
        self.setDownsampling(auto=True)  # the curve is made anew when the view changes

    def _getDisplayDataset(self) -> PlotDataset | None:
        self.opts["autoDownsample"] = False
        try:
            return self._thinned(super()._getDisplayDataset())
        finally:
            self.opts["autoDownsample"] = True

    def _thinned(self, full: PlotDataset | None) -> PlotDataset | None:
        view = self.getViewBox()
        if full is None or view is None or len(full.x) <= FEW:
            return full
        left, right = view.viewRange()[0]
        kept = telling(full.x, full.y, left, right, BINS_PER_PIXEL * int(view.width() + 1))
        return PlotDataset(full.x[kept], full.y[kept])


def telling(x: np.ndarray, y: np.ndarray, left: float, right: float, n_bins: int) -> np.ndarray:
    """Return the indices, rising, of the points that draw a curve: lowest, highest, ends, a gap of each bin.

    Parameters
    ----------
    x, y : (n,) the curve; x rises, y may hold values that are not finite.
    left, right : what is seen of x, cut into ``n_bins``; what lies beside it is cut coarsely.
    """
    first, last = np.searchsorted(x, left, "left"), np.searchsorted(x, right, "right")
    cuts = (
        np.linspace(0, first, OUTSIDE),
        np.linspace(first, last, n_bins),
        np.linspace(last, len(x), OUTSIDE),
    )
    starts = np.unique(np.concatenate(cuts).astype(np.intp))
    starts = starts[starts < len(x)]
    bins = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(x)))
    known = np.isfinite(y)
    kept = [starts, np.append(starts[1:], len(x)) - 1]
    for extreme, empty in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        values = np.where(known, y, empty)
        kept.append(_first_of(bins, known & (values == extreme.reduceat(values, starts)[bins])))
    return np.unique(np.concatenate([*kept, _first_of(bins, ~known)]))


def _first_of(bins: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the index of each bin's first chosen point."""
    at = np.flatnonzero(chosen)
    return at[np.unique(bins[at], return_index=True)[1]]
