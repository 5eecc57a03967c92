"""Does the Kalman filter map more faithfully than Adam at equal RMSE, a small network than a large one?

Both are said of networks' transferability (arXiv 2109.03769 and 2403.00377). Here the mapping error is
followed against the force RMSE while trainings by either optimizer and of three sizes go on, on two data
sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from scipy.stats import gmean

from nnpcore.figures.drawing import DASHES, MARKERS, OKABE_ITO, new_figure, style_axes
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome
from nnpcore.paper.equal_rmse import Curve, Target, crystal_target, follow, ratio_at_equal_rmse, slab_target
from nnpcore.paper.figure_parts import legend_below, plain_numbers
from nnpcore.progress import Progress
from nnpcore.training import PRESET_26, TrainSettings

OPTIMIZERS = ("kalman", "adam")
TITLES = {"kalman": "Kalman filter", "adam": "Adam"}
CLEAR = 0.9
"""A ratio of mapping errors below this counts as better; between it and its inverse as equal."""


@dataclass(frozen=True)
class Plan:
    """How much is trained: frames, epochs of both optimizers, members, widths of both hidden layers."""

    n_train: int = 200
    n_valid: int = 100
    kalman_epochs: int = 16
    adam_epochs: int = 200
    n_members: int = 5
    widths: tuple[int, ...] = (10, 30, 80)


QUICK = Plan(n_train=80, n_valid=30, kalman_epochs=8, adam_epochs=100, n_members=3)

Curves = dict[tuple[str, int], Curve]
"""By optimizer and width."""


def run(context: StudyContext, plan: Plan | None = None) -> StudyOutcome:
    """Train every size with either optimizer on both data sets; ``plan`` fits the context by default."""
    plan = plan or context.choose(Plan(), QUICK)
    context.report(0.0, "molecular dynamics")
    targets = [make(context, plan.n_train, plan.n_valid) for make in (slab_target, crystal_target)]
    parts = context.part(0.05, 1.0).split(len(targets))
    found = {t.name: _sweep(context, plan, t, part) for t, part in zip(targets, parts, strict=True)}
    tables = [context.write_table("optimizer", _rows(targets, found)), _curve_table(context, targets, found)]
    figures = context.save_figure(_figure(targets, found), "optimizer")
    runs = (curve.run for curves in found.values() for curve in curves.values())
    session = context.session((path for target in targets for path in target.files), runs)
    claims = [_filter_against_adam(targets, found), _small_against_large(targets, found)]
    return StudyOutcome(claims, figures, tables, session)


def _sweep(context: StudyContext, plan: Plan, target: Target, progress: Progress) -> Curves:
    """Train all combinations; the time of each is about its share of the progress."""
    jobs = [(optimizer, width) for width in plan.widths for optimizer in OPTIMIZERS]
    parts = progress.split([20.0 + width for _, width in jobs])
    curves: Curves = {}
    for (optimizer, width), part in zip(jobs, parts, strict=True):
        epochs = plan.kalman_epochs if optimizer == "kalman" else plan.adam_epochs
        settings = TrainSettings(
            descriptors=PRESET_26,
            stress_weight=0.0,
            baseline="none",
            optimizer=optimizer,
            hidden=(width, width),
            epochs=epochs,
            n_members=plan.n_members,
            seed=context.seed,
        )
        curve = curves[optimizer, width] = follow(context, target, f"{optimizer}-{width}", settings, part)
        context.tell(
            f"{target.title}, {TITLES[optimizer]}, {width}-{width}: {target.quantity} off by "
            f"{curve.error[curve.best]:.1f} meV/atom at {curve.rmse[curve.best]:.3f} eV/Å"
        )
    return curves


# claims -----------------------------------------------------------------------------------------------
def _filter_against_adam(targets: list[Target], found: dict[str, Curves]) -> Claim:
    ours: dict[str, Any] = {}
    for target in targets:
        curves = found[target.name]
        ours[f"kalman_over_adam_{target.name}"] = {
            f"{w}-{w}": ratio_at_equal_rmse(curves["kalman", w], curves["adam", w]) for w in _widths(curves)
        }
    means = {name: float(gmean(list(ratios.values()))) for name, ratios in ours.items()}
    overall = float(gmean(list(means.values())))
    single = [ratio for ratios in ours.values() for ratio in ratios.values()]
    better = f"{sum(ratio < 1.0 for ratio in single)} of {len(single)} cases"
    ours |= {"geometric_mean": {**means, "both": overall}, "filter_better_in": better}
    return Claim.of("optimizer.filter_against_adam", ours, overall < CLEAR, clear=CLEAR)


def _small_against_large(targets: list[Target], found: dict[str, Curves]) -> Claim:
    ours: dict[str, Any] = {}
    for target in targets:
        curves = found[target.name]
        widths = _widths(curves)
        small, large = widths[0], widths[-1]
        ours[f"{small}-{small}_over_{large}-{large}_{target.name}"] = {
            TITLES[o]: ratio_at_equal_rmse(curves[o, small], curves[o, large]) for o in OPTIMIZERS
        }
    ratios = [ratio for by_optimizer in ours.values() for ratio in by_optimizer.values()]
    overall = float(gmean(ratios))
    ours["geometric_mean"] = overall
    return Claim.of("optimizer.small_against_large", ours, overall < CLEAR, clear=CLEAR)


def _widths(curves: Curves) -> list[int]:
    return sorted({width for _, width in curves})


# tables and figures -----------------------------------------------------------------------------------
def _rows(targets: list[Target], found: dict[str, Curves]) -> list[dict[str, Any]]:
    return [
        {
            "data": target.title,
            "optimizer": TITLES[optimizer],
            "hidden": f"{width}-{width}",
            "epochs": len(curve.rmse),
            "best epoch": curve.best + 1,
            "energy RMSE (meV/atom)": curve.energy_rmse[curve.best],
            "force RMSE (eV/Å)": curve.rmse[curve.best],
            f"mapping error ({target.quantity}, meV/atom)": curve.error[curve.best],
        }
        for target in targets
        for (optimizer, width), curve in found[target.name].items()
    ]


def _curve_table(context: StudyContext, targets: list[Target], found: dict[str, Curves]) -> Any:
    rows = [
        {
            "data": target.name,
            "optimizer": optimizer,
            "hidden": f"{width}-{width}",
            "epoch": epoch + 1,
            "energy RMSE (meV/atom)": curve.energy_rmse[epoch],
            "force RMSE (eV/Å)": curve.rmse[epoch],
            "mapping error (meV/atom)": curve.error[epoch],
        }
        for target in targets
        for (optimizer, width), curve in found[target.name].items()
        for epoch in range(len(curve.rmse))
    ]
    return context.write_table("curves", rows)


def _figure(targets: list[Target], found: dict[str, Curves]) -> Any:
    figure = new_figure(7.4, 3.1)
    all_axes = figure.subplots(1, len(targets), squeeze=False)[0]
    for axes, target in zip(all_axes, targets, strict=True):
        _draw(axes, target, found[target.name])
    legend_below(figure, all_axes[0], 3, fontsize=8, handlelength=2.4)
    return figure


def _draw(axes: Axes, target: Target, curves: Curves) -> None:
    widths = _widths(curves)
    for (optimizer, width), curve in curves.items():
        k = OPTIMIZERS.index(optimizer)
        records = np.flatnonzero(curve.rmse <= np.minimum.accumulate(curve.rmse))
        records = records[curve.rmse[records] < 4.0 * min(c.lowest for c in curves.values())]
        marked = {"marker": MARKERS[k], "markersize": 3.0, "markevery": 1 if k == 0 else 6}
        axes.plot(curve.rmse[records], curve.error[records], color=OKABE_ITO[widths.index(width)],
                  linestyle=DASHES[k], linewidth=1.2, label=f"{TITLES[optimizer]}, {width}-{width}",
                  **marked)  # fmt: skip
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_ylim(bottom=0.0)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0), numticks=12))
    plain_numbers(axes.xaxis)
    style_axes(axes, "Force RMSE (eV/Å)", "Mapping error (meV/atom)")
    axes.set_title(f"{target.title}: {target.quantity}", fontsize=9)
