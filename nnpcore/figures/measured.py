"""Numbers a study has measured, over other numbers or over names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import add_legend, new_figure, plain, series_color, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D")
REFERENCE = "reference"
"""The line of this name is black."""


def measured_figure(
    x: Sequence[float],
    names: Sequence[str],
    x_title: str,
    y_title: str,
    lines: Mapping[str, Sequence[float]],
) -> Figure:
    """Draw lines of numbers (n,) over x (n,), or points over ``names`` (n) where there are any."""
    figure = new_figure(3.4, 2.7)
    axes = figure.subplots()
    order = np.argsort(x)
    for k, (name, values) in enumerate(lines.items()):
        color = "black" if name == REFERENCE else series_color(k)
        marker, width = MARKERS[k % len(MARKERS)], 0.0 if names else 1.2
        x_sorted, y = np.array(x)[order], np.array(values)[order]
        axes.plot(x_sorted, y, color=color, marker=marker, markersize=5, linewidth=width, label=plain(name))
    if names:
        axes.set_xticks(list(x), list(names))
        axes.margins(x=0.15)
    style_axes(axes, x_title, y_title)
    add_legend(axes)
    return figure
