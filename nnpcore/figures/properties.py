"""Figures of what potentials say of a crystal, several side by side and beside the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.figures.drawing import (
    DASHES,
    FONT,
    PAPER,
    SMALL,
    add_legend,
    new_figure,
    plain,
    series_color,
    style_axes,
)
from nnpcore.properties.comparing import rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.properties.values import Properties, Reference

LINES = {
    "eos": ("Volume (Å³/atom)", "E - E0 (meV/atom)"),
    "rdf": ("Distance (Å)", "g(r)"),
    "drift": ("Time (ps)", "Total energy (meV/atom)"),
}
"""Name of a line -> its axes."""

COMPARED = ("a", "c", "b0", "c11", "c12", "c13", "c33", "c44", "c66", "vacancy", "phonon_max")
"""Values, and all surface energies, whose deviation from the reference is drawn in per cent."""


def property_figures(models: Sequence[Properties], reference: Reference | None = None) -> dict[str, Figure]:
    """Return by name what there is to draw: deviations, eos, phonons, rdf, drift."""
    found: dict[str, Figure] = {}
    if reference is not None and (figure := deviations_figure(models, reference)) is not None:
        found["deviations"] = figure
    others = () if reference is None or reference.properties is None else (reference.properties,)
    if any(model.bands is not None for model in models):
        found["phonons"] = _bands_figure(models, others)
    for name, (x, y) in LINES.items():
        if any(model.line(name) is not None for model in models):
            found[name] = _line_figure(name, x, y, models, others)
    return found


def deviations_figure(models: Sequence[Properties], reference: Reference) -> Figure | None:
    """Draw by how many per cent models are off the reference, with spreads; None where nothing is known."""
    rows = [
        row
        for row in rows_of(models, reference)
        if (row.key in COMPARED or row.key.startswith("surface_"))
        and row.reference
        and any(row.error(k) is not None for k in range(len(models)))
    ]
    if not rows:
        return None
    figure = new_figure(max(3.4, 0.5 * len(rows) + 1.2), 3.0)
    axes = figure.add_subplot()
    axes.axhline(0.0, color=PAPER["reference"], linewidth=0.8)
    width = 0.8 / len(models)
    for k, model in enumerate(models):
        places, heights, spreads = [], [], []
        for place, row in enumerate(rows):
            error, value = row.error(k), row.values[k]
            if error is not None and value is not None and row.reference:
                places.append(place + (k - 0.5 * (len(models) - 1)) * width)
                heights.append(100.0 * error / abs(row.reference))
                spreads.append(100.0 * (value.spread or 0.0) / abs(row.reference))
        axes.bar(places, heights, width, color=series_color(k), label=plain(model.name))
        if any(spreads):
            axes.errorbar(
                places, heights, spreads, fmt="none", ecolor=PAPER["muted"], elinewidth=0.8, capsize=2
            )
    style_axes(axes, "", f"Deviation from {plain(reference.name)} (%)")
    axes.set_xticks(range(len(rows)), [row.title for row in rows], rotation=40, ha="right", fontsize=SMALL)
    add_legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return figure


def _line_figure(
    name: str, x: str, y: str, models: Sequence[Properties], references: Sequence[Properties]
) -> Figure:
    figure = new_figure(4.6, 2.8)
    axes = figure.add_subplot()
    for model in references:
        if (line := model.line(name)) is not None:
            axes.plot(line.x, line.y, color=PAPER["reference"], linewidth=1.0, label=plain(model.name))
    for k, model in enumerate(models):
        line = model.line(name)
        if line is None:
            continue
        look = {"color": series_color(k), "linestyle": DASHES[k % len(DASHES)]}
        axes.plot(line.x, line.y, linewidth=1.3, label=plain(model.name), **look)
        if line.spread is not None:
            low, high = line.y - line.spread, line.y + line.spread
            axes.fill_between(line.x, low, high, color=series_color(k), alpha=0.2, linewidth=0)
    style_axes(axes, x, y)
    add_legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _bands_figure(models: Sequence[Properties], references: Sequence[Properties]) -> Figure:
    """Draw dispersions over the path of the first, the others stretched to its length."""
    figure = new_figure(5.6, 3.0)
    axes = figure.add_subplot()
    first = next(model.bands for model in (*references, *models) if model.bands is not None)
    for model in references:
        _draw_bands(axes, model, PAPER["reference"], "-", first.distances)
    for k, model in enumerate(models):
        _draw_bands(axes, model, series_color(k), DASHES[k % len(DASHES)], first.distances)
    style_axes(axes, "", "Frequency (THz)")
    axes.set_xlim(float(first.distances[0]), float(first.distances[-1]))
    axes.set_xticks([place for place, _ in first.marks], [name for _, name in first.marks], fontsize=FONT)
    for place, _ in first.marks:
        axes.axvline(place, color=PAPER["muted"], linewidth=0.4)
    axes.axhline(0.0, color=PAPER["muted"], linewidth=0.4)
    add_legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _draw_bands(axes: Axes, model: Properties, color: str, dash: Any, x: np.ndarray) -> None:
    bands = model.bands
    if bands is None:
        return
    places = x if len(x) == len(bands.distances) else bands.distances * (x[-1] / bands.distances[-1])
    for j, band in enumerate(bands.frequencies.T):
        label = plain(model.name) if j == 0 else None
        axes.plot(places, band, color=color, linestyle=dash, linewidth=1.0, label=label)
