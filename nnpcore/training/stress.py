"""Whether stress counts in a training whose settings leave that to the data, and in which order it stands.

Two things tell. Energies of strained cells give the work of the stress between them. And a posterior of
energies and forces alone, the one that networks are guided by, foretells the stress of each frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import DataError
from nnpcore.structures.groups import groups_of
from nnpcore.structures.labels.foretold_stress import (
    AS_GIVEN,
    LEFT_OUT,
    ForetoldStresses,
    ToldStresses,
    judge_foretold,
    order_in_words,
    together,
)
from nnpcore.structures.labels.trust import Trust, has_stress, trust_in_stress
from nnpcore.training.group_weights import counted_labels
from nnpcore.training.guidance_posterior import Learned, learned_from
from nnpcore.training.history import Message, Severity

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet
    from nnpcore.posterior import Posterior
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

USUAL_STRESS_WEIGHT = 0.3
"""Enough to get elastic constants right, and little enough to leave the forces as they are."""

_ENOUGH = 24
"""Frames whose stresses are compared, where there are so many."""

_MOST_ATOMS = 10_000
"""Of frames that are looked at beside those of the posterior."""


@dataclass(frozen=True, eq=False)
class SettledStress:
    """What a training does about stress.

    Attributes
    ----------
    settings : with a weight of the stress, and with its order.
    messages : what the user should know about it.
    learned : the posterior that told, for whom it serves again; None where none was asked.
    """

    settings: TrainSettings
    messages: tuple[Message, ...] = ()
    learned: Learned | None = None


def settled_stress(
    settings: TrainSettings,
    train: Sequence[Frame],
    descriptors: DescriptorSet,
    n_threads: int,
    progress: Progress,
    others: Sequence[Frame] = (),
) -> SettledStress:
    """Settle whether stress counts; ``descriptors`` are those of the training frames.

    ``others`` : frames of validation and test, whose groups may be others. They tell nothing here, but their
    stresses are put right as those of the training are, or left out.

    Where the settings give no weight, it is :data:`USUAL_STRESS_WEIGHT` if the data confirm the stresses,
    else 0. Where they give one, it stays, and what speaks against it is said.

    Raises Cancelled by ``progress``.
    """
    weight = settings.stress_weight
    by_energies = None if weight == 0.0 else trust_in_stress(counted_labels(train, settings))
    if by_energies is None or not by_energies.enough or by_energies.contradicted:
        return _without_posterior(settings, by_energies)
    without = settings if weight is None else settings.replace(stress_weight=0.0)
    try:
        learned = learned_from(train, descriptors, without, n_threads, progress.part(0.0, 0.9), rows=True)
        foretold = _foretold(learned, train, settings, n_threads, progress.part(0.9, 1.0))
    except (DataError, np.linalg.LinAlgError) as error:
        why = f"{by_energies.why}; no posterior of energies and forces can tell either ({error})"
        return _without_posterior(settings, by_energies if by_energies.trusted else Trust(False, why))
    counts = Counter(groups_of(filter(has_stress, (*train, *others)), settings.group_key))
    told = judge_foretold(foretold, counts, by_energies.trusted)
    if by_energies.trusted and not told.trusted:
        told = ToldStresses(True, by_energies.why, {}, {})
    if weight is not None:
        return SettledStress(settings, _warnings(told), learned)
    if not told.trusted:
        return SettledStress(settings.replace(stress_weight=0.0), (_not_used(told.why),), learned)
    found = settings.replace(
        stress_weight=USUAL_STRESS_WEIGHT, stress_order=_put_together(settings.stress_order, told.orders)
    )
    reasons = [by_energies.why] if by_energies.trusted else []
    why = "; ".join(dict.fromkeys([*reasons, told.why]))
    text = f"The stresses count, with the weight {USUAL_STRESS_WEIGHT:g}: {why}"
    return SettledStress(found, (Message(text, Severity.NOTE), *_about_orders(told, counts)), learned)


def _put_together(given: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return orders by group: those of the settings, and what was found of stresses that these put right."""
    names = sorted(given.keys() | found.keys())
    orders = {name: together(given.get(name, AS_GIVEN), found.get(name, AS_GIVEN)) for name in names}
    return {name: order for name, order in orders.items() if order != AS_GIVEN}


