"""Figures and tables of calibrations: errors against spreads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.figures.drawing import add_legend, log_axis, new_figure, paper_color, style_axes
from nnpcore.figures.names import axis_name
from nnpcore.training.quantities import QUANTITIES, Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.analyses.calibration import Calibration
    from nnpcore.mapping.calibration import CalibratedSpread

COLORS = {"members": "series:0", "data": "series:1"}
"""Colours of spreads by whose they are."""


def quantity_of(name: str) -> Quantity:
    """Return unit and scale of what is calibrated; pressure and shear stress have the stress's."""
    return QUANTITIES.get(name, QUANTITIES["stress"])


def spread_axis(quantity: str) -> str:
    """Return the name of the axis of spreads."""
    return axis_name(f"Spread of the {quantity}", quantity_of(quantity).unit)


def error_axis(quantity: str) -> str:
    """Return the name of the axis of errors."""
    return axis_name(f"{quantity.capitalize()} error, RMS", quantity_of(quantity).unit)


def calibration_figure(found: Calibration) -> Figure:
    """Draw errors against spreads in bins, one part a quantity, beside the line where they are the same."""
    quantities = list(dict.fromkeys(one.quantity for one in found.spreads))
    figure = new_figure(0.6 + 2.7 * len(quantities), 2.7)
    all_axes = figure.subplots(1, max(len(quantities), 1), squeeze=False)[0]
    for axes, quantity in zip(all_axes, quantities, strict=False):
        _draw(axes, quantity, [one for one in found.spreads if one.quantity == quantity])
    return figure


def _draw(axes: Axes, quantity: str, spreads: Sequence[CalibratedSpread]) -> None:
    from nnpcore.analyses.calibration import WHOSE

    scale = quantity_of(quantity).factor
    all_x = scale * np.concatenate([one.bin_spread for one in spreads])
    ends = np.array([0.7 * all_x.min(), 1.4 * all_x.max()])
    axes.plot(ends, ends, "-", color=paper_color("muted"), linewidth=0.8, label="as large as the spread")
    for one in spreads:
        color, x = paper_color(COLORS[one.whose]), scale * one.bin_spread
        own = np.array([x.min(), x.max()])
        axes.plot(own, one.factor * own, "--", color=color, linewidth=0.9)
        label = f"{WHOSE[one.whose]} (× {one.factor:.2g})"
        axes.plot(x, scale * one.bin_error, "o", color=color, markersize=4, label=label)
    style_axes(axes, spread_axis(quantity), error_axis(quantity))
    log_axis(axes, "x")
    log_axis(axes)
    add_legend(axes)


def calibration_table(found: Calibration) -> dict[str, list[Any]]:
    """Return a row a spread: factor, bounds, coverage and likelihood before and after."""
    from nnpcore.analyses.calibration import WHOSE

    s = found.spreads
    return {
        "quantity": [one.quantity for one in s],
        "spread": [WHOSE[one.whose] for one in s],
        "factor": [one.factor for one in s],
        "factor, low": [one.bounds[0] for one in s],
        "factor, high": [one.bounds[1] for one in s],
        "within 1 spread, before (%)": [100 * one.before.coverage[0] for one in s],
        "within 2 spreads, before (%)": [100 * one.before.coverage[1] for one in s],
        "within 1 spread, after (%)": [100 * one.after.coverage[0] for one in s],
        "within 2 spreads, after (%)": [100 * one.after.coverage[1] for one in s],
        "-ln likelihood, before": [one.before.nll for one in s],
        "-ln likelihood, after": [one.after.nll for one in s],
        "rank correlation of spread and error": [one.rank for one in s],
        "values": [one.n for one in s],
        "blocks of frames": [one.n_blocks for one in s],
    }


def calibration_bins(found: Calibration) -> dict[str, list[Any]]:
    """Return a row a bin: root mean squares of spreads and errors, as they are shown."""
    from nnpcore.analyses.calibration import WHOSE

    rows = [
        (one.quantity, quantity_of(one.quantity).unit, WHOSE[one.whose], factor * spread, factor * error)
        for one in found.spreads
        for factor in (quantity_of(one.quantity).factor,)
        for spread, error in zip(one.bin_spread.tolist(), one.bin_error.tolist(), strict=True)
    ]
    heads = ("quantity", "unit", "whose", "spread", "error")
    return {head: [row[k] for row in rows] for k, head in enumerate(heads)}
