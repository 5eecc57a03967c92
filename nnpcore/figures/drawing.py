"""Figures for a paper: pure functions from results to matplotlib ``Figure`` objects, on any thread.

Only ``matplotlib.figure.Figure`` is used, never pyplot, and every size and colour is set on the artists, so
that no global state is touched while drawing.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.figures.eos_view import EosSeries, dense, energy_zero, eos_window, relative_mev, spline
from nnpcore.figures.series import HistoryColumns, RmseSeries, smoothed
from nnpcore.files import write_atomically
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    from nnpcore.mapping import Bracket, ConnectivityResult
    from nnpcore.training.history import EpochRecord

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "p", "*")
SUFFIXES = ("png", "svg", "pdf")
FONT = 9.0
SMALL = 8.0
DPI = 300
MAX_DENSITY_POINTS = 3000

SAVING = threading.Lock()
"""Held while matplotlib's settings are changed."""

LETTERS = "DejaVu Sans"
"""The font of all figures; it comes with matplotlib."""

OTHER_SCRIPTS = (
    "NanumGothic",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Microsoft YaHei",
)
"""Fonts with letters the usual one lacks, such as Korean."""


@dataclass(frozen=True, eq=False)
class PointSeries:
    """Points (n, 2) of one group; ``values`` (n,) colour them instead of ``color``; ``path`` joins them."""

    name: str
    xy: np.ndarray
    color: str
    marker: str = "o"
    path: bool = False
    values: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ParitySeries:
    """Reference and prediction (n,) of one data set."""

    name: str
    reference: np.ndarray
    predicted: np.ndarray
    color: str
    marker: str = "o"

    @property
    def rmse(self) -> float:
        """Root-mean-square difference, NaN pairs left out; NaN where there is none."""
        difference = self.predicted - self.reference
        known = difference[np.isfinite(difference)]
        return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


# files ------------------------------------------------------------------------------------------------
def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG (300 dpi), SVG or PDF by the path's suffix, all or nothing.

    Raises
    ------
    AnalysisError : for another suffix. RunFolderError : when the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in SUFFIXES:
        raise AnalysisError(f"a figure cannot be written as '{path.suffix}'", fix="Use .png, .svg or .pdf")
    write_atomically(path, figure_bytes(figure, suffix))


