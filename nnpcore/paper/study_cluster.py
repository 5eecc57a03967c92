"""The paper's supplement: a nickel nanocluster with known atomic energies, learned from totals and forces.

The reference is the second-moment potential of Cleri and Rosato. Networks of several cutoff radii are trained
on one cluster at several temperatures and compared with the reference atom by atom, and at the crystal, which
is no part of the training. Then on clusters of several sizes: as sums that mix the inside and the surface in
varying numbers, they settle the level of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from matplotlib.axes import Axes

from nnpcore.figures.drawing import DASHES, OKABE_ITO, add_diagonal, add_legend, new_figure, style_axes
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.figure_parts import plain_numbers
from nnpcore.progress import Progress
from nnpcore.reference import CleriRosato, SamplerSettings, crystal, equilibrium_lattice, label
from nnpcore.reference.clusters import wulff_cluster
from nnpcore.reference.relaxing import relax
from nnpcore.structures import split_frames
from nnpcore.structures.frame import EXACT_ENERGIES, Frame
from nnpcore.training import DescriptorSettings, TrainSettings
from nnpcore.units import MEV_PER_EV

ELEMENT, LATTICE = "Ni", "fcc"
SIZE = 140
OTHER_SIZES = (40, 80, 201)
TEMPERATURES = (600.0, 1200.0, 1800.0, 2400.0)
CUTOFFS = (4.5, 5.0, 5.5, 6.0)
FAITHFUL, WIDE = 5.0, 6.0
"""Cutoffs shown atom by atom, Å: the one between the second and the fifth shell, and the usual one."""
VALID_FRACTION = 0.2


@dataclass(frozen=True)
class Plan:
    """How much is sampled and trained: frames of all temperatures and sizes together."""

    n_frames: int = 480
    n_members: int = 5
    epochs: int = 12
    cutoffs: tuple[float, ...] = CUTOFFS
    temperatures: tuple[float, ...] = TEMPERATURES
    equilibration_fs: float = 2000.0
    sizes: tuple[int, ...] = OTHER_SIZES


QUICK = Plan(n_frames=160, n_members=3, epochs=8, equilibration_fs=1000.0)


@dataclass(frozen=True, eq=False)
class Fit:
    """One ensemble beside the reference.

    Attributes
    ----------
    name : "one size" or "several sizes". cutoff : Å.
    reference : (n,) eV, atomic energies of the validation frames of one size.
    predicted : (n_members, n) eV.
    crystal_mev : (n_members,) error of the crystal's atomic energy at its equilibrium, meV/atom.
    """

    name: str
    cutoff: float
    run: TrainedRun
    reference: np.ndarray
    predicted: np.ndarray
    crystal_mev: np.ndarray

    @property
    def mae(self) -> float:
        """Mean absolute error of the ensemble's atomic energies, meV."""
        return float(MEV_PER_EV * np.abs(self.predicted.mean(axis=0) - self.reference).mean())

    @property
    def correlation(self) -> float:
        """Pearson correlation of the ensemble's atomic energies with the reference's."""
        return float(np.corrcoef(self.predicted.mean(axis=0), self.reference)[0, 1])

    @property
    def crystal(self) -> float:
        """Error of the ensemble mean at the crystal's equilibrium, meV/atom."""
        return float(self.crystal_mev.mean())


def run(context: StudyContext, plan: Plan | None = None) -> StudyOutcome:
    """Sample, train and compare atom by atom; ``plan`` is that of the context's size by default."""
    plan = plan or context.choose(Plan(), QUICK)
    context.report(0.0, "molecular dynamics")
    one = _frames(context, plan, (SIZE,), context.part(0.0, 0.05))
    several = _frames(context, plan, (SIZE, *plan.sizes), context.part(0.05, 0.2))
    valid = one[1]
    crystal = _crystal()
    jobs = [("one size", cutoff, one) for cutoff in plan.cutoffs]
    jobs += [("several sizes", cutoff, several) for cutoff in plan.cutoffs if cutoff in (FAITHFUL, WIDE)]
    fits = []
    parts = context.part(0.2, 1.0).split(len(jobs))
    for (name, cutoff, (train, of_run)), part in zip(jobs, parts, strict=True):
        label = f"{name.replace(' ', '-')}-{cutoff:g}A"
        settings = TrainSettings(
            descriptors=DescriptorSettings(preset="26", cutoff=cutoff),
            stress_weight=0.0,
            baseline="none",
            n_members=plan.n_members,
            epochs=plan.epochs,
            seed=context.seed,
        )
        run_ = context.train(label, settings, train, of_run, progress=part)
        fits.append(_compare(context, name, cutoff, run_, valid, crystal))
        context.tell(
            f"{name}, cutoff {cutoff:g} Å: atomic energies off by {fits[-1].mae:.0f} meV (MAE), the crystal "
            f"by {fits[-1].crystal:+.0f} meV, totals by {run_.best_rmse():.2f} meV/atom"
        )
    figures = context.save_figure(_figure(fits), "cluster")
    sources = (frame.source for part in (*one, *several) for frame in part)
    session = context.session(sources, (fit.run for fit in fits))
    return StudyOutcome(_claims(fits), figures, _tables(context, fits), session)