def _without_posterior(settings: TrainSettings, trust: Trust | None) -> SettledStress:
    """Settle by what energies of strained cells say, or where there is no stress at all."""
    if settings.stress_weight is not None:
        text = "The stresses have a weight" if trust and trust.contradicted else ""
        why = "" if trust is None else trust.why
        return SettledStress(settings, (Message(f"{text}, but {why}"),) if text else ())
    if trust is None:
        return SettledStress(settings.replace(stress_weight=0.0))
    if not trust.trusted:
        return SettledStress(settings.replace(stress_weight=0.0), (_not_used(trust.why),))
    text = f"The stresses count, with the weight {USUAL_STRESS_WEIGHT:g}: {trust.why}"
    return SettledStress(settings.replace(stress_weight=USUAL_STRESS_WEIGHT), (Message(text, Severity.NOTE),))


def _not_used(why: str) -> Message:
    text = f"The stresses are not used: {why}. Where they are right, give them a weight"
    return Message(f"{text}, such as {USUAL_STRESS_WEIGHT:g}", Severity.NOTE)


def _foretold(
    learned: Learned, train: Sequence[Frame], settings: TrainSettings, n_threads: int, progress: Progress
) -> ForetoldStresses:
    """Return the stresses of the posterior's frames, and of some others where few of these have one."""
    from nnpcore.posterior.streaming import each_rows

    posterior = learned.posterior
    rows = dict(zip(learned.chosen, learned.rows, strict=True))
    kept = {k: f for k, f in enumerate(counted_labels(train, settings)) if has_stress(f)}
    others = [k for k in kept if k not in rows]
    usual_atoms = np.mean([kept[k].n_atoms for k in others]) if others else 1
    lacking = min(_ENOUGH - len(kept.keys() & rows.keys()), int(_MOST_ATOMS / usual_atoms))
    if lacking > 0 and others:
        some = np.unique(np.linspace(0, len(others) - 1, min(lacking, len(others))).round().astype(int))
        more = [others[k] for k in some]
        of_more = each_rows(posterior.basis, [kept[k] for k in more], n_threads, progress)
        rows |= {k: own.stress for k, own in zip(more, of_more, strict=True)}
    known = {k: row for k, row in sorted(rows.items()) if k in kept and row is not None}
    return _compared(posterior, [kept[k] for k in known], list(known.values()), settings)


def _compared(
    posterior: Posterior, frames: Sequence[Frame], rows: Sequence[np.ndarray], settings: TrainSettings
) -> ForetoldStresses:
    from nnpcore.posterior.basis import MANDEL

    given = np.array(
        [f.stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] for f in frames if f.stress is not None]
    )
    stacked = np.array(rows).reshape(-1, 6, posterior.size)
    return ForetoldStresses(
        given.reshape(-1, 6),
        stacked @ posterior.solution.coefficients / MANDEL,
        posterior.spread_of_features(stacked[:, :3].mean(axis=1)),
        np.array([f.volume for f in frames]),
        tuple(groups_of(frames, settings.group_key)),
    )


def _about_orders(told: ToldStresses, counts: Mapping[str, int]) -> list[Message]:
    """Return what is put right, and what is left out, with the numbers of frames by group."""
    found = []
    for group, order in told.orders.items():
        where, why = f"{counts[group]} frames of {group}", told.reasons[group]
        if order == LEFT_OUT:
            found.append(Message(f"The stresses of {where} are not used: they {why}"))
        else:
            text = f"In the stresses of {where} {order_in_words(order)}; they count put right"
            found.append(Message(f"{text}, for so they {why}; the files stay as they are"))
    return found


def _warnings(told: ToldStresses) -> tuple[Message, ...]:
    """Return what speaks against stresses that the user has given a weight."""
    if told.contradicted:
        return (Message(f"The stresses have a weight, but {told.why}"),)
    parts = [
        f"those of {group} {told.reasons[group]}"
        if order == LEFT_OUT
        else f"in those of {group} {order_in_words(order)}"
        for group, order in told.orders.items()
    ]
    text = f"The stresses have a weight and count as they are, but {', '.join(parts)}"
    return (Message(f"{text}. Without a weight given, this is put right or left out"),) if parts else ()
