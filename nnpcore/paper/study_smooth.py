"""A closed-form smooth part under the networks: how much truer the map gets, and at what RMSE.

Not a claim of the paper but an answer to it: where the data leave the split of the total open, networks stay
near where they started. A function with few coefficients, solved on the same data, has less freedom; networks
that have learned for two epochs are moved onto it and go on. Silicon slabs of the Stillinger-Weber potential,
whose atomic energies are known, and the bundled DFT silicon with its equation of state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from nnpcore.analyses import evaluation_of, required
from nnpcore.analyses.inputs import FUNCTIONS, POTENTIAL
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.demo import split_example
from nnpcore.figures.drawing import OKABE_ITO, add_diagonal, add_legend, new_figure, style_axes
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.silicon_slab import relaxed_slab, slab_frames, slab_regions
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import PRESET_26, TrainSettings
from nnpcore.units import MEV_PER_EV

VARIANTS: dict[str, dict[str, Any]] = {
    "networks alone": {"baseline": "none"},
    "linear": {"baseline": "linear"},
    "quadratic": {"baseline": "quadratic"},
    "kernel": {"baseline": "kernel"},
    "linear from the start": {"baseline": "linear", "baseline_epochs": 0},
}
"""Names and settings; the ridge is always chosen by the evidence."""

ALONE, DEFAULT = "networks alone", "linear"
TEMPERATURES = ((100.0, 300.0, 500.0, 1000.0, 1400.0), (300.0, 1000.0))
CRYSTALS = (("DFT NVT", "nvt", 0.0), ("DFT NPT", "npt", 0.0), ("DFT NVT, stress", "nvt", 3.0))
LARGEST_STRETCH = 0.028
"""Lattice constants that count, relative to the reference's equilibrium: those about the thermal ones."""
MOST_RMSE = 1.1
"""A variant may raise the RMSEs of energies and forces by this factor, in the geometric mean over cases."""


@dataclass(frozen=True, eq=False)
class System:
    """One set of data with points whose atomic energies are known.

    Attributes
    ----------
    name : of the case. train, valid : frames. stress_weight : in the loss. epochs : of the training.
    probe : returns the errors (n_members, n_points) of a potential, meV/atom.
    """

    name: str
    train: list[Frame]
    valid: list[Frame]
    stress_weight: float
    epochs: int
    probe: Callable[[Potential], np.ndarray]


@dataclass(frozen=True, eq=False)
class Result:
    """One training: its case and variant, RMSEs of the mean prediction, errors (n_members, n_points)."""

    system: str
    variant: str
    run: TrainedRun
    energy_rmse: float
    force_rmse: float
    errors: np.ndarray

    @property
    def mapping_error(self) -> float:
        """Root-mean-square error of the ensemble mean over the points, meV/atom."""
        return float(np.sqrt((self.errors.mean(axis=0) ** 2).mean()))

    @property
    def std(self) -> float:
        """Root-mean-square standard deviation of the members over the points, meV/atom."""
        return float(np.sqrt(self.errors.var(axis=0).mean()))

    @property
    def row(self) -> dict[str, Any]:
        """The result as a row of a table."""
        return {
            "data": self.system,
            "smooth part": self.variant,
            "validation energy RMSE (meV/atom)": self.energy_rmse,
            "validation force RMSE (eV/Å)": self.force_rmse,
            "mapping error (meV/atom)": self.mapping_error,
            "spread of the members (meV/atom)": self.std,
        }


def run(context: StudyContext) -> StudyOutcome:
    """Train every variant on every case and compare mapping errors, spreads and RMSEs."""
    systems = [_slab(context, t) for t in context.choose(*TEMPERATURES)]
    systems += [_crystal(context, *case) for case in context.choose(CRYSTALS, CRYSTALS[:2])]
    names = list(VARIANTS) if not context.quick else [ALONE, DEFAULT, "quadratic"]
    jobs = [(system, name) for system in systems for name in names]
    results = []
    for (system, name), part in zip(jobs, context.part(0.05, 0.95).split(len(jobs)), strict=True):
        results.append(_train(context, system, name, part))
        r = results[-1]
        context.tell(
            f"{r.system}, {r.variant}: mapping error {r.mapping_error:.0f} ± {r.std:.0f} meV/atom at "
            f"{r.energy_rmse:.2f} meV/atom and {r.force_rmse:.4f} eV/Å"
        )
    figures = context.save_figure(_figure(results), "smooth")
    table = context.write_table("smooth", [r.row for r in results])
    slab = relaxed_slab(context)
    runs = (r.run for r in results if r.variant in (ALONE, DEFAULT))
    session = context.session([slab.source], runs, [slab_regions(slab)])
    return StudyOutcome([_truer(results), _honest(results)], figures, [table], session)


# cases ------------------------------------------------------------------------------------------------
def _slab(context: StudyContext, temperature: float) -> System:
    """Bulk and surface of the slab relaxed at 0 K, against their exact atomic energies."""
    frames = slab_frames(context, temperature)
    n_train = 3 * len(frames) // 4
    regions = slab_regions(relaxed_slab(context), exact=True)

    evaluation = evaluation_of(None, region_sets=[regions])

    def probe(potential: Potential) -> np.ndarray:
        evaluation.set(POTENTIAL, potential)
        evaluation.set(FUNCTIONS, potential.functions)
        return np.array([error.members for error in required(evaluation.value(REGION_ERRORS)).all]).T

    name, epochs = f"slab {temperature:g} K", context.choose(20, 8)
    return System(name, frames[:n_train], frames[n_train:], 0.0, epochs, probe)


