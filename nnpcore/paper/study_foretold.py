"""How large the error of an atomic energy is, too: what the posterior foretells against what comes out.

A sparse Gaussian process on the training data alone foretells the spread of mean atomic energies: bulk and
surface for slabs at seven temperatures, strained crystals for density-functional silicon at one volume, at
fluctuating volume and at one volume with stresses, core, shell and strained crystals for a nickel cluster,
ordered crystals for an alloy. No target's label and no trained network is used. Then the errors of its own
mean are looked up, and beside them those of small ensembles of networks trained on the same frames.

All rules were written before the study was run. Each error over its spread is one case: their median must lie
between 0.2 and 1.2, at least 80 % must be below 2 and none above 4; the rank correlation of spreads and
absolute errors must be at least 0.8. Errors are chance, so that even a posterior that is right orders them
only so well; what it would reach with errors drawn from the foretold covariances stands beside it. Forces are
tempered by the one rule of the posterior (what forces alone foretell of the training energies must be as
wrong as foretold, as far as few energies can tell), which looks at no target. The tempering was made steadier
for small sets after the first runs of this study, on other sets than these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnpcore.figures.drawing import MARKERS, OKABE_ITO, add_legend, new_figure, style_axes
from nnpcore.mapping import atomic_energies
from nnpcore.mapping.correlation import rank_correlation
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.figure_parts import plain_numbers
from nnpcore.paper.foretold_sets import GROUPS, QUICK, Plan, TrainingSet, count_sets, training_sets
from nnpcore.posterior import Posterior
from nnpcore.posterior.moments import FORCES, STRESS
from nnpcore.potential import Potential
from nnpcore.structures import split_frames
from nnpcore.training import DescriptorSettings, TrainSettings
from nnpcore.units import MEV_PER_EV

MEDIAN = (0.2, 1.2)
USUAL, USUAL_SHARE, LARGEST = 2.0, 0.8, 4.0
RANK = 0.8
"""The rules: of the median, of how many are below which ratio, of the largest, of the rank correlation."""

_VALID_FRACTION = 0.2
_STRESS_WEIGHT = 3.0
_N_MEMBERS, _EPOCHS = 3, 6
_N_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Foretold:
    """One training set: spreads that were foretold and errors that came out, all (n_targets,) in meV/atom.

    Attributes
    ----------
    covariance : (n_targets, n_targets) that was foretold, meV². error : of the posterior's mean. networks,
        members : error and spread of an ensemble of networks.
    length, signal, tempering : of the posterior.
    """

    set: TrainingSet
    covariance: np.ndarray
    error: np.ndarray
    networks: np.ndarray
    members: np.ndarray
    length: float
    signal: float
    tempering: float

    @property
    def spread(self) -> np.ndarray:
        """Foretold standard deviation, (n_targets,)."""
        return np.sqrt(self.covariance.diagonal())

    @property
    def ratio(self) -> np.ndarray:
        """Absolute error over spread, (n_targets,)."""
        return np.abs(self.error) / self.spread

    @property
    def text(self) -> str:
        """What has come out, in a sentence."""
        spread, error, networks = (_rms(v) for v in (self.spread, self.error, self.networks))
        return (
            f"{self.set.name}: ± {spread:.1f} meV/atom foretold, off by {error:.1f} "
            f"(networks {networks:.1f}); largest ratio {self.ratio.max():.2f}"
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of a table for each target."""
        columns = zip(self.set.targets, self.spread, self.error, self.networks, self.members, strict=True)
        return [
            {
                "training set": self.set.name,
                "frames": len(self.set.frames),
                "target": target.name,
                "foretold spread (meV/atom)": spread,
                "error (meV/atom)": error,
                "error over spread": abs(error) / spread,
                "error of networks (meV/atom)": networks,
                "spread of networks (meV/atom)": members,
                "length": self.length,
                "signal (eV)": self.signal,
                "tempering of forces": self.tempering,
            }
            for target, spread, error, networks, members in columns
        ]


def run(context: StudyContext, plan: Plan | None = None) -> StudyOutcome:
    """Foretell, then look up; ``plan`` is that of the context's size by default."""
    plan = plan or context.choose(Plan(), QUICK)
    found: list[Foretold] = []
    runs: list[TrainedRun] = []
    n = count_sets(plan)
    for k, training_set in enumerate(training_sets(context, plan)):
        context.report(k / n, training_set.name)
        networks = _networks(context, training_set)
        found.append(_foretell(context, training_set, networks.potential))
        runs.append(networks)
        context.tell(found[-1].text)
    tables = [
        context.write_table("foretold", [row for one in found for row in one.rows()]),
        context.write_table("sets", [_summary(one) for one in found]),
    ]
    figures = context.save_figure(_figure(found), "foretold")
    return StudyOutcome([_size(found), _order(found)], figures, tables, context.session((), runs))


def _foretell(context: StudyContext, training_set: TrainingSet, networks: Potential) -> Foretold:
    posterior = Posterior.fit(
        training_set.frames,
        training_set.functions,
        targets=training_set.targets,
        kinds=training_set.kinds,
        n_threads=context.n_threads,
        progress=context.quiet(),
    )
    mean, covariance = posterior.mean_and_covariance(training_set.targets, n_threads=context.n_threads)
    members = _members(context, training_set, networks)
    return Foretold(
        training_set,
        MEV_PER_EV**2 * (covariance + posterior.misfit**2 * np.eye(len(mean))),
        MEV_PER_EV * (mean - training_set.truth),
        MEV_PER_EV * (members.mean(0) - training_set.truth),
        MEV_PER_EV * members.std(0),
        posterior.hyper.length,
        posterior.hyper.signal,
        posterior.hyper.tempering[FORCES],
    )


