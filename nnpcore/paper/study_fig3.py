"""Fig. 3: networks trained on a nanocluster, judged on a slab they have never seen, epoch by epoch.

The training set is molecular dynamics of the 239-atom silicon cluster at 1000 to 1700 K. After every epoch
the mapping errors of bulk and surface of Si(100)-(2×2) are asked for, beside the RMSE of the cluster's
validation frames: the RMSE settles early, the mapping errors later. Gradients (Adam, as in the paper's time)
and the Kalman filter are followed, and the latter with a smooth part, too (the one of Fig. 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from nnpcore.analyses import MappingMonitor, evaluation_of, required
from nnpcore.analyses.distance import REACH
from nnpcore.descriptors import compute_descriptors
from nnpcore.figures.drawing import add_legend, new_figure, style_axes
from nnpcore.mapping import RegionSet, connectivity, nearest_distances
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.figure_parts import REGION_COLORS, plain_numbers
from nnpcore.paper.silicon_slab import (
    NETWORKS,
    SMOOTH,
    cluster_frames,
    relaxed_slab,
    slab_regions,
    training_settings,
)
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder

ADAM, KALMAN, KALMAN_SMOOTH = "Adam", "Kalman filter", "Kalman filter, smooth part"
LABELS = {ADAM: "adam", KALMAN: "kalman", KALMAN_SMOOTH: "kalman-smooth"}
EPOCHS = {ADAM: (400, 60), KALMAN: (40, 12), KALMAN_SMOOTH: (40, 12)}
COSTS = {ADAM: 0.6, KALMAN: 0.2, KALMAN_SMOOTH: 0.2}
REGIONS = tuple(REGION_COLORS)
N_MEMBERS = 5

SETTLED = 1.25
"""An RMSE has settled once its best value so far is within this factor of the best of all."""

CALM = 16
"""Mapping errors are averaged over this part of all epochs before it is asked when they have settled."""

SKIN = 4.0
"""Å: atoms of the cluster within this distance of its outermost atoms count as its surface."""

IN_REACH, CONNECTED = 0.95, 0.5


@dataclass(frozen=True, eq=False)
class Course:
    """One training, epoch by epoch.

    Attributes
    ----------
    name : how it was trained. run : the training.
    energy, force : (n_epochs,) validation RMSE, meV/atom and eV/Å.
    mapping : by region (n_epochs,) mapping error of the slab, meV/atom.
    """

    name: str
    run: TrainedRun
    energy: np.ndarray
    force: np.ndarray
    mapping: dict[str, np.ndarray]

    @property
    def rmse_epoch(self) -> int:
        """First epoch (from 1) whose best RMSEs so far, of energy and force, are near the best of all."""
        best = (np.minimum.accumulate(v) for v in (self.energy, self.force))
        return max(_first_near(v, (SETTLED - 1.0) * v[-1]) for v in best)

    @property
    def mapping_epoch(self) -> int:
        """First epoch from which on both mapping errors stay within the best RMSE of their last values."""
        best = float(self.energy.min())
        return max(_first_near(_calm(v), best) for v in self.mapping.values())

    def errors_at(self, epoch: int) -> dict[str, float]:
        """Mapping errors after an epoch, counted from 1, meV/atom."""
        return {name: float(v[epoch - 1]) for name, v in self.mapping.items()}


@dataclass(frozen=True, eq=False)
class Closeness:
    """Where the slab's atoms lie in G space as seen from the cluster's training set.

    Attributes
    ----------
    slab : (n_atoms,) distance of each to the nearest training atom, whitened units.
    usual : (m,) the same of validation atoms. threshold : 99th percentile of it.
    connectivity : of the cluster's inner and outer training atoms.
    """

    slab: np.ndarray
    usual: np.ndarray
    threshold: float
    connectivity: float

    @property
    def share(self) -> float:
        """Share of the slab's atoms in reach."""
        return float(np.mean(self.slab <= self.threshold))


def run(context: StudyContext) -> StudyOutcome:
    """Sample the cluster, train in three ways, follow the slab's mapping errors, and judge."""
    context.report(0.0, "sampling the cluster")
    train, valid = cluster_frames(context)
    regions = slab_regions(relaxed_slab(context))
    courses = []
    for name, part in zip(COSTS, context.part(0.1, 0.9).split(list(COSTS.values())), strict=True):
        courses.append(_course(context, name, regions, (train, valid), part))
        context.tell(_sentence(courses[-1]))
    context.report(0.92, "distances in G space")
    near = _closeness(courses[1].run, train, regions)
    context.report(0.96, "figures")
    figures = context.save_figure(epochs_figure(courses), "fig3")
    figures += context.save_figure(_reach_figure(near), "fig3_reach")
    tables = [_table(context, courses)]
    sources = (f.source for f in (regions.frame, *train[:1], *valid[:1]))
    session = context.session(sources, (course.run for course in courses), [regions])
    return StudyOutcome(_claims(courses, near), figures, tables, session)