def figure_bytes(figure: Figure, suffix: str, *, outlines: bool = False, dpi: int = DPI) -> bytes:
    """Return a figure as "png", "svg" or "pdf"; ``outlines`` draws the letters of an SVG as curves."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if not text.get_text().isascii():
            text.set_fontfamily([LETTERS, *other_scripts(text.get_text())])  # type: ignore[attr-defined]
    content = io.BytesIO()
    metadata = {"png": {"Software": "Eatlas"}, "svg": {"Creator": "Eatlas", "Date": None}}
    letters = "path" if outlines else "none"
    settings = {"svg.fonttype": letters, "svg.hashsalt": "eatlas", "pdf.fonttype": 42}
    with SAVING, matplotlib.rc_context(settings):  # type: ignore[arg-type]
        FigureCanvasAgg(figure)
        about = metadata.get(suffix, {"Creator": "Eatlas"})
        figure.savefig(content, format=suffix, dpi=dpi, metadata=about, facecolor="white")
    return content.getvalue()


def other_scripts(text: str) -> dict[str, str]:
    """Return name and file of the fonts here with what the usual one lacks, none where it has all of a text."""
    from matplotlib.font_manager import findfont, fontManager, get_font

    known = get_font(findfont(LETTERS)).get_charmap()
    if all(ord(letter) in known for letter in text):
        return {}
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)  # tells what it leaves out of these fonts
    here = set(fontManager.get_font_names())
    return {name: findfont(name) for name in OTHER_SCRIPTS if name in here}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, inches; its text is laid out when it is saved."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def style_axes(axes: Axes, x: str, y: str) -> None:
    """Name the axes and give them thin lines without a box."""
    axes.set_xlabel(x, fontsize=FONT)
    axes.set_ylabel(y, fontsize=FONT)
    axes.tick_params(labelsize=SMALL, width=0.6, length=3, direction="out")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.6)


def add_legend(axes: Axes, **options: Any) -> None:
    """Add a legend without a frame where anything has a name."""
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(frameon=False, fontsize=SMALL, handlelength=1.8, **options)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)


def add_color_bar(axes: Axes, colored: ScalarMappable, label: str, *, shrink: float) -> None:
    """Put a bar beside the axes that tells what the colours mean, drawn as vectors."""
    bar = axes.figure.colorbar(colored, ax=axes, shrink=shrink)
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=SMALL, width=0.6)
    if bar.solids is not None:
        bar.solids.set_rasterized(False)
        bar.solids.set_edgecolor("face")  # no white gaps between its steps


# equation of state ------------------------------------------------------------------------------------
def eos_figure(series: Sequence[EosSeries], *, members: bool = False, title: str = "") -> Figure:
    """Draw E_at(V) of one or more ensembles against the reference, as in the paper's Fig. 1.

    Lines are ensemble means, shades one standard deviation, square brackets the volumes in reach of the
    training set. Energies are relative to the reference's minimum, meV/atom.

    Raises
    ------
    AnalysisError : without any curve.
    """
    if not series:
        raise AnalysisError("there is no equation of state to draw", fix="Train, and open a volume scan")
    figure = new_figure(3.6, 2.9)
    axes = figure.add_subplot()
    zero = energy_zero(series)
    for item in series:
        _draw_eos(axes, item, zero, members)
    _draw_eos_reference(axes, series, zero)
    low, high, bottom, top = eos_window(series, zero)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    for level, item in enumerate(series):
        _draw_bracket(axes, item.bracket, item.color if len(series) > 1 else "black", 0.97 - 0.05 * level)
    style_axes(axes, "Volume (Å³/atom)", "$E_\\mathrm{at}$ − " + zero.text + " (meV/atom)")
    add_legend(axes, loc="upper center", bbox_to_anchor=(0.5, 0.93 - 0.05 * len(series)))
    if title:
        axes.set_title(title, fontsize=FONT)
    return figure


def _draw_eos(axes: Axes, item: EosSeries, zero: Any, members: bool) -> None:
    curve = item.curve
    at = dense(curve.volumes)
    mean = spline(curve.volumes, relative_mev(curve.mean, zero), at)
    std = np.maximum(spline(curve.volumes, MEV_PER_EV * curve.std, at), 0.0)
    axes.fill_between(at, mean - std, mean + std, color=item.color, alpha=0.2, linewidth=0)
    if members:
        for row in spline(curve.volumes, relative_mev(curve.energies, zero), at):
            axes.plot(at, row, color=item.color, linewidth=0.5, alpha=0.5)
    dash = DASHES[item.dash % len(DASHES)]
    axes.plot(at, mean, linestyle=dash, color=item.color, linewidth=1.4, label=item.name)


def _draw_eos_reference(axes: Axes, series: Sequence[EosSeries], zero: Any) -> None:
    known = next((i.curve for i in series if np.isfinite(i.curve.reference).any()), None)
    if known is not None:
        energies = relative_mev(known.reference, zero)
        axes.plot(known.volumes, energies, "o", color="black", markersize=3.5, label="reference", zorder=5)


def _draw_bracket(axes: Axes, bracket: Bracket | None, color: str, height: float) -> None:
    if bracket is None or bracket.low is None or bracket.high is None:
        return
    x = [bracket.low, bracket.low, bracket.high, bracket.high]
    y = [height - 0.03, height, height, height - 0.03]
    axes.plot(x, y, color=color, linewidth=1.0, transform=axes.get_xaxis_transform())


# training ---------------------------------------------------------------------------------------------
def training_figure(
    history: Sequence[EpochRecord],
    *,
    title: str = "",
    mapping: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    smoothing: float = 0.0,
) -> Figure:
    """Draw RMSE curves, one panel a quantity: training dashed, validation solid, its members shaded.

    Parameters
    ----------
    history : a record per epoch.
    mapping : epochs, mapping error in the bracket and ensemble std there (n,), meV/atom: one panel more, as
        in the paper's Fig. 3(b).
    smoothing : in [0, 1), see ``series.smoothed``.

    Raises
    ------
    AnalysisError : for an empty history.
    """
    columns = HistoryColumns()
    columns.extend(history)
    quantities = columns.quantities()
    if not quantities:
        raise AnalysisError("there are no training curves to draw", fix="Train for at least one epoch")
    n_panels = len(quantities) + (mapping is not None)
    figure = new_figure(2.4 * n_panels + 0.4, 2.3)
    all_axes = figure.subplots(1, n_panels, squeeze=False)[0]
    labels = {"energy": "Energy RMSE (meV/atom)", "force": "Force RMSE (eV/Å)", "stress": "Stress RMSE (GPa)"}
    for axes, quantity, color in zip(all_axes, quantities, OKABE_ITO, strict=False):
        for part in ("train", "valid"):
            _draw_rmse(axes, part, columns.series(part, quantity), color, smoothing)
        _style_epochs(axes, labels[quantity])
    if mapping is not None:
        axes = all_axes[-1]
        axes.plot(mapping[0], mapping[1], color=OKABE_ITO[3], linewidth=1.4)
        _style_epochs(axes, "Mapping error (meV/atom)")
    add_legend(all_axes[0])
    if title:
        figure.suptitle(title, fontsize=FONT)
    return figure


def _draw_rmse(axes: Axes, part: str, series: RmseSeries, color: str, smoothing: float) -> None:
    if not series.known:
        return
    is_valid = part == "valid"
    mean = smoothed(np.where(series.mean > 0, series.mean, np.nan), smoothing)
    if is_valid and series.members.shape[1] > 1:
        low, high = smoothed(series.low, smoothing), smoothed(series.high, smoothing)
        axes.fill_between(series.epochs, low, high, color=color, alpha=0.2, linewidth=0)
    style = "-" if is_valid else DASHES[1]
    label = "validation" if is_valid else "training"
    width = 1.4 if is_valid else 1.0
    axes.plot(series.epochs, mean, linestyle=style, color=color, linewidth=width, label=label)


def _style_epochs(axes: Axes, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    style_axes(axes, "Epoch", label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    _log_axis(axes)


def _log_axis(axes: Axes) -> None:
    """Make the vertical axis logarithmic with plain numbers, where there is anything positive."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    known = np.concatenate(values) if values else np.empty(0)
    if not (known[np.isfinite(known)] > 0).any():
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    narrow = high / low < 30
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


