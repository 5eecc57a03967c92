"""How an equation of state is shown, on the screen and in figures: zero of energy, window, smooth curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.figures.drawing import DASHES, PAPER, SMALL, add_table, draw_band, new_figure, plain, style_axes
from nnpcore.figures.names import VOLUME
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.mapping import Bracket, EosCurve, EosFit, EosReport

BRACKET = "bracket"
"""Name of the brackets among what is drawn."""

WINDOW = 0.08
"""Half width of the window relative to V0 where there is no bracket."""


@dataclass(frozen=True, eq=False)
class EosSeries:
    """The equation of state of one run, with how it is drawn: ``color`` as #rrggbb, ``dash`` 0, 1, 2, ...

    ``foretold`` : (n,) spread that the training data leave open at the curve's points, meV/atom; None where
    nobody foretold it.
    """

    name: str
    curve: EosCurve
    report: EosReport | None
    bracket: Bracket | None
    color: str
    dash: int = 0
    foretold: np.ndarray | None = None


@dataclass(frozen=True)
class EnergyZero:
    """The energy subtracted from all, eV/atom, and what it is, for the axis."""

    energy: float
    text: str


def energy_zero(series: Sequence[EosSeries]) -> EnergyZero:
    """Return the reference's energy at its minimum; the first ensemble's lowest where there is none."""
    for item in series:
        if item.report is not None and item.report.reference_fit is not None:
            return EnergyZero(item.report.reference_fit.e0, "reference minimum")
        if np.isfinite(item.curve.reference).any():
            return EnergyZero(float(np.nanmin(item.curve.reference)), "lowest reference")
    if series and np.isfinite(series[0].curve.mean).any():
        return EnergyZero(float(np.nanmin(series[0].curve.mean)), "ensemble minimum")
    return EnergyZero(0.0, "0")


def relative_mev(energies: np.ndarray, zero: EnergyZero) -> np.ndarray:
    """Return energies (eV/atom) relative to the zero, meV/atom."""
    return MEV_PER_EV * (energies - zero.energy)


EDGE = 0.025
"""Share of the window's width that lies between a point and the edge at least."""

MOST_SHADE = 0.6
"""Share of the lines' range by which a wide shade may stretch the axis, up and down."""


def eos_window(series: Sequence[EosSeries], zero: EnergyZero) -> tuple[float, float, float, float]:
    """Return (x low, x high, y low, y high): the brackets and a third around them, and all curves there.

    A shade may stretch the energies by :data:`MOST_SHADE` of what means and reference take; a wider one
    leaves the picture.
    """
    low, high = _beside_points(*_volume_window(series), series)
    lines, shades = [np.zeros(1)], [np.zeros(1)]
    for item in series:
        seen = (item.curve.volumes >= low) & (item.curve.volumes <= high)
        mean, std = relative_mev(item.curve.mean, zero), shade_of(item, item.curve.volumes)
        lines += [v[seen] for v in (mean, relative_mev(item.curve.reference, zero))]
        shades += [v[seen] for v in (mean - std, mean + std)]
    bottom, top = _range_of(lines)
    most = MOST_SHADE * max(top - bottom, 1.0)
    lowest, highest = _range_of(shades)
    bottom, top = max(min(bottom, lowest), bottom - most), min(max(top, highest), top + most)
    room = max(top - bottom, 1.0)
    return low, high, bottom - 0.06 * room, top + 0.16 * room


OPEN_FROM = 10.0
"""meV/atom: a foretold spread from which data leave a curve open. Members then differ by chance: the range is
hatched at the axis, and their shade says no more than how they differ."""

OPEN, BY_THE_DATA, FORETOLD = "left open", " by the data", "± foretold"
"""What the hatched strip, in two parts, and the two dotted lines are called in legends."""


def open_at(item: EosSeries, at: np.ndarray) -> np.ndarray:
    """Return whether training data leave a curve open at volumes (n,); nowhere where nothing is foretold."""
    if item.foretold is None:
        return np.zeros(len(at), dtype=bool)
    return np.interp(at, item.curve.volumes, item.foretold) > OPEN_FROM


def shade_of(item: EosSeries, at: np.ndarray) -> np.ndarray:
    """Return the members' spread at volumes (n,), meV/atom, whether the data determine the curve or not."""
    return np.maximum(spline(item.curve.volumes, MEV_PER_EV * item.curve.std, at), 0.0)


def _range_of(values: Sequence[np.ndarray]) -> tuple[float, float]:
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    return float(known.min()), float(known.max())


