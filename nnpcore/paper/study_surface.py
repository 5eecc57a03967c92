"""Surface energies of three relaxed slabs by networks that have only seen a nanocluster.

The training set is molecular dynamics of the 239-atom silicon cluster at 1000 to 1700 K, with Wulff's {100},
{110} and {111} facets. Where the mapping is right, its networks know surfaces and crystal alike: the slabs
(100)-(2×2), (110)-(2×1) and (111)-(2×1) are relaxed by them, and their surface energies compared with the
reference's, at the end of the training and at an early epoch, when the RMSE has already settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from nnpcore.analyses import MappingMonitor
from nnpcore.figures.drawing import MARKERS, OKABE_ITO, add_legend, new_figure, style_axes
from nnpcore.mapping.surface import face_area, surface_energy
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.figure_parts import add_letters
from nnpcore.paper.relaxed_slabs import (
    SurfaceEnergies,
    nnp_surface_energies,
    reference_slabs,
    surface_energies,
)
from nnpcore.paper.silicon_slab import (
    KINDS,
    NETWORKS,
    SMOOTH,
    cluster_frames,
    relaxed_slab,
    slab_regions,
    training_settings,
)
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.reference import SURFACES, StillingerWeber
from nnpcore.structures.frame import Frame
from nnpcore.training import EpochRecord, Trainer

TITLES = {name: surface.title for name, surface in SURFACES.items()}
EPOCHS = (24, 8)
N_MEMBERS = 5
SETTLED = 1.25
"""The force RMSE, which is less noisy than the energies', has settled once it stays within this factor of its
last value."""

AT_END, EARLY = 8.0, 20.0
"""Per cent, the paper's."""


@dataclass(frozen=True, eq=False)
class Learned:
    """One ensemble trained on the cluster.

    Attributes
    ----------
    kind : networks alone or with a smooth part. run : the training.
    rmse, force_rmse : (n_epochs,) of the validation frames after each epoch, meV/atom and eV/Å.
    course : by surface (n_epochs,), error of the surface energy of the slab as the reference relaxes it, %.
    early_epoch : the first one with a settled force RMSE, counted from 1.
    early, end : surface energies of the slabs relaxed by the ensemble.
    """

    kind: str
    run: TrainedRun
    rmse: np.ndarray
    force_rmse: np.ndarray
    course: dict[str, np.ndarray]
    early_epoch: int
    early: SurfaceEnergies
    end: SurfaceEnergies


def run(context: StudyContext) -> StudyOutcome:
    """Sample the cluster, train, relax the slabs by reference and networks, compare."""
    context.report(0.0, "reference")
    reference = surface_energies(StillingerWeber(), context=context)
    slabs = reference_slabs(context)
    learned = [
        _learn(context, kind, slabs, reference, part)
        for kind, part in zip(KINDS, context.part(0.1, 0.9).split(2), strict=True)
    ]
    context.report(0.92, "figure")
    figures = context.save_figure(surface_figure(reference, learned), "surface")
    tables = [_table(context, reference, learned), _course_table(context, learned)]
    return StudyOutcome(_claims(reference, learned), figures, tables, _session(context, learned))


def _unrelaxed(potential: Potential, slabs: Sequence[Frame]) -> list[float]:
    """Return the surface energies, J/m², of slabs as they are; the last frame is the crystal."""
    totals = potential.predict(slabs, forces=False, stress=False, members=False, n_threads=1).energy.tolist()
    per_atom = totals[-1] / slabs[-1].n_atoms
    pairs = zip(slabs[:-1], totals[:-1], strict=True)
    return [surface_energy(e, s.n_atoms, per_atom, face_area(s)).j_per_m2 for s, e in pairs]


def _learn(
    context: StudyContext,
    kind: str,
    slabs: Sequence[Frame],
    reference: SurfaceEnergies,
    progress: Progress,
) -> Learned:
    """Train one ensemble on the cluster and relax the slabs with it, early and at the end."""
    train, valid = cluster_frames(context)
    potentials: list[Potential] = []
    energies: list[list[float]] = []

    def after(_: EpochRecord, trainer: Trainer) -> None:
        potentials.append(trainer.current_potential())
        energies.append(_unrelaxed(potentials[-1], slabs))

    label = "smooth" if kind == SMOOTH else "networks"
    settings = training_settings(context, kind, context.choose(*EPOCHS), N_MEMBERS)
    monitor = MappingMonitor(None, [slab_regions(relaxed_slab(context))])
    part = progress.part(0.0, 0.6)
    run_ = context.train(label, settings, train, valid, monitor=monitor, on_epoch=after, progress=part)
    rmse, force = run_.rmse_course("energy"), run_.rmse_course("force")
    early = settled_epoch(force)
    progress.report(0.6, f"relaxing slabs, {kind}")
    found = [
        nnp_surface_energies(p, n_threads=context.n_threads, context=context)
        for p in (potentials[early - 1], run_.potential)
    ]
    values = np.array(energies)
    errors = {s: _percent(values[:, k], reference.energies[s]) for k, s in enumerate(SURFACES)}
    learned = Learned(kind, run_, rmse, force, errors, early, *found)
    context.tell(_sentence(learned, reference))
    return learned


