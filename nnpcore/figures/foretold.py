"""Figures of what the training data determine: foretold spreads, and errors beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import (
    SMALL,
    add_legend,
    log_axis,
    new_figure,
    paper_color,
    plain,
    series_color,
    style_axes,
)
from nnpcore.figures.names import ABSOLUTE_ERROR, FORETOLD_SPREAD, SPREAD_AND_ERROR, VOLUME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST_ERROR = 0.1
"""meV/atom: smaller errors are drawn here on logarithmic axes."""


def foretold_figure(
    names: Sequence[str],
    volumes: np.ndarray,
    spread: np.ndarray,
    error: np.ndarray,
    region_colors: Sequence[str] | None = None,
) -> Figure:
    """Draw foretold spreads along the volume and of regions, and errors against them.

    Parameters
    ----------
    names : (n,) of the targets: invariant points, then regions. volumes : (n_points,) Å³/atom.
    spread, error : (n,) meV/atom; NaN where an error is not known.
    region_colors : of the regions.
    """
    n_points = len(volumes)
    colors = [series_color(k + 1) for k in range(len(names) - n_points)]
    if region_colors is not None:
        colors = [paper_color(color) for color in region_colors]
    has_errors = bool(np.isfinite(error).any())
    n_panels = max(1, int(n_points > 1) + int(len(names) > n_points) + int(has_errors))
    figure = new_figure(2.6 * n_panels + (0.6 if n_panels < 3 else 0.0), 2.7)
    panels = list(figure.subplots(1, n_panels, squeeze=False)[0])
    if n_points > 1:
        _along(panels.pop(0), volumes, spread[:n_points], error[:n_points])
    if len(names) > n_points:
        _of_regions(panels.pop(0), names[n_points:], spread[n_points:], error[n_points:], colors)
    if has_errors:
        _against(panels.pop(0), names, n_points, spread, error, colors)
    return figure


def _shown(error: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(error), SMALLEST_ERROR)


def _along(axes: Axes, volumes: np.ndarray, spread: np.ndarray, error: np.ndarray) -> None:
    axes.plot(volumes, spread, "-", color=paper_color("series:0"), linewidth=1.6, label="foretold spread")
    if np.isfinite(error).any():
        axes.plot(volumes, _shown(error), "o", color="black", markersize=3.5, label="|error|")
    style_axes(axes, VOLUME, SPREAD_AND_ERROR)
    log_axis(axes)
    add_legend(axes, loc="upper center")


def _of_regions(
    axes: Axes, names: Sequence[str], spread: np.ndarray, error: np.ndarray, colors: Sequence[str]
) -> None:
    y = np.arange(len(names))
    axes.barh(y, spread, height=0.5, color=[*colors], alpha=0.35, label="foretold spread")
    if np.isfinite(error).any():
        axes.plot(np.abs(error), y, "o", color="black", markersize=4, label="|error|")
    style_axes(axes, SPREAD_AND_ERROR, "")
    axes.set_yticks(y, [plain(name) for name in names], fontsize=SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)
    add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _against(
    axes: Axes,
    names: Sequence[str],
    n_points: int,
    spread: np.ndarray,
    error: np.ndarray,
    colors: Sequence[str],
) -> None:
    known = np.isfinite(error)
    ends = np.array([0.7 * spread[known].min(), 1.4 * spread[known].max()])
    for factor, style in ((1.0, "-"), (2.0, "--")):
        axes.plot(ends, factor * ends, style, color="#667080", linewidth=0.8)
    inside = known & (np.arange(len(names)) < n_points)
    if inside.any():
        axes.plot(spread[inside], _shown(error[inside]), "o", color="black", markersize=3.5, label="crystal")
    for k in range(n_points, len(names)):
        if known[k]:
            axes.plot(spread[k], _shown(error[k]), "s", color=colors[k - n_points], markersize=5,
                      label=plain(names[k]))  # fmt: skip
    style_axes(axes, FORETOLD_SPREAD, ABSOLUTE_ERROR)
    log_axis(axes, "x")
    log_axis(axes)
    add_legend(axes)
