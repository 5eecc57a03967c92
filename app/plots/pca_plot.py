"""Atoms in the plane of two principal components, with the invariant points as a path on top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from PySide6.QtWidgets import QWidget

from app.look import colormaps
from app.look.ink import MARKERS, rgb_of
from app.look.numbers import true_minus
from app.plots.beyond import BeyondButtons
from app.plots.density_lines import DensityLines, Lines
from app.plots.legend import Entry
from app.plots.plot import Plot
from app.plots.point_group import PointGroup
from app.widgets.lasso import inside_polygon
from nnpcore.mapping.density import density_lines

Made = TypeVar("Made")
DIMMED, NORMAL = 0.1, 0.6
CHOSEN = "#F0E442"
"""Yellow with a rim in the accent colour: seen on every data set's colour, in both themes."""

MAX_MARKED = 400
"""More selected points than this keep their colours; the others are dimmed all the same."""


SCALES = (0.6, 0.9, 1.3, 1.8, 2.4)
"""Sizes of points that tell a value, in usual ones."""


@dataclass(frozen=True, eq=False)
class CloudGroup:
    """Atoms of one group in the plane.

    Attributes
    ----------
    key : unique. name : for the legend. xy : (n, 2). color : of the group. marker : a pyqtgraph symbol.
    path : draw it as a path. values : (n,) to colour by, or None. tip : text for one of its points.
    sizes : (n,) that the size of a point grows with, or None.
    """

    key: str
    name: str
    xy: np.ndarray
    color: str
    marker: str
    path: bool
    values: np.ndarray | None
    tip: Callable[[int], str]
    sizes: np.ndarray | None = None


