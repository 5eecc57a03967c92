"""The paper's Fig. 1 on the bundled DFT silicon: good totals at one volume, a wrong equation of state.

Networks alone, as in the paper, and networks over a linear part that lies under them from the start, as in
the demonstration; each trained at one volume (NVT), at fluctuating volume (NPT), and at one volume with the
stress in the loss. Then the reason, a direction that frames of one volume do not see, and what the local
prediction rigidity says about it beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from nnpcore.analyses import MappingStudy
from nnpcore.demo import CASES, EPOCHS, VALID_FRACTION, Case, DemoSettings, mapping_of, split_example
from nnpcore.figures.drawing import DASHES, OKABE_ITO, add_legend, new_figure, style_axes
from nnpcore.figures.eos import dense, spline
from nnpcore.figures.tables import eos_table
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.eos_rigidity import rigidity_of_eos
from nnpcore.paper.silicon_slab import NETWORKS, SMOOTH
from nnpcore.paper.volume_direction import Change, change, fit_direction
from nnpcore.progress import Progress
from nnpcore.report.mapping_folder import compared_figure
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import PRESET_26, TrainSettings
from nnpcore.units import MEV_PER_EV

TILT_GPA = 5.0
"""Pressure of the addition that shows the reason: as large as the slope errors of NVT-trained networks."""
N_MEMBERS = (16, 5)


@dataclass(frozen=True, eq=False)
class Trained:
    """One ensemble: its case, with or without a smooth part, its RMSEs (meV/atom, eV/Å) and its mapping."""

    case: Case
    kind: str
    run: TrainedRun
    energy_rmse: float
    force_rmse: float
    mapping: MappingStudy

    @property
    def slopes(self) -> np.ndarray:
        """Slope errors of all members at the reference's V0, GPa."""
        found = self.mapping.report.slope_members_gpa
        return np.full(1, np.nan) if found is None else found

    @property
    def slope_rms(self) -> float:
        """Root-mean-square slope error of a single member, GPa."""
        return float(np.sqrt(np.mean(self.slopes**2)))

    @property
    def eos_rms(self) -> float:
        """Root-mean-square error of a single member in the bracket, meV/atom."""
        curve, inside = self.mapping.curve, self.mapping.report.in_bracket
        return float(MEV_PER_EV * np.sqrt(np.mean((curve.energies - curve.reference)[:, inside] ** 2)))

    @property
    def b0(self) -> float:
        """Bulk modulus of the ensemble mean, GPa; NaN without a minimum."""
        fit = self.mapping.report.mean_fit
        return fit.b0_gpa if fit else float("nan")


def run(context: StudyContext) -> StudyOutcome:
    """Train six ensembles, analyse them and show why those at one volume go wrong."""
    trained = _train_all(context)
    session = context.session((), (t.run for kind in trained.values() for t in kind.values()))
    session["data"] = [{"path": str(example_path(name)), "role": role} for name, role in _ROLES]
    figures, tables = _eos_figures(context, trained), _tables(context, trained)
    outcome = StudyOutcome(_claims(trained), figures, tables, session)
    context.report(0.9, "the reason")
    outcome += _reason(context, trained[NETWORKS]["npt"])
    context.report(0.94, "rigidity")
    alone = trained[NETWORKS].items()
    rigid = rigidity_of_eos(context, {n: t.run for n, t in alone}, {n: t.mapping for n, t in alone})
    return outcome + rigid


_ROLES = (("nvt", "inspect"), ("npt", "inspect"), ("eos", "eos"))


def _train_all(context: StudyContext) -> dict[str, dict[str, Trained]]:
    """Return the ensembles by kind and case."""
    found: dict[str, dict[str, Trained]] = {NETWORKS: {}, SMOOTH: {}}
    jobs = [(kind, case) for kind in found for case in CASES]
    for (kind, case), progress in zip(jobs, context.part(0.0, 0.9).split(len(jobs)), strict=True):
        t = found[kind][case.name] = _train(context, kind, case, progress)
        context.tell(
            f"{case.title}, {kind}: {t.energy_rmse:.2f} meV/atom on validation frames, slope of the EOS "
            f"off by {t.slope_rms:.2f} GPa (a single network)"
        )
    return found


