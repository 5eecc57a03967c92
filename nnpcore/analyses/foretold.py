"""How far the training data determine atomic energies: foretold spreads, and errors that came out beside
them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.crystal import FINE, POINTS, REFERENCE
from nnpcore.analyses.eos import CURVE
from nnpcore.analyses.graph import Analysis, Given, Input
from nnpcore.analyses.inputs import CRYSTAL, FUNCTIONS, REGION_SETS, SHOWN_FRAME, TRAINING_FRAMES
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.errors import AnalysisError
from nnpcore.mapping.eos_spread import EosSpread, eos_spread, slope_spread_gpa
from nnpcore.mapping.verdict import Foretold as Limits
from nnpcore.mapping.wording import signed
from nnpcore.posterior.moments import ENERGY, FORCES, KINDS, STRESS
from nnpcore.posterior.targets import Target, mean_targets
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.posterior import Posterior
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings

MOST_FRAMES = 1000
"""Training frames that are gone over; of more, as many evenly spread."""

MOST_SPREADS = 2.0
"""Foretold spreads up to which an error is what the data leave open."""

_NEAR = 0.04

_CENTERS = slice(9, 22, 2)
"""Of a fine scan's crystals those within 6 % that functions are centered at."""


@dataclass(frozen=True, eq=False)
class DataPosterior:
    """The posterior of a run's training data, and what it was asked about.

    Attributes
    ----------
    posterior : see there. n_frames, n_total : training frames used, and how many there are. n_atoms : of
        those used.
    crystal : (n_points,) targets of the invariant points, by volume.
    fine : targets of the crystal at evenly spaced volumes about its equilibrium; none where these are not
        known.
    regions : targets of the regions of each set, by the set's key.
    """

    posterior: Posterior
    n_frames: int
    n_total: int
    n_atoms: int
    crystal: tuple[Target, ...]
    fine: tuple[Target, ...] = ()
    regions: dict[str, tuple[Target, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Foretold:
    """How far the training data determine mean atomic energies; n targets: invariant points, then regions.

    Attributes
    ----------
    data : the posterior. key : of the crystal's frames, "" without any.
    volumes, frame_indices : (n_points,) of the invariant points.
    regions : key of the set and number of the region, for each region after the points.
    names : (n,) of the targets.
    mean : (n,) eV, what the data say. spread_mev : (n,) standard deviation of it, meV/atom.
    error_mev : (n,) error of the potential, meV/atom; NaN without a potential or a reference.
    eos : V0 and B0 that the data say, with their spreads; None where they say no minimum.
    slope_gpa : spread of dE/dV at the reference's V0, GPa; None without one.
    v0 : of the reference, Å³/atom; None without one.
    fine_volumes, fine_mev : (k,) volumes about the equilibrium, Å³/atom, and the spread there, meV/atom;
        those of the points where there are no others.
    """

    data: DataPosterior
    key: str
    volumes: np.ndarray
    frame_indices: np.ndarray
    regions: tuple[tuple[str, int], ...]
    names: tuple[str, ...]
    mean: np.ndarray
    spread_mev: np.ndarray
    error_mev: np.ndarray
    eos: EosSpread | None
    slope_gpa: float | None
    v0: float | None
    fine_volumes: np.ndarray
    fine_mev: np.ndarray

    @property
    def n_points(self) -> int:
        """Number of invariant points."""
        return len(self.volumes)

    @property
    def limits(self) -> Limits:
        """What a verdict weighs errors against."""
        regions = dict(
            zip(self.names[self.n_points :], self.spread_mev[self.n_points :].tolist(), strict=True)
        )
        if not self.n_points:
            return Limits(None, None, None, regions, self.data.n_atoms)
        return Limits(self.fine_mev, self.fine_volumes, self.slope_gpa, regions, self.data.n_atoms)

    @property
    def near(self) -> np.ndarray:
        """Whether a target (n,) is a region, or a crystal within 4 % of the equilibrium volume."""
        center = self.v0 or (self.eos.fit.v0 if self.eos else None)
        inside = np.ones(len(self.names), dtype=bool)
        if center is not None:
            inside[: self.n_points] = np.abs(self.volumes / center - 1.0) <= _NEAR
        return inside

    @property
    def text(self) -> str:
        """What is determined and what is not, and whether the errors are what the data leave open,
        plainly."""
        if not self.names:
            return "There is no crystal and no region to foretell anything of."
        parts = [self._crystal_text(), *self._region_texts()]
        return f"The data determine {', '.join(p for p in parts if p)}. {self._errors_text()}".strip()

    def _crystal_text(self) -> str:
        chosen = self.spread_mev[: self.n_points][self.near[: self.n_points]]
        if not len(chosen):
            return ""
        low, high = _rounded(float(chosen.min())), _rounded(float(chosen.max()))
        spreads = f"± {low}" if low == high else f"± {low} to {high}"
        return f"the crystal within 4 % of its volume to {spreads} meV/atom"

    def _region_texts(self) -> list[str]:
        named = zip(self.names[self.n_points :], self.spread_mev[self.n_points :], strict=True)
        return [f"{name} to ± {_rounded(float(spread))}" for name, spread in list(named)[:3]]

    def _errors_text(self) -> str:
        known = np.isfinite(self.error_mev) & self.near
        if not known.any():
            return ""
        ratios = np.where(known, np.abs(self.error_mev) / self.spread_mev, 0.0)
        worst = int(ratios.argmax())
        if ratios[worst] <= MOST_SPREADS:
            return "The errors are no larger than what the data leave open."
        return (
            f"{self.names[worst]} is off by {signed(float(self.error_mev[worst]), 0)} meV/atom, "
            f"{ratios[worst]:.1f} times as much: the data know better than the potential."
        )


@dataclass(frozen=True, eq=False)
class FrameForetold:
    """Foretold spread of every atom (n_atoms,) of one frame, eV."""

    frame: Frame
    values: np.ndarray


def _rounded(value: float) -> str:
    """Return two digits of a number, without an exponent."""
    return f"{float(f'{value:.2g}'):.10g}"


def learned_from(settings: TrainSettings) -> tuple[str, ...]:
    """Return the kinds of labels that a training with these settings learns from."""
    weights = dict(zip((ENERGY, FORCES, STRESS), settings.loss_weights, strict=True))
    return tuple(kind for kind in KINDS if weights[kind] > 0)


def _posterior(given: Given) -> DataPosterior:
    from nnpcore.posterior import Posterior

    frames, points, sets = given[TRAINING_FRAMES], given.get(POINTS), given.get(REGION_SETS) or {}
    crystal = (
        ()
        if points is None
        else tuple(
            Target.mean(f, name=f"{points.element} at {v:.2f} Å³/atom")
            for f, v in zip(points.frames, points.volumes, strict=True)
        )
    )
    fine = given.get(FINE)
    about = () if fine is None else tuple(mean_targets(fine.frames))
    functions = given[FUNCTIONS]
    known = set(functions.elements)
    regions = {
        key: tuple(Target.mean(one.frame, r.atoms, one.title_of(r)) for r in one.regions)
        for key, one in sets.items()
        if set(one.frame.to_atoms().symbols) <= known
    }
    chosen = frames[:: max(1, -(-len(frames) // MOST_FRAMES))]
    posterior = Posterior.fit(
        chosen,
        functions,
        targets=[*about[_CENTERS], *crystal, *(target for some in regions.values() for target in some)],
        kinds=given.get(LEARNED_FROM) or (ENERGY, FORCES),
        n_threads=given.n_threads,
        progress=given.progress,
    )
    return DataPosterior(
        posterior, len(chosen), len(frames), sum(f.n_atoms for f in chosen), crystal, about, regions
    )


def _foretold(given: Given) -> Foretold:
    data, points, reference, crystal = (
        given[DATA_POSTERIOR],
        given.get(POINTS),
        given.get(REFERENCE),
        given.get(CRYSTAL),
    )
    targets = [*data.crystal, *(target for some in data.regions.values() for target in some)]
    mean, covariance = np.zeros(0), np.zeros((0, 0))
    if targets:
        asked = [*targets, *data.fine]
        mean, covariance = data.posterior.mean_and_covariance(asked, n_threads=given.n_threads)
    n, k = len(data.crystal), len(targets)
    volumes = np.zeros(0) if points is None or not n else points.volumes
    fine, own = given.get(FINE), slice(k, None)
    about = None if fine is None else fine.volumes
    if about is None or len(about) != len(data.fine):
        about, own = volumes, slice(0, n)
    along = covariance[own, own]
    eos, slope = None, None
    with suppress(AnalysisError):
        eos = eos_spread(about, mean[own], along) if n else None
    with suppress(AnalysisError):
        slope = slope_spread_gpa(about, along, reference.v0) if n and reference is not None else None
    return Foretold(
        data=data,
        key="" if crystal is None or not n else crystal.key,
        volumes=volumes,
        frame_indices=np.zeros(0, dtype=np.int64) if points is None or not n else points.frame_indices,
        regions=tuple((key, k) for key, some in data.regions.items() for k in range(len(some))),
        names=tuple(target.name for target in targets),
        mean=mean[:k],
        spread_mev=MEV_PER_EV * np.sqrt(covariance.diagonal()[:k] + data.posterior.misfit**2),
        error_mev=_errors(given, data),
        eos=eos,
        slope_gpa=slope,
        v0=None if reference is None else reference.v0,
        fine_volumes=about,
        fine_mev=MEV_PER_EV * np.sqrt(along.diagonal() + data.posterior.misfit**2),
    )


def _errors(given: Given, data: DataPosterior) -> np.ndarray:
    """Return the errors of the potential at all targets, meV/atom, NaN where they are not known."""
    curve, found = given.get(CURVE), given.get(REGION_ERRORS)
    errors = [np.full(len(data.crystal), np.nan)]
    if curve is not None and len(curve.volumes) == len(data.crystal):
        errors[0] = MEV_PER_EV * (curve.mean - curve.reference)
    for key, some in data.regions.items():
        known = () if found is None else found.found.get(key, ())
        own = [np.nan if e.error_mev is None else e.error_mev for e in known]
        errors.append(np.array(own if len(own) == len(some) else [np.nan] * len(some), dtype=np.float64))
    return np.concatenate(errors)


def _frame_foretold(given: Given) -> FrameForetold:
    shown = given[SHOWN_FRAME].frame
    values = given[DATA_POSTERIOR].posterior.atomic_spreads(
        [shown], n_threads=given.n_threads, progress=given.progress
    )
    return FrameForetold(shown, values)


LEARNED_FROM: Input[tuple[str, ...]] = Input(
    "learned_from", "Labels that are learned from", "energies and forces are learned from"
)
"""Kinds of labels, see :func:`learned_from`."""

DATA_POSTERIOR = Analysis(
    "data_posterior",
    "Posterior of the training data",
    _posterior,
    needs=(TRAINING_FRAMES, FUNCTIONS),
    uses=(POINTS, FINE, REGION_SETS, LEARNED_FROM),
    costly=True,
    inner=True,
)
"""Of the data alone: no epoch of a training changes it."""

FORETOLD = Analysis(
    "foretold",
    "Foretold spread",
    _foretold,
    needs=(DATA_POSTERIOR,),
    uses=(CRYSTAL, POINTS, FINE, REFERENCE, CURVE, REGION_ERRORS),
    costly=True,
)
FRAME_FORETOLD = Analysis(
    "frame_foretold",
    "Foretold spread of this frame",
    _frame_foretold,
    needs=(DATA_POSTERIOR, SHOWN_FRAME),
    costly=True,
)
