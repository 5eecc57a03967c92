"""Figures of local prediction rigidity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import (
    DASHES,
    MARKERS,
    SMALL,
    add_legend,
    log_axis,
    new_figure,
    paper_color,
    plain,
    series_color,
    style_axes,
)
from nnpcore.figures.names import ABSOLUTE_MAPPING_ERROR, VOLUME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.mapping import RigidityStudy

LOSS_COLORS = {"energy": "series:1", "energy + forces": "series:0", "energy + forces + stress": "series:2"}


def rigidity_figure(
    study: RigidityStudy, volumes: np.ndarray, region_colors: Sequence[str] | None = None
) -> Figure:
    """Draw rigidity by loss, along the volume and of regions, and the error against what it lets expect.

    ``volumes`` (n_points,), Å³/atom; ``region_colors`` of the regions after the points.
    """
    has_points, has_regions = len(volumes) > 1, len(study.names) > len(volumes)
    known = np.isfinite(study.error_mev) & np.isfinite(study.std_mev[study.trained_on])
    has_errors = bool(known.any())
    n_panels = int(has_points) + int(has_regions) + int(has_errors)
    figure = new_figure(2.5 * n_panels + (0.6 if n_panels < 3 else 0.0), 2.7)
    panels = list(figure.subplots(1, n_panels, squeeze=False)[0])
    if has_points:
        _rigidity_along(panels.pop(0), study, volumes)
    if has_regions:
        _rigidity_of_regions(panels.pop(0), study, len(volumes), legend=not has_points)
    if has_errors:
        _expected(panels.pop(0), study, len(volumes), region_colors)
    return figure


def _rigidity_along(axes: Axes, study: RigidityStudy, volumes: np.ndarray) -> None:
    for k, (loss, values) in enumerate(study.rigidity.items()):
        width = 1.8 if loss == study.trained_on else 1.0
        axes.plot(volumes, values[: len(volumes)], linestyle=DASHES[k], color=paper_color(LOSS_COLORS[loss]),
                  linewidth=width, label=loss)  # fmt: skip
    style_axes(axes, VOLUME, "Rigidity, LPR")
    log_axis(axes)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend
    add_legend(axes, loc="upper center")


def _rigidity_of_regions(axes: Axes, study: RigidityStudy, n_points: int, *, legend: bool) -> None:
    names = [plain(name) for name in study.names[n_points:]]
    y = np.arange(len(names))
    for k, (loss, values) in enumerate(study.rigidity.items()):
        at = y + 0.18 * (k - 1)
        axes.plot(values[n_points:], at, MARKERS[k], color=paper_color(LOSS_COLORS[loss]), markersize=5,
                  label=loss)  # fmt: skip
    style_axes(axes, "Rigidity, LPR", "")
    log_axis(axes, "x")
    axes.set_yticks(y, names, fontsize=SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)
    if legend:
        add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _expected(axes: Axes, study: RigidityStudy, n_points: int, colors: Sequence[str] | None) -> None:
    expected, errors = study.std_mev[study.trained_on], np.abs(study.error_mev)
    axes.plot(expected[:n_points], errors[:n_points], "o", color="black", markersize=4,
              label="crystal" if np.isfinite(errors[:n_points]).any() else "_")  # fmt: skip
    for k, name in enumerate(study.names[n_points:]):
        color = series_color(k + 1) if colors is None else paper_color(colors[k])
        at = n_points + k
        if np.isfinite(errors[at]):
            axes.plot(expected[at], errors[at], "s", color=color, markersize=5, label=plain(name))
    style_axes(axes, "Expected std (meV/atom)", ABSOLUTE_MAPPING_ERROR)
    log_axis(axes, "x")
    log_axis(axes)
    add_legend(axes)
