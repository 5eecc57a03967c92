"""Figures that only a report has: mapping errors by region and by epoch, rigidity, reach, a thinned map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.inputs import CRYSTAL_GROUP as EOS
from nnpcore.figures.drawing import (
    DASHES,
    FONT,
    MARKERS,
    OKABE_ITO,
    SMALL,
    PointSeries,
    add_legend,
    new_figure,
    pca_figure,
    style_axes,
    two_components,
)
from nnpcore.mapping import RegionError, RigidityStudy, subsample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nnpcore.mapping import PcaResult
    from nnpcore.training import EpochRecord

MAX_MAP_POINTS = 2400
"""Points of the map of atoms that are drawn, all groups together."""

SMALLEST_ERROR = 0.1
"""meV/atom: smaller errors are drawn as this on a logarithmic axis."""


LONGEST_NAME = 28
"""Letters of a name in a figure; the tables have it in full."""


def plain(name: str) -> str:
    """Return a name as matplotlib writes it: shortened, and a dollar sign is no formula."""
    half = LONGEST_NAME // 2
    short = name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}"
    return short.replace("$", r"\$")


def monitored_names(history: Sequence[EpochRecord]) -> list[str]:
    """Return what was monitored in at least two epochs."""
    names = list(dict.fromkeys(name for record in history for name in record.mapping))
    return [n for n in names if sum(np.isfinite(r.mapping.get(n, np.nan)) for r in history) > 1]


def mapping_curves(history: Sequence[EpochRecord]) -> Figure:
    """Draw every monitored |mapping error| and the energy RMSE over the epochs."""
    from matplotlib.ticker import MaxNLocator

    epochs = np.array([record.epoch for record in history], dtype=float)
    names = monitored_names(history)
    figure = new_figure(5.2, max(2.7, 0.6 + 0.17 * len(names)))
    axes = figure.add_subplot()
    for k, name in enumerate(names):
        errors = np.abs([record.mapping.get(name, np.nan) for record in history])
        axes.plot(epochs, np.maximum(errors, SMALLEST_ERROR), linestyle=DASHES[k // 7 % len(DASHES)],
                  color=OKABE_ITO[k % len(OKABE_ITO)], linewidth=1.4, label=plain(name))  # fmt: skip
    rmse = [(r.valid or r.train).get("energy") for r in history]
    energies = np.array([np.nan if v is None else v["mean"] for v in rmse])
    if np.isfinite(energies).any():
        axes.plot(epochs, energies, color="#707070", linewidth=0.9, label="energy RMSE")
    axes.set_yscale("log")
    style_axes(axes, "Epoch", "|Mapping error| (meV/atom)")
    _plain_logs(axes, x=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    add_legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def region_figure(errors: Sequence[RegionError]) -> Figure:
    """Draw the error of every region with a known one: the mean, its spread, and every member as a tick."""
    known = [e for e in errors if e.error_mev is not None]
    figure = new_figure(5.2, 0.75 + 0.34 * len(known))
    axes = figure.add_subplot()
    for y, error in enumerate(known):
        color = OKABE_ITO[y % len(OKABE_ITO)]
        axes.plot(error.members, np.full(len(error.members), y), "|", color=color, markersize=9, alpha=0.6)
        axes.errorbar(error.error_mev or 0.0, y, xerr=error.std_mev, fmt="o", color=color, markersize=5,
                      elinewidth=1.2, capsize=2.5)  # fmt: skip
    axes.axvline(0.0, color="black", linewidth=0.7)
    style_axes(axes, "Mapping error (meV/atom)", "")
    axes.set_yticks(range(len(known)), [plain(e.name) for e in known], fontsize=FONT)
    axes.set_ylim(len(known) - 0.4, -0.6)
    return figure


def map_figure(scores: Mapping[str, np.ndarray], pca: PcaResult) -> Figure:
    """Draw the groups of atoms in the plane of two components, the invariant points as a path."""
    clouds = [name for name in scores if name != EOS]
    share = MAX_MAP_POINTS // max(len(clouds), 1)
    groups = []
    for k, (name, values) in enumerate(scores.items()):
        chosen = values if name == EOS else values[subsample(len(values), share)]
        color, marker = OKABE_ITO[k % len(OKABE_ITO)], MARKERS[k % len(MARKERS)]
        groups.append(PointSeries(plain(name), two_components(chosen), color, marker, path=name == EOS))
    shares = np.pad(pca.explained, (0, 2))[:2]
    x, y = (f"Component {k + 1} ({100 * part:.0f} %)" for k, part in enumerate(shares))
    return pca_figure(groups, x, y)


def reach_figure(distances: np.ndarray, threshold: float) -> Figure:
    """Draw the histogram of the usual distances (m,) to the training set and their 99th percentile."""
    figure = new_figure(3.2, 2.6)
    axes = figure.add_subplot()
    known = distances[np.isfinite(distances)]
    axes.hist(known, bins=min(60, max(10, len(known) // 20)), color=OKABE_ITO[0], alpha=0.6)
    axes.axvline(threshold, color="black", linestyle=DASHES[1], linewidth=0.9)
    style_axes(axes, "Distance to the training set", "Atoms")
    return figure


def rigidity_figure(study: RigidityStudy, volumes: np.ndarray) -> Figure:
    """Draw rigidity by loss, along the volume and of regions, and the error against what it lets expect."""
    has_points, has_regions = len(volumes) > 1, len(study.names) > len(volumes)
    known = np.isfinite(study.error_mev) & np.isfinite(study.std_mev[study.trained_on])
    has_errors = bool(known.any())
    n_panels = int(has_points) + int(has_regions) + int(has_errors)
    figure = new_figure(2.5 * n_panels + (0.6 if n_panels < 3 else 0.0), 2.7)
    panels = list(figure.subplots(1, n_panels, squeeze=False)[0])
    if has_points:
        _rigidity_along(panels.pop(0), study, volumes)
    if has_regions:
        _rigidity_of_regions(panels.pop(0), study, len(volumes), legend=not has_points)
    if has_errors:
        _expected(panels.pop(0), study, len(volumes))
    return figure


def _rigidity_along(axes: Axes, study: RigidityStudy, volumes: np.ndarray) -> None:
    for k, (loss, values) in enumerate(study.rigidity.items()):
        width = 1.8 if loss == study.trained_on else 1.0
        axes.plot(volumes, values[: len(volumes)], linestyle=DASHES[k], color=OKABE_ITO[k], linewidth=width,
                  label=loss)  # fmt: skip
    axes.set_yscale("log")
    style_axes(axes, "Volume (Å³/atom)", "Rigidity")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend
    add_legend(axes, loc="upper center")


def _rigidity_of_regions(axes: Axes, study: RigidityStudy, n_points: int, *, legend: bool) -> None:
    names = [plain(name) for name in study.names[n_points:]]
    y = np.arange(len(names))
    for k, (loss, values) in enumerate(study.rigidity.items()):
        at = y + 0.18 * (k - 1)
        axes.plot(values[n_points:], at, MARKERS[k], color=OKABE_ITO[k], markersize=5, label=loss)
    axes.set_xscale("log")
    style_axes(axes, "Rigidity", "")
    axes.set_yticks(y, names, fontsize=SMALL)
    axes.set_ylim(len(names) - 0.4, -0.6)
    if legend:
        add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _expected(axes: Axes, study: RigidityStudy, n_points: int) -> None:
    expected, errors = study.std_mev[study.trained_on], np.abs(study.error_mev)
    points, regions = slice(0, n_points), slice(n_points, None)
    for part, look, label in ((points, "o", "crystal"), (regions, "s", "regions")):
        color = "black" if part is points else OKABE_ITO[1]
        if np.isfinite(errors[part]).any():
            axes.plot(expected[part], errors[part], look, color=color, markersize=4, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    style_axes(axes, "Expected std (meV/atom)", "|Mapping error| (meV/atom)")
    _plain_logs(axes, x=True)
    add_legend(axes)


def _plain_logs(axes: Axes, *, x: bool) -> None:
    """Write the numbers of logarithmic axes plainly, and enough of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis, (low, high) in ((axes.yaxis, axes.get_ylim()), (axes.xaxis, axes.get_xlim())):
        if axis is axes.xaxis and not x:
            continue
        narrow = high / low < 100
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
