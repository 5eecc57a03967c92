"""Far too many points for markers as an image of how many lie on each pixel: made in parts, none left out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QTransform

if TYPE_CHECKING:
    from app.plots.point_group import PointGroup

CHUNK = 25_000
"""Points counted, or pixels coloured, at a time: a few milliseconds."""

PAD = 1
RIM = ((0, 0, 1.0), (1, 0, 0.55), (-1, 0, 0.55), (0, 1, 0.55), (0, -1, 0.55))
"""Pixels of a mark (dx, dy, cover): a lone point is more than one pixel, so that it is seen."""

FULL = 4.0
"""The densest pixels are as opaque as this many points on one another."""


class DensityJob:
    """Makes the image of groups on the pixels of an area, under a transform.

    A pixel has the mean colour of its points. ``alpha`` is the opacity of a lone one; from there on it grows
    with the logarithm of their number. ``pixels`` is the image, premultiplied ARGB32 with a rim of ``PAD``.
    """

    def __init__(
        self, groups: Sequence[PointGroup], transform: QTransform, area: QRect, alpha: float
    ) -> None:
        self.groups, self.transform, self.area, self.alpha = tuple(groups), transform, area, alpha
        rim = area.adjusted(-PAD, -PAD, PAD, PAD)
        self.data_rect: QRectF = transform.inverted()[0].mapRect(QRectF(rim))
        self.shape = (rim.height(), rim.width())
        size = self.shape[0] * self.shape[1]
        self._counts = np.zeros(size, dtype=np.float32)
        self._channels = [np.zeros(size, dtype=np.float32) for _ in range(3)]
        self._optical = np.zeros(size, dtype=np.float32)
        self.pixels = np.zeros(size, dtype=np.uint32)
        self.n_points = 0
        self.done = False
        self._work = self._all_work()

    def step(self, seconds: float) -> bool:
        """Go on for about so long; return whether the image is made."""
        end = time.perf_counter() + seconds
        while not self.done and time.perf_counter() < end:
            self.done = next(self._work, "done") == "done"
        return self.done

    def covers(self, transform: QTransform, area: QRect) -> bool:
        """Whether the image has all that a view of ``area`` shows, pixel for pixel."""
        t, mine = transform, self.transform
        if t == mine and self.area.contains(area):
            return True
        if not np.allclose((t.m11(), t.m22()), (mine.m11(), mine.m22()), rtol=1e-9):
            return False
        shift_x, shift_y = round(t.dx() - mine.dx()), round(t.dy() - mine.dy())
        return self.area.translated(shift_x, shift_y).contains(area)

    def _all_work(self) -> Iterator[None]:
        for group in self.groups:
            for part in self._parts(group):
                self._count(group, part)
                yield
        seen = np.flatnonzero(self._counts)
        if not len(seen):
            return
        sample = self._counts[seen[:: max(1, len(seen) // 5000)]]
        crowded = np.log(max(float(np.percentile(sample, 99)), 2.0))
        parts = [seen[start : start + CHUNK] for start in range(0, len(seen), CHUNK)]
        for own in (False, True):  # a pixel's own colour over its neighbors'
            for part in parts:
                self._paint(part, crowded, own)
                yield
        lit = np.flatnonzero(self._optical)
        for start in range(0, len(lit), CHUNK):
            self._premultiply(lit[start : start + CHUNK])
            yield

    def _parts(self, group: PointGroup) -> list[slice]:
        """Return the parts of a group that may lie in the area."""
        near = group.near(self.data_rect.left(), self.data_rect.right())
        first, last, _ = near.indices(len(group.x))
        return [slice(start, min(start + CHUNK, last)) for start in range(first, last, CHUNK)]

    def _count(self, group: PointGroup, part: slice) -> None:
        t, area = self.transform, self.area
        column = np.floor(group.x[part] * t.m11() + (t.dx() - area.left() + 0.5))
        row = np.floor(group.y[part] * t.m22() + (t.dy() - area.top() + 0.5))
        inside = (column >= 0) & (column < area.width()) & (row >= 0) & (row < area.height())
        home = (row[inside] + PAD).astype(np.intp) * self.shape[1] + (column[inside] + PAD).astype(np.intp)
        packed = group.packed[part][inside]
        self.n_points += len(home)
        np.add.at(self._counts, home, np.float32(1.0))
        for channel, shift in zip(self._channels, (16, 8, 0), strict=True):
            np.add.at(channel, home, ((packed >> shift) & 255).astype(np.float32))

    def _paint(self, seen: np.ndarray, crowded: float, own: bool) -> None:
        counts = self._counts[seen]
        red, green, blue = (np.rint(c[seen] / counts).astype(np.uint32) for c in self._channels)
        packed = (red << 16) | (green << 8) | blue
        times = 1.0 + (FULL - 1.0) * np.minimum(np.log(counts) / np.float32(crowded), np.float32(1.0))
        for dx, dy, cover in RIM[:1] if own else RIM[1:]:
            at = seen + (dy * self.shape[1] + dx)
            self.pixels[at] = packed
            self._optical[at] += times * np.float32(np.log1p(-min(self.alpha * cover, 0.999)))

    def _premultiply(self, lit: np.ndarray) -> None:
        alpha = (-np.expm1(self._optical[lit]) * 255 + 0.5).astype(np.uint32)
        rgb = self.pixels[lit]
        result = alpha << 24
        for shift in (16, 8, 0):
            result |= ((((rgb >> shift) & 255) * alpha + 127) // 255) << shift
        self.pixels[lit] = result
