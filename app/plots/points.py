"""A cloud of very many points, drawn as one image: markers near, and from far their density."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSizeF, QTimer
from PySide6.QtGui import QImage, QPainter, QTransform
from PySide6.QtWidgets import QWidget

from app.plots.density import DensityJob
from app.plots.items import PlotItem
from app.plots.point_group import PointGroup

STAMPS_PER_FRAME = 350_000
"""Pixels set per drawing at most: keeps one drawing below about 10 ms. More points than that are counted."""

STEP_SECONDS = 0.004
AT_ONCE = 150_000
"""So many points are counted at once; more in steps of milliseconds, while the last image moves along."""

MARGIN = 0.2
"""Part of the view that is counted beyond its edges, so that it can be moved."""


@dataclass(frozen=True, eq=False)
class Stamp:
    """One marker as pixels: offsets from its centre and coverage in (0, 1]."""

    dx: np.ndarray
    dy: np.ndarray
    cover: np.ndarray

    @property
    def reach(self) -> int:
        """Pixels from the centre to the farthest one."""
        return int(max(abs(self.dx).max(), abs(self.dy).max()))


@lru_cache(maxsize=64)
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
        counts = np.bincount(home, minlength=1)
        seen = np.flatnonzero(counts > 0)
        times = counts[seen].astype(np.float32)
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
        lit = np.flatnonzero(self._optical < 0)
        alpha = (-np.expm1(self._optical[lit]) * 255 + 0.5).astype(np.uint32)
        rgb = self._rgb[lit]
        result = alpha << 24
        for shift in (16, 8, 0):
            result |= ((((rgb >> shift) & 255) * alpha + 127) // 255) << shift
        self._rgb[lit] = result
        return self._rgb.reshape(self.full)


class PointCloud(PlotItem):
    """Many points in one plot: each a marker as long as these can be drawn, else their density, by pixels.

    No point is left out. ``as_density`` tells which of the two was drawn, ``n_drawn`` of how many points.
    """

    def __init__(self, size: float = 5.0, alpha: float = 0.6) -> None:
        super().__init__()
        self.groups: list[PointGroup] = []
        self.size, self.alpha = size, alpha
        self._bounds = QRectF()
        self._cache: tuple[tuple, np.ndarray, QPoint] | None = None
        self._version = 0
        self.n_drawn = 0
        self.as_density = False
        self._density: DensityJob | None = None
        self._counting: DensityJob | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._go_on)

    def set_groups(self, groups: list[PointGroup]) -> None:
        """Replace all points."""
        self.groups = groups
        known = [group for group in groups if len(group.x)]
        self.prepareGeometryChange()
        self._bounds = QRectF()
        if known:
            left, right = min(g.x.min() for g in known), max(g.x.max() for g in known)
            low, high = min(g.y.min() for g in known), max(g.y.max() for g in known)
            self._bounds = QRectF(left, low, right - left, high - low)
        self._version += 1
        self._cache = self._density = self._counting = None
        self.informViewBoundsChanged()
        self.update()

    @property
    def n_points(self) -> int:
        """Number of points held."""
        return sum(len(group.xy) for group in self.groups)

    def boundingRect(self) -> QRectF:
        """Return the whole view where it is known, so that markers at the rim are drawn in full."""
        view = self.getViewBox()
        return self._bounds if view is None else view.viewRect()

    def data_box(self) -> QRectF | None:
        """Return the box around all points."""
        return self._bounds if any(len(group.x) for group in self.groups) else None

    def pixelPadding(self) -> float:
        """Return the pixels a marker reaches beyond its point."""
        return self.size / 2.0 + 1.0

    def paint(self, painter: QPainter, option: Any, widget: QWidget | None = None) -> None:
        """Draw markers or density, made anew when the view or the points have changed."""
        view = self.getViewBox()
        if not self.groups or view is None:
            return
        ratio = painter.device().devicePixelRatioF()
        transform = painter.worldTransform() * QTransform.fromScale(ratio, ratio)
        target = transform.mapRect(view.viewRect()).toAlignedRect()
        visible = sum(_visible_estimate(group, transform, target) for group in self.groups)
        pixels, _ = self._level_of_detail(visible, ratio)
        self.as_density = pixels * visible > STAMPS_PER_FRAME
        if self.as_density:
            self._paint_density(painter, transform, target, ratio)
        else:
            self._paint_markers(painter, transform, target, ratio)

    def _paint_density(self, painter: QPainter, transform: QTransform, target: QRect, ratio: float) -> None:
        known = self._density
        fits = known is not None and known.alpha == self.alpha and known.covers(transform, target)
        if not fits and self._counting is None:
            x, y = (round(MARGIN * length) for length in (target.width(), target.height()))
            self._counting = DensityJob(self.groups, transform, target.adjusted(-x, -y, x, y), self.alpha)
            if sum(len(group.x) for group in self.groups) <= AT_ONCE:
                self._counting.step(np.inf)
            self._go_on(repaint=False)
        shown = self._density
        if shown is None:
            return
        self.n_drawn = shown.n_points
        height, width = shown.shape
        image = QImage(shown.pixels.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
        place = transform.mapRect(shown.data_rect)
        painter.save()
        painter.resetTransform()
        painter.setClipRect(QRectF(QPointF(target.topLeft()) / ratio, QSizeF(target.size()) / ratio))
        painter.drawImage(QRectF(place.topLeft() / ratio, place.size() / ratio), image)
        painter.restore()

    def _go_on(self, repaint: bool = True) -> None:
        """Count some more; show the image once it is whole."""
        if self._counting is None:
            return
        if not self._counting.done and not self._counting.step(STEP_SECONDS):
            self._timer.start(0)
            return
        self._density, self._counting = self._counting, None
        if repaint:
            self.update()

    def _paint_markers(self, painter: QPainter, transform: QTransform, target: QRect, ratio: float) -> None:
        key = (self._version, target, transform, self.size, self.alpha)
        if self._cache is None or self._cache[0] != key:
            raster, corner = self._raster(transform, target, ratio)
            self._cache = (key, raster.argb(), corner - QPoint(raster.pad, raster.pad))
        _, argb, offset = self._cache
        height, width = argb.shape
        image = QImage(argb.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied)
        painter.save()
        painter.resetTransform()
        place = QRectF(QPointF(target.topLeft() + offset) / ratio, QSizeF(width, height) / ratio)
        painter.drawImage(place, image)
        painter.restore()

    def _raster(self, transform: QTransform, area: QRect, ratio: float) -> tuple[Raster, QPoint]:
        """Return the pixels of all points in ``area``, and where their image begins in it."""
        total = sum(_visible_estimate(group, transform, area) for group in self.groups)
        _, marks = self._level_of_detail(total, ratio)
        placed = [_visible(group, transform, area) for group in self.groups]
        stamps = [stamp(group.marker, round(marks * group.scale, 1)) for group in self.groups]
        box = _pixel_box(placed)
        raster = Raster((box.height(), box.width()), pad=max(s.reach for s in stamps) + 1)
        homes = [raster.index(x - box.left(), y - box.top()) for x, y, _ in placed]
        for marks in dict.fromkeys(stamps):
            same = [home for home, other in zip(homes, stamps, strict=True) if other is marks]
            raster.add_density(np.concatenate(same), marks, self.alpha)
        self.n_drawn = sum(len(home) for home in homes)
        raster.add_color(homes, [rgb for _, _, rgb in placed], stamps)
        return raster, box.topLeft()

    def _level_of_detail(self, n_visible: float, ratio: float) -> tuple[int, float]:
        """Return (pixels per marker, marker size in pixels): smaller markers where there are very many."""
        for shrink in (1.0, 0.7, 0.45, 0.2):
            size = max(self.size * ratio * shrink, 1.0)
            pixels = len(stamp("o", size).dx)
            if pixels * n_visible <= STAMPS_PER_FRAME:
                break
        return pixels, size


def _pixels(
    x: np.ndarray, y: np.ndarray, transform: QTransform, area: QRect
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel positions relative to ``area`` and which of them lie inside it (bool)."""
    x = x * transform.m11() + (transform.dx() - area.left())
    y = y * transform.m22() + (transform.dy() - area.top())
    return x, y, (x > -1) & (x < area.width() + 1) & (y > -1) & (y < area.height() + 1)


