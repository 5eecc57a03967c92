"""What every optimizer offers the trainer, and what an epoch leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nnpcore.training.history import Rmse
from nnpcore.training.pace import Pace
from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.training.data import FitSet

QUANTITY_UNITS = {"energy": MEV_PER_EV, "force": 1.0, "stress": GPA_PER_EV_PER_ANG3}
"""Factor from eV/atom, eV/Å and eV/Å³ to what is shown; in the order of all arrays of three."""

EXPLODED = 1e4
"""A loss so many times that of a flat network counts as diverged."""


@dataclass(frozen=True, eq=False)
class ErrorSums:
    """Sums of squared errors over frames.

    Attributes
    ----------
    squares : (3, n_members + 1): (ΔE/N)², |ΔF|², |Δσ|² of every member, last the ensemble's mean prediction.
    counts : (3,) how many numbers each sum goes over: energies, force components, stress components.
    """

    squares: np.ndarray
    counts: np.ndarray

    def rmses(self) -> dict[str, Rmse]:
        """Return the RMSEs in shown units; quantities without reference data are absent."""
        found: dict[str, Rmse] = {}
        for k, (name, unit) in enumerate(QUANTITY_UNITS.items()):
            if self.counts[k]:
                with np.errstate(all="ignore"):
                    values = unit * np.sqrt(self.squares[k] / self.counts[k])
                found[name] = Rmse(members=values[:-1], mean=float(values[-1]))
        return found


class Optimizer(Protocol):
    """Changes the weights of all members epoch by epoch.

    Attributes
    ----------
    name : "kalman", "adam" or "lbfgs".
    alive : (n_members,) bool; the optimizer clears it for a member that has diverged, and leaves that alone
        from then.
    """

    name: str
    alive: np.ndarray

    @property
    def finished(self) -> bool:
        """Whether more epochs would change nothing."""
        ...

    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""
        ...

    def retarget(self, data: FitSet) -> None:
        """Go on with other targets of the same training frames."""
        ...

    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Go once over the training frames; None where the user stopped it: the next call goes on there.

        ``epoch`` counts from 0. The errors are those of the epoch's own predictions, made on the way.
        """
        ...

    def take_messages(self) -> list[str]:
        """Return what has happened since the last call, in sentences for the user."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return all that is needed to go on exactly, a half-done epoch included."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over what :meth:`state` returned; KeyError or ValueError where it does not fit."""
        ...


def diverged(member: int) -> str:
    """Return the message for a member that was stopped."""
    return f"Member {member + 1} diverged and was stopped; it keeps its last good weights"
