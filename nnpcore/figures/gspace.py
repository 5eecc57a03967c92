"""Figures of distances and connectivity in the space of the symmetry functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.figures.drawing import (
    DASHES,
    OKABE_ITO,
    SMALL,
    add_color_bar,
    add_legend,
    new_figure,
    plain,
    style_axes,
)
from nnpcore.figures.eos import draw_bracket
from nnpcore.figures.names import TRAINING_DISTANCE, VOLUME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.mapping import Bracket, ConnectivityResult

ATOMS = "Validation atoms"


# distances --------------------------------------------------------------------------------------------
def distance_figure(
    volumes: np.ndarray,
    bracket: Bracket,
    valid_distances: np.ndarray,
    *,
    label: str = ATOMS,
    color: str = OKABE_ITO[0],
) -> Figure:
    """Draw the histogram of usual distances to the training set, and the invariant points' against volume.

    Parameters
    ----------
    volumes : (n,) Å³/atom. bracket : with ``distances`` (n,) and the threshold.
    valid_distances : (m,) of the atoms that ``label`` names.
    """
    figure = new_figure(5.2, 2.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    _usual_distances(left, valid_distances, bracket.threshold, label, color)
    black: dict[str, Any] = {"color": "black", "linewidth": 0.9}
    right.plot(volumes, bracket.distances, "o-", markersize=3.5, label="invariant points", **black)
    right.axhline(bracket.threshold, linestyle=DASHES[1], label="limit of reach", **black)
    right.set_ylim(bottom=0.0)
    draw_bracket(right, bracket, color, 0.97)
    style_axes(right, VOLUME, TRAINING_DISTANCE)
    add_legend(right, loc="upper center", bbox_to_anchor=(0.5, 0.94))
    return figure


def reach_figure(
    distances: np.ndarray, threshold: float, *, label: str = ATOMS, color: str = OKABE_ITO[0]
) -> Figure:
    """Draw the histogram of the usual distances (m,) to the training set and the limit of reach."""
    figure = new_figure(3.2, 2.6)
    _usual_distances(figure.add_subplot(), distances, threshold, label, color)
    return figure


def _usual_distances(axes: Axes, distances: np.ndarray, threshold: float, label: str, color: str) -> None:
    known = distances[np.isfinite(distances)]
    if len(known):
        axes.hist(known, bins=min(60, max(10, len(known) // 20)), color=color, alpha=0.6)
    axes.axvline(threshold, color="black", linestyle=DASHES[1], linewidth=0.9)
    style_axes(axes, TRAINING_DISTANCE, label)


# connectivity -----------------------------------------------------------------------------------------
def connectivity_figure(result: ConnectivityResult, *, colors: Mapping[str, str] | None = None) -> Figure:
    """Draw the connectivity of every pair of groups as a matrix with its numbers."""
    n = len(result.names)
    figure = new_figure(1.6 + 0.62 * n, 1.0 + 0.56 * n)
    axes = figure.add_subplot()
    image = axes.imshow(result.matrix, cmap="Blues", vmin=0.0, vmax=1.0)
    for i in range(n):
        for j in range(n):
            value = result.matrix[i, j]
            if np.isfinite(value):
                ink = "white" if value > 0.55 else "black"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=SMALL, color=ink)
    names = [plain(name) for name in result.names]
    axes.set_xticks(range(n), names, rotation=30, ha="right", fontsize=SMALL)
    axes.set_yticks(range(n), names, fontsize=SMALL)
    for name, tick in zip(result.names, axes.get_yticklabels(), strict=True):
        tick.set_color((colors or {}).get(name, "black"))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    add_color_bar(axes, image, "Connectivity", shrink=0.85)
    return figure


def pairs_figure(
    pairs: Sequence[str],
    runs: Sequence[str],
    values: Sequence[Sequence[float | None]],
    colors: Sequence[str],
) -> Figure:
    """Draw the connectivity of the same pairs by several runs: ``values[run][pair]``, one colour a run."""
    height = 0.8 / max(len(runs), 1)
    figure = new_figure(4.2, 0.9 + 0.22 * len(pairs) * max(len(runs), 1))
    axes = figure.add_subplot()
    for k, (name, row, color) in enumerate(zip(runs, values, colors, strict=True)):
        y = np.arange(len(pairs)) - 0.4 + (k + 0.5) * height
        axes.barh(y, [v or 0.0 for v in row], height, color=color, label=name)
        for at, value in zip(y, row, strict=True):
            text = "–" if value is None else f"{value:.2f}"
            axes.text((value or 0.0) + 0.01, at, text, va="center", fontsize=SMALL)
    axes.set_yticks(range(len(pairs)), list(pairs), fontsize=SMALL)
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.1)
    style_axes(axes, "Connectivity", "")
    add_legend(axes)
    return figure