def _volume_window(series: Sequence[EosSeries]) -> tuple[float, float]:
    volumes = np.concatenate([item.curve.volumes for item in series])
    edges = [
        (item.bracket.low, item.bracket.high)
        for item in series
        if item.bracket is not None and item.bracket.low is not None and item.bracket.high is not None
    ]
    if edges:
        inner, outer = min(e[0] for e in edges), max(e[1] for e in edges)
        room = max((outer - inner) / 3, 0.02 * outer)
        low, high = inner - room, outer + room
    else:
        known = [item.report.v0 for item in series if item.report is not None and item.report.v0]
        v0 = known[0] if known else float(np.median(volumes))
        low, high = v0 * (1 - WINDOW), v0 * (1 + WINDOW)
    low, high = max(low, float(volumes.min())), min(high, float(volumes.max()))
    if high <= low:
        low, high = float(volumes.min()), float(volumes.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _beside_points(low: float, high: float, series: Sequence[EosSeries]) -> tuple[float, float]:
    """Return a window moved out where a point would lie on its edge and be cut."""
    room = EDGE * (high - low)
    volumes = np.concatenate([item.curve.volumes for item in series])
    lowest = min([low, *(volumes[np.abs(volumes - low) < room] - room)])
    highest = max([high, *(volumes[np.abs(volumes - high) < room] + room)])
    return float(lowest), float(highest)


def spline(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Interpolate (n,), (..., n) at ``at`` (m,) by a not-a-knot cubic spline; linear below four points.

    ``x`` rises strictly. Where a value is not finite the result is linear between its finite neighbors.
    """
    if y.ndim > 1:
        return np.stack([spline(x, row, at) for row in y])
    good = np.isfinite(y)
    x, y = x[good], y[good]
    if len(x) < 4:
        return np.interp(at, x, y) if len(x) else np.full(len(at), np.nan)
    from scipy.interpolate import CubicSpline

    return CubicSpline(x, y)(at)


def dense(volumes: np.ndarray) -> np.ndarray:
    """Return volumes for a smooth curve, the given ones among them."""
    if len(volumes) < 2:
        return volumes
    steps = np.arange(12) / 12
    inner = volumes[:-1, None] + np.diff(volumes)[:, None] * steps
    return np.append(inner.ravel(), volumes[-1])


# figure -----------------------------------------------------------------------------------------------
def eos_figure(series: Sequence[EosSeries], *, members: bool = False, table: bool = False) -> Figure:
    """Draw E_at(V) of one or more ensembles against the reference, as in the paper's Fig. 1.

    Lines are ensemble means, shades one standard deviation, square brackets the volumes in reach of the
    training set. Energies are relative to the reference's minimum, meV/atom. With ``table`` the fitted
    numbers stand below.

    Raises
    ------
    AnalysisError : without any curve.
    """
    if not series:
        raise AnalysisError("there is no equation of state to draw", fix="Train, and open a volume scan")
    rows = _table_rows(series) if table else []
    figure = new_figure(4.2 if rows else 3.6, 2.9 + 0.17 * (len(series) + 1) // 2 + 0.14 * len(rows))
    axes = figure.add_subplot()
    zero = energy_zero(series)
    for item in series:
        _draw_eos(axes, item, zero, members, alone=len(series) == 1)
    _draw_left_open(axes, series[0], zero)
    _draw_eos_reference(axes, series, zero)
    low, high, bottom, top = eos_window(series, zero)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    for level, item in enumerate(series):
        draw_bracket(axes, item.bracket, item.color if len(series) > 1 else "black", 0.97 - 0.05 * level)
    style_axes(axes, VOLUME, "$E_\\mathrm{at}$ − " + zero.text + " (meV/atom)")
    _add_eos_legend(axes)
    if rows:
        add_table(figure, rows, ["black"] * (len(rows) - len(series)) + [item.color for item in series])
    return figure


IN_REACH = "in reach"


def _add_eos_legend(axes: Axes) -> None:
    """Name the curves above them, and what the bracket means."""
    from matplotlib.figure import Figure
    from matplotlib.legend_handler import HandlerLine2D
    from matplotlib.lines import Line2D

    class BracketHandler(HandlerLine2D):
        """Draws the bracket in the legend as it is in the plot."""

        def create_artists(self, legend, orig_handle, xdescent, ydescent, width, height, fontsize, trans):  # type: ignore[no-untyped-def]
            """Return a square bracket over the width of the entry."""
            left, right, low, high = -xdescent, width - xdescent, -ydescent, height - ydescent
            look = {"color": "black", "linewidth": 1.0, "transform": trans}
            return [Line2D([left, left, right, right], [low, high, high, low], **look)]

    handles, names = axes.get_legend_handles_labels()
    special = {}
    bracket = next((line for line in axes.lines if line.get_gid() == BRACKET), None)
    if bracket is not None:
        handles, names = [*handles, bracket], [*names, IN_REACH]
        special[bracket] = BracketHandler()
    assert isinstance(axes.figure, Figure)
    axes.figure.legend(handles, names, handler_map=special, loc="outside upper center", ncols=2,
                       frameon=False, fontsize=SMALL, handlelength=1.8, borderaxespad=0.2)  # fmt: skip


MINUS = "−"
HEADS = (("", "V₀", "B₀", "B₀′", "slope error", "RMSE"), ("", "Å³/atom", "GPa", "", "GPa", "meV/atom"))


def _table_rows(series: Sequence[EosSeries]) -> list[tuple[str, ...]]:
    """Return the fitted numbers as text: the heads, the reference, each ensemble; [] where there are none."""
    if not any(item.report is not None for item in series):
        return []
    reports = [item.report for item in series if item.report is not None]
    known = [report.reference_fit for report in reports if report.reference_fit is not None]
    rows = [("reference", *_fit_cells(fit), "", "") for fit in known[:1]]
    for item in series:
        slope = None if item.report is None else item.report.slope_error_gpa
        rmse = None if item.report is None else item.report.rmse_in_bracket_mev
        slope_std = None if item.report is None else item.report.slope_std_gpa
        std = None if item.report is None else item.report.std_in_bracket_mev
        ends = (_with_spread(slope, slope_std, "+.2f"), _with_spread(rmse, std, ".1f"))
        rows.append((plain(item.name, 18), *_fit_cells(item.report and item.report.mean_fit), *ends))
    return [*HEADS, *rows]


def _with_spread(value: float | None, std: float | None, form: str) -> str:
    """Return a number with its spread over the members, where there is one."""
    if value is None:
        return "–"
    spread = "" if std is None else f" ± {std:{form.lstrip('+')}}"
    return f"{value:{form}}".replace("-", MINUS) + spread


def _fit_cells(fit: EosFit | None) -> tuple[str, str, str]:
    if fit is None:
        return "–", "–", "–"
    about = "≈" if fit.doubt else ""
    return (
        f"{about}{fit.v0:.2f}",
        f"{about}{fit.b0_gpa:.1f}".replace("-", MINUS),
        f"{about}{fit.b0_prime:.1f}".replace("-", MINUS),
    )


def _draw_eos(axes: Axes, item: EosSeries, zero: EnergyZero, members: bool, *, alone: bool) -> None:
    curve = item.curve
    at = dense(curve.volumes)
    mean = spline(curve.volumes, relative_mev(curve.mean, zero), at)
    std = shade_of(item, at)
    dash = DASHES[item.dash % len(DASHES)]
    draw_band(axes, at, mean - std, mean + std, item.color, alone=alone, dash=dash)
    if members:
        for row in spline(curve.volumes, relative_mev(curve.energies, zero), at):
            axes.plot(at, row, color=item.color, linewidth=0.5, alpha=0.5)
    axes.plot(at, mean, linestyle=dash, color=item.color, linewidth=1.4, label=plain(item.name))


def _draw_left_open(axes: Axes, item: EosSeries, zero: EnergyZero) -> None:
    """Draw what the training data leave open of the first curve as two lines, hatched at the axis."""
    if item.foretold is None:
        return
    at, mean = dense(item.curve.volumes), relative_mev(item.curve.mean, zero)
    is_open = open_at(item, at)
    look = {"facecolor": "none", "edgecolor": PAPER["muted"], "hatch": "////////", "linewidth": 0.0}
    label = OPEN + BY_THE_DATA if is_open.any() else "_"
    axes.fill_between(at, 0.0, 0.03, where=is_open, transform=axes.get_xaxis_transform(), label=label, **look)
    for sign, label in ((-1.0, FORETOLD), (1.0, "_")):
        line = spline(item.curve.volumes, mean + sign * item.foretold, at)
        axes.plot(at, line, linestyle=DASHES[2], color=PAPER["muted"], linewidth=0.9, label=label)


def _draw_eos_reference(axes: Axes, series: Sequence[EosSeries], zero: EnergyZero) -> None:
    known = next((i.curve for i in series if np.isfinite(i.curve.reference).any()), None)
    if known is not None:
        energies = relative_mev(known.reference, zero)
        axes.plot(known.volumes, energies, "o", color="black", markersize=3.5, label="reference", zorder=5)


def draw_bracket(axes: Axes, bracket: Bracket | None, color: str, height: float) -> None:
    """Draw a square bracket over the volumes in reach; ``height`` in [0, 1] of the axes."""
    if bracket is None or bracket.low is None or bracket.high is None:
        return
    x = [bracket.low, bracket.low, bracket.high, bracket.high]
    y = [height - 0.03, height, height, height - 0.03]
    axes.plot(x, y, color=color, linewidth=1.0, transform=axes.get_xaxis_transform(), gid=BRACKET)
