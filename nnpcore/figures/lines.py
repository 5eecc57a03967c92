"""Figures of lines: any results against a number, and trainings that differ in one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.figures.drawing import (
    DASHES,
    OKABE_ITO,
    add_legend,
    log_axis,
    new_figure,
    paper_color,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class SweepLine:
    """One quantity (n,) of every training, NaN where unknown; the one at ``best`` is ringed."""

    name: str
    values: np.ndarray
    best: int | None
    color: str
    marker: str
    dash: int = 0


def sweep_figure(
    x: np.ndarray, texts: Sequence[str], label: str, panels: Sequence[tuple[str, Sequence[SweepLine]]]
) -> Figure:
    """Draw lines against the setting.

    Parameters
    ----------
    x : (n,) places of the values along the axis. texts : the values. label : the setting.
    panels : the unit of an axis with its lines; those without anything known are left out.
    """
    known = [
        (unit, found)
        for unit, lines in panels
        if (found := [line for line in lines if np.isfinite(line.values).any()])
    ]
    figure = new_figure(6.4 if len(known) > 1 else 3.4, 2.6)
    all_axes = figure.subplots(1, max(len(known), 1), squeeze=False)[0]
    for axes, (unit, lines) in zip(all_axes, known, strict=False):
        _draw(axes, x, lines)
        axes.set_xticks(x, texts, rotation=45 if len(texts) > 6 else 0)
        style_axes(axes, label, unit)
        log_axis(axes)
        if len(lines) > 1:
            add_legend(axes)
    return figure


def _draw(axes: Axes, x: np.ndarray, lines: Sequence[SweepLine]) -> None:
    for line in lines:
        look: dict[str, Any] = {"marker": line.marker, "color": paper_color(line.color)}
        axes.plot(x, line.values, linestyle=DASHES[line.dash], markersize=4, linewidth=1.2, label=line.name,
                  **look)  # fmt: skip
        if line.best is not None:
            axes.plot(x[line.best], line.values[line.best], markersize=10, fillstyle="none", **look)


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
