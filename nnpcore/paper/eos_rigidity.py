"""Whether the local prediction rigidity tells beforehand which training set leaves the EOS's slope open.

Every training set of Fig. 1 with its own networks: energies alone, with forces, with forces and stresses.
What counts is not one atomic energy but differences along the equation of state, which are as linear in the
last layer's weights as the energies are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnpcore.analyses import MappingStudy
from nnpcore.descriptors import compute_descriptors
from nnpcore.figures.drawing import DASHES, OKABE_ITO, new_figure, style_axes
from nnpcore.mapping import Curvature, LocalRigidity
from nnpcore.mapping.curvature import ENERGY_AND_FORCES, Parts
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext, StudyOutcome, TrainedRun
from nnpcore.paper.figure_parts import legend_below, plain_numbers
from nnpcore.training import RunFolder
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV


@dataclass(frozen=True)
class LossParts:
    """A training set of Fig. 1 and the parts of the loss that count."""

    title: str
    case: str
    parts: Parts


LOSSES = (
    LossParts("NVT, energies", "nvt", (True, False, False)),
    LossParts("NVT, energies and forces", "nvt", ENERGY_AND_FORCES),
    LossParts("NVT, and stresses", "nvt_stress", (True, True, True)),
    LossParts("NPT, energies and forces", "npt", ENERGY_AND_FORCES),
)
OBSERVED = LOSSES[1:]
"""Those the ensembles of Fig. 1 were trained with."""


@dataclass(frozen=True, eq=False)
class Softness:
    """How far one training set lets the equation of state go.

    Attributes
    ----------
    curve : (n_points,) meV, posterior standard deviation of E(V) - E(V0).
    slope : GPa, of the slope at V0. rigidity : of the slope, mean over the members, in 1/(eV/Å³)².
    observed_curve, observed_slope : spread of the members, of an ensemble trained on just this loss.
    """

    curve: np.ndarray
    slope: float
    rigidity: float
    observed_curve: np.ndarray
    observed_slope: float


def rigidity_of_eos(
    context: StudyContext, runs: Mapping[str, TrainedRun], mapped: Mapping[str, MappingStudy]
) -> StudyOutcome:
    """Compute the rigidity along the EOS for each loss; draw and judge it.

    Parameters
    ----------
    runs, mapped : the ensembles of networks alone and their mapping, by case.
    """
    found = {loss.title: _softness(context, loss, runs[loss.case], mapped[loss.case]) for loss in LOSSES}
    volumes = mapped["nvt"].curve.volumes
    figure = _figure(volumes, found, mapped["nvt"])
    columns: dict[str, Any] = {"volume (Å³/atom)": volumes}
    for title, soft in found.items():
        columns[f"{title}: predicted (meV)"] = soft.curve
        columns[f"{title}: members (meV)"] = soft.observed_curve
    table = context.write_table("fig1_rigidity", columns)
    return StudyOutcome([_claim(found)], context.save_figure(figure, "fig1_rigidity"), [table])


def _softness(context: StudyContext, loss: LossParts, run: TrainedRun, mapped: MappingStudy) -> Softness:
    frames = RunFolder.open(run.folder).find_frames()["training"]
    n = context.n_threads
    described = compute_descriptors(frames, run.potential.functions, dtype=np.float32, n_threads=n)
    curvature = Curvature.of(run.potential, described, frames, n_threads=n)
    rigid = LocalRigidity(curvature, parts=loss.parts)
    points = mapped.points
    features = points.mean_of(rigid.layer.features(points.values, points.species), axis=1)
    center, rise, width = _around(mapped)
    variance = rigid.noise[:, None] ** 2 / rigid.of_features(features - features[:, [center]])
    per_slope = rigid.of_features((features[:, [rise[1]]] - features[:, [rise[0]]]) / width)[:, 0]
    energies = mapped.curve.energies
    observed = (energies - energies[:, [center]]).std(axis=0)
    slopes = (energies[:, rise[1]] - energies[:, rise[0]]) / width
    return Softness(
        curve=MEV_PER_EV * np.sqrt(variance.mean(axis=0)),
        slope=GPA_PER_EV_PER_ANG3 * float(np.sqrt(np.mean(rigid.noise**2 / per_slope))),
        rigidity=float(1.0 / np.mean(1.0 / per_slope)),
        observed_curve=MEV_PER_EV * observed,
        observed_slope=GPA_PER_EV_PER_ANG3 * float(slopes.std()),
    )


def _around(mapped: MappingStudy) -> tuple[int, tuple[int, int], float]:
    """Return the point nearest to V0, its neighbors, and how far these lie apart, Å³/atom."""
    volumes = mapped.curve.volumes
    fit = mapped.report.reference_fit
    center = int(np.abs(volumes - (fit.v0 if fit else volumes.mean())).argmin())
    low, high = max(center - 1, 0), min(center + 1, len(volumes) - 1)
    return center, (low, high), float(volumes[high] - volumes[low])


def _claim(found: Mapping[str, Softness]) -> Claim:
    order = sorted(OBSERVED, key=lambda loss: found[loss.title].slope)
    seen = sorted(OBSERVED, key=lambda loss: found[loss.title].observed_slope)
    observed = {loss.title: found[loss.title].observed_slope for loss in OBSERVED}
    ours = {
        "predicted_spread_of_the_slope_gpa": {title: soft.slope for title, soft in found.items()},
        "spread_of_the_networks_gpa": observed,
        "networks_over_predicted": [slope / found[title].slope for title, slope in observed.items()],
    }
    return Claim.of("fig1.rigidity_tells_beforehand", ours, order[-1] is seen[-1] is LOSSES[1])


def _figure(volumes: np.ndarray, found: Mapping[str, Softness], mapped: MappingStudy) -> Any:
    figure = new_figure(7.0, 2.9)
    axes, seen = figure.subplots(1, 2, sharey=True)
    inside = mapped.report.in_bracket
    colors = ("0.6", OKABE_ITO[0], OKABE_ITO[2], OKABE_ITO[1])
    center = _around(mapped)[0]
    shown = inside & (np.arange(len(volumes)) != center)
    for k, (loss, color) in enumerate(zip(LOSSES, colors, strict=True)):
        soft = found[loss.title]
        look: dict[str, Any] = {"color": color, "linestyle": DASHES[k], "marker": "o", "markersize": 3}
        axes.plot(volumes[shown], soft.curve[shown], linewidth=1.2, label=loss.title, **look)
        if loss in OBSERVED:
            seen.plot(volumes[shown], soft.observed_curve[shown], linewidth=1.2, **look)
    for panel, title in ((axes, "Predicted by the rigidity"), (seen, "Spread of the trained networks")):
        panel.set_yscale("log")
        plain_numbers(panel.yaxis)
        panel.set_title(title, fontsize=9)
    style_axes(axes, "Volume (Å³/atom)", "Std of $E(V) - E(V_0)$ (meV/atom)")
    style_axes(seen, "Volume (Å³/atom)", "")
    legend_below(figure, axes, 4, fontsize=7.5)
    return figure