def _networks(context: StudyContext, training_set: TrainingSet) -> TrainedRun:
    """Train an ensemble with the usual settings on the same frames, a part of which validates."""
    first, second = split_frames(training_set.frames, _VALID_FRACTION, context.seed)
    settings = TrainSettings(
        descriptors=DescriptorSettings(preset="26", cutoff=training_set.functions.cutoff),
        stress_weight=_STRESS_WEIGHT if STRESS in training_set.kinds else 0.0,
        n_members=_N_MEMBERS,
        epochs=_EPOCHS,
        seed=context.seed,
    )
    train, valid = ([training_set.frames[k] for k in part] for part in (first, second))
    label = training_set.name.replace(",", "").replace(" ", "-")
    return context.train(label, settings, train, valid, reuse=True)


def _members(context: StudyContext, training_set: TrainingSet, networks: Potential) -> np.ndarray:
    """Return what each member says of the targets, (n_members, n_targets), eV."""
    columns = []
    for target in training_set.targets:
        frames = [frame for frame, _ in target.parts]
        energies = atomic_energies(networks, frames, n_threads=context.n_threads)
        columns.append(energies @ np.concatenate([weights for _, weights in target.parts]))
    return np.array(columns).T


# claims -------------------------------------------------------------------------------------------------
def _size(found: Sequence[Foretold]) -> Claim:
    ratios = np.concatenate([one.ratio for one in found])
    by_networks = np.concatenate([np.abs(one.networks) / np.maximum(one.members, 1e-9) for one in found])
    by_set = np.array([_rms(one.error) / _rms(one.spread) for one in found])
    low, high = MEDIAN
    share = float((ratios < USUAL).mean())
    median, largest = float(np.median(ratios)), float(ratios.max())
    ours = {
        "training_sets": len(found),
        "targets": len(ratios),
        "median_of_error_over_spread": median,
        "below_2_percent": 100 * share,
        "largest": largest,
        "by_set_rms": {"median": float(np.median(by_set)), "largest": float(by_set.max())},
        "networks_own_spread": {
            "median": float(np.median(by_networks)),
            "below_2_percent": 100 * float((by_networks < USUAL).mean()),
            "largest": float(by_networks.max()),
        },
    }
    holds = low <= median <= high and share >= USUAL_SHARE and largest <= LARGEST
    return Claim.of("foretold.size", ours, holds)


def _order(found: Sequence[Foretold]) -> Claim:
    spread, error, networks, members = (
        np.concatenate([getattr(one, name) for one in found])
        for name in ("spread", "error", "networks", "members")
    )
    rank = rank_correlation(spread, np.abs(error)).value
    drawn = [rank_correlation(spread, np.abs(errors)).value for errors in _draws(found)]
    sets = [np.array([_rms(getattr(one, name)) for one in found]) for name in ("spread", "error")]
    ours = {
        "rank_correlation": rank,
        "of_a_right_posterior": [float(v) for v in np.percentile(drawn, [5, 50, 95])],
        "by_set_rms": rank_correlation(*sets).value,
        "with_errors_of_networks": rank_correlation(spread, np.abs(networks)).value,
        "networks_own_spread_and_error": rank_correlation(members, np.abs(networks)).value,
    }
    return Claim.of("foretold.order", ours, rank >= RANK)


def _draws(found: Sequence[Foretold]) -> np.ndarray:
    """Return errors (n_draws, n_targets) as they would be if all covariances were right."""
    random = np.random.default_rng(0)
    parts = [
        random.multivariate_normal(np.zeros(len(one.error)), one.covariance, _N_DRAWS, check_valid="ignore")
        for one in found
    ]
    return np.concatenate(parts, axis=1)


# tables and figures -------------------------------------------------------------------------------------
def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _summary(one: Foretold) -> dict[str, Any]:
    return {
        "training set": one.set.name,
        "targets": len(one.spread),
        "foretold (RMS, meV/atom)": _rms(one.spread),
        "error (RMS, meV/atom)": _rms(one.error),
        "largest error over spread": float(one.ratio.max()),
        "networks' error (RMS, meV/atom)": _rms(one.networks),
        "networks' spread (RMS, meV/atom)": _rms(one.members),
        "length": one.length,
        "signal (eV)": one.signal,
        "tempering of forces": one.tempering,
    }


def _figure(found: Sequence[Foretold]) -> Figure:
    figure = new_figure(7.4, 3.4)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _draw(left, found, "error", "Error of the posterior's mean (meV/atom)")
    _draw(right, found, "networks", "Error of networks (meV/atom)")
    add_legend(left, loc="lower right")
    return figure


def _draw(axes: Axes, found: Sequence[Foretold], name: str, title: str) -> None:
    spreads = np.concatenate([one.spread for one in found])
    line = np.array([0.5 * spreads.min(), 2.0 * spreads.max()])
    for factor, dash in ((1.0, "-"), (USUAL, "--"), (LARGEST, ":")):
        axes.plot(line, factor * line, dash, color="#667080", linewidth=0.8)
    for k, group in enumerate(GROUPS):
        chosen = [one for one in found if one.set.group == group]
        if chosen:
            x = np.concatenate([one.spread for one in chosen])
            y = np.maximum(np.abs(np.concatenate([getattr(one, name) for one in chosen])), 0.1)
            axes.plot(x, y, MARKERS[k], color=OKABE_ITO[k], markersize=3.5, alpha=0.8, label=group)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_numbers(axes.xaxis, axes.yaxis)
    style_axes(axes, "Foretold spread (meV/atom)", title)