def _settings(context: StudyContext, kind: str, case: Case) -> TrainSettings:
    """Return the usual settings of networks alone, or the demonstration's."""
    n_members = context.choose(*N_MEMBERS)
    if kind == SMOOTH:
        return DemoSettings(seed=context.seed, n_members=n_members).training(case)
    common: dict[str, Any] = {
        "descriptors": PRESET_26,
        "valid_fraction": VALID_FRACTION,
        "seed": context.seed,
        "n_members": n_members,
        "epochs": EPOCHS,
    }
    return TrainSettings(stress_weight=case.stress_weight, baseline="none", **common)


def _train(context: StudyContext, kind: str, case: Case, progress: Progress) -> Trained:
    settings = _settings(context, kind, case)
    train, valid = split_example(case.data, settings.valid_fraction, context.seed)
    label = f"{case.name}-{'smooth' if kind == SMOOTH else 'networks'}"
    run_ = context.train(label, settings, train, valid, progress=progress)
    rmses = context.rmse(run_.potential, valid)
    mapping = mapping_of(run_.potential, run_.folder, rmses[0], context.n_threads, context.quiet())
    return Trained(case, kind, run_, *rmses, mapping)


# figures and tables -----------------------------------------------------------------------------------
def _eos_figures(context: StudyContext, trained: dict[str, dict[str, Trained]]) -> list[Any]:
    figures = []
    for name, kind in (("fig1", NETWORKS), ("fig1_smooth", SMOOTH)):
        curves = {t.case.title: t.mapping for t in trained[kind].values()}
        figures += context.save_figure(compared_figure(curves), name)
    return figures


def _tables(context: StudyContext, trained: dict[str, dict[str, Trained]]) -> list[Any]:
    tables = [context.write_table("fig1", [_row(t) for kind in trained.values() for t in kind.values()])]
    for kind in trained.values():
        for t in kind.values():
            columns = eos_table(t.mapping.curve, t.mapping.report, t.mapping.bracket)
            tables.append(context.write_table(f"eos-{t.run.folder.name}", columns))
    return tables


def _row(t: Trained) -> dict[str, Any]:
    bracket, fit = t.mapping.bracket, t.mapping.report.mean_fit
    return {
        "training": t.case.title,
        "potential": t.kind,
        "validation energy RMSE (meV/atom)": t.energy_rmse,
        "validation force RMSE (eV/Å)": t.force_rmse,
        "slope error of the mean (GPa)": t.mapping.report.slope_error_gpa,
        "slope error of a single network (GPa)": t.slope_rms,
        "EOS error of the mean in the bracket (meV/atom)": t.mapping.report.rmse_in_bracket_mev,
        "EOS error of a single network in the bracket (meV/atom)": t.eos_rms,
        "EOS spread in the bracket (meV/atom)": t.mapping.report.std_in_bracket_mev,
        "V0 (Å³/atom)": fit.v0 if fit else None,
        "B0 (GPa)": t.b0,
        "bracket from (Å³/atom)": bracket.low,
        "bracket to (Å³/atom)": bracket.high,
    }


# claims -----------------------------------------------------------------------------------------------
def _claims(trained: dict[str, dict[str, Trained]]) -> list[Claim]:
    alone, smooth = trained[NETWORKS], trained[SMOOTH]
    return [
        _totals_are_good(alone),
        _eos_is_wrong(trained),
        _slope_is_arbitrary(alone),
        _cured("fig1.volumes_cure", trained, "npt"),
        _curvature(alone["npt"], smooth["npt"]),
        _cured("fig1.stress_cures", trained, "nvt_stress"),
        _bracket_is_wide(alone["nvt"]),
        _shade_is_wide(alone),
        _smooth_helps(alone, smooth),
    ]


def _totals_are_good(alone: dict[str, Trained]) -> Claim:
    energy = {name: t.energy_rmse for name, t in alone.items()}
    force = {name: t.force_rmse for name, t in alone.items()}
    ours = {"rmse_energy_mev_per_atom": energy, "rmse_force_ev_per_ang": force}
    return Claim.of("fig1.totals_are_good", ours, max(energy.values()) < 1.5 and max(force.values()) < 0.15)


def _eos_is_wrong(trained: dict[str, dict[str, Trained]]) -> Claim:
    errors = {kind: by_case["nvt"].eos_rms for kind, by_case in trained.items()}
    ratios = {kind: error / trained[kind]["nvt"].energy_rmse for kind, error in errors.items()}
    ours = {"eos_error_of_a_network_in_bracket_mev_per_atom": errors, "times_the_rmse": ratios}
    return Claim.of("fig1.eos_is_wrong", ours, min(ratios.values()) > 5.0)


