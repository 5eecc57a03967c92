"""A structure's picture with its colour bar, as a figure for a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import FONT, SMALL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from app.viewer3d.color_bar import ColorBarSpec

INCHES = 3.6


def structure_figure(image: np.ndarray, bar: ColorBarSpec | None) -> Figure:
    """Put a picture (height, width, 4) uint8 RGBA into a figure, with its colour bar beside it."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    height, width = image.shape[:2]
    figure = Figure(figsize=(INCHES + (0.7 if bar else 0.0), INCHES * height / width), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(image, interpolation="antialiased")
    axes.set_axis_off()
    if bar is not None:
        colors = ListedColormap(bar.colors / 255.0)
        scale = figure.colorbar(ScalarMappable(Normalize(*bar.limits), colors), ax=axes, shrink=0.8)
        scale.set_label(bar.title, fontsize=FONT)
        scale.ax.tick_params(labelsize=SMALL, width=0.6)
        scale.outline.set_linewidth(0.6)  # type: ignore[union-attr]
    return figure
