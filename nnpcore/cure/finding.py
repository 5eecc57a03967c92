"""Which frames to add: from training data, aims and a pool to frames with what each leaves of the spread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.cluster import Executor, Hand, InProcess, Job, Shared, in_order, portions
from nnpcore.cure.aims import Aim
from nnpcore.cure.candidates import Candidate, LeftOut, cost_of
from nnpcore.cure.choosing import Ranking, factor_of, news_of, rank
from nnpcore.cure.screening import Limits, Surroundings, screen
from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.posterior.basis import SparseBasis
from nnpcore.posterior.moments import ENERGY, FORCES, STRESS
from nnpcore.posterior.posterior import Posterior
from nnpcore.posterior.settings import PosteriorSettings
from nnpcore.posterior.streaming import basis_from_values, basis_to_values, each_rows
from nnpcore.posterior.targets import Target
from nnpcore.progress import Progress
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.threads import one_blas_thread
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings

COST_EXPONENTS = (1.0, 3.0)
"""Between these a calculation's cost grows with the number of atoms to a power."""


@dataclass(frozen=True, eq=False)
class CureOrder:
    """What a cure is looked for.

    Attributes
    ----------
    training : labelled frames. functions : the symmetry functions that describe them.
    aims : what is to be known. pool : what might be computed.
    n : how many frames to choose at most. cost_exponent : see ``COST_EXPONENTS``.
    kinds : of labels that a training takes into account: "energy", "forces", "stress".
    model : the current potential, by whose forces candidates are screened; None leaves that out.
    limits, settings : of the screening and of the posterior.

    Raises :class:`SettingsError` for numbers out of range.
    """

    training: Sequence[Frame]
    functions: SymmetryFunctions
    aims: Sequence[Aim]
    pool: Sequence[Candidate]
    n: int = 10
    cost_exponent: float = 2.0
    kinds: tuple[str, ...] = (ENERGY, FORCES)
    model: AtomicEnergyModel | None = None
    limits: Limits = field(default_factory=Limits)
    settings: PosteriorSettings | None = None

    def __post_init__(self) -> None:
        low, high = COST_EXPONENTS
        if not low <= self.cost_exponent <= high:
            raise SettingsError(
                f"{self.cost_exponent:g} is out of range",
                where="cost exponent",
                fix=f"Give a number from {low:g} (linear) to {high:g} (cubic)",
            )
        if self.n < 1:
            raise SettingsError("there must be at least one frame to choose", where="n")


@dataclass(frozen=True, eq=False)
class Chosen:
    """One frame of a cure.

    Attributes
    ----------
    candidate : the structure. cost : n_atoms to the power of the exponent.
    spread : eV, root mean square over the aims with this frame and those before it.
    spreads : (n_aims,) eV.
    error : eV, root mean square error of the posterior's mean with the labels so far, None without labels.
    """

    candidate: Candidate
    cost: float
    spread: float
    spreads: np.ndarray
    error: float | None = None


@dataclass(frozen=True, eq=False)
class Cure:
    """What to add, and what that will do.

    Attributes
    ----------
    aims : what is to be known.
    spread, spreads : eV, as the data at hand leave it: root mean square, and (n_aims,) of each.
    error : eV, root mean square error of the posterior's mean with nothing added; None without references.
    chosen : the frames to add, best first.
    pool : the candidates that were looked at. alone : (n_pool,) eV, what each alone would leave.
    left_out : the others, with the reasons. notes : what else there is to say.
    cost_exponent : of the number of atoms.
    model_error : eV, root mean square error of the potential at hand; None without one or without references.
    """

    aims: tuple[Aim, ...]
    spread: float
    spreads: np.ndarray
    error: float | None
    chosen: tuple[Chosen, ...]
    pool: tuple[Candidate, ...]
    alone: np.ndarray
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    cost_exponent: float
    model_error: float | None = None

    @property
    def n_atoms(self) -> int:
        """Atoms of all chosen frames together."""
        return sum(one.candidate.n_atoms for one in self.chosen)

    def sentence(self) -> str:
        """Say in a sentence what the cure is."""
        before = MEV_PER_EV * self.spread
        if not self.chosen:
            return f"No candidate would lower the spread of {before:.3g} meV/atom: try other structures."
        after, first = MEV_PER_EV * self.chosen[-1].spread, self.chosen[0]
        n = len(self.chosen)
        what = f"{n} frames" if n > 1 else "one frame"
        text = f"{what} with {self.n_atoms} atoms in all "
        text += (
            f"{'take' if n > 1 else 'takes'} the foretold spread from {before:.3g} to {after:.3g} meV/atom"
        )
        if n > 1:
            share = MEV_PER_EV * first.spread
            text += f"; the first, {first.candidate.name}, alone to {share:.3g}"
        return f"{text[0].upper()}{text[1:]}."


