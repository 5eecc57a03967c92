"""When a member of an ensemble has diverged: it is worse than no network, or its errors grow and grow."""

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


def _text(name: str, error: float, own: float) -> str:
    return f"{name} {error:.3g}, the data's own {own:.3g} {QUANTITIES[name].unit}"
