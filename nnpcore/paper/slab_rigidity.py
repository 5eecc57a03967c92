"""Whether the local prediction rigidity tells which training set maps the slab's regions wrongly.

For every ensemble: how freely the data let the bulk's mean atomic energy move against the surface's, by the
last layer's curvature of the loss, and how far the two are really off. The former needs no reference value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from nnpcore.descriptors import compute_descriptors
from nnpcore.figures.drawing import add_legend, style_axes
from nnpcore.mapping import Curvature, LocalRigidity
from nnpcore.mapping.correlation import rank_correlation
from nnpcore.paper.claims import Claim
from nnpcore.paper.context import StudyContext
from nnpcore.paper.figure_parts import Points, plain_numbers, scatter_by_temperature
from nnpcore.paper.silicon_slab import KINDS, SlabRun
from nnpcore.training import RunFolder
from nnpcore.units import MEV_PER_EV

MAX_FRAMES = 100
"""Training frames that enter the curvature; more do not change the order."""


@dataclass(frozen=True)
class Looseness:
    """How freely one training set lets the bulk move against the surface, by the rigidity of last layers.

    Attributes
    ----------
    value : 1 / sqrt(rigidity) of E_at(bulk) - E_at(surface) of the relaxed slab, eV per unit of the loss's
        square root; averaged over the members as variances.
    posterior_std : the same times the noise of the fit, meV/atom.
    """

    value: float
    posterior_std: float

    def row(self) -> dict[str, float]:
        """Return its part of a row of a table."""
        return {
            "looseness of bulk - surface (1/sqrt(LPR))": self.value,
            "posterior spread of bulk - surface (meV/atom)": self.posterior_std,
        }


def looseness(context: StudyContext, found: SlabRun) -> Looseness:
    """Measure it for one ensemble, from the energies and forces of its training frames."""
    potential, n = found.run.potential, context.n_threads
    frames = RunFolder.open(found.run.folder).find_frames()["training"]
    frames = frames[:: max(1, -(-len(frames) // MAX_FRAMES))]
    described = compute_descriptors(frames, potential.functions, dtype=np.float32, n_threads=n)
    rigid = LocalRigidity(Curvature.of(potential, described, frames, n_threads=n))
    slab = compute_descriptors([found.regions.frame], potential.functions, derivatives=False, n_threads=n)
    groups = [found.regions.region(name).atoms for name in ("bulk", "surface")]
    features = rigid.layer.group_features(slab.values, slab.species, groups)
    rigidity = rigid.of_features(features[:, [0]] - features[:, [1]])[:, 0]
    return Looseness(
        float(np.sqrt(np.mean(1.0 / rigidity))),
        MEV_PER_EV * float(np.sqrt(np.mean(rigid.noise**2 / rigidity))),
    )


def actual_difference(found: SlabRun) -> float:
    """Error of E_at(bulk) - E_at(surface), ensemble mean, meV/atom, without its sign."""
    return abs(found.error("bulk") - found.error("surface"))


def rigidity_claims(runs: Sequence[SlabRun], loose: Sequence[Looseness]) -> list[Claim]:
    """Judge whether looseness has the order of the errors, and whether the posterior has their size."""
    order: dict[str, Any] = {}
    size: dict[str, Any] = {}
    for kind in KINDS:
        chosen = [k for k, r in enumerate(runs) if r.kind == kind]
        errors = np.array([actual_difference(runs[k]) for k in chosen])
        values, stds = (np.array([getattr(loose[k], n) for k in chosen]) for n in ("value", "posterior_std"))
        found, wrong = rank_correlation(values, errors), rank_correlation(stds, errors)
        order[kind] = {
            "temperatures_k": [runs[k].temperature for k in chosen],
            "looseness": values,
            "error_of_the_difference_mev_per_atom": errors,
            "rank_correlation": found.value,
            "p_value": found.p,
        }
        size[kind] = {
            "posterior_spread_mev_per_atom": stds,
            "error_over_spread": errors / stds,
            "rank_correlation": wrong.value,
        }
    right = all(v["rank_correlation"] > 0.7 and v["p_value"] < 0.05 for v in order.values())
    enough = all(np.median(v["error_over_spread"]) < 3.0 for v in size.values())
    return [
        Claim.of("connectivity.rigidity_tells_the_order", order, right),
        Claim.of("connectivity.rigidity_tells_the_size", size, enough),
    ]


def rigidity_figure(runs: Sequence[SlabRun], loose: Sequence[Looseness]) -> Figure:
    """Draw errors against looseness, both logarithmic, coloured by temperature."""
    points: dict[str, Points] = {}
    for kind in KINDS:
        chosen = [(item.value, actual_difference(r), r.temperature)
                  for r, item in zip(runs, loose, strict=True) if r.kind == kind]  # fmt: skip
        x, y, temperature = np.array(chosen).T
        points[kind] = (x, y, temperature)
    figure, axes, _ = scatter_by_temperature(points)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        plain_numbers(axis)
    x_label = "Looseness, $1/\\sqrt{\\mathrm{LPR}}$ of the difference"
    style_axes(axes, x_label, "Error of bulk − surface (meV/atom)")
    add_legend(axes)
    return figure
