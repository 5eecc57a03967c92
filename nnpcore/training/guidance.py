"""Guidance: atomic energies that the data leave open follow a Gaussian process.

Totals and forces leave open much of how a total is split into atomic energies, and networks fill that in by
accident. A :class:`~nnpcore.posterior.Posterior` of the same frames says what atomic energies may be and how
far the data determine them. The networks are asked for these energies, too, each with the posterior's
variance as noise: what the data determine stays theirs, what they leave open follows the process. Every
member follows a draw of its own, so that members differ by what the data leave open. What comes out is a
plain network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import Cancelled, DataError
from nnpcore.progress import Progress
from nnpcore.training.data import FitSet, Guide, MemberValues
from nnpcore.training.guidance_posterior import Learned, fitted_posterior, with_their_stresses
from nnpcore.training.history import EpochRecord, Message, Severity
from nnpcore.training.quantities import QUANTITIES
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.posterior import Posterior
    from nnpcore.structures.frame import Frame
    from nnpcore.training.control import Pace
    from nnpcore.training.settings import TrainSettings

USUAL_EPOCHS = {"kalman": 2, "adam": 20, "lbfgs": 50}
"""Epochs that networks learn from the data alone before: long enough to know the scale of their errors."""

_ATOMS_AT_ONCE = 4096
_DRAW_STREAM = 105
NO_GUIDANCE = "No guidance"
"""What messages begin with where there is none though it was asked for."""

_SMALLEST_DEVIATION = 2e-3
"""eV: what networks of this kind and the process may always differ by."""

_MISSED, _TIMES_MISSED = 10.0, 5.0
"""meV/atom, and times what the networks miss them by: a process that misses the training energies by more of
both describes something else, and its word on what they leave open is worth nothing."""


def guide_of(
    posterior: Posterior,
    frames: Sequence[Frame],
    data: FitSet,
    element_energies: Sequence[float],
    settings: TrainSettings,
    loss: float,
    n_threads: int | None = None,
) -> Guide:
    """Return what a posterior says about the atoms of a training set, and by what members are to differ.

    ``frames`` are those of ``data``; ``element_energies`` : of its elements, eV; ``loss`` : see
    :class:`Guide`.
    """
    from nnpcore.posterior.draws import balanced_draws
    from nnpcore.training.deviations import OpenAxes, moved_by

    d, seed = data.descriptors, [settings.seed, _DRAW_STREAM]
    moved: MemberValues | None = None
    if settings.spread_cost and settings.n_members > 1:
        axes = OpenAxes.of(posterior, frames, settings, loss, n_threads)
        drawn = axes.draws(settings.n_members, seed)
        own = posterior.solution.coefficients + drawn @ axes.coefficients.T
        moved = moved_by(posterior, (axes.shares * drawn) @ axes.coefficients.T, data)
    else:
        own = balanced_draws(posterior, settings.n_members, seed)
    shift = posterior.zeros - np.asarray(element_energies)
    targets = np.empty((len(own), d.n_atoms), dtype=np.float32)
    precision = np.empty(d.n_atoms, dtype=np.float32)
    for first in range(0, d.n_atoms, _ATOMS_AT_ONCE):
        part = slice(first, first + _ATOMS_AT_ONCE)
        values, species = d.values[part], d.species[part]
        targets[:, part] = own @ posterior.basis.features(values, species).T + shift[species]
        spread = posterior.spreads_of(values, species)
        precision[part] = settings.guidance / (spread**2 + _SMALLEST_DEVIATION**2)
    return Guide(targets, precision, loss, moved)


def missed_by(posterior: Posterior, data: FitSet, element_energies: Sequence[float]) -> float:
    """Return the RMSE of a posterior's mean on the energies of a training set, meV/atom."""
    targets, d = data.targets, data.descriptors
    known = targets.has_energy & (targets.group_weights[:, 0] > 0)
    if not known.any():
        return 0.0
    atomic = posterior.energies_of(d.values, d.species) - np.asarray(element_energies)[d.species]
    errors = (np.add.reduceat(atomic, d.frame_start[:-1]) - targets.energy) / targets.n_atoms
    return MEV_PER_EV * float(np.sqrt(np.mean(errors[known] ** 2)))


