"""The supplement's claim: once bulk and surface are connected in G space, the mapping error is small.

Every ensemble of the slab at one temperature is a point: the connectivity of bulk and surface among its
training points, and the larger of the two regions' mapping errors. The runs of Fig. 2 are taken over where
they are there; further sets of frames (other seeds of the dynamics) show how much is chance. Beside it: what
the local prediction rigidity, which needs no reference values, says about the same training sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nnpcore.figures.drawing import SMALL as SMALL_FONT
from nnpcore.figures.drawing import style_axes
from nnpcore.mapping.correlation import rank_correlation
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome
from nnpcore.paper.figure_parts import scatter_by_temperature
from nnpcore.paper.silicon_slab import KINDS, SMOOTH, SlabRun, plan_of, session_of, train_pair
from nnpcore.paper.slab_rigidity import looseness, rigidity_claims, rigidity_figure

N_REPLICAS = (2, 1)
"""Sets of frames for each temperature, in the full and in the quick study."""

SMALL = 1.0 / 3.0
"""Share of the error of the least connected training sets below which an error counts as small."""


@dataclass(frozen=True)
class Cutoff:
    """Connectivity that tells small errors from large ones.

    Attributes
    ----------
    value : above it errors are small; NaN where no error is small, or all are.
    small : meV/atom, what counts as small.
    n_wrong : points on the wrong side. n_points : of all.
    """

    value: float
    small: float
    n_wrong: int
    n_points: int

    @property
    def holds(self) -> bool:
        """Whether there is a cutoff with at most one point in ten on the wrong side."""
        return bool(np.isfinite(self.value)) and self.n_wrong <= 0.1 * self.n_points


def cutoff_of(connectivity: np.ndarray, errors: np.ndarray) -> Cutoff:
    """Find the cutoff with the fewest points (n,) on the wrong side; the middle of the best gap.

    "Small" is a third of the mean error of the least connected quarter of the points, at least one.
    """
    order = np.argsort(connectivity)
    c, e = np.asarray(connectivity)[order], np.abs(np.asarray(errors))[order]
    small = SMALL * float(e[: max(1, len(e) // 4)].mean())
    is_small = e < small
    if not is_small.any() or is_small.all():
        return Cutoff(float("nan"), small, 0, len(e))
    wrong = [int(is_small[:k].sum() + (~is_small[k:]).sum()) for k in range(1, len(e))]
    best = int(np.argmin(wrong))
    return Cutoff(float(c[best : best + 2].mean()), small, wrong[best], len(e))


def run(context: StudyContext) -> StudyOutcome:
    """Train on further sets of frames, relate mapping errors to connectivities, find the cutoff."""
    runs = _train_all(context)
    loose = []
    for number, item in enumerate(runs):
        context.report(0.88 + 0.09 * number / len(runs), f"rigidity, {item.temperature:g} K")
        loose.append(looseness(context, item))
    context.report(0.97, "figures")
    by_kind = {kind: [r for r in runs if r.kind == kind] for kind in KINDS}
    cutoffs = {kind: cutoff_of(*_points(found)) for kind, found in by_kind.items()}
    figures = context.save_figure(scatter_figure(by_kind, cutoffs[SMOOTH]), "connectivity")
    figures += context.save_figure(rigidity_figure(runs, loose), "connectivity_rigidity")
    rows = [r.row() | item.row() for r, item in zip(runs, loose, strict=True)]
    tables = [context.write_table("connectivity", rows)]
    claims = [_claim(kind, by_kind[kind], cutoffs[kind]) for kind in KINDS]
    claims += rigidity_claims(runs, loose)
    return StudyOutcome(claims, figures, tables, session_of(context, runs))


def _train_all(context: StudyContext) -> list[SlabRun]:
    temperatures = plan_of(context).temperatures
    jobs = [(replica, t) for replica in range(context.choose(*N_REPLICAS)) for t in temperatures]
    runs: list[SlabRun] = []
    for (replica, temperature), part in zip(jobs, context.part(0.0, 0.88).split(len(jobs)), strict=True):
        study = context.name if replica else "fig2"
        runs += train_pair(context, temperature, part, replica=replica, study=study)
    return runs


def _points(runs: Sequence[SlabRun]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([r.connectivity for r in runs]), np.array([r.largest for r in runs])


def _claim(kind: str, runs: Sequence[SlabRun], cutoff: Cutoff) -> Claim:
    connectivity, errors = _points(runs)
    relation = rank_correlation(connectivity, errors)
    ours: dict[str, Any] = {
        "temperatures_k": [r.temperature for r in runs],
        "connectivity": connectivity,
        "larger_region_error_mev_per_atom": errors,
        "rmse_mev_per_atom": [r.rmse_energy for r in runs],
        "rank_correlation": relation.value,
        "p_value": relation.p,
        "cutoff": cutoff.value,
        "small_is_below_mev_per_atom": cutoff.small,
        "on_the_wrong_side": cutoff.n_wrong,
    }
    holds = cutoff.holds and relation.value < -0.7
    return Claim.of("connectivity.small_where_connected", ours, holds, kind=kind.capitalize())


def scatter_figure(by_kind: dict[str, list[SlabRun]], cutoff: Cutoff) -> Figure:
    """Draw mapping errors against connectivity, coloured by temperature, and a cutoff."""
    temperatures = {kind: np.array([r.temperature for r in runs]) for kind, runs in by_kind.items()}
    points = {kind: (*_points(runs), temperatures[kind]) for kind, runs in by_kind.items()}
    figure, axes, bar = scatter_by_temperature(points)
    bar.ax.tick_params(labelsize=SMALL_FONT, width=0.6)
    rmse = np.max([r.rmse_energy for runs in by_kind.values() for r in runs])
    axes.axhspan(0.0, rmse, color="black", alpha=0.25, linewidth=0)
    axes.text(0.02, rmse + 1.0, "largest RMSE of the totals", fontsize=SMALL_FONT, va="bottom")
    if np.isfinite(cutoff.value):
        axes.axvline(cutoff.value, color="0.4", linewidth=0.9, linestyle="--")
        axes.text(cutoff.value - 0.01, 0.98, f"cutoff {cutoff.value:.2f} {SMOOTH}", rotation=90, va="top",
                  ha="right", fontsize=SMALL_FONT, transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(bottom=0.0)
    style_axes(axes, "Connectivity of bulk and surface", "Larger mapping error (meV/atom)")
    axes.legend(frameon=False, fontsize=SMALL_FONT, loc="lower left", bbox_to_anchor=(0.0, 0.08))
    return figure