def _crystal(context: StudyContext, name: str, file: str, stress_weight: float) -> System:
    """The equation of state of the perfect crystal by density-functional theory."""
    train, valid = split_example(file, seed=context.seed)
    points = [f for f in read_dataset(example_path("eos")).frames if f.energy is not None]
    lowest = min(points, key=lambda f: float(f.energy or 0.0) / f.n_atoms)
    inside = [
        f for f in points
        if abs((f.volume / f.n_atoms / (lowest.volume / lowest.n_atoms)) ** (1 / 3) - 1) < LARGEST_STRETCH
    ]  # fmt: skip
    wanted = np.array([float(f.energy or 0.0) / f.n_atoms for f in inside])

    def probe(potential: Potential) -> np.ndarray:
        found = potential.predict(inside, forces=False, stress=False, n_threads=context.n_threads)
        per_atom = found.energy_members / np.array([f.n_atoms for f in inside])
        return MEV_PER_EV * (per_atom - wanted)

    return System(name, train, valid, stress_weight, context.choose(25, 12), probe)


def _train(context: StudyContext, system: System, variant: str, progress: Progress) -> Result:
    settings = TrainSettings(
        descriptors=PRESET_26,
        seed=context.seed,
        n_members=context.choose(5, 4),
        epochs=system.epochs,
        stress_weight=system.stress_weight,
        **VARIANTS[variant],
    )
    label = f"{system.name}-{variant}".replace(" ", "-").replace(",", "")
    found = context.train(label, settings, system.train, system.valid, progress=progress, reuse=True)
    rmses = context.rmse(found.potential, system.valid)
    return Result(system.name, variant, found, *rmses, system.probe(found.potential))


# claims -----------------------------------------------------------------------------------------------
def _of(results: Sequence[Result], variant: str) -> list[Result]:
    return [r for r in results if r.variant == variant]


def _ratio(results: Sequence[Result], variant: str, what: str) -> float:
    """Geometric mean over the cases of a number by a variant over that of the networks alone."""
    pairs = zip(_of(results, variant), _of(results, ALONE), strict=True)
    return float(np.exp(np.mean([np.log(getattr(a, what) / getattr(b, what)) for a, b in pairs])))


def _truer(results: Sequence[Result]) -> Claim:
    """The default's mapping errors are smaller than those of networks alone, at the same RMSEs."""
    ours: dict[str, Any] = {}
    for name in VARIANTS:
        if name != ALONE and _of(results, name):
            ours[f"{name}: mapping error, ratio to networks alone"] = _ratio(results, name, "mapping_error")
            ours[f"{name}: energy RMSE, ratio"] = _ratio(results, name, "energy_rmse")
            ours[f"{name}: force RMSE, ratio"] = _ratio(results, name, "force_rmse")
    for r in results:
        if r.variant in (ALONE, DEFAULT):
            ours[f"{r.system}, {r.variant}: mapping error, meV/atom"] = r.mapping_error
    rmses = [_ratio(results, DEFAULT, what) for what in ("energy_rmse", "force_rmse")]
    truer = _ratio(results, DEFAULT, "mapping_error") < 0.8
    return Claim.of("smooth.truer", ours, truer and max(rmses) <= MOST_RMSE)


def _honest(results: Sequence[Result]) -> Claim:
    """Members that differ by what the data leave open show a spread of the size of the error."""
    ours: dict[str, Any] = {}
    off = {}
    for name in (ALONE, DEFAULT):
        ratios = {r.system: r.mapping_error / r.std for r in _of(results, name)}
        ours |= {f"{system}, {name}: mapping error over spread": v for system, v in ratios.items()}
        off[name] = float(np.mean(np.abs(np.log(list(ratios.values())))))
    ours |= {f"{name}: error and spread differ by a factor of": float(np.exp(v)) for name, v in off.items()}
    inside = [r.mapping_error < 3 * r.std for r in _of(results, DEFAULT)]
    ours[f"{DEFAULT}: cases whose error is below three spreads"] = f"{sum(inside)} of {len(inside)}"
    return Claim.of("smooth.honest", ours, off[DEFAULT] < off[ALONE])


# figure -----------------------------------------------------------------------------------------------
def _figure(results: Sequence[Result]) -> Any:
    """Draw mapping errors by case and variant, and against the members' spread."""
    figure = new_figure(7.0, 3.0)
    left, right = figure.subplots(1, 2)
    _bars(left, results)
    style_axes(left, "", "Mapping error (meV/atom)")
    add_legend(left)
    colors = dict(zip(VARIANTS, OKABE_ITO, strict=False))
    for name in (ALONE, DEFAULT):
        chosen = _of(results, name)
        right.loglog(
            [r.std for r in chosen], [r.mapping_error for r in chosen], "o", color=colors[name], label=name
        )
    add_diagonal(right)
    style_axes(right, "Spread of the members (meV/atom)", "Mapping error (meV/atom)")
    add_legend(right)
    return figure


def _bars(axes: Axes, results: Sequence[Result]) -> None:
    systems = list(dict.fromkeys(r.system for r in results))
    names = [name for name in VARIANTS if _of(results, name)]
    width = 0.8 / len(names)
    for k, (name, color) in enumerate(zip(names, OKABE_ITO, strict=False)):
        place = np.arange(len(systems)) + (k - 0.5 * (len(names) - 1)) * width
        axes.bar(place, [r.mapping_error for r in _of(results, name)], width, color=color, label=name)
    axes.set_xticks(np.arange(len(systems)), systems, rotation=30, ha="right")