def kinds_of_settings(settings: TrainSettings) -> tuple[str, ...]:
    """Return the kinds of labels that a training with these settings takes into account."""
    weights = dict(zip((ENERGY, FORCES, STRESS), settings.loss_weights, strict=True))
    return tuple(kind for kind, weight in weights.items() if weight > 0)


def find_cure(
    order: CureOrder,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Cure:
    """Screen the pool, learn what the training data leave open, and choose frames one after the other.

    ``executor`` : who goes over training frames and pool; this process by default.

    Raises
    ------
    AnalysisError : no aims, or no candidate that makes sense. DataError : training frames without labels.
    """
    if not order.aims:
        raise AnalysisError(
            "there is nothing to aim at", fix="Name crystals, regions or structures as targets"
        )
    if not order.pool:
        raise AnalysisError("the pool is empty", fix="Give files of structures, or have structures generated")
    progress, executor = progress or Progress(), executor or InProcess(n_threads)
    screening, fitting, rows_of, choosing, errors = progress.split([1, 4, 3, 1, 1])
    pool, left_out = _screened(order, n_threads, screening)
    targets = [aim.target for aim in order.aims]
    asked = [*targets, *(Target.mean(c.frame, name=c.name) for c in pool)]
    posterior = Posterior.fit(
        order.training, order.functions,
        targets=asked, kinds=order.kinds, settings=order.settings, n_threads=n_threads, progress=fitting,
        executor=executor,
    )  # fmt: skip
    with one_blas_thread():
        factor = factor_of(posterior.solution.precision)
    found = rank(
        factor,
        posterior.features(targets, n_threads=n_threads),
        pool_news(posterior, factor, [c.frame for c in pool], executor, rows_of),
        np.array([cost_of(c.n_atoms, order.cost_exponent) for c in pool]),
        order.n,
        weights=np.array([aim.weight for aim in order.aims]),
        progress=choosing,
    )
    return _cure(order, posterior, pool, left_out, found, n_threads, errors)


def _screened(
    order: CureOrder, n_threads: int | None, progress: Progress
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the candidates that make sense, one at least, and those that do not."""
    known = Surroundings(
        [*order.training, *_frames_of(order.aims)], order.functions,
        n_threads=n_threads, progress=progress.part(0.0, 0.4),
    )  # fmt: skip
    pool, left_out = screen(
        order.pool, order.training, known,
        model=order.model, limits=order.limits, progress=progress.part(0.4, 1.0, "Screening"),
    )  # fmt: skip
    if not pool:
        raise AnalysisError(
            f"none of {len(left_out)} candidates makes sense; the first: {left_out[0].reason}",
            where=left_out[0].name,
            fix="Give structures that are nearer to what is known",
        )
    return pool, left_out


def weighted_rows(
    posterior: Posterior,
    frames: Sequence[Frame],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """Return of every frame the rows (k, m) of what would be computed, each divided by its noise.

    What would be computed are the kinds of labels that the posterior has learned from.
    """
    return list(_weighted(posterior.basis, _weights(posterior), frames, n_threads, progress))


def _weights(posterior: Posterior) -> dict[str, float]:
    """Roots of the weights of the kinds of labels, in their order."""
    return {kind: float(np.sqrt(posterior.hyper.weight(kind))) for kind in posterior.kinds}


def _weighted(
    basis: SparseBasis,
    weights: Mapping[str, float],
    frames: Sequence[Frame],
    n_threads: int | None,
    progress: Progress | None,
) -> Iterator[np.ndarray]:
    for row in each_rows(basis, frames, n_threads, progress):
        parts = {ENERGY: row.energy[None], FORCES: row.forces, STRESS: row.stress}
        kept = [weights[kind] * part for kind, part in parts.items() if kind in weights and part is not None]
        yield np.concatenate(kept)


def pool_news(
    posterior: Posterior,
    factor: np.ndarray,
    frames: Sequence[Frame],
    executor: Executor,
    progress: Progress | None = None,
) -> list[np.ndarray]:
    """Return what each structure's labels would tell that is new, (r, m) each, see :func:`news_of`."""
    asked = {**basis_to_values(posterior.basis), "weights": _weights(posterior), "factor": factor}
    shared = Shared(asked)

    def job(part: range) -> Job:
        def given() -> dict[str, Any]:
            return {"frames": frames_to_values(frames[part.start : part.stop])}

        return Job(
            f"candidates {part.start + 1} to {part.stop}", news_job, given, {"asked": shared}, len(part)
        )

    jobs = [job(part) for part in portions(len(frames), executor)]
    return [news for values in in_order(executor, jobs, progress) for news in values["news"]]


def news_job(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Find as a job what structures' labels would tell that is new."""
    asked, frames = given["asked"], frames_from_values(given["frames"])
    basis, weights = basis_from_values(asked), dict(asked["weights"])
    with one_blas_thread():
        rows = _weighted(basis, weights, frames, hand.n_threads, hand.progress)
        return {"news": [news_of(asked["factor"], row) for row in rows]}


def _frames_of(aims: Sequence[Aim]) -> list[Frame]:
    return list({id(f): f for aim in aims for f in aim.target.frames}.values())


def _cure(
    order: CureOrder,
    posterior: Posterior,
    pool: Sequence[Candidate],
    left_out: Sequence[LeftOut],
    found: Ranking,
    n_threads: int | None,
    progress: Progress,
) -> Cure:
    frames = [pool[step.candidate].frame for step in found.steps]
    errors = _errors(posterior, order.aims, frames, n_threads, progress)
    misfit = posterior.misfit  # no frame takes it away
    chosen = [
        Chosen(
            pool[step.candidate],
            step.cost,
            float(np.hypot(step.spread, misfit)),
            np.sqrt(step.variances + misfit**2),
            error,
        )
        for step, error in zip(found.steps, errors[1:], strict=True)
    ]
    notes = []
    if len(chosen) < min(order.n, len(pool)):
        notes.append("Nothing else in the pool would lower the spread by more than 2 %.")
    spread, spreads = float(np.hypot(found.spread, misfit)), np.sqrt(found.before + misfit**2)
    return Cure(
        tuple(order.aims), spread, spreads, errors[0], tuple(chosen), tuple(pool),
        np.hypot(found.alone, misfit), tuple(left_out), tuple(notes), order.cost_exponent,
        _model_error(order.model, order.aims, n_threads),
    )  # fmt: skip


def _errors(
    posterior: Posterior,
    aims: Sequence[Aim],
    frames: Sequence[Frame],
    n_threads: int | None,
    progress: Progress,
) -> list[float | None]:
    """Root mean square errors of the mean with none, one, two ... of the frames, eV; None where unknown."""
    known = [aim for aim in aims if aim.reference is not None]
    errors: list[float | None] = [None] * (len(frames) + 1)
    if not known:
        return errors
    features = posterior.features([aim.target for aim in known], n_threads=n_threads)
    zeros = posterior.mean([aim.target for aim in known], n_threads=n_threads)
    zeros -= features @ posterior.solution.coefficients
    reference = np.array([aim.reference for aim in known])
    weights = np.array([aim.weight for aim in known])
    for k in range(len(frames) + 1):
        progress.report(k / (len(frames) + 1), "True errors")
        if k > 0:
            frame = frames[k - 1]
            if frame.energy is None:
                break
            posterior = posterior.with_frames([frame], n_threads=n_threads)
        error = features @ posterior.solution.coefficients + zeros - reference
        errors[k] = float(np.sqrt((weights * error**2).sum() / weights.sum()))
    return errors


def _model_error(model: AtomicEnergyModel | None, aims: Sequence[Aim], n_threads: int | None) -> float | None:
    """Root mean square error of a potential at aims whose references are known, eV; None where nothing is."""
    known = [aim for aim in aims if aim.reference is not None]
    if model is None or not known:
        return None
    from nnpcore.mapping import atomic_energies

    frames = list({id(f): f for aim in known for f in aim.target.frames}.values())
    found = atomic_energies(model, frames, n_threads=n_threads).mean(axis=0)
    starts = dict(zip(map(id, frames), np.cumsum([0, *(f.n_atoms for f in frames)]).tolist(), strict=False))
    total = 0.0
    for aim in known:
        parts = ((starts[id(frame)], weights) for frame, weights in aim.target.parts)
        energy = sum(float(found[first : first + len(weights)] @ weights) for first, weights in parts)
        total += aim.weight * (energy - (aim.reference or 0.0)) ** 2
    return float(np.sqrt(total / sum(aim.weight for aim in known)))


def summary(cure: Cure) -> dict[str, Any]:
    """Return the numbers as JSON can hold them; spreads and errors in meV/atom."""
    mev = MEV_PER_EV
    return {
        "spread_mev": mev * cure.spread,
        "error_mev": None if cure.error is None else mev * cure.error,
        "model_error_mev": None if cure.model_error is None else mev * cure.model_error,
        "cost_exponent": cure.cost_exponent,
        "sentence": cure.sentence(),
        "targets": [
            {"name": aim.name, "spread_mev": mev * float(spread)}
            for aim, spread in zip(cure.aims, cure.spreads, strict=True)
        ],
        "frames": [
            {
                "name": one.candidate.name,
                "kind": one.candidate.kind,
                "n_atoms": one.candidate.n_atoms,
                "cost": one.cost,
                "spread_mev": mev * one.spread,
                "error_mev": None if one.error is None else mev * one.error,
                "spreads_mev": (mev * one.spreads).tolist(),
            }
            for one in cure.chosen
        ],
        "pool": {"looked_at": len(cure.pool), "left_out": [vars(one) for one in cure.left_out]},
        "notes": list(cure.notes),
    }