# points -----------------------------------------------------------------------------------------------
def two_components(scores: np.ndarray) -> np.ndarray:
    """Return the first two components (n, 2), the second zero where there is only one."""
    return scores[:, :2] if scores.shape[1] > 1 else np.column_stack([scores, np.zeros(len(scores))])


def pca_figure(
    groups: Sequence[PointSeries],
    x_label: str,
    y_label: str,
    *,
    value_label: str = "",
    title: str = "",
    window: tuple[float, float, float, float] | None = None,
) -> Figure:
    """Draw principal-component scores of groups of atoms; paths (invariant points) go on top.

    Several groups are drawn in turns, so that none hides another. Large ones become one image inside SVG and
    PDF, so that files stay small. ``window`` is (left, right, bottom, top), everything by default.

    Raises
    ------
    AnalysisError : without points.
    """
    if not sum(len(group.xy) for group in groups):
        raise AnalysisError("there are no points to draw", fix="Train on data first")
    figure = new_figure(3.6, 3.0)
    axes = figure.add_subplot()
    limits = _value_limits(groups)
    colored = None
    clouds = [group for group in groups if not group.path]
    many = sum(len(group.xy) for group in clouds) > MAX_DENSITY_POINTS
    for group in _in_turns(clouds):
        points = _draw_group(axes, group, limits, many)
        colored = colored if group.values is None else points
    for group in groups:
        if group.path:
            _draw_path(axes, group)
    if colored is not None:
        add_color_bar(axes, colored, value_label, shrink=0.9)
    style_axes(axes, x_label, y_label)
    if window is not None:
        axes.set_xlim(window[0], window[1])
        axes.set_ylim(window[2], window[3])
    add_legend(axes, markerscale=1.8)
    if title:
        axes.set_title(title, fontsize=FONT)
    return figure


def _in_turns(groups: Sequence[PointSeries], n_turns: int = 12) -> list[PointSeries]:
    """Split groups into random parts that take turns; only the first part of each keeps its name."""
    if len(groups) < 2:
        return list(groups)
    orders = [np.random.default_rng(0).permutation(len(group.xy)) for group in groups]
    parts = []
    for turn in range(n_turns):
        for group, order in zip(groups, orders, strict=True):
            rows = order[turn::n_turns]
            values = None if group.values is None else group.values[rows]
            name = "_" if turn else group.name
            parts.append(PointSeries(name, group.xy[rows], group.color, group.marker, values=values))
    return parts


def _draw_path(axes: Axes, group: PointSeries) -> None:
    axes.plot(*group.xy.T, "-o", color="black", linewidth=0.9, markerfacecolor="white", markersize=3.5,
              markeredgewidth=0.8, label=group.name, zorder=5)  # fmt: skip