def loss_left(record: EpochRecord, settings: TrainSettings) -> float:
    """Return the loss of a usual member on the training frames after an epoch, without L2."""
    energy, force, stress = settings.loss_weights
    parts = {"energy": energy, "force": 3 * force, "stress": 9 * stress}
    total = 0.0
    for name, weight in parts.items():
        if name in record.train:
            rmses = record.train[name]["members"][record.alive] / QUANTITIES[name].factor
            total += weight * float(np.median(rmses**2))
    return total


def _energy_rmse(record: EpochRecord) -> float:
    """Return what a usual member misses the training energies by, meV/atom; 0 where it learns none."""
    if "energy" not in record.train:
        return 0.0
    return float(np.median(record.train["energy"]["members"][record.alive]))


class GuidancePlan:
    """When and how a training begins to follow a posterior.

    Parameters
    ----------
    settings : of the training. optimizer : its name.

    Attributes
    ----------
    epochs : that the networks learn from the data alone before; None where there is no guidance, or a
        baseline has its place.
    """

    def __init__(self, settings: TrainSettings, optimizer: str) -> None:
        self._settings = settings
        wanted = settings.guidance > 0 and settings.baseline == "none"
        self.epochs = USUAL_EPOCHS[optimizer] if wanted else None
        self._messages: list[Message] = []

    def guide(
        self,
        frames: Sequence[Frame],
        data: FitSet,
        element_energies: Mapping[str, float],
        record: EpochRecord,
        n_threads: int,
        pace: Pace,
        learned: Learned | None = None,
    ) -> Guide | None:
        """Return what the networks are to follow from now on; None where no posterior can be had.

        ``record`` : of the last epoch. ``learned`` : where energies and forces of these frames were learned
        before. Raises Cancelled where the user stops the training or cancels it.
        """
        try:
            if learned is not None:
                posterior = with_their_stresses(learned, frames, self._settings, n_threads)
            else:
                listening = _Listening(pace)
                posterior = fitted_posterior(frames, data.descriptors, self._settings, n_threads, listening)
        except (DataError, np.linalg.LinAlgError) as error:
            text = f"{NO_GUIDANCE}: the frames determine no posterior ({error})"
            self._messages.append(Message(text, Severity.WARNING))
            return None
        energies = [element_energies[element] for element in data.descriptors.functions.elements]
        missed = missed_by(posterior, data, energies)
        own = _energy_rmse(record)
        if missed > max(_MISSED, _TIMES_MISSED * own):
            text = f"{NO_GUIDANCE}: the posterior misses the training energies by {missed:.0f} meV/atom"
            self._messages.append(Message(f"{text}, the networks by {own:.2g}", Severity.NOTE))
            return None
        loss = loss_left(record, self._settings)
        found = guide_of(posterior, frames, data, energies, self._settings, loss, n_threads)
        open_by = 1e3 * float(np.median(np.sqrt(self._settings.guidance / found.precision)))
        text = (
            f"Guidance by a posterior of {posterior.n_frames} frames, which leave a usual atomic energy open"
        )
        self._messages.append(Message(f"{text} by {open_by:.2g} meV", Severity.NOTE))
        return found

    def take_messages(self) -> list[Message]:
        """Return what has happened since the last call."""
        messages, self._messages = self._messages, []
        return messages


class _Listening(Progress):
    """A progress that stops and waits with a training."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(lambda fraction, text: pace.tell(fraction or 0.0, f"posterior, {text}"))
        self._pace = pace

    def check(self) -> None:
        super().check()
        if not self._pace.go_on():
            raise Cancelled
