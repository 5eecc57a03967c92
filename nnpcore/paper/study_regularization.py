"""Is the strength of regularization that maps best the one with the lowest RMSE?

Sweeps of two strengths on two data sets: of the squared weights (L2) in the loss of networks alone, trained
by Adam, and of the ridge of a linear part under the networks, trained by the Kalman filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from nnpcore.demo import CALM_FILTER
from nnpcore.figures.drawing import DASHES, FONT, OKABE_ITO, SMALL, new_figure, style_axes
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome
from nnpcore.paper.equal_rmse import Curve, Target, crystal_target, follow, slab_target
from nnpcore.progress import Progress
from nnpcore.training import PRESET_26, TrainSettings


@dataclass(frozen=True)
class Plan:
    """How much is trained: frames, epochs, members, and the strengths of either kind."""

    n_train: int = 200
    n_valid: int = 100
    adam_epochs: int = 120
    kalman_epochs: int = 12
    n_members: int = 5
    l2: tuple[float, ...] = (0.0, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3)
    ridge: tuple[float, ...] = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-1, 10.0)


QUICK = Plan(
    n_train=80,
    n_valid=30,
    adam_epochs=70,
    kalman_epochs=8,
    n_members=3,
    l2=(0.0, 1e-6, 1e-5, 3e-5, 1e-4, 1e-3),
    ridge=(1e-9, 1e-7, 1e-5, 1e-3, 1e-1, 10.0),
)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Trainings that differ in one strength.

    Attributes
    ----------
    kind : "l2" or "ridge". target : the data. strengths : (n,). curves : one a strength.
    """

    kind: str
    target: Target
    strengths: np.ndarray
    curves: list[Curve]

    @property
    def errors(self) -> np.ndarray:
        """Mapping error (n,) at the epoch that is kept, meV/atom."""
        return np.array([c.error[c.best] for c in self.curves])

    @property
    def energy_rmse(self) -> np.ndarray:
        """Energy RMSE (n,) at that epoch, meV/atom."""
        return np.array([c.energy_rmse[c.best] for c in self.curves])

    @property
    def force_rmse(self) -> np.ndarray:
        """Force RMSE (n,) at that epoch, eV/Å."""
        return np.array([c.rmse[c.best] for c in self.curves])

    @property
    def scores(self) -> np.ndarray:
        """Geometric mean (n,) of energy and force RMSE over the lowest: 1 is what the RMSE would choose."""
        both = np.sqrt(self.energy_rmse * self.force_rmse)
        return both / both.min()

    @property
    def by_rmse(self) -> int:
        """Index of the strength the RMSE chooses."""
        return int(self.scores.argmin())

    @property
    def by_mapping(self) -> int:
        """Index of the strength the mapping error chooses."""
        return int(self.errors.argmin())

    def summary(self) -> dict[str, Any]:
        """Return both choices with what they cost and bring."""
        rmse, mapping = self.by_rmse, self.by_mapping
        return {
            "chosen_by_rmse": float(self.strengths[rmse]),
            "chosen_by_mapping": float(self.strengths[mapping]),
            "mapping_error_mev_per_atom": [float(self.errors[rmse]), float(self.errors[mapping])],
            "rmse_over_the_lowest": [1.0, float(self.scores[mapping])],
        }


def run(context: StudyContext, plan: Plan | None = None) -> StudyOutcome:
    """Sweep both strengths on both data sets; ``plan`` fits the context by default."""
    plan = plan or context.choose(Plan(), QUICK)
    context.report(0.0, "molecular dynamics")
    targets = [make(context, plan.n_train, plan.n_valid) for make in (slab_target, crystal_target)]
    jobs = [(target, kind) for target in targets for kind in ("l2", "ridge")]
    sweeps = []
    for (target, kind), part in zip(jobs, context.part(0.05, 1.0).split(len(jobs)), strict=True):
        sweeps.append(_sweep(context, plan, target, kind, part))
        chosen = sweeps[-1].summary()
        context.tell(
            f"{target.title}, {NAMES[kind]}: RMSE chooses {chosen['chosen_by_rmse']:g}, the mapping error "
            f"{chosen['chosen_by_mapping']:g}"
        )
    figures = context.save_figure(_figure(sweeps), "regularization")
    table = context.write_table("regularization", [row for sweep in sweeps for row in _rows(sweep)])
    runs = (curve.run for sweep in sweeps for curve in sweep.curves)
    session = context.session((path for target in targets for path in target.files), runs)
    return StudyOutcome([_claim(sweeps, "l2"), _claim(sweeps, "ridge")], figures, [table], session)


NAMES = {"l2": "L2 of the weights", "ridge": "ridge of the linear part, eV²"}