@dataclass(frozen=True)
class Meaning:
    """What the colours and the sizes of points mean: texts with units, and whether 0 is special."""

    value: str = ""
    diverging: bool = False
    size: str = ""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Points ready to be drawn, and the ranges of their colours and sizes (None: all alike)."""

    groups: list[PointGroup]
    colors: tuple[float, float] | None
    sizes: tuple[float, float] | None


FEW_SHARE, FEW_SIZE = 0.02, 7.5
"""A group with no more than this share of all points is drawn on top of them, and larger."""

NO_MEANING = Meaning()


class PcaPlot(Plot):
    """A cloud of all visible groups, a path for the invariant points, the selected atoms on top.

    ``apart(work, done)`` calls ``done(work())``; where there are very many points it may do so in the
    background.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.groups: list[CloudGroup] = []
        self.meaning = Meaning()
        self._turn = 0
        self.apart: Callable[[Callable[[], Drawn], Callable[[Drawn], None]], None] = _at_once
        self.lines_apart: Callable[[Callable[[], Lines], Callable[[Lines], None]], None] = _at_once
        self.shows_density = False
        self.density: Lines = ()
        self.density_lines = DensityLines()
        self._add("density", self.density_lines, 12, ignore_bounds=True)
        self.beyond = BeyondButtons(self.canvas, "invariant")
        self.cloud = self.add_cloud("cloud", 5.0, NORMAL)
        self.few = self.add_cloud("few", FEW_SIZE, 0.9, z=9)
        self.path_line = self.add_line("path", "reference", 1.6, z=14)
        self.path_dots = self.add_points("path", "reference", "o", 6.5, hollow=True)
        self.chosen_rim = self.add_cloud("chosen", 10.5, 1.0, z=25)
        self.chosen = self.add_cloud("chosen", 6.5, 1.0, z=26)
        self.ring = self.add_points("ring", "accent", "o", 12)
        self.ring.setZValue(24)
        self.canvas.takes_lassos = True
        self.series_toggled.connect(lambda *_: self._draw_all())
        self._selected: dict[str, np.ndarray] = {}
        self.limits: tuple[float, float] | None = None
        self.restyle()

    def show_groups(self, groups: list[CloudGroup], meaning: Meaning = NO_MEANING) -> None:
        """Replace all points; ``meaning`` tells of their values and sizes where groups carry some."""
        self.groups, self.meaning = groups, meaning
        self._draw_all()
        self.set_window(*_window(self.visible_groups()))

    def set_equal(self, equal: bool) -> None:
        """Give both axes the same scale, or let each fill the plot."""
        self.canvas.view.setAspectLocked(equal, 1)
        if not equal:
            self.show_all()

    def set_density(self, shown: bool) -> None:
        """Draw lines around the densest parts of each group, or none."""
        self.shows_density = shown
        self._draw_all()

    def visible_groups(self) -> list[CloudGroup]:
        """Return the groups that are not switched off."""
        return [group for group in self.groups if group.key not in self.legend.hidden]

    def _draw_all(self) -> None:
        self._draw()
        self._draw_selected()

    def _draw(self) -> None:
        shown = self.visible_groups()
        clouds = [group for group in shown if not group.path]
        self._turn += 1
        self.apart(partial(drawn, clouds, self.meaning.diverging), partial(self._put, self._turn))
        if self.shows_density:
            self.lines_apart(partial(lines_around, clouds), partial(self._put_lines, self._turn))
        else:
            self._put_lines(self._turn, ())
        gap = np.full((1, 2), np.nan)
        paths = [np.vstack([group.xy, gap]) for group in shown if group.path]
        joined = np.vstack(paths) if paths else np.empty((0, 2))
        self.path_line.setData(*joined.T)
        known = joined[np.isfinite(joined).all(axis=1)]
        self.path_dots.setData(*known.T)
        self.beyond.set_points(known)
        self.clear_pickable()
        for group in shown:
            self.set_pickable(group.key, group.xy, group.tip)

    def _put(self, turn: int, made: Drawn) -> None:
        if turn != self._turn:
            return
        total = sum(len(group.xy) for group in made.groups)
        most = 0 if made.sizes is not None else FEW_SHARE * total  # sizes tell something else then
        self.cloud.set_groups([group for group in made.groups if len(group.xy) > most])
        self.few.set_groups([group for group in made.groups if len(group.xy) <= most])
        self.limits = made.colors
        self.legend.set_entries(self._entries(made))

    def _put_lines(self, turn: int, made: Lines) -> None:
        if turn == self._turn:
            self.density = made
            self.density_lines.set_lines(made)

    def _entries(self, made: Drawn) -> list[Entry]:
        entries = []
        if made.colors is not None:
            text = _range_text(made.colors, self.meaning.value)
            colors = colormaps.ramp(self.meaning.diverging)
            entries.append(Entry("ramp", text, "text", "ramp", ramp=colors, tip=f"Colour: {text}"))
        if made.sizes is not None:
            text = _range_text(made.sizes, self.meaning.size)
            entries.append(Entry("sizes", text, "muted", "sizes", tip=f"Size of the points: {text}"))
        for group in self.groups:
            color = "reference" if group.path else ("muted" if made.colors is not None else group.color)
            what = "points" if group.path else "atoms"
            tip = f"{group.name}: {len(group.xy)} {what}; click to hide or show"
            entries.append(
                Entry(group.key, group.name, color, "points", marker=group.marker, hollow=group.path, tip=tip)
            )
        return entries

    # selection ----------------------------------------------------------------------------------------
    def show_selected(self, selected: dict[str, np.ndarray]) -> None:
        """Light up points: key -> indices; the rest is dimmed while there are any."""
        self._selected = selected
        self._draw_selected()

    def _draw_selected(self) -> None:
        shown = [group for group in self.visible_groups() if len(self._selected.get(group.key, ()))]
        picked = [(group, self._selected[group.key]) for group in shown]
        few = sum(len(rows) for _, rows in picked) <= MAX_MARKED
        rims = [PointGroup(group.xy[rows], rgb_of("accent")) for group, rows in picked if few]
        self.chosen_rim.set_groups(rims)
        self.chosen.set_groups([self._chosen_group(group, rows, few) for group, rows in picked])
        self.chosen.size, self.chosen.alpha = (6.5, 1.0) if few else (5.0, NORMAL)
        self.cloud.alpha = DIMMED if shown else NORMAL
        self.cloud.update()

    def _chosen_group(self, group: CloudGroup, rows: np.ndarray, few: bool) -> PointGroup:
        if few or group.path:
            return PointGroup(group.xy[rows], rgb_of(CHOSEN))
        part = replace(group, xy=group.xy[rows], values=None if group.values is None else group.values[rows])
        return PointGroup(
            part.xy, _colors(part, self.limits, self.meaning.diverging), _stamp_of(group.marker)
        )

    def inside(self, polygon: np.ndarray) -> dict[str, np.ndarray]:
        """Return the visible points inside a polygon (m, 2): key -> indices."""
        return {
            group.key: np.flatnonzero(inside_polygon(group.xy[:, 0], group.xy[:, 1], polygon))
            for group in self.visible_groups()
        }

    def mark(self, point: np.ndarray | None) -> None:
        """Ring one point (2,), or none."""
        if point is None:
            self.ring.clear()
        else:
            self.ring.setData([point[0]], [point[1]])

    def restyle(self) -> None:
        """Follow the theme, colours of the cloud included."""
        super().restyle()
        if getattr(self, "beyond", None):
            self.beyond.restyle()
        if getattr(self, "groups", None):
            self._draw_all()