def _draw_group(axes: Axes, group: PointSeries, limits: tuple[float, float], many: bool) -> Any:
    look: dict[str, Any] = {"s": 4, "alpha": 0.5} if many else {"s": 8, "alpha": 0.8}
    if group.values is None:
        look["c"] = group.color
    else:
        look |= {"c": group.values, "cmap": "viridis", "vmin": limits[0], "vmax": limits[1]}
    look |= {"marker": group.marker, "linewidths": 0, "label": group.name, "rasterized": many}
    return axes.scatter(*group.xy.T, **look)


def _value_limits(groups: Sequence[PointSeries]) -> tuple[float, float]:
    values = [group.values for group in groups if group.values is not None]
    known = np.concatenate(values) if values else np.empty(0)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)


def parity_figure(
    energies: Sequence[ParitySeries], forces: Sequence[ParitySeries], *, title: str = ""
) -> Figure:
    """Draw predicted against reference energies (meV/atom, one zero for all) and force components (eV/Å).

    Raises
    ------
    AnalysisError : without any pair.
    """
    panels = [(energies, "energy (meV/atom)", "meV/atom"), (forces, "force component (eV/Å)", "eV/Å")]
    panels = [panel for panel in panels if any(len(s.reference) for s in panel[0])]
    if not panels:
        raise AnalysisError("there are no reference values to compare with", fix="Open frames with energies")
    figure = new_figure(3.1 * len(panels), 3.0)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (series, label, unit) in zip(all_axes, panels, strict=True):
        for item in series:
            many = len(item.reference) > MAX_DENSITY_POINTS
            axes.scatter(
                item.reference, item.predicted, s=2 if many else 8, c=item.color, marker=item.marker,
                alpha=0.25 if many else 0.8, linewidths=0, rasterized=many,
                label=f"{item.name} ({item.rmse:.3g} {unit})",
            )  # fmt: skip
        add_diagonal(axes)
        style_axes(axes, f"Reference {label}", f"Predicted {label}")
        add_legend(axes, markerscale=2, loc="upper left")
    if title:
        figure.suptitle(title, fontsize=FONT)
    return figure


def add_diagonal(axes: Axes) -> None:
    """Make both axes alike and draw the line on which prediction is reference."""
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    high = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([low, high], [low, high], color="black", linewidth=0.6, zorder=0)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")


# distance and connectivity ----------------------------------------------------------------------------
def distance_figure(
    volumes: np.ndarray,
    bracket: Bracket,
    valid_distances: np.ndarray,
    *,
    color: str = OKABE_ITO[0],
    title: str = "",
) -> Figure:
    """Draw the histogram of usual distances to the training set, and the invariant points' against volume.

    Parameters
    ----------
    volumes : (n,) Å³/atom. bracket : with ``distances`` (n,) and the threshold.
    valid_distances : (m,) of the validation atoms.
    """
    figure = new_figure(5.2, 2.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    known = valid_distances[np.isfinite(valid_distances)]
    if len(known):
        left.hist(known, bins=min(60, max(10, len(known) // 20)), color=color, alpha=0.6)
    left.axvline(bracket.threshold, color="black", linestyle=DASHES[1], linewidth=0.9)
    style_axes(left, "Distance to the training set", "Validation atoms")
    black: dict[str, Any] = {"color": "black", "linewidth": 0.9}
    right.plot(volumes, bracket.distances, "o-", markersize=3.5, label="invariant points", **black)
    right.axhline(bracket.threshold, linestyle=DASHES[1], label="99th percentile", **black)
    right.set_ylim(bottom=0.0)
    _draw_bracket(right, bracket, color, 0.97)
    style_axes(right, "Volume (Å³/atom)", "Distance to the training set")
    add_legend(right, loc="upper center", bbox_to_anchor=(0.5, 0.94))
    if title:
        figure.suptitle(title, fontsize=FONT)
    return figure


def connectivity_figure(
    result: ConnectivityResult, *, colors: Mapping[str, str] | None = None, title: str = ""
) -> Figure:
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
    axes.set_xticks(range(n), result.names, rotation=30, ha="right", fontsize=SMALL)
    axes.set_yticks(range(n), result.names, fontsize=SMALL)
    for name, tick in zip(result.names, axes.get_yticklabels(), strict=True):
        tick.set_color((colors or {}).get(name, "black"))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    add_color_bar(axes, image, "Connectivity", shrink=0.85)
    if title:
        axes.set_title(title, fontsize=FONT)
    return figure