def _settings(context: StudyContext, plan: Plan, kind: str, strength: float) -> TrainSettings:
    """Return the settings for a strength: networks alone, or over a linear part from the start."""
    common: dict[str, Any] = {
        "descriptors": PRESET_26,
        "stress_weight": 0.0,
        "n_members": plan.n_members,
        "seed": context.seed,
    }
    if kind == "l2":
        adam = {"optimizer": "adam", "epochs": plan.adam_epochs}
        return TrainSettings(baseline="none", l2=strength, **adam, **common)
    linear = {"baseline": "linear", "baseline_ridge": strength, "baseline_epochs": 0, "baseline_spread": 0.0}
    calm = {"optimizer": "kalman", "kalman": CALM_FILTER, "epochs": plan.kalman_epochs}
    return TrainSettings(**linear, **calm, **common)


def _sweep(context: StudyContext, plan: Plan, target: Target, kind: str, progress: Progress) -> Sweep:
    strengths = plan.l2 if kind == "l2" else plan.ridge
    curves = [
        follow(context, target, f"{kind}-{v:g}", _settings(context, plan, kind, v), part)
        for v, part in zip(strengths, progress.split(len(strengths)), strict=True)
    ]
    return Sweep(kind, target, np.array(strengths), curves)


# what is shown ----------------------------------------------------------------------------------------
def _claim(sweeps: list[Sweep], kind: str) -> Claim:
    chosen = {sweep.target.name: sweep.summary() for sweep in sweeps if sweep.kind == kind}
    gains = [c["mapping_error_mev_per_atom"][1] / c["mapping_error_mev_per_atom"][0] for c in chosen.values()]
    needed = {"needed": "another strength with a mapping error at least 5 % smaller, on both data sets"}
    name = "regularization.mapping_chooses_otherwise"
    return Claim.of(name, chosen | needed, max(gains) < 0.95, strength=NAMES[kind])


def _rows(sweep: Sweep) -> list[dict[str, Any]]:
    return [
        {
            "data": sweep.target.title,
            "regularization": NAMES[sweep.kind],
            "strength": float(strength),
            "energy RMSE (meV/atom)": sweep.energy_rmse[k],
            "force RMSE (eV/Å)": sweep.force_rmse[k],
            "RMSE over the lowest": sweep.scores[k],
            "mapping error (meV/atom)": sweep.errors[k],
            "chosen by": ", ".join(
                name for name, best in (("RMSE", sweep.by_rmse), ("mapping", sweep.by_mapping)) if best == k
            ),
        }
        for k, strength in enumerate(sweep.strengths)
    ]


def _figure(sweeps: list[Sweep]) -> Any:
    figure = new_figure(7.6, 5.0)
    for axes, sweep in zip(figure.subplots(2, 2).ravel(), sweeps, strict=True):
        _draw(axes, sweep)
    return figure


def _draw(axes: Axes, sweep: Sweep) -> None:
    x = np.arange(len(sweep.strengths))
    mapping, rmse = OKABE_ITO[1], OKABE_ITO[0]
    axes.plot(x, sweep.errors, "o-", color=mapping, markersize=4, linewidth=1.3)
    _ring(axes, x[sweep.by_mapping], sweep.errors[sweep.by_mapping], "o", mapping)
    axes.set_ylim(0.0, 1.15 * float(sweep.errors.max()))
    name = NAMES[sweep.kind]
    style_axes(axes, name[0].upper() + name[1:], "Mapping error (meV/atom)")
    axes.yaxis.label.set_color(mapping)
    axes.set_xticks(x, [f"{v:g}" for v in sweep.strengths], rotation=45 if len(x) > 7 else 0)
    axes.set_title(f"{sweep.target.title}: {sweep.target.quantity}", fontsize=FONT)
    other = axes.twinx()
    other.plot(x, sweep.scores, "s", color=rmse, markersize=3.5, linewidth=1.3, linestyle=DASHES[1])
    _ring(other, x[sweep.by_rmse], sweep.scores[sweep.by_rmse], "s", rmse)
    other.set_ylim(0.9, 1.1 * float(sweep.scores.max()))
    other.set_ylabel("RMSE over the lowest", fontsize=FONT, color=rmse)
    other.tick_params(labelsize=SMALL, width=0.6, length=3)
    other.spines["top"].set_visible(False)
    for side in ("left", "right", "bottom"):
        other.spines[side].set_linewidth(0.6)


def _ring(axes: Axes, x: float, y: float, marker: str, color: str) -> None:
    """Mark the chosen strength."""
    axes.plot(x, y, marker, color=color, markersize=10, fillstyle="none", clip_on=False)
