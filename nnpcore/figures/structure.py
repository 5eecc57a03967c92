"""A structure's picture with its colour bar, as a figure for a paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import FONT, SMALL, in_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAR = 0.11
"""Inches: the width of a colour bar."""

LETTERS, LINE = 5.6, 1.8
"""Heights of letters that a colour bar with its numbers and a title takes, and each further line of it."""


@dataclass(frozen=True, eq=False)
class Scale:
    """What colours mean: (n, 3) uint8 from the lower to the upper limit, and a title with its unit."""

    colors: np.ndarray
    limits: tuple[float, float]
    label: str


def bar_room(font_size: float, title: str) -> float:
    """Return the inches that a bar with this title, in letters of ``font_size`` points, takes."""
    return BAR + (LETTERS + LINE * in_lines(title).count("\n")) * font_size / 72.0


def structure_figure(
    image: np.ndarray, size: tuple[float, float], scale: Scale | None = None, room: float = 0.0
) -> Figure:
    """Put an image (height, width, 4) uint8 RGBA into a figure of ``size`` inches.

    At its right ``room`` inches are left for the colour bar, see :func:`bar_room`. Where the picture has the
    pixels of the rest, none is resampled.
    """
    from matplotlib.figure import Figure

    width = size[0]
    share = 1.0 if scale is None else max(1.0 - room / width, 0.1)
    figure = Figure(figsize=size, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, share, 1.0))
    axes.imshow(image, interpolation="antialiased", aspect="auto")
    axes.set_axis_off()
    if scale is not None:
        _add_bar(figure, scale, (share + 0.03 / width, 0.12, BAR / width, 0.76))
    return figure


def _add_bar(figure: Figure, scale: Scale, place: tuple[float, float, float, float]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    colored = ScalarMappable(Normalize(*scale.limits), ListedColormap(scale.colors / 255.0))
    bar = figure.colorbar(colored, cax=figure.add_axes(place))
    bar.set_label(in_lines(scale.label), fontsize=FONT)
    bar.ax.tick_params(labelsize=SMALL, width=0.6)
    bar.outline.set_linewidth(0.6)  # type: ignore[operator]
    if bar.solids is not None:
        bar.solids.set_rasterized(False)
        bar.solids.set_edgecolor("face")  # no white gaps between its steps
