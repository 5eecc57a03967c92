"""What every optimizer offers the trainer, and what an epoch leaves behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nnpcore.training.control import Pace
from nnpcore.training.history import Message, Rmse
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.training.data import FitSet

EXPLODED = 1e4
"""A loss so many times that of a flat network counts as diverged."""


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums of squared errors over frames.

    Attributes
    ----------
    squares : (3, n_members + 1): (ΔE/N)², |ΔF|², |Δσ|² of every member, last the ensemble's mean prediction.
    counts : (3,) how many numbers each sum goes over: energies, force components, stress components.
    weighted : the same sums with each number as often as it counts by its group; None where all count once.
    """

    squares: np.ndarray
    counts: np.ndarray
    weighted: ErrorSums | None = None

    def rmses(self) -> dict[str, Rmse]:
        """Return the RMSEs in shown units; quantities without reference data are absent."""
        found: dict[str, Rmse] = {}
        for k, (name, quantity) in enumerate(QUANTITIES.items()):
            if self.counts[k]:
                with np.errstate(all="ignore"):
                    values = quantity.factor * np.sqrt(self.squares[k] / self.counts[k])
                found[name] = Rmse(members=values[:-1], mean=float(values[-1]))
        return found


class Optimizer(ABC):
    """Changes the weights of all members epoch by epoch.

    Attributes
    ----------
    name : "kalman", "adam" or "lbfgs".
    alive : (n_members,) bool; cleared for a member that has diverged, which is left alone from then.
    kept : names of the arrays that are all it needs to go on exactly.
    """

    name: ClassVar[str]
    kept: ClassVar[tuple[str, ...]] = ()

    def __init__(self, n_members: int) -> None:
        self.alive = np.ones(n_members, dtype=bool)
        self._messages: list[Message] = []

    @property
    def finished(self) -> bool:
        """Whether more epochs would change nothing."""
        return False

    @abstractmethod
    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""

    @abstractmethod
    def retarget(self, data: FitSet) -> None:
        """Go on with other targets of the same training frames."""

    @abstractmethod
    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Go once over the training frames; None where the user stopped it: the next call goes on there.

        ``epoch`` counts from 0. The errors are those of the epoch's own predictions, made on the way.
        """

    def _stop(self, member: int) -> None:
        """Give up a member that has diverged."""
        self.alive[member] = False
        self._messages.append(diverged(member))

    def take_messages(self) -> list[Message]:
        """Return what has happened since the last call."""
        messages, self._messages = self._messages, []
        return messages

    def state(self) -> dict[str, np.ndarray]:
        """Return all that is needed to go on exactly, a half-done epoch included."""
        return {name.strip("_"): np.array(getattr(self, name)) for name in ("alive", *self.kept)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over what :meth:`state` returned; KeyError or ValueError where it does not fit."""
        for name in ("alive", *self.kept):
            getattr(self, name)[...] = state[name.strip("_")]


def diverged(member: int) -> Message:
    """Return the message for a member that was stopped."""
    return Message(f"Member {member + 1} diverged and was stopped; it keeps its last good weights")
