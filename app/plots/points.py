"""A cloud of very many points, drawn as one image: 10^5 points cost as little as 10^3 curves would not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRect, QRectF, QSizeF
from PySide6.QtGui import QImage, QPainter, QTransform
from PySide6.QtWidgets import QWidget

STAMPS_PER_FRAME = 350_000
"""Pixels set per drawing at most: keeps one drawing below about 10 ms."""


@dataclass(frozen=True)
class Stamp:
    """One marker as pixels: offsets from its centre and coverage in (0, 1]."""

    dx: np.ndarray
    dy: np.ndarray
    cover: np.ndarray

    @property
    def reach(self) -> int:
        """Pixels from the centre to the farthest one."""
        return int(max(abs(self.dx).max(), abs(self.dy).max()))


def stamp(marker: str, size: float) -> Stamp:
    """Return the pixels of a marker ("o", "s", "d", "t", "t1", "+") of ``size`` pixels across."""
    radius = size / 2.0
    reach = int(np.ceil(radius + 0.5))
    fine = (np.arange(-reach * 4, reach * 4 + 4) + 0.5) / 4.0 - 0.5
    y, x = np.meshgrid(fine, fine, indexing="ij")
    inside = {
        "o": x * x + y * y <= radius * radius,
        "s": np.maximum(abs(x), abs(y)) <= radius * 0.86,
        "d": abs(x) + abs(y) <= radius * 1.2,
        "t1": (y <= radius * 0.75) & (y >= -radius + 1.75 * abs(x)),
        "t": (y >= -radius * 0.75) & (y <= radius - 1.75 * abs(x)),
        "+": (np.minimum(abs(x), abs(y)) <= radius * 0.3) & (np.maximum(abs(x), abs(y)) <= radius),
    }.get(marker, x * x + y * y <= radius * radius)
    n = len(fine) // 4
    cover = inside.reshape(n, 4, n, 4).mean(axis=(1, 3))
    row, column = np.nonzero(cover > 0.02)
    order = np.argsort(cover[row, column])
    row, column = row[order], column[order]
    return Stamp(column - reach, row - reach, cover[row, column])


class Raster:
    """Collects points as pixels. ``shape`` is (height, width); positions are pixels from the top left.

    A pixel takes the colour of the last point on it; its opacity grows with the number of points there, so
    that density shows. Coverage at a marker's rim smooths its edge.
    """

    def __init__(self, shape: tuple[int, int], pad: int) -> None:
        self.shape, self.pad = shape, pad
        self.full = (shape[0] + 2 * pad, shape[1] + 2 * pad)
        self._rgb = np.zeros(self.full[0] * self.full[1], dtype=np.uint32)
        self._optical = np.zeros(len(self._rgb), dtype=np.float32)

    def index(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the pixel each point is centred on; the points lie inside the image."""
        column = np.clip(np.rint(x).astype(np.intp), 0, self.shape[1] - 1)
        row = np.clip(np.rint(y).astype(np.intp), 0, self.shape[0] - 1)
        return (row + self.pad) * self.full[1] + (column + self.pad)

    def _offsets(self, marks: Stamp) -> np.ndarray:
        return marks.dy * self.full[1] + marks.dx

    def add_density(self, home: np.ndarray, marks: Stamp, alpha: float) -> None:
        """Make the pixels under the markers at ``home`` more opaque."""
        counts = np.bincount(home, minlength=1).astype(np.float32)
        seen = np.flatnonzero(counts)
        times = counts[seen]
        for offset, cover in zip(self._offsets(marks), marks.cover, strict=True):
            self._optical[seen + offset] += times * np.float32(np.log1p(-min(alpha * cover, 0.999)))

    def add_color(self, homes: list[np.ndarray], colors: list[np.ndarray], stamps: list[Stamp]) -> None:
        """Paint the pixels under all groups' markers, points in random order, rims before centres."""
        n_pixels = max(len(marks.dx) for marks in stamps)
        offsets = np.stack([np.pad(self._offsets(m), (n_pixels - len(m.dx), 0), "edge") for m in stamps])
        home, rgb, group = np.concatenate(homes), np.concatenate(colors), np.zeros(1, dtype=np.intp)
        if len(stamps) > 1:
            turn = np.concatenate([(np.arange(len(h)) + 0.5) / max(len(h), 1) for h in homes])
            order = np.argsort(turn)
            group = np.repeat(np.arange(len(homes)), [len(h) for h in homes])[order]
            home, rgb = home[order], rgb[order]
        for column in offsets.T:
            self._rgb[home + column[group]] = rgb

    def argb(self) -> np.ndarray:
        """Return the premultiplied ARGB32 image with ``pad`` pixels around it, uint32; call it once, last."""
        lit = np.flatnonzero(self._optical)
        alpha = (-np.expm1(self._optical[lit]) * 255 + 0.5).astype(np.uint32)
        rgb = self._rgb[lit]
        result = alpha << 24
        for shift in (16, 8, 0):
            result |= ((((rgb >> shift) & 255) * alpha + 127) // 255) << shift
        self._rgb[lit] = result
        return self._rgb.reshape(self.full)


@dataclass
class PointGroup:
    """Points of one marker: ``xy`` (n, 2), ``rgb`` (n, 3) or (3,) uint8; drawn in a fixed random order."""

    xy: np.ndarray
    rgb: np.ndarray
    marker: str = "o"
    order: np.ndarray = field(init=False)
    shuffled: np.ndarray = field(init=False)
    packed: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        finite = np.flatnonzero(np.isfinite(self.xy).all(axis=1))
        self.order = np.random.default_rng(0).permutation(finite)
        self.shuffled = self.xy[self.order]
        rgb = np.broadcast_to(np.asarray(self.rgb, dtype=np.uint32), (len(self.xy), 3))[self.order]
        self.packed = (rgb[:, 0] << 16) | (rgb[:, 1] << 8) | rgb[:, 2]


class PointCloud(pg.GraphicsObject):
    """Many points in one plot: drawn at the view's resolution, thinned out only where nobody can see it."""

    def __init__(self, size: float = 5.0, alpha: float = 0.6) -> None:
        super().__init__()
        self.groups: list[PointGroup] = []
        self.size, self.alpha = size, alpha
        self._bounds = QRectF()
        self._cache: tuple[tuple, np.ndarray, int] | None = None
        self._version = 0
        self.n_drawn = 0

    def set_groups(self, groups: list[PointGroup]) -> None:
        """Replace all points."""
        self.groups = groups
        finite = [group.shuffled for group in groups if len(group.order)]
        self.prepareGeometryChange()
        if finite:
            low = np.min([xy.min(axis=0) for xy in finite], axis=0)
            high = np.max([xy.max(axis=0) for xy in finite], axis=0)
            self._bounds = QRectF(low[0], low[1], high[0] - low[0], high[1] - low[1])
        else:
            self._bounds = QRectF()
        self._version += 1
        self._cache = None
        self.informViewBoundsChanged()
        self.update()

    @property
    def n_points(self) -> int:
        """Number of points held."""
        return sum(len(group.xy) for group in self.groups)

    def implements(self, interface: str | None = None) -> bool | list[str]:
        """Tell pyqtgraph that this item knows its own data range."""
        return ["plotData"] if interface is None else interface == "plotData"

    def boundingRect(self) -> QRectF:
        """Return the whole view where it is known, so that markers at the rim are drawn in full."""
        view = self.getViewBox()
        return self._bounds if view is None else view.viewRect()

    def viewTransformChanged(self) -> None:
        """Follow the view: the rectangle drawn in is the view's."""
        self.prepareGeometryChange()

    def name(self) -> None:
        """Return nothing: the legend is ours, not pyqtgraph's."""

    def dataBounds(
        self, ax: int, frac: float = 1.0, orthoRange: tuple[float, float] | None = None
    ) -> tuple[float, float] | tuple[None, None]:
        """Return the range of the points along an axis for pyqtgraph's auto range."""
        if not any(len(group.order) for group in self.groups):
            return None, None
        box = self._bounds
        return (box.left(), box.right()) if ax == 0 else (box.top(), box.bottom())

    def pixelPadding(self) -> float:
        """Return the pixels a marker reaches beyond its point."""
        return self.size / 2.0 + 1.0

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Draw the cached image, made anew when the view or the points have changed."""
        view = self.getViewBox()
        if not self.groups or view is None:
            return
        ratio = painter.device().devicePixelRatioF()
        transform = painter.worldTransform() * QTransform.fromScale(ratio, ratio)
        target = transform.mapRect(view.viewRect()).toAlignedRect()
        key = (self._version, target, _numbers(transform), self.size, self.alpha)
        if self._cache is None or self._cache[0] != key:
            raster = self._raster(transform, target, ratio)
            self._cache = (key, raster.argb(), raster.pad)
        _, argb, pad = self._cache
        height, width = argb.shape
        image = QImage(argb.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
        painter.save()
        painter.resetTransform()
        corner = QPointF(target.left() - pad, target.top() - pad) / ratio
        painter.drawImage(QRectF(corner, QSizeF(width, height) / ratio), image)
        painter.restore()

    def _raster(self, transform: QTransform, area: QRect, ratio: float) -> Raster:
        width, height = max(area.width(), 1), max(area.height(), 1)
        total = sum(_visible_estimate(group, transform, area) for group in self.groups)
        pixels, marks = self._level_of_detail(total, ratio)
        keep = min(1.0, STAMPS_PER_FRAME / max(total * pixels, 1))
        placed = [_visible(group, transform, area, keep) for group in self.groups]
        stamps = [stamp(group.marker, marks) for group in self.groups]
        raster = Raster((height, width), pad=max(s.reach for s in stamps) + 1)
        homes, colors = [], []
        for (x, y, rgb), marker in zip(placed, stamps, strict=True):
            homes.append(raster.index(x, y))
            colors.append(rgb)
            raster.add_density(homes[-1], marker, self.alpha)
        self.n_drawn = sum(len(home) for home in homes)
        raster.add_color(homes, colors, stamps)
        return raster

    def _level_of_detail(self, n_visible: float, ratio: float) -> tuple[int, float]:
        """Return (pixels per marker, marker size in pixels): smaller markers where there are very many."""
        for shrink in (1.0, 0.7, 0.45, 0.2):
            size = max(self.size * ratio * shrink, 1.0)
            pixels = len(stamp("o", size).dx)
            if pixels * n_visible <= STAMPS_PER_FRAME:
                return pixels, size
        return pixels, size


def _pixels(xy: np.ndarray, transform: QTransform, area: QRect) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel positions relative to ``area`` and the indices of those inside it."""
    x = xy[:, 0] * transform.m11() + (transform.dx() - area.left())
    y = xy[:, 1] * transform.m22() + (transform.dy() - area.top())
    inside = (x > -1) & (x < area.width() + 1) & (y > -1) & (y < area.height() + 1)
    return x, y, np.flatnonzero(inside)


def _visible_estimate(group: PointGroup, transform: QTransform, area: QRect, sample: int = 20_000) -> float:
    """Return about how many points lie in the view, from a random sample (the order is random)."""
    some = group.shuffled[:sample]
    share = len(_pixels(some, transform, area)[2]) / max(len(some), 1)
    return max(share * len(group.shuffled), 1.0)


def _visible(
    group: PointGroup, transform: QTransform, area: QRect, keep: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel positions and colours of a share of the points inside the view, in drawing order."""
    n = min(len(group.shuffled), int(np.ceil(len(group.shuffled) * keep)))
    x, y, inside = _pixels(group.shuffled[:n], transform, area)
    return x[inside], y[inside], group.packed[inside]


def _numbers(t: QTransform) -> tuple[float, ...]:
    return t.m11(), t.m12(), t.m21(), t.m22(), t.dx(), t.dy()
