"""A structure's picture with its colour bar, as a figure for a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import add_color_bar, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 3.6


def structure_figure(
    image: np.ndarray,
    colors: np.ndarray | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    label: str = "",
) -> Figure:
    """Put a picture (height, width, 4) uint8 RGBA into a figure.

    Beside it stands a bar with the ``colors`` (n, 3) uint8 from the lower to the upper limit, if given.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    height, width = image.shape[:2]
    figure = new_figure(INCHES + (0.0 if colors is None else 0.7), INCHES * height / width)
    axes = figure.add_subplot()
    axes.imshow(image, interpolation="antialiased")
    axes.set_axis_off()
    if colors is not None:
        scale = ScalarMappable(Normalize(*limits), ListedColormap(colors / 255.0))
        add_color_bar(axes, scale, label, shrink=0.8)
    return figure