def _slope_is_arbitrary(alone: dict[str, Trained]) -> Claim:
    stds = {name: float(t.slopes.std()) for name, t in alone.items()}
    ours = {"slope_of_each_nvt_network_gpa": alone["nvt"].slopes, "spread_of_slopes_gpa": stds}
    return Claim.of("fig1.slope_is_arbitrary", ours, stds["nvt"] > 3.0 * max(stds["npt"], stds["nvt_stress"]))


def _cured(claim: str, trained: dict[str, dict[str, Trained]], name: str) -> Claim:
    """Judge a cure: whether it mends the slope for both kinds and the EOS for each."""
    ours: dict[str, Any] = {}
    holds = True
    for key, by_case in zip(("networks", "smooth"), trained.values(), strict=True):
        bad, good = by_case["nvt"], by_case[name]
        ours[f"slope_error_gpa_{key}"] = {"nvt": bad.slope_rms, name: good.slope_rms}
        ours[f"eos_error_mev_per_atom_{key}"] = {"nvt": bad.eos_rms, name: good.eos_rms}
        ours[f"b0_gpa_{key}"] = good.b0
        holds &= good.slope_rms < 0.35 * bad.slope_rms and good.eos_rms < 0.75 * bad.eos_rms
    fit = trained[NETWORKS]["nvt"].mapping.report.reference_fit
    ours["b0_gpa_reference"] = fit.b0_gpa if fit else None
    return Claim.of(claim, ours, holds)


def _curvature(alone: Trained, smooth: Trained) -> Claim:
    fit = alone.mapping.report.reference_fit
    reference = fit.b0_gpa if fit else float("nan")
    ours = {"b0_gpa": {NETWORKS: alone.b0, SMOOTH: smooth.b0}, "b0_gpa_reference": reference}
    return Claim.of("fig1.curvature", ours, abs(smooth.b0 / reference - 1.0) < 0.3)


def _bracket_is_wide(nvt: Trained) -> Claim:
    fit, bracket = nvt.mapping.report.reference_fit, nvt.mapping.bracket
    v0 = fit.v0 if fit else float("nan")
    low, high = ((v / v0 - 1.0) * 100 if v else float("nan") for v in (bracket.low, bracket.high))
    ours = {"bracket_percent_of_v0": [low, high], "equilibrium_volume_ang3": v0}
    return Claim.of("fig1.bracket_is_wide", ours, low < -2.0 and high > 2.0)


def _shade_is_wide(alone: dict[str, Trained]) -> Claim:
    stds = {name: t.mapping.report.std_in_bracket_mev or 0.0 for name, t in alone.items()}
    nvt = alone["nvt"].mapping
    inside = MEV_PER_EV * nvt.curve.std[nvt.report.in_bracket]
    center, ends = (float(inside.min()), float(inside[[0, -1]].max())) if len(inside) else (np.nan, np.nan)
    ours = {
        "spread_in_bracket_mev_per_atom": stds,
        "nvt_smallest_mev_per_atom": center,
        "nvt_at_the_ends_mev_per_atom": ends,
    }
    wide = stds["nvt"] > 2.0 * max(stds["npt"], stds["nvt_stress"])
    return Claim.of("fig1.shade_is_wide", ours, wide and ends > 2.0 * center)


def _smooth_helps(alone: dict[str, Trained], smooth: dict[str, Trained]) -> Claim:
    cured = ("npt", "nvt_stress")
    errors = {name: {NETWORKS: alone[name].eos_rms, SMOOTH: smooth[name].eos_rms} for name in cured}
    report = smooth["nvt"].mapping.report
    shade, error = report.std_in_bracket_mev or 0.0, report.rmse_in_bracket_mev or 0.0
    ours = {
        "eos_error_of_a_network_mev_per_atom": errors,
        "nvt_shade_mev_per_atom": shade,
        "nvt_error_of_the_mean_mev_per_atom": error,
    }
    truer = all(e[SMOOTH] < e[NETWORKS] for e in errors.values())
    return Claim.of("fig1.smooth_helps", ours, truer and shade > error)