def _at_once(work: Callable[[], Made], done: Callable[[Made], None]) -> None:
    done(work())


def lines_around(clouds: list[CloudGroup]) -> Lines:
    """Return the lines around the densest parts of each cloud, with its colour; no widget is touched."""
    return tuple((cloud.key, cloud.color, density_lines(cloud.xy)) for cloud in clouds)


def drawn(clouds: list[CloudGroup], diverging: bool) -> Drawn:
    """Return clouds in their colours and sizes; no widget is touched."""
    values = [group.values for group in clouds if group.values is not None]
    sizes = [group.sizes for group in clouds if group.sizes is not None]
    limits = colormaps.limits_of(np.concatenate(values), diverging) if values else None
    grown = colormaps.limits_of(np.concatenate(sizes), False) if sizes else None
    groups = [part for cloud in clouds for part in _parts(cloud, limits, grown, diverging)]
    return Drawn(groups, limits, grown)


def _parts(
    cloud: CloudGroup,
    limits: tuple[float, float] | None,
    grown: tuple[float, float] | None,
    diverging: bool,
) -> list[PointGroup]:
    """Return a cloud as groups of points of one size each, the small ones last, on top."""
    colors, marker = _colors(cloud, limits, diverging), _stamp_of(cloud.marker)
    if cloud.sizes is None or grown is None:
        return [PointGroup(cloud.xy, colors, marker)]
    which = size_class(cloud.sizes, grown)
    rows = [np.flatnonzero(which == k) for k in range(len(SCALES))]
    found = []
    for k in reversed(range(len(SCALES))):
        mine = colors[rows[k]] if colors.ndim == 2 else colors
        found.append(PointGroup(cloud.xy[rows[k]], mine, marker, SCALES[k]))
    return found


def size_class(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return which of :data:`SCALES` each value has, (n,) int; the smallest where it is not known."""
    low, high = limits
    share = (values - low) / (high - low if high > low else 1.0)
    return np.clip(np.nan_to_num(share, nan=0.0) * len(SCALES), 0, len(SCALES) - 1).astype(np.int64)


def _colors(group: CloudGroup, limits: tuple[float, float] | None, diverging: bool) -> np.ndarray:
    if group.values is None or limits is None:
        return rgb_of(group.color)
    return colormaps.to_rgb(group.values, limits, diverging)


def _range_text(limits: tuple[float, float], name: str) -> str:
    low, high = (true_minus(f"{v:.3g}") for v in limits)
    return f"{low} … {high} {name}"


def marker_of(number: int) -> str:
    """Return the marker of the ``number``-th group."""
    return MARKERS[number % 4]


def _stamp_of(marker: str) -> str:
    return marker if marker in ("o", "s", "d", "t", "t1", "+") else "o"


def _extent(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest x and y, each (2,)."""
    every = np.concatenate(parts)
    return every.min(axis=0), every.max(axis=0)


def _window(groups: list[CloudGroup]) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top): the cloud and some room around it, but not beyond all points."""
    known = [(group, group.xy[np.isfinite(group.xy).all(axis=1)]) for group in groups]
    every = [xy for _, xy in known]
    cloud = [xy for group, xy in known if not group.path]
    if not every or not sum(map(len, every)):
        return -1.0, 1.0, -1.0, 1.0
    first, last = _extent(every)
    low, high = _extent(cloud) if sum(map(len, cloud)) else (first, last)
    room, rim = np.maximum(0.12 * (high - low), 1e-6), 0.05 * (high - low)
    low, high = np.maximum(low - room, first) - rim, np.minimum(high + room, last) + rim
    flat = high - low < 1e-9
    low, high = np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])
