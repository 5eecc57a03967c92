"""When a member has diverged: it is worse than no network, or its errors grow and grow; when it jumped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nnpcore.training.data import Targets
from nnpcore.training.history import EpochRecord, Message
from nnpcore.training.quantities import QUANTITIES

EPOCHS = 3
"""So many epochs in a row have to say so; as many at the beginning do not count."""

WORSE = 1.5
"""An RMSE so many times that of the data themselves, and not falling, is worse than no network."""

GROWN = 5.0
"""An RMSE so many times the smallest so far, and larger every epoch, has grown too much."""

WORTH = 0.2
"""Part of the data's own root mean square below which growth does not matter."""

JUMP, SEEN = 50.0, 0.01
"""An RMSE so many times that of the epoch before is a jump; below that part of the data's own it is none."""

_NOTHING = 1e-4
"""Of the data's own root mean square, in shown units: below it there is nothing to compare with."""


def own_rms(targets: Targets, weights: tuple[float, float, float]) -> dict[str, float]:
    """Return the root mean square of what has a weight and is there: the RMSE of a network that is zero."""
    t = targets
    parts = (
        (t.energy / t.n_atoms)[t.has_energy],
        t.forces[np.repeat(t.has_forces, t.n_atoms)],
        t.stress[t.has_stress],
    )
    found = {}
    for (name, quantity), part, weight in zip(QUANTITIES.items(), parts, weights, strict=True):
        if weight > 0 and part.size:
            rms = quantity.factor * float(np.sqrt(np.mean(part.astype(np.float64) ** 2)))
            if rms > _NOTHING:
                found[name] = rms
    return found


def diverged_members(
    history: Sequence[EpochRecord], own: Mapping[str, float], alive: np.ndarray
) -> dict[int, Message]:
    """Return living members that have diverged, with what to say of each.

    ``history`` : records of all epochs, the last included; ``own`` : see :func:`own_rms`; ``alive``
    (n_members,).
    """
    last = history[-EPOCHS:]
    recent = [record for record in last if record.epoch > EPOCHS]
    names = [name for name in own if all(name in record.train for record in last)]
    if len(recent) < EPOCHS or not names:
        return {}
    errors = np.array([[record.train[name]["members"] for name in names] for record in recent])
    limits = np.array([own[name] for name in names])[:, None]
    worse = (errors > WORSE * limits).all(axis=(0, 1)) & (errors[-1] >= errors[0]).all(axis=0)
    best = np.array([[r.train[name]["members"] for name in names] for r in history if names[0] in r.train])
    grown = (errors[-1] > GROWN * best.min(axis=0)) & (errors[-1] > WORTH * limits)
    growing = (np.diff(errors, axis=0) > 0).all(axis=(0, 1)) & grown.all(axis=0)
    found = {}
    for member in np.flatnonzero(alive & np.logical_or(worse, growing)).tolist():
        now = ", ".join(_text(name, errors[-1, k, member], own[name]) for k, name in enumerate(names))
        why = "has become worse every epoch" if growing[member] else "is worse than no network"
        text = f"Member {member + 1} {why} (training RMSE {now}) and was stopped; it keeps its best weights"
        found[member] = Message(text)
    return found


def jumped_members(
    history: Sequence[EpochRecord], own: Mapping[str, float], alive: np.ndarray
) -> dict[int, Message]:
    """Return living members one of whose errors leapt up in the last epoch, with what to say of each.

    Their arguments are those of :func:`diverged_members`. Such a member goes on: it may come down again.
    """
    last = history[-2:]
    if len(last) < 2 or last[0].epoch < EPOCHS:
        return {}
    found: dict[int, list[str]] = {}
    for name in (name for name in own if all(name in record.train for record in last)):
        before, now = (record.train[name]["members"] for record in last)
        leapt = alive & (now > JUMP * before) & (now > SEEN * own[name])
        for member in np.flatnonzero(leapt).tolist():
            unit = QUANTITIES[name].unit
            found.setdefault(member, []).append(
                f"{name} from {before[member]:.2g} to {now[member]:.2g} {unit}"
            )
    end = "it keeps the weights of its best epoch"
    return {
        member: Message(f"Member {member + 1}: its training RMSE jumped ({', '.join(texts)}); {end}")
        for member, texts in sorted(found.items())
    }


def _text(name: str, error: float, own: float) -> str:
    return f"{name} {error:.3g}, the data's own {own:.3g} {QUANTITIES[name].unit}"