def settled_epoch(rmse: np.ndarray) -> int:
    """Return the first epoch (from 1) from which on the RMSE (n_epochs,) stays near its last value."""
    far = np.flatnonzero(rmse > SETTLED * rmse[-1])
    return int(far[-1]) + 2 if len(far) else 1


def _percent(energies: Any, reference: float) -> Any:
    return 100.0 * (energies / reference - 1.0)


def _errors(found: SurfaceEnergies, reference: SurfaceEnergies) -> dict[str, float]:
    """Error of every surface energy, %."""
    return {s: float(_percent(found.energies[s], reference.energies[s])) for s in SURFACES}


def _sentence(learned: Learned, reference: SurfaceEnergies) -> str:
    early, end = (
        ", ".join(f"{e:+.0f}" for e in _errors(f, reference).values()) for f in (learned.early, learned.end)
    )
    return (
        f"{learned.kind}: surface energies of (100), (110), (111) off by {end} % at the end "
        f"(RMSE {learned.rmse[-1]:.1f} meV/atom), {early} % at epoch {learned.early_epoch} "
        f"({learned.rmse[learned.early_epoch - 1]:.1f})"
    )


# claims -----------------------------------------------------------------------------------------------
def _claims(reference: SurfaceEnergies, learned: Sequence[Learned]) -> list[Claim]:
    alone, smooth = learned
    named = ((alone, "as in the paper"), (smooth, "over a smooth closed-form part"))
    return [
        *(claim(item, reference, which) for claim in (_within, _worse_early) for item, which in named),
        _smooth_helps(alone, smooth, reference),
    ]


def _numbers(found: SurfaceEnergies, reference: SurfaceEnergies) -> dict[str, Any]:
    return {
        "surfaces": [TITLES[s] for s in SURFACES],
        "j_per_m2": [found.energies[s] for s in SURFACES],
        "reference_j_per_m2": [reference.energies[s] for s in SURFACES],
        "error_percent": list(_errors(found, reference).values()),
        "lattice_constant_ang": found.lattice,
        "largest_force_left_ev_per_ang": max(found.max_forces.values()),
    }


def _worst(found: SurfaceEnergies, reference: SurfaceEnergies) -> float:
    return max(abs(e) for e in _errors(found, reference).values())


def _within(learned: Learned, reference: SurfaceEnergies, which: str) -> Claim:
    ours = _numbers(learned.end, reference) | {"rmse_mev_per_atom": float(learned.rmse[-1])}
    holds = _worst(learned.end, reference) <= AT_END
    return Claim.of("surface.within", ours, holds, which=which, percent=AT_END)


def _worse_early(learned: Learned, reference: SurfaceEnergies, which: str) -> Claim:
    early, end = _worst(learned.early, reference), _worst(learned.end, reference)
    at = [learned.early_epoch - 1, -1]
    ours = _numbers(learned.early, reference) | {
        "epoch": learned.early_epoch,
        "of_epochs": len(learned.rmse),
        "rmse_mev_per_atom_early_and_end": learned.rmse[at],
        "force_rmse_ev_per_ang_early_and_end": learned.force_rmse[at],
        "largest_error_percent_early_and_end": [early, end],
    }
    holds = early <= EARLY and early > end
    return Claim.of("surface.worse_early", ours, holds, which=which, percent=EARLY, settled=SETTLED)


def _smooth_helps(alone: Learned, smooth: Learned, reference: SurfaceEnergies) -> Claim:
    worst = {name: _worst(x.end, reference) for name, x in ((NETWORKS, alone), (SMOOTH, smooth))}
    return Claim.of("surface.smooth_helps", {"largest_error_percent": worst}, worst[SMOOTH] < worst[NETWORKS])


# figure, tables, session ------------------------------------------------------------------------------
def surface_figure(reference: SurfaceEnergies, learned: Sequence[Learned]) -> Figure:
    """Draw surface energies as bars, their errors and the RMSE against the epoch."""
    figure = new_figure(7.2, 2.8)
    bars, course, rmse = figure.subplots(1, 3, width_ratios=(1.35, 1.0, 0.9))
    _draw_bars(bars, reference, learned)
    _draw_course(course, learned)
    _draw_rmse(rmse, learned)
    add_letters((bars, course, rmse))
    return figure


