"""The demonstration's figure, after Fig. 1 of Yoo et al. (2019): equations of state of three ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.mapping import Bracket, EosCurve, EosFit
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.exchange.mapping_report import MappingReport

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
DASHES = ("-", "--", "-.", ":")
SHOWN = 0.09
"""Relative distance from the equilibrium volume that is shown."""


def demo_figure(mappings: Sequence[tuple[str, MappingReport]]) -> Figure:
    """Draw E_at(V) of ensembles, mean and spread, with the reference and each one's bracket.

    Parameters
    ----------
    mappings : (name, report) of each ensemble; all of one volume scan with reference energies.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axes = figure.add_subplot()
    first = mappings[0][1]
    fit = first.eos.reference_fit
    e0 = fit.e0 if fit else float(np.nanmin(first.curve.reference))
    v0 = fit.v0 if fit else float(first.curve.volumes[int(np.nanargmin(first.curve.reference))])
    for i, (name, mapping) in enumerate(mappings):
        _draw_curve(axes, mapping.curve, e0, name, i)
    _draw_reference(axes, first.curve, fit, e0)
    low, high = v0 * (1 - SHOWN), v0 * (1 + SHOWN)
    axes.set_xlim(low, high)
    axes.set_ylim(*_limits(mappings, e0, low, high))
    for i, (_, mapping) in enumerate(mappings):
        _draw_bracket(axes, mapping.bracket, i)
    axes.set_xlabel("Volume (Å³/atom)")
    axes.set_ylabel("Energy of the crystal (meV/atom)")
    axes.legend(frameon=False, fontsize=9)
    return figure


def _draw_curve(axes: Axes, curve: EosCurve, e0: float, name: str, i: int) -> None:
    mean, std = MEV_PER_EV * (curve.mean - e0), MEV_PER_EV * curve.std
    color = COLORS[i % len(COLORS)]
    axes.fill_between(curve.volumes, mean - std, mean + std, color=color, alpha=0.2, linewidth=0)
    axes.plot(curve.volumes, mean, DASHES[i % len(DASHES)], color=color, label=name)


def _draw_reference(axes: Axes, curve: EosCurve, fit: EosFit | None, e0: float) -> None:
    axes.plot(curve.volumes, MEV_PER_EV * (curve.reference - e0), "ko", markersize=4, label="DFT", zorder=5)
    if fit is not None:
        line = np.linspace(curve.volumes[0], curve.volumes[-1], 200)
        axes.plot(line, MEV_PER_EV * (fit.energy(line) - e0), "k", linewidth=0.6, zorder=4)


def _limits(
    mappings: Sequence[tuple[str, MappingReport]], e0: float, low: float, high: float
) -> tuple[float, float]:
    """Return energies that show every curve between two volumes, with room for the brackets below."""
    lows, highs = [], []
    for _, mapping in mappings:
        curve = mapping.curve
        seen = (curve.volumes > low) & (curve.volumes < high)
        mean, std = curve.mean[seen] - e0, curve.std[seen]
        lows.append(min((mean - std).min(), np.nanmin(curve.reference[seen] - e0)))
        highs.append(max((mean + std).max(), np.nanmax(curve.reference[seen] - e0)))
    bottom, top = MEV_PER_EV * min(lows), MEV_PER_EV * max(highs)
    room = 0.05 * (top - bottom)
    return bottom - room * (1.5 + len(mappings)), top + room


def _draw_bracket(axes: Axes, bracket: Bracket, i: int) -> None:
    """Draw the volumes in reach of the training set as a square bracket along the lower edge."""
    if bracket.low is None or bracket.high is None:
        return
    height = 0.03 + 0.045 * i
    to_axes = axes.get_xaxis_transform()
    x = [bracket.low, bracket.low, bracket.high, bracket.high]
    y = [height + 0.02, height, height, height + 0.02]
    axes.plot(x, y, color=COLORS[i % len(COLORS)], linewidth=1.2, transform=to_axes)
