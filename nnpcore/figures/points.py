"""Figures of points: atoms in the plane of two components, predictions against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.figures.drawing import (
    MARKERS,
    SMALL,
    add_color_bar,
    add_diagonal,
    add_legend_above,
    new_figure,
    plain,
    series_color,
    style_axes,
)
from nnpcore.figures.names import PARITY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.mapping import PcaResult
    from nnpcore.mapping.density import DensityLine

N_TURNS = 12
DENSITY_WIDTHS = (0.5, 0.8, 1.2)
MAX_DENSITY_POINTS = 3000
MAX_MAP_POINTS = 2400
"""Points of the map of atoms that are drawn in a report, all groups together."""


@dataclass(frozen=True, eq=False)
class PointSeries:
    """Points (n, 2) of one group; ``values`` (n,) colour them instead of ``color``; ``path`` joins them.

    Their size grows with ``sizes`` (n,). ``density``: lines around their densest parts, the widest first.
    """

    name: str
    xy: np.ndarray
    color: str
    marker: str = "o"
    path: bool = False
    values: np.ndarray | None = None
    sizes: np.ndarray | None = None
    density: tuple[DensityLine, ...] = ()


@dataclass(frozen=True, eq=False)
class ParitySeries:
    """Reference and prediction (n,) of one data set."""

    name: str
    reference: np.ndarray
    predicted: np.ndarray
    color: str
    marker: str = "o"

    @property
    def rmse(self) -> float:
        """Root-mean-square difference, NaN pairs left out; NaN where there is none."""
        difference = self.predicted - self.reference
        known = difference[np.isfinite(difference)]
        return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


# map of atoms -----------------------------------------------------------------------------------------
def two_components(scores: np.ndarray) -> np.ndarray:
    """Return the first two components (n, 2), the second zero where there is only one."""
    return scores[:, :2] if scores.shape[1] > 1 else np.column_stack([scores, np.zeros(len(scores))])


def map_figure(scores: Mapping[str, np.ndarray], pca: PcaResult, most: int | None = MAX_MAP_POINTS) -> Figure:
    """Draw groups of atoms (n, n_components) in the plane of two components, the invariant points as a path.

    Of groups with more than ``most`` points, all together, a part is drawn.
    """
    from nnpcore.analyses.inputs import CRYSTAL_GROUP
    from nnpcore.mapping import subsample

    share = None if most is None else most // max(sum(name != CRYSTAL_GROUP for name in scores), 1)
    groups = []
    for k, (name, values) in enumerate(scores.items()):
        chosen = values if name == CRYSTAL_GROUP or share is None else values[subsample(len(values), share)]
        look = series_color(k), MARKERS[k % len(MARKERS)]
        groups.append(PointSeries(plain(name), two_components(chosen), *look, path=name == CRYSTAL_GROUP))
    shares = np.pad(pca.explained, (0, 2))[:2]
    x, y = (f"Component {k + 1} ({100 * part:.0f} %)" for k, part in enumerate(shares))
    return pca_figure(groups, x, y)


def pca_figure(
    groups: Sequence[PointSeries],
    x_label: str,
    y_label: str,
    *,
    value_label: str = "",
    size_label: str = "",
    window: tuple[float, float, float, float] | None = None,
    limits: tuple[float, float] | None = None,
    colors: np.ndarray | None = None,
    equal: bool = False,
) -> Figure:
    """Draw groups of atoms by two numbers, such as principal components; paths (invariant points) go on top.

    Several groups are drawn in turns, so that none hides another. Large ones become one image inside SVG and
    PDF, so that files stay small. ``window`` is (left, right, bottom, top), everything by default; ``limits``
    and ``colors`` (256, 3) uint8 are the range and the map of the values; ``equal``: one scale for both axes.

    Raises
    ------
    AnalysisError : without points.
    """
    if not sum(len(group.xy) for group in groups):
        raise AnalysisError("there are no points to draw", fix="Train on data first")
    figure = new_figure(3.6, 3.0)
    axes = figure.add_subplot()
    limits = _value_limits(groups) if limits is None else limits
    colored = None
    clouds = [group for group in groups if not group.path]
    many = sum(len(group.xy) for group in clouds) > MAX_DENSITY_POINTS
    sized = _sized(clouds)
    for group in _in_turns(sized):
        points = _draw_group(axes, group, _Colors(limits, color_map(colors)), many)
        colored = colored if group.values is None else points
    for group in groups:
        if group.path:
            _draw_path(axes, group)
        _draw_density(axes, group)
    if colored is not None:
        add_color_bar(axes, colored, value_label)
    _explain(axes, groups, size_label)
    if equal:
        axes.set_aspect("equal", adjustable="datalim")
    style_axes(axes, x_label, y_label)
    if window is not None:
        axes.set_xlim(window[0], window[1])
        axes.set_ylim(window[2], window[3])
    add_legend_above(axes, markerscale=1.8)
    return figure


def _explain(axes: Axes, groups: Sequence[PointSeries], size_label: str) -> None:
    """Name in the legend what sizes of points and lines of density mean."""
    if any(group.sizes is not None for group in groups):
        axes.plot([], [], linestyle="none", label=f"size: {size_label}")
    shares = sorted({line.share for group in groups for line in group.density})
    if shares:
        text = ", ".join(f"{100 * share:.0f}" for share in shares)
        axes.plot([], [], color="black", linewidth=0.9, label=f"hold {text} % of the points")


def _in_turns(groups: Sequence[PointSeries]) -> list[PointSeries]:
    """Split groups into random parts that take turns; only the first part of each keeps its name."""
    if len(groups) < 2:
        return list(groups)
    orders = [np.random.default_rng(0).permutation(len(group.xy)) for group in groups]
    parts = []
    for turn in range(N_TURNS):
        for group, order in zip(groups, orders, strict=True):
            rows = order[turn::N_TURNS]
            values = None if group.values is None else group.values[rows]
            sizes = None if group.sizes is None else group.sizes[rows]
            name = "_" if turn else group.name
            look = group.color, group.marker
            parts.append(PointSeries(name, group.xy[rows], *look, values=values, sizes=sizes))
    return parts


def _draw_path(axes: Axes, group: PointSeries) -> None:
    axes.plot(*group.xy.T, "-o", color="black", linewidth=0.9, markerfacecolor="white", markersize=3.5,
              markeredgewidth=0.8, label=group.name, zorder=5)  # fmt: skip


def _draw_density(axes: Axes, group: PointSeries) -> None:
    """Draw lines around the densest parts of a group, the inner ones broader, set off from its points."""
    from matplotlib.patheffects import withStroke

    for line, width in zip(group.density, DENSITY_WIDTHS, strict=False):
        halo = [withStroke(linewidth=width + 1.2, foreground="white", alpha=0.8)]
        for part in line.lines:
            axes.plot(*part.T, "-", color=group.color, linewidth=width, zorder=4, path_effects=halo)


class _Colors(NamedTuple):
    """Range and map of the values."""

    limits: tuple[float, float]
    map: Any


def color_map(colors: np.ndarray | None) -> Any:
    """Return matplotlib's map of colours (n, 3) uint8, by default the usual one."""
    from matplotlib.colors import ListedColormap

    return "viridis" if colors is None else ListedColormap(colors / 255.0)


