"""Figures of mapping errors by region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.figures.drawing import (
    FONT,
    MARKERS,
    add_legend,
    new_figure,
    paper_color,
    plain,
    style_axes,
)
from nnpcore.figures.names import MAPPING_ERROR
from nnpcore.figures.series import RunCurves
from nnpcore.figures.training import draw_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class RegionBar:
    """One region's errors by every run, meV/atom: mean, spread, and of every member; None where unknown."""

    name: str
    color: str
    errors: tuple[tuple[float, float, np.ndarray] | None, ...]


def region_figure(regions: Sequence[RegionBar], runs: Sequence[str] = ("",)) -> Figure:
    """Draw the error of every region by every run: the mean, its spread, and every member as a tick."""
    figure = new_figure(5.2, 0.75 + 0.34 * max(len(regions) * (1 + len(runs)) / 2, 1))
    _draw_regions(figure.add_subplot(), regions, runs)
    return figure


def mapping_figure(regions: Sequence[RegionBar], runs: Sequence[str], curves: Sequence[RunCurves]) -> Figure:
    """Draw the error of every region by every run, and beside it the curves, where a run was monitored."""
    if not any(run.curves for run in curves):
        return region_figure(regions, runs)
    figure = new_figure(7.4, max(2.6, 0.75 + 0.17 * len(regions) * (1 + len(runs))))
    left, right = figure.subplots(1, 2)
    _draw_regions(left, regions, runs)
    draw_curves(right, curves)
    add_legend(right)
    return figure


def _draw_regions(axes: Axes, regions: Sequence[RegionBar], runs: Sequence[str]) -> None:
    step = 0.7 / len(runs)
    for k, run in enumerate(runs):
        look: dict[str, Any] = {"marker": MARKERS[k % len(MARKERS)], "markersize": 5, "linestyle": "none"}
        axes.plot([], [], color="black", label=run if len(runs) > 1 else "_", **look)
        for row, region in enumerate(regions):
            found = region.errors[k]
            if found is None:
                continue
            mean, std, members = found
            y, color = row + (k - (len(runs) - 1) / 2) * step, paper_color(region.color)
            axes.plot(members, np.full(len(members), y), "|", color=color, markersize=9, alpha=0.6)
            axes.errorbar(mean, y, xerr=std, color=color, elinewidth=1.2, capsize=2.5, **look)
    axes.axvline(0.0, color="black", linewidth=0.7)
    style_axes(axes, MAPPING_ERROR, "")
    axes.set_yticks(range(len(regions)), [plain(region.name) for region in regions], fontsize=FONT)
    axes.set_ylim(len(regions) - 0.4, -0.6)
    add_legend(axes)