def _visible_estimate(group: PointGroup, transform: QTransform, area: QRect, sample: int = 4000) -> float:
    """Return about how many points lie in the view, from a part of them."""
    near = _near(group, transform, area)
    x, y = group.x[near], group.y[near]
    every = max(1, len(x) // sample)
    return max(every * float(np.count_nonzero(_pixels(x[::every], y[::every], transform, area)[2])), 1.0)


def _near(group: PointGroup, transform: QTransform, area: QRect) -> slice:
    """Return a part of a group with all its points in the view."""
    left, right = sorted(
        (edge - transform.dx()) / transform.m11() for edge in (area.left() - 1, area.right() + 2)
    )
    return group.near(left, right)


Placed = tuple[np.ndarray, np.ndarray, np.ndarray]


def _visible(group: PointGroup, transform: QTransform, area: QRect) -> Placed:
    """Return pixel positions and colours of the points inside the view, in drawing order."""
    near = _near(group, transform, area)
    x, y, inside = _pixels(group.x[near], group.y[near], transform, area)
    packed = group.packed[near]
    return (x, y, packed) if inside.all() else (x[inside], y[inside], packed[inside])


def _pixel_box(placed: list[Placed]) -> QRect:
    """Return the smallest box of pixels around all positions."""
    known = [(x, y) for x, y, _ in placed if len(x)]
    if not known:
        return QRect(0, 0, 1, 1)
    left, right = min(x.min() for x, _ in known), max(x.max() for x, _ in known)
    top, bottom = min(y.min() for _, y in known), max(y.max() for _, y in known)
    return QRect(QPoint(int(np.floor(left)), int(np.floor(top))), QPoint(int(right) + 1, int(bottom) + 1))