def _sized(groups: Sequence[PointSeries]) -> list[PointSeries]:
    """Turn what sizes tell into areas in usual ones; what is not known is small."""
    known = [group.sizes[np.isfinite(group.sizes)] for group in groups if group.sizes is not None]
    if not sum(map(len, known)):
        return [replace(group, sizes=None) for group in groups]
    low, high = np.percentile(np.concatenate(known), (2.0, 98.0))
    span = high - low if high > low else 1.0
    return [
        group
        if group.sizes is None
        else replace(group, sizes=0.4 + 5.0 * np.nan_to_num(np.clip((group.sizes - low) / span, 0.0, 1.0)))
        for group in groups
    ]


def _draw_group(axes: Axes, group: PointSeries, shown: _Colors, many: bool) -> Any:
    look: dict[str, Any] = {"s": 4, "alpha": 0.5} if many else {"s": 8, "alpha": 0.8}
    if group.values is None:
        look["c"] = group.color
    else:
        look |= {"c": group.values, "cmap": shown.map, "vmin": shown.limits[0], "vmax": shown.limits[1]}
    if group.sizes is not None:
        look["s"] = look["s"] * group.sizes
    look |= {"marker": group.marker, "linewidths": 0, "label": group.name, "rasterized": many}
    return axes.scatter(*group.xy.T, **look)


def _value_limits(groups: Sequence[PointSeries]) -> tuple[float, float]:
    values = [group.values for group in groups if group.values is not None]
    known = np.concatenate(values) if values else np.empty(0)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)


# parity -----------------------------------------------------------------------------------------------
def parity_figure(
    energies: Sequence[ParitySeries], forces: Sequence[ParitySeries], atomic: Sequence[ParitySeries] = ()
) -> Figure:
    """Draw predicted against reference energies (meV/atom, one zero for all) and force components (eV/Å).

    ``atomic`` are atomic energies (meV), where the reference knows them.

    Raises
    ------
    AnalysisError : without any pair.
    """
    panels = [
        (energies, PARITY["energy"], "meV/atom"),
        (forces, PARITY["force"], "eV/Å"),
        (atomic, PARITY["atomic"], "meV"),
    ]
    panels = [panel for panel in panels if any(len(s.reference) for s in panel[0])]
    if not panels:
        raise AnalysisError("there are no reference values to compare with", fix="Open frames with energies")
    figure = new_figure(3.1 * len(panels), 3.0)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (series, names, _) in zip(all_axes, panels, strict=True):
        for item in series:
            many = len(item.reference) > MAX_DENSITY_POINTS
            axes.scatter(
                item.reference, item.predicted, s=2 if many else 8, c=item.color, marker=item.marker,
                alpha=0.25 if many else 0.8, linewidths=0, rasterized=many,
            )  # fmt: skip
        add_diagonal(axes)
        style_axes(axes, *names)
    _add_parity_legend(all_axes[0], [(series, unit) for series, _, unit in panels])
    return figure


def _add_parity_legend(axes: Axes, panels: Sequence[tuple[Sequence[ParitySeries], str]]) -> None:
    """Name the series above everything, where no point is, each with its errors from panel to panel."""
    looks: dict[tuple[str, str, str], list[str]] = {}
    for series, unit in panels:
        for item in series:
            if len(item.reference):
                errors = looks.setdefault((item.name, item.color, item.marker), [])
                errors.append(f"{item.rmse:.3g} {unit}")
    handles = [
        axes.plot([], [], linestyle="none", color=color, marker=marker, markersize=5.0,
                  label=f"{plain(name)} ({', '.join(errors)})")[0]
        for (name, color, marker), errors in looks.items()
    ]  # fmt: skip
    axes.figure.legend(handles=handles, loc="outside upper center", frameon=False, fontsize=SMALL,
                       handlelength=1.8)  # fmt: skip
