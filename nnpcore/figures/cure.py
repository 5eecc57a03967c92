"""The figure of a cure: foretold spread, and true error where known, against the number of frames added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import (
    DASHES,
    MARKERS,
    PAPER,
    add_legend,
    log_axis,
    new_figure,
    series_color,
    style_axes,
)
from nnpcore.figures.names import TARGETS
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnpcore.cure import Cure

CURVES = (
    ("spread", "foretold spread", "series:0"),
    ("error", "error of the posterior's mean", "series:1"),
)
"""Attribute, name and colour of what is drawn."""


def cure_curve(cure: Cure, attribute: str) -> np.ndarray:
    """Return "spread" or "error" with 0, 1, 2 ... frames added, (n + 1,) meV/atom; NaN where unknown."""
    values = [getattr(cure, attribute), *(getattr(one, attribute) for one in cure.chosen)]
    return MEV_PER_EV * np.array([np.nan if value is None else value for value in values])


def cure_figure(cure: Cure) -> Figure:
    """Draw the curves of a cure; whole numbers of frames along x, meV/atom on a logarithmic scale."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(3.6, 2.7)
    axes = figure.add_subplot()
    for k, (attribute, name, _) in enumerate(CURVES):
        values = cure_curve(cure, attribute)
        if np.isfinite(values).any():
            axes.plot(
                np.arange(len(values)), values, color=series_color(k), marker=MARKERS[k], linestyle=DASHES[k],
                markersize=4, linewidth=1.3, label=name,
            )  # fmt: skip
    style_axes(axes, "Frames added", TARGETS)
    log_axis(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not cure.chosen:
        axes.text(0.5, 0.5, "No candidate helps", transform=axes.transAxes, color=PAPER["muted"], ha="center")
    add_legend(axes)
    return figure