def _draw_bars(axes: Axes, reference: SurfaceEnergies, learned: Sequence[Learned]) -> None:
    series: list[tuple[str, SurfaceEnergies, dict[str, Any]]] = [("reference", reference, {"color": "0.2"})]
    for item, color in zip(learned, OKABE_ITO, strict=False):
        series.append((f"{item.kind}, epoch {item.early_epoch}", item.early, {"color": _pale(color)}))
        series.append((f"{item.kind}, end", item.end, {"color": color}))
    place, width = np.arange(len(SURFACES)), 0.8 / len(series)
    for k, (name, found, look) in enumerate(series):
        heights = [found.energies[s] for s in SURFACES]
        axes.bar(place + (k - 2) * width, heights, width * 0.92, label=name, **look)
    top = max(max(found.energies.values()) for _, found, _ in series)
    axes.set_ylim(0.0, 1.75 * top)
    style_axes(axes, "", "Surface energy (J/m²)")
    axes.set_xticks(place, [TITLES[s] for s in SURFACES])
    add_legend(axes, loc="upper left", labelspacing=0.2)


def _pale(color: str) -> tuple[float, float, float]:
    """Mix a colour with white."""
    r, g, b = (0.4 * part + 0.6 for part in to_rgb(color))
    return r, g, b


def _draw_course(axes: Axes, learned: Sequence[Learned]) -> None:
    for item, color in zip(learned, OKABE_ITO, strict=False):
        for surface, marker in zip(SURFACES, MARKERS, strict=False):
            values = item.course[surface]
            epochs = np.arange(1, len(values) + 1)
            every = max(1, len(values) // 8)
            axes.plot(epochs, values, "-", marker=marker, color=color, markersize=3, linewidth=1.0,
                      markevery=every)  # fmt: skip
    for surface, marker in zip(SURFACES, MARKERS, strict=False):
        axes.plot([], [], marker, color="0.3", markersize=4, label=f"({surface})")
    axes.axhline(0.0, color="black", linewidth=0.5)
    axes.axhspan(-AT_END, AT_END, color="black", alpha=0.12, linewidth=0)
    style_axes(axes, "Epoch", "Error of the surface energy (%)")
    add_legend(axes, labelspacing=0.2)


def _draw_rmse(axes: Axes, learned: Sequence[Learned]) -> None:
    for item, color in zip(learned, OKABE_ITO, strict=False):
        epochs = np.arange(1, len(item.rmse) + 1)
        axes.plot(epochs, item.force_rmse, "-", color=color, linewidth=1.4, label=item.kind)
        axes.plot(item.early_epoch, item.force_rmse[item.early_epoch - 1], "o", color=color, markersize=4)
    axes.set_ylim(bottom=0.0)
    style_axes(axes, "Epoch", "Force RMSE (eV/Å)")
    add_legend(axes)


def _table(context: StudyContext, reference: SurfaceEnergies, learned: Sequence[Learned]) -> Path:
    sets: list[tuple[str, Any, SurfaceEnergies]] = [("reference", None, reference)]
    for item in learned:
        sets += [(item.kind, item.early_epoch, item.early), (item.kind, len(item.rmse), item.end)]
    rows = [
        {
            "potential": name,
            "epoch": epoch,
            "surface": TITLES[s],
            "surface energy (J/m²)": found.energies[s],
            "error (%)": _errors(found, reference)[s],
            "lattice constant (Å)": found.lattice,
            "largest force left (eV/Å)": found.max_forces[s],
        }
        for name, epoch, found in sets
        for s in SURFACES
    ]
    return context.write_table("surface", rows)


def _course_table(context: StudyContext, learned: Sequence[Learned]) -> Path:
    rows = []
    for item in learned:
        for k, rmse in enumerate(item.rmse):
            errors = {f"({s}) error (%)": float(item.course[s][k]) for s in SURFACES}
            row = {"potential": item.kind, "epoch": k + 1, "energy RMSE (meV/atom)": float(rmse)}
            rows.append(row | {"force RMSE (eV/Å)": float(item.force_rmse[k])} | errors)
    return context.write_table("surface_epochs", rows)


def _session(context: StudyContext, learned: Sequence[Learned]) -> dict[str, Any]:
    train, valid = cluster_frames(context)
    slab = relaxed_slab(context)
    sources = [f.source for f in (slab, *train[:1], *valid[:1], *reference_slabs(context)[:1])]
    return context.session(sources, (item.run for item in learned), [slab_regions(slab)])