def _course(
    context: StudyContext,
    name: str,
    regions: RegionSet,
    frames: tuple[Sequence[Frame], Sequence[Frame]],
    progress: Progress,
) -> Course:
    kind = SMOOTH if name == KALMAN_SMOOTH else NETWORKS
    settings = training_settings(context, kind, context.choose(*EPOCHS[name]), N_MEMBERS)
    settings = settings.replace(optimizer="adam" if name == ADAM else "kalman")
    monitor = MappingMonitor(None, [regions])
    found = context.train(LABELS[name], settings, *frames, monitor=monitor, progress=progress)
    titles = {r.name: regions.title_of(r) for r in regions.regions}
    mapping = {name: np.array([r.mapping[titles[name]] for r in found.history]) for name in REGIONS}
    return Course(name, found, found.rmse_course("energy"), found.rmse_course("force"), mapping)


def _first_near(values: np.ndarray, tolerance: float) -> int:
    """Return the first epoch (from 1) from which on the values stay within ``tolerance`` of the last one."""
    far = np.flatnonzero(np.abs(values - values[-1]) > tolerance)
    return int(far[-1]) + 2 if len(far) else 1


def _calm(values: np.ndarray) -> np.ndarray:
    """Average each value with those before it, over a small part of all epochs."""
    n = max(1, len(values) // CALM)
    return np.array([values[max(0, k + 1 - n) : k + 1].mean() for k in range(len(values))])


def _sentence(course: Course) -> str:
    errors = ", ".join(f"{name} {value[-1]:+.0f}" for name, value in course.mapping.items())
    return (
        f"{course.name}: RMSE {course.energy[-1]:.2f} meV/atom, settled at epoch {course.rmse_epoch} of "
        f"{len(course.energy)}; {errors} meV/atom, settled at epoch {course.mapping_epoch}"
    )


def _closeness(run_: TrainedRun, train: Sequence[Frame], regions: RegionSet) -> Closeness:
    """Measure how far the slab's atoms are from the training set, and how connected that is."""
    values = RunFolder.open(run_.folder).training_values()
    potential = run_.potential
    x = potential.whitening.transform(values.values, values.species)
    train_x = x[values.is_training]
    (element,) = potential.elements
    reach = required(required(evaluation_of(potential, values).value(REACH)).of(element))
    slab = compute_descriptors([regions.frame], potential.functions, derivatives=False)
    slab_x = potential.whitening.transform(slab.values, slab.species)
    outer = np.concatenate([_is_outer(frame) for frame in train])
    joined = connectivity({"inside": train_x[~outer], "outside": train_x[outer]})
    return Closeness(
        nearest_distances(slab_x, train_x),
        reach.distances,
        float(reach.threshold),
        float(joined.matrix[0, 1]),
    )


def _is_outer(frame: Frame) -> np.ndarray:
    """Return which atoms of a cluster are near its outermost ones, by the distance from its middle."""
    radius = np.linalg.norm(frame.positions - frame.positions.mean(axis=0), axis=1)
    return radius > np.quantile(radius, 0.98) - SKIN


# claims -----------------------------------------------------------------------------------------------
def _claims(courses: Sequence[Course], near: Closeness) -> list[Claim]:
    return [
        *(_settles_late(course) for course in courses[:2]),
        _connected(near),
        _within_reach(near),
        _small_at_the_end(courses),
        _smooth_is_sooner(*courses[1:]),
    ]


def _settles_late(course: Course) -> Claim:
    epoch = course.rmse_epoch
    ours: dict[str, Any] = {
        "epochs": len(course.energy),
        "rmse_settled_at_epoch": epoch,
        "mapping_settled_at_epoch": course.mapping_epoch,
        "rmse_mev_per_atom_then_and_at_the_end": course.energy[[epoch - 1, -1]],
        "force_rmse_ev_per_ang_then_and_at_the_end": course.force[[epoch - 1, -1]],
        "mapping_mev_per_atom_when_the_rmse_has_settled": course.errors_at(epoch),
        "mapping_mev_per_atom_at_the_end": course.errors_at(len(course.energy)),
    }
    holds = epoch < course.mapping_epoch
    return Claim.of("fig3.settles_late", ours, holds, training=course.name, settled=SETTLED)


def _connected(near: Closeness) -> Claim:
    holds = near.connectivity > CONNECTED
    return Claim.of("fig3.connected", {"connectivity": near.connectivity}, holds, limit=CONNECTED)


def _within_reach(near: Closeness) -> Claim:
    ours = {
        "share_of_slab_atoms_in_reach": near.share,
        "largest_distance": float(near.slab.max()),
        "threshold": near.threshold,
    }
    return Claim.of("fig3.within_reach", ours, near.share >= IN_REACH, percent=100 * IN_REACH)


def _small_at_the_end(courses: Sequence[Course]) -> Claim:
    errors = {c.name: c.errors_at(len(c.energy)) for c in courses}
    ours = {c.name: errors[c.name] | {"rmse_mev_per_atom": c.energy[-1]} for c in courses}
    worst = [max(map(abs, by_region.values())) for by_region in errors.values()]
    return Claim.of("fig3.small_at_the_end", ours, min(worst) < 20.0)


def _smooth_is_sooner(alone: Course, smooth: Course) -> Claim:
    ours = {}
    for course in (alone, smooth):
        worst = np.max([np.abs(v) for v in course.mapping.values()], axis=0)
        ours[course.name] = {
            "largest_error_mev_per_atom_at_the_end": float(worst[-1]),
            "mean_over_the_second_half": float(worst[len(worst) // 2 :].mean()),
            "rmse_mev_per_atom": float(course.energy.min()),
            "force_rmse_ev_per_ang": float(course.force.min()),
        }
    means = [values["mean_over_the_second_half"] for values in ours.values()]
    prices = [values["rmse_mev_per_atom"] for values in ours.values()]
    holds = means[1] < 0.5 * means[0] and prices[1] < 1.1 * prices[0]
    return Claim.of("fig3.smooth_is_sooner", ours, holds)


# figures, table, session ------------------------------------------------------------------------------
def epochs_figure(courses: Sequence[Course]) -> Figure:
    """Draw RMSEs above and mapping errors below against the epoch, one column a way of training."""
    figure = new_figure(7.2, 4.0)
    axes = figure.subplots(2, len(courses), sharex="col", sharey="row", height_ratios=(1.0, 1.2))
    for k, course in enumerate(courses):
        _draw_rmse(axes[0, k], course, first=k == 0)
        _draw_mapping(axes[1, k], course, first=k == 0)
        axes[0, k].set_title(f"({'abc'[k]}) {course.name}", fontsize=8.5, loc="left")
    return figure


def _draw_rmse(axes: Axes, course: Course, *, first: bool) -> None:
    epochs = np.arange(1, len(course.energy) + 1)
    axes.semilogy(epochs, course.energy, "-", color="black", linewidth=1.3, label="energy (meV/atom)")
    axes.semilogy(epochs, 10.0 * course.force, "--", color="0.45", linewidth=1.3, label="force (0.1 eV/Å)")
    axes.axvline(course.rmse_epoch, color="0.6", linewidth=0.8, linestyle=":")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    plain_numbers(axes.yaxis)
    style_axes(axes, "", "RMSE" if first else "")
    if first:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.35)
        add_legend(axes, loc="upper right")


def _draw_mapping(axes: Axes, course: Course, *, first: bool) -> None:
    epochs = np.arange(1, len(course.energy) + 1)
    for region, style in zip(REGIONS, ("-", "--"), strict=True):
        values = course.mapping[region]
        axes.plot(epochs, values, style, color=REGION_COLORS[region], linewidth=1.3, label=region)
    axes.axhline(0.0, color="black", linewidth=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.axvline(course.rmse_epoch, color="0.6", linewidth=0.8, linestyle=":")
    style_axes(axes, "Epoch", "Mapping error (meV/atom)" if first else "")
    if first:
        add_legend(axes)


def _reach_figure(near: Closeness) -> Figure:
    """Draw the distances of the slab's atoms and of validation atoms to the training set."""
    figure = new_figure(3.6, 2.6)
    axes = figure.subplots()
    edges = np.linspace(0.0, max(near.slab.max(), near.usual.max()) * 1.02, 50)
    for values, color, label in (
        (near.usual, "0.6", "validation atoms"),
        (near.slab, REGION_COLORS["surface"], "atoms of the slab"),
    ):
        weights = np.full(len(values), 100.0 / len(values))
        axes.hist(values, edges, weights=weights, color=color, alpha=0.6, label=label)
    axes.axvline(near.threshold, color="black", linestyle="--", linewidth=0.9, label="reach")
    style_axes(axes, "Distance to the training set", "Share of atoms (%)")
    add_legend(axes)
    return figure


def _table(context: StudyContext, courses: Sequence[Course]) -> Path:
    rows: list[Mapping[str, Any]] = [
        {
            "training": course.name,
            "epoch": k + 1,
            "energy RMSE (meV/atom)": float(course.energy[k]),
            "force RMSE (eV/Å)": float(course.force[k]),
            **{f"{name} error (meV/atom)": float(course.mapping[name][k]) for name in REGIONS},
        }
        for course in courses
        for k in range(len(course.energy))
    ]
    return context.write_table("fig3", rows)