# the reason -------------------------------------------------------------------------------------------
def _reason(context: StudyContext, base: Trained) -> StudyOutcome:
    """Tilt the well-mapped potential along the direction NVT frames cannot see."""
    frames = {name: list(read_dataset(example_path(name.lower())).frames) for name in ("NVT", "NPT")}
    before = base.run.potential
    direction = fit_direction(before, frames["NPT"], frames["NVT"], TILT_GPA, context.n_threads)
    tilted = direction.added_to(before)
    changes = {name: change(before, tilted, chosen, context.n_threads) for name, chosen in frames.items()}
    rmses = {
        f"{name.lower()}_rmse_before_and_after_mev_per_atom": [
            context.rmse(potential, chosen)[0] for potential in (before, tilted)
        ]
        for name, chosen in frames.items()
    }
    mapped = base.mapping.of(tilted, base.energy_rmse)
    moved = (mapped.report.slope_error_gpa or 0.0) - (base.mapping.report.slope_error_gpa or 0.0)
    figure = _reason_figure(changes, base.mapping, mapped)
    rows = [
        {
            "frames": name,
            "std of totals (meV/atom)": float(c.totals.std()),
            "std of atomic energies (meV)": float(c.atoms.std()),
            "RMS change of forces (eV/Å)": c.force,
        }
        for name, c in changes.items()
    ]
    table = context.write_table("fig1_reason", rows)
    claim = _reason_claim(changes["NVT"], changes["NPT"], rmses, moved)
    return StudyOutcome([claim], context.save_figure(figure, "fig1_reason"), [table])


def _reason_claim(nvt: Change, npt: Change, rmses: dict[str, list[float]], moved: float) -> Claim:
    ours = {
        "std_of_atomic_change_nvt_mev": float(nvt.atoms.std()),
        "std_of_total_change_nvt_mev_per_atom": float(nvt.totals.std()),
        "std_of_total_change_npt_mev_per_atom": float(npt.totals.std()),
        "rms_change_of_nvt_forces_ev_per_ang": nvt.force,
        **rmses,
        "slope_moved_by_gpa": moved,
    }
    unseen = nvt.totals.std() < 0.01 * min(npt.totals.std(), nvt.atoms.std())
    holds = unseen and abs(moved - TILT_GPA) < 0.1 * TILT_GPA
    return Claim.of("fig1.reason", ours, holds, tilt=TILT_GPA)


def _reason_figure(changes: dict[str, Change], before: MappingStudy, after: MappingStudy) -> Any:
    figure = new_figure(6.8, 2.9)
    left, right = figure.subplots(1, 2)
    for (name, c), color in zip(changes.items(), OKABE_ITO, strict=False):
        volumes = np.repeat(c.volumes, len(c.atoms) // len(c.totals))
        left.scatter(volumes, c.atoms, s=1.5, color=color, alpha=0.12, linewidths=0, rasterized=True)
        look: dict[str, Any] = {"s": 24, "zorder": 6} if name == "NVT" else {"s": 12, "zorder": 5}
        left.scatter(c.volumes, c.totals, color=color, linewidths=0.4, edgecolors="white", label=name, **look)
    left.set_ylim(-45, 45)
    style_axes(left, "Volume of the cell (Å³/atom)", "Change of energy (meV/atom)")
    add_legend(left, loc="upper left", markerscale=1.5, title="Totals (atoms: dots)", title_fontsize=8)
    _tilted_eos(right, before, after)
    add_legend(right, loc="upper center")
    return figure


def _tilted_eos(axes: Axes, before: MappingStudy, after: MappingStudy) -> None:
    fit, volumes = before.report.reference_fit, before.curve.volumes
    zero = fit.e0 if fit else float(np.nanmin(before.curve.reference))
    reference = MEV_PER_EV * (before.curve.reference - zero)
    axes.plot(volumes, reference, "o", color="black", markersize=3.5, label="DFT", zorder=5)
    curves = ((before, "NPT-trained"), (after, f"the same, tilted by {TILT_GPA:g} GPa"))
    inside = volumes[before.report.in_bracket]
    low, high = (inside[0], inside[-1]) if len(inside) else (volumes[0], volumes[-1])
    at = dense(volumes)
    at = at[(at >= low - 0.2) & (at <= high + 0.2)]
    for k, (mapped, label) in enumerate(curves):
        energies = spline(volumes, MEV_PER_EV * (mapped.curve.mean - zero), at)
        axes.plot(at, energies, color=OKABE_ITO[1 - k], linestyle=DASHES[k], linewidth=1.4, label=label)
    axes.set_xlim(low - 0.3, high + 0.3)
    axes.set_ylim(-60, 130)
    style_axes(axes, "Volume (Å³/atom)", "$E_\\mathrm{at}$ − DFT minimum (meV/atom)")
