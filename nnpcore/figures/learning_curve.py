"""Figures and tables of learning curves: error against the number of training frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.figures.drawing import add_legend, log_axis, new_figure, paper_color, style_axes
from nnpcore.figures.names import ERROR, RMSES
from nnpcore.training.learning_curve import MAPPING, NAMES, UNITS, means_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.training.learning_curve import LearningPoint

TRAINING_FRAMES = "Training frames"
LOOKS = {"energy": ("series:0", "o"), "force": ("series:1", "^"), MAPPING: ("series:2", "s")}
"""Colour and marker of each error."""

PANELS = ((ERROR, ("energy", MAPPING)), (RMSES["force"], ("force",)))
"""Errors of one unit share a plot."""

FORETOLD = "foretold spread"


def learning_curve_figure(points: Sequence[LearningPoint]) -> Figure:
    """Draw errors, a line through the means of the seeds, and foretold spreads dashed."""
    known = [
        (unit, [name for name in names if means_of(points, name)])
        for unit, names in PANELS
        if any(means_of(points, name) for name in names)
    ]
    figure = new_figure(6.6 if len(known) > 1 else 3.6, 2.7)
    all_axes = figure.subplots(1, max(len(known), 1), squeeze=False)[0]
    for axes, (unit, names) in zip(all_axes, known, strict=False):
        for name in names:
            _draw(axes, name, points)
        style_axes(axes, TRAINING_FRAMES, unit)
        log_axis(axes)
        sizes = sorted({point.n for point in points})
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.minorticks_off()
        add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def _draw(axes: Axes, name: str, points: Sequence[LearningPoint]) -> None:
    color, marker = paper_color(LOOKS[name][0]), LOOKS[name][1]
    means = means_of(points, name)
    axes.plot([*means], [*means.values()], "-", color=color, linewidth=1.3)
    single = np.array([(p.n, getattr(p, name)) for p in points])
    axes.plot(*single.T, marker, color=color, markersize=4, label=NAMES[name])
    foretold = means_of(points, name, foretold=True)
    if foretold:
        axes.plot([*foretold], [*foretold.values()], "--", color=color, linewidth=1.0,
                  label=f"{FORETOLD} of it")  # fmt: skip


def learning_curve_table(points: Sequence[LearningPoint]) -> dict[str, list[Any]]:
    """Return a row a training: frames, seed, errors and foretold spreads."""
    table: dict[str, list[Any]] = {
        "training frames": [p.n for p in points],
        "seed": [p.seed for p in points],
        "run": [p.name for p in points],
    }
    for name in NAMES:
        if means_of(points, name):
            table[f"{NAMES[name]} ({UNITS[name]})"] = [getattr(p, name) for p in points]
            spreads = [p.foretold.get(name, np.nan) for p in points]
            table[f"{FORETOLD}, {NAMES[name].removesuffix(' error')} ({UNITS[name]})"] = spreads
    return table
