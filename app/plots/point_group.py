"""Points of one marker, as many plots draw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

SHUFFLED = 200_000
"""Groups of more points are kept by x, to find those in view: far their density counts, near they are few."""


@dataclass
class PointGroup:
    """Points of one marker: ``xy`` (n, 2), ``rgb`` (n, 3) or (3,) uint8; drawn in a fixed random order.

    ``scale`` is their size in sizes of the cloud.
    """

    xy: np.ndarray
    rgb: np.ndarray
    marker: str = "o"
    scale: float = 1.0
    x: np.ndarray = field(init=False)
    y: np.ndarray = field(init=False)
    packed: np.ndarray = field(init=False)
    by_x: bool = field(init=False)

    def __post_init__(self) -> None:
        red, green, blue = np.asarray(self.rgb, dtype=np.uint32).T
        packed = np.broadcast_to((red << 16) | (green << 8) | blue, len(self.xy))
        self.by_x = len(self.xy) > SHUFFLED
        order = np.argsort(self.xy[:, 0]) if self.by_x else _random_order(len(self.xy))
        x, y, packed = self.xy[order, 0], self.xy[order, 1], packed[order]
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.all():
            x, y, packed = x[finite], y[finite], packed[finite]
        self.x, self.y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        self.packed = np.ascontiguousarray(packed)

    def near(self, left: float, right: float) -> slice:
        """Return a part with all points that have x in [left, right], and maybe others."""
        if not self.by_x:
            return slice(None)
        return slice(*np.searchsorted(self.x, (left, right)).tolist())


@lru_cache(maxsize=16)
def _random_order(n: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(n)