# data -------------------------------------------------------------------------------------------------
def _frames(
    context: StudyContext, plan: Plan, sizes: Sequence[int], progress: Progress
) -> tuple[list[Frame], list[Frame]]:
    """Return training and validation frames of clusters of these sizes, as many in all as the plan says."""
    calculator = CleriRosato(ELEMENT)
    train: list[Frame] = []
    valid: list[Frame] = []
    settings = SamplerSettings(
        temperatures=plan.temperatures,
        equilibration_fs=plan.equilibration_fs,
        spacing_fs=60.0,
        n_frames=max(1, plan.n_frames // (len(sizes) * len(plan.temperatures))),
        seed=context.seed,
    )
    for size, part in zip(sizes, progress.split(len(sizes)), strict=True):

        def start(size: int = size) -> Atoms:
            return relax(wulff_cluster(ELEMENT, size), calculator, progress=context.quiet())

        key = {"atoms": size, "sampler": settings}
        part = part.part(0.0, 1.0, f"{size} atoms")
        frames = context.dynamics(f"ni{size}", start, calculator, settings, key=key, progress=part)
        parts = split_frames(frames, VALID_FRACTION, context.seed)
        train += [frames[i] for i in parts[0]]
        valid += [frames[i] for i in parts[1]]
    return train, valid


def _crystal() -> Frame:
    """Return the crystal at its equilibrium volume, with its energy."""
    calculator = CleriRosato(ELEMENT)
    constant = equilibrium_lattice(ELEMENT, LATTICE, calculator)
    return label(crystal(ELEMENT, LATTICE, constant), calculator)


def _compare(
    context: StudyContext, name: str, cutoff: float, run_: TrainedRun, valid: list[Frame], crystal: Frame
) -> Fit:
    frames = [*valid, crystal]
    found = run_.potential.predict(frames, forces=False, stress=False, n_threads=context.n_threads)
    energies = found.atomic_energies_members
    n = energies.shape[1] - crystal.n_atoms
    assert crystal.energy is not None
    return Fit(
        name,
        cutoff,
        run_,
        reference=np.concatenate([f.arrays[EXACT_ENERGIES] for f in valid]),
        predicted=energies[:, :n],
        crystal_mev=MEV_PER_EV * (energies[:, n:].mean(axis=1) - crystal.energy / crystal.n_atoms),
    )


# claims -----------------------------------------------------------------------------------------------
def _claims(fits: list[Fit]) -> list[Claim]:
    one = {fit.cutoff: fit for fit in fits if fit.name == "one size"}
    several = {fit.cutoff: fit for fit in fits if fit.name != "one size"}
    return [_atoms_are_learned(one[FAITHFUL]), _cutoff_decides(one), _sizes_settle(one, several)]


def _atoms_are_learned(fit: Fit) -> Claim:
    size = MEV_PER_EV * float(fit.reference.std())
    ours = {
        "mae_of_atomic_energies_mev": fit.mae,
        "standard_deviation_of_the_reference_mev": size,
        "correlation": fit.correlation,
        "rmse_energy_mev_per_atom": fit.run.best_rmse(),
        "rmse_force_ev_per_ang": fit.run.best_rmse("force"),
        "atoms_compared": len(fit.reference),
    }
    holds = fit.correlation > 0.95 and fit.mae < 0.25 * size
    return Claim.of("cluster.atoms_are_learned", ours, holds, cutoff=FAITHFUL)


def _cutoff_decides(one: dict[float, Fit]) -> Claim:
    near, far = one[FAITHFUL], one[WIDE]
    ours = {
        "cutoff_ang": list(one),
        "mae_of_atomic_energies_mev": [fit.mae for fit in one.values()],
        "correlation": [fit.correlation for fit in one.values()],
        "rmse_energy_mev_per_atom": [fit.run.best_rmse() for fit in one.values()],
        "crystal_error_mev_per_atom": [fit.crystal for fit in one.values()],
    }
    holds = far.mae > 1.3 * near.mae and far.run.best_rmse() < near.run.best_rmse()
    return Claim.of("cluster.cutoff_decides", ours, holds)


def _sizes_settle(one: dict[float, Fit], several: dict[float, Fit]) -> Claim:
    ours: dict[str, Any] = {"cutoff_ang": list(several)}
    fits = {"one_size": [one[cutoff] for cutoff in several], "several_sizes": list(several.values())}
    ours |= {f"crystal_error_{name}_mev_per_atom": [f.crystal for f in fs] for name, fs in fits.items()}
    ours |= {f"mae_of_atomic_energies_{name}_mev": [f.mae for f in fs] for name, fs in fits.items()}
    holds = all(abs(after.crystal) < 0.5 * abs(one[cutoff].crystal) for cutoff, after in several.items())
    return Claim.of("cluster.sizes_settle", ours, holds)


# tables and figures -----------------------------------------------------------------------------------
def _tables(context: StudyContext, fits: list[Fit]) -> list[Any]:
    rows = [
        {
            "training": fit.name,
            "cutoff (Å)": fit.cutoff,
            "energy RMSE (meV/atom)": fit.run.best_rmse(),
            "force RMSE (eV/Å)": fit.run.best_rmse("force"),
            "MAE of atomic energies (meV)": fit.mae,
            "correlation": fit.correlation,
            "crystal error (meV/atom)": fit.crystal,
            "crystal spread (meV/atom)": float(fit.crystal_mev.std()),
        }
        for fit in fits
    ]
    shown = _shown(fits)
    columns: dict[str, Any] = {"reference (eV)": shown[0].reference}
    columns |= {f"cutoff {fit.cutoff:g} Å (eV)": fit.predicted.mean(axis=0) for fit in shown}
    return [context.write_table("cluster", rows), context.write_table("atoms", columns)]


def _shown(fits: list[Fit]) -> list[Fit]:
    """Return the fits to one size that are drawn atom by atom."""
    return [fit for fit in fits if fit.name == "one size" and fit.cutoff in (FAITHFUL, WIDE)]


def _figure(fits: list[Fit]) -> Any:
    figure = new_figure(9.6, 2.8)
    all_axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
    for axes, fit, color in zip(all_axes[:2], _shown(fits), OKABE_ITO, strict=False):
        axes.scatter(fit.reference, fit.predicted.mean(axis=0), s=2, color=color, alpha=0.3, linewidths=0,
                     rasterized=True)  # fmt: skip
        add_diagonal(axes)
        style_axes(axes, "Reference $E_\\mathrm{at}$ (eV)", "Predicted $E_\\mathrm{at}$ (eV)")
        axes.set_title(f"Cutoff {fit.cutoff:g} Å", fontsize=9)
        text = f"MAE {fit.mae:.0f} meV\nR {fit.correlation:.3f}\ntotals {fit.run.best_rmse():.1f} meV/atom"
        axes.text(0.05, 0.95, text, transform=axes.transAxes, fontsize=8, va="top")
    _draw_cutoffs(all_axes[2], fits)
    add_legend(all_axes[2], loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _draw_cutoffs(axes: Axes, fits: list[Fit]) -> None:
    series = {
        "every atom, MAE": lambda fit: fit.mae,
        "crystal": lambda fit: abs(fit.crystal),
        "totals, RMSE": lambda fit: fit.run.best_rmse(),
    }
    for k, (what, value) in enumerate(series.items()):
        for name, dash, fill in (("one size", "-", OKABE_ITO[k]), ("several sizes", DASHES[2], "white")):
            chosen = [fit for fit in fits if fit.name == name]
            x, y = [fit.cutoff for fit in chosen], [value(fit) for fit in chosen]
            text = what if name == "one size" else ("the same, several sizes" if k == 0 else "_")
            look: dict[str, Any] = {"linestyle": dash, "marker": "o", "markersize": 4, "linewidth": 1.2}
            axes.plot(x, y, color=OKABE_ITO[k], markerfacecolor=fill, label=text, **look)
    axes.set_xticks(sorted({fit.cutoff for fit in fits}))
    axes.set_yscale("log")
    plain_numbers(axes.yaxis)
    style_axes(axes, "Cutoff (Å)", "Error (meV/atom)")
