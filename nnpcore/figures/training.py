"""Figures of a training: RMSEs and mapping errors by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.figures.drawing import (
    DASHES,
    FONT,
    OKABE_ITO,
    add_legend,
    draw_band,
    log_axis,
    new_figure,
    paper_color,
    plain,
    style_axes,
)
from nnpcore.figures.names import ABSOLUTE_MAPPING_ERROR, EPOCH, RMSES
from nnpcore.figures.series import (
    SMALLEST_ERROR,
    Ending,
    MappingCurve,
    RmseSeries,
    RunCurves,
    ending_of,
    kept_rmse,
    known_quantities,
    rmse_series,
    smoothed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.training.history import EpochRecord


def training_figure(
    history: Sequence[EpochRecord],
    *,
    title: str = "",
    mapping: Sequence[MappingCurve] = (),
    smoothing: float = 0.0,
    ending: Ending | None = None,
) -> Figure:
    """Draw RMSE curves, one panel a quantity: training dashed, validation solid, its members shaded.

    A ring marks what the members as they are kept reach together, at the last epoch in which one became
    better; a dashed line where the training ended early.

    Parameters
    ----------
    history : a record per epoch.
    mapping : curves of mapping errors: one panel more, as in the paper's Fig. 3(b).
    smoothing : in [0, 1), see ``series.smoothed``.
    ending : which epoch is kept and where it ended early; by default what the history tells.

    Raises
    ------
    AnalysisError : for an empty history.
    """
    quantities = known_quantities(history)
    if not quantities:
        raise AnalysisError("there are no training curves to draw", fix="Train for at least one epoch")
    ending = ending_of(history) if ending is None else ending
    n_panels = len(quantities) + bool(mapping)
    figure = new_figure(2.4 * n_panels + 0.4, 2.3)
    all_axes = figure.subplots(1, n_panels, squeeze=False)[0]
    for axes, quantity, color in zip(all_axes, quantities, OKABE_ITO, strict=False):
        for part in ("train", "valid"):
            _draw_rmse(axes, part, rmse_series(history, part, quantity), color, smoothing)
        _draw_ring(axes, history, quantity, color, ending)
        _draw_end(axes, ending)
        _style_epochs(axes, RMSES[quantity])
    if mapping:
        draw_mapping(all_axes[-1], [RunCurves("", tuple(mapping))])
        _draw_end(all_axes[-1], ending)
        _style_epochs(all_axes[-1], ABSOLUTE_MAPPING_ERROR)
        if len(mapping) > 1:
            add_legend(all_axes[-1])
    add_legend(all_axes[0])
    if title:
        figure.suptitle(title, fontsize=FONT)
    return figure


def _draw_rmse(axes: Axes, part: str, series: RmseSeries, color: str, smoothing: float) -> None:
    if not series.known:
        return
    is_valid = part == "valid"
    mean = smoothed(np.where(series.mean > 0, series.mean, np.nan), smoothing)
    if is_valid and series.members.shape[1] > 1:
        low, high = smoothed(series.low, smoothing), smoothed(series.high, smoothing)
        draw_band(axes, series.epochs, low, high, color, alone=True)
    style = "-" if is_valid else DASHES[1]
    label = "validation" if is_valid else "training"
    width = 1.4 if is_valid else 1.0
    axes.plot(series.epochs, mean, linestyle=style, color=color, linewidth=width, label=label)


def _draw_ring(axes: Axes, history: Sequence[EpochRecord], quantity: str, color: str, ending: Ending) -> None:
    kept = kept_rmse(history, quantity)
    if ending.kept is not None and kept > 0:
        axes.plot([ending.kept], [kept], "o", markersize=5, markerfacecolor="white", color=color, zorder=4,
                  linestyle="none", label=f"each network at its best (last: {ending.kept})")  # fmt: skip


def _draw_end(axes: Axes, ending: Ending) -> None:
    if ending.ended is not None:
        axes.axvline(ending.ended, color=paper_color("muted"), linestyle=DASHES[1], linewidth=0.8,
                     label=f"ended at {ending.ended} of {ending.asked}")  # fmt: skip


def _style_epochs(axes: Axes, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    style_axes(axes, EPOCH, label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    log_axis(axes)


def curves_figure(runs: Sequence[RunCurves]) -> Figure:
    """Draw the |mapping errors| by epoch of one run or more, and their energy RMSEs."""
    names = dict.fromkeys(curve.name for run in runs for curve in run.curves)
    figure = new_figure(5.2, max(2.7, 0.6 + 0.17 * len(names)))
    axes = figure.add_subplot()
    draw_curves(axes, runs)
    add_legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def draw_curves(axes: Axes, runs: Sequence[RunCurves]) -> None:
    """Draw what :func:`curves_figure` shows; the first run's lines are named, others are dashed."""
    draw_mapping(axes, runs)
    for number, run in enumerate(runs):
        if len(runs) > 1:
            axes.plot([], [], linestyle=DASHES[number % len(DASHES)], color="black", label=plain(run.name))
        if run.rmse is not None:
            axes.plot(*run.rmse, linestyle=DASHES[number % len(DASHES)], color=paper_color("muted"),
                      linewidth=0.9, label="_" if number else "energy RMSE")  # fmt: skip
    _style_epochs(axes, ABSOLUTE_MAPPING_ERROR)


def draw_mapping(axes: Axes, runs: Sequence[RunCurves]) -> None:
    """Draw the absolute mapping errors of runs: a colour for each quantity, dashes for each run."""
    for number, run in enumerate(runs):
        for curve in run.curves:
            axes.plot(curve.epochs, np.maximum(np.abs(curve.errors), SMALLEST_ERROR),
                      linestyle=DASHES[number % len(DASHES)], color=paper_color(curve.color), linewidth=1.4,
                      label="_" if number else plain(curve.name))  # fmt: skip
