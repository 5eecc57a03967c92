"""The figure of a sweep for a paper, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.documents.sweep import Choice, SweepPoint
from app.look.ink import paper_color
from app.plots.mapping_figures import DASHES, SMALL, new_figure, style
from app.plots.sweep_plot import ENERGY, FORCE, MAPPING, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = {"o": "o", "s": "s", "t1": "^"}


def sweep_figure(points: Sequence[SweepPoint], choice: Choice, label: str) -> Figure:
    """Draw energy RMSE and mapping error, and the force RMSE beside them where it is known."""
    has_force = any(np.isfinite(point.force) for point in points)
    figure = new_figure(6.4 if has_force else 3.4, 2.6)
    all_axes = figure.subplots(1, 2 if has_force else 1, squeeze=False)[0]
    _draw(all_axes[0], points, choice, (ENERGY, MAPPING), label, "Error (meV/atom)")
    if has_force:
        _draw(all_axes[1], points, choice, (FORCE,), label, "Force RMSE (eV/Å)")
    return figure


def _draw(
    axes: Axes, points: Sequence[SweepPoint], choice: Choice, shown: Sequence[Shown], label: str, unit: str
) -> None:
    x = np.array([point.x for point in points])
    for item in shown:
        y = np.array([getattr(point, item.key) for point in points], dtype=np.float64)
        if not np.isfinite(y).any():
            continue
        color, marker = paper_color(item.color), MARKERS[item.marker]
        axes.plot(x, y, marker, linestyle=DASHES[item.dash], color=color, markersize=4, linewidth=1.2,
                  label=item.name)  # fmt: skip
        best = getattr(choice, item.chosen)
        if best is not None:
            axes.plot(x[best], y[best], marker, color=color, markersize=10, fillstyle="none")
    _log_scale(axes)
    axes.set_xticks(x, [point.text for point in points], rotation=45 if len(points) > 6 else 0)
    style(axes, label, unit)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(frameon=False, fontsize=SMALL)


def _log_scale(axes: Axes) -> None:
    """Make the vertical axis logarithmic with plain numbers, also where the values lie close together."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    digits = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axes.yaxis.set_major_locator(MaxNLocator(5) if high / low < 5 else LogLocator(subs=digits, numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
