"""What the figures of several studies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from nnpcore.figures.drawing import FONT, new_figure

REGION_COLORS = {"bulk": "#0072B2", "surface": "#D55E00"}

Points = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Values along x and y, and temperatures in K; (n,) each."""


def plain_numbers(*axes: Axis) -> None:
    """Write the major numbers of logarithmic axes without exponents, and no minor ones."""
    for axis in axes:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def add_letters(panels: Sequence[Axes]) -> None:
    """Name panels (a), (b) ..."""
    for letter, axes in zip("abcdefgh", panels, strict=False):
        axes.set_title(f"({letter})", fontsize=9.0, loc="left")


def legend_below(figure: Figure, axes: Axes, n_columns: int, **options: Any) -> None:
    """Put the names in one of the panels under all of them."""
    named = axes.get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=n_columns, frameon=False, **options)


def scatter_by_temperature(kinds: Mapping[str, Points]) -> tuple[Figure, Axes, Colorbar]:
    """Draw points coloured by temperature, a marker each kind; return the figure, its axes and the scale."""
    figure = new_figure(4.4, 3.2)
    axes = figure.add_subplot()
    hottest = max(temperatures.max() for _, _, temperatures in kinds.values())
    shown = None
    for (kind, (x, y, temperatures)), marker in zip(kinds.items(), ("o", "s"), strict=True):
        shown = axes.scatter(x, y, c=temperatures, cmap="plasma", vmin=0.0, vmax=1.1 * hottest, marker=marker,
                             s=26, edgecolors="black", linewidths=0.4, zorder=3)  # fmt: skip
        axes.plot([], [], marker, color="white", markeredgecolor="black", markersize=5, label=kind)
    assert shown is not None  # there is a kind
    bar = figure.colorbar(shown, ax=axes)
    bar.set_label("Temperature of the training set (K)", fontsize=FONT)
    return figure, axes, bar
