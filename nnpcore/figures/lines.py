"""Plain lines: any results that are numbers against a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.figures.drawing import DASHES, OKABE_ITO, add_legend, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines_figure(x: np.ndarray, lines: Mapping[str, np.ndarray], x_label: str, y_label: str) -> Figure:
    """Draw lines (n,) by name over one axis ``x`` (n,)."""
    figure = new_figure(5.2, max(2.7, 0.6 + 0.17 * len(lines)))
    axes = figure.add_subplot()
    for k, (name, y) in enumerate(lines.items()):
        dash = DASHES[k // len(OKABE_ITO) % len(DASHES)]
        axes.plot(x, y, linestyle=dash, color=OKABE_ITO[k % len(OKABE_ITO)], linewidth=1.3, label=name)
    style_axes(axes, x_label, y_label)
    add_legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
