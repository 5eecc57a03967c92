"""Figures for a paper: mapping errors, compared connectivity and rigidity, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from app.look.ink import paper_color
from app.plots.mapping_plot import SMALLEST, RunCurves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from app.documents.analyses import RigidityAnalysis
    from app.documents.region_rows import ErrorRow

FONT, SMALL = 9.0, 8.0
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)))
HATCHES = ("", "//", "..", "xx", "\\\\")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure, inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def style(axes: Axes, x: str, y: str) -> None:
    """Label axes and draw them thinly."""
    axes.set_xlabel(x, fontsize=FONT)
    axes.set_ylabel(y, fontsize=FONT)
    axes.tick_params(labelsize=SMALL, width=0.6, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.6)


def mapping_figure(rows: Sequence[ErrorRow], runs: Sequence[str], curves: Sequence[RunCurves]) -> Figure:
    """Draw the error of every region by every run as bars with the members' spread, and the curves.

    The curves are left out where no run was monitored.
    """
    has_curves = any(run.curves for run in curves)
    figure = new_figure(6.4 if has_curves else 3.4, 2.6)
    all_axes = figure.subplots(1, 2 if has_curves else 1, squeeze=False)[0]
    _draw_bars(all_axes[0], rows, runs)
    if has_curves:
        _draw_curves(all_axes[1], curves)
    return figure


def _draw_bars(axes: Axes, rows: Sequence[ErrorRow], runs: Sequence[str]) -> None:
    width = 0.8 / max(len(runs), 1)
    for k, name in enumerate(runs):
        values = [row.errors[k].error_mev for row in rows]
        spread = [row.errors[k].std_mev or 0.0 for row in rows]
        colors = [_color(row) for row in rows]
        x = np.arange(len(rows)) - 0.4 + (k + 0.5) * width
        heights = [0.0 if v is None else v for v in values]
        axes.bar(x, heights, width, color=colors, edgecolor="white", hatch=HATCHES[k % len(HATCHES)],
                 linewidth=0.4, label=name)  # fmt: skip
        axes.errorbar(x, heights, spread, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(rows)), [row.name for row in rows], rotation=20, ha="right", fontsize=SMALL)
    style(axes, "", "Mapping error (meV/atom)")
    if len(runs) > 1:
        axes.legend(frameon=False, fontsize=SMALL)


def _color(row: ErrorRow) -> str:
    return "#404040" if row.color_index is None else paper_color(f"series:{row.color_index}")


def _draw_curves(axes: Axes, runs: Sequence[RunCurves]) -> None:
    for number, run in enumerate(runs):
        dash = DASHES[number % len(DASHES)]
        for curve in run.curves:
            label = curve.name if number == 0 else "_"
            values = np.maximum(np.abs(curve.errors), SMALLEST)
            color = paper_color(curve.color)
            axes.plot(curve.epochs, values, linestyle=dash, color=color, linewidth=1.3, label=label)
        if run.rmse is not None:
            label = "energy RMSE" if number == 0 else "_"
            axes.plot(*run.rmse, linestyle=dash, color="#808080", linewidth=0.8, label=label)
    axes.set_yscale("log")
    style(axes, "Epoch", "|Mapping error| (meV/atom)")
    axes.legend(frameon=False, fontsize=SMALL)


def pairs_figure(
    pairs: Sequence[str],
    runs: Sequence[str],
    values: Sequence[Sequence[float | None]],
    colors: Sequence[str],
) -> Figure:
    """Draw the connectivity of the same pairs by several runs: ``values[run][pair]``, one colour a run."""
    height = 0.8 / max(len(runs), 1)
    figure = new_figure(4.2, 0.9 + 0.22 * len(pairs) * max(len(runs), 1))
    axes = figure.add_subplot()
    for k, (name, row, color) in enumerate(zip(runs, values, colors, strict=True)):
        y = np.arange(len(pairs)) - 0.4 + (k + 0.5) * height
        lengths = [0.0 if v is None else v for v in row]
        axes.barh(y, lengths, height, color=color, label=name)
        for at, value in zip(y, row, strict=True):
            text = "–" if value is None else f"{value:.2f}"
            axes.text((value or 0.0) + 0.01, at, text, va="center", fontsize=SMALL)
    axes.set_yticks(range(len(pairs)), list(pairs), fontsize=SMALL)
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.1)
    style(axes, "Connectivity", "")
    axes.legend(frameon=False, fontsize=SMALL)
    return figure


def rigidity_figure(
    analysis: RigidityAnalysis, colors: Mapping[str, str], region_colors: Sequence[str]
) -> Figure:
    """Draw rigidity against volume by loss, and the error against what the rigidity expects."""
    study, n = analysis.study, analysis.study.n_points
    figure = new_figure(6.2, 2.6)
    left, right = figure.subplots(1, 2)
    for dash, (loss, values) in zip(DASHES, study.rigidity.items(), strict=False):
        left.plot(analysis.volumes, values[:n], linestyle=dash, color=colors[loss], linewidth=1.3, label=loss)
    left.set_yscale("log")
    style(left, "Volume (Å³/atom)", "Rigidity (LPR)")
    left.legend(frameon=False, fontsize=SMALL)
    expected, errors = study.std_mev[study.trained_on], np.abs(study.error_mev)
    right.plot(expected[:n], errors[:n], "o", color="black", markersize=3.5, label="crystal")
    for k, color in enumerate(region_colors):
        name = study.names[n + k]
        right.plot(expected[n + k], errors[n + k], "s", color=color, markersize=5, label=name)
    right.set_xscale("log")
    right.set_yscale("log")
    style(right, "Expected std (meV/atom)", "|Mapping error| (meV/atom)")
    right.legend(frameon=False, fontsize=SMALL)
    return figure


def reach_figure(distances: np.ndarray, threshold: float, element: str, color: str) -> Figure:
    """Draw the histogram of usual distances (m,) to the training set and their 99th percentile."""
    figure = new_figure(3.2, 2.6)
    axes = figure.add_subplot()
    known = distances[np.isfinite(distances)]
    if len(known):
        axes.hist(known, bins=min(60, max(10, len(known) // 20)), color=color, alpha=0.6)
    axes.axvline(threshold, color="black", linestyle=DASHES[1], linewidth=0.9)
    style(axes, "Distance to the training set", f"Validation atoms ({element})")
    return figure
