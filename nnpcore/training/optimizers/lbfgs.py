"""L-BFGS (Nocedal & Wright, ch. 7.2) over all frames, every member with its own memory and line search.

One epoch is one evaluation of the loss for all members: each member either takes its trial point or
shortens its step, so members never wait for each other's line search.
"""

from __future__ import annotations

import numpy as np

from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet
from nnpcore.training.engines.loss import Loss
from nnpcore.training.history import Message, Severity
from nnpcore.training.optimizers.base import EXPLODED, ErrorSums, Optimizer

MEMORY = 30
_SUFFICIENT = 1e-4
_MOST_TRIES = 12
_GAIN, _IDLE = 1e-9, 2 * MEMORY
"""A member that in so many evaluations has not lowered its loss by this share is at a minimum: what is left
is rounding, and differs from processor to processor."""


class LbfgsOptimizer(Optimizer):
    """L-BFGS for all members at once.

    Parameters
    ----------
    loss : of the training frames.
    start : initial weights (n_members, n_parameters), internal order.
    """

    name = "lbfgs"
    kept = ("_point", "_value", "_gradient", "_direction", "_length", "_tries", "_moves", "_changes",
            "_stored", "_settled", "_squares", "_lowest", "_idle")  # fmt: skip

    def __init__(self, loss: Loss, start: np.ndarray) -> None:
        n_members, n_parameters = start.shape
        super().__init__(n_members)
        self._loss = loss
        self._point = np.array(start, dtype=np.float64)
        self._value = np.full(n_members, np.inf)
        self._gradient = np.zeros_like(self._point)
        self._direction = np.zeros_like(self._point)
        self._length = np.zeros(n_members)
        self._tries = np.zeros(n_members, dtype=np.int64)
        self._moves = np.zeros((n_members, MEMORY, n_parameters))
        self._changes = np.zeros((n_members, MEMORY, n_parameters))
        self._stored = np.zeros(n_members, dtype=np.int64)
        self._settled = np.zeros(n_members, dtype=bool)
        self._squares = np.zeros((3, n_members + 1))
        self._lowest = np.full(n_members, np.inf)  # the loss when it last fell by a share that counts
        self._idle = np.zeros(n_members, dtype=np.int64)  # evaluations since

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over what :meth:`state` returned, also before losses that rest were counted."""
        super().restore({"lowest": self._lowest, "idle": self._idle} | state)

    @property
    def finished(self) -> bool:
        """Whether no living member can find a lower loss any more."""
        return bool((self._settled | ~self.alive).all())

    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""
        return self._point.copy()

    def retarget(self, data: FitSet) -> None:
        """Go on with other targets of the same frames, where the members are now.

        What is remembered of the curvature stays: most of it is that of networks and frames. Forgotten, it
        takes as many evaluations again to come by.
        """
        self._loss.data = data
        self._value[:] = np.inf
        self._direction[:] = 0.0
        self._length[:] = 0.0
        self._tries[:] = 0
        self._settled[:] = False
        self._lowest[:] = np.inf
        self._idle[:] = 0

    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Evaluate every member's trial point once."""
        frames = np.arange(self._loss.data.n_frames)
        active = np.flatnonzero(self.alive & ~self._settled)
        if len(active):
            pace.tell(0.0, f"epoch {epoch + 1}")
            trial = self._point[active] + self._length[active, None] * self._direction[active]
            found = self._loss(frames, trial, pace.go_on, active)
            if found is None:
                return None
            for k, member in enumerate(active):
                if self._judge(int(member), trial[k], float(found.loss[k]), found.gradient[k]):
                    self._squares[:, member] = found.squares[:, k]
                self._notice_rest(int(member))
            self._squares[:, -1] = found.squares[:, -1]
        return self._loss.errors(frames, self._squares.copy())

    def _notice_rest(self, member: int) -> None:
        """Count evaluations that lowered nothing; after enough of them the member is at a minimum."""
        if self._value[member] < (1.0 - _GAIN) * self._lowest[member]:
            self._lowest[member], self._idle[member] = self._value[member], 0
            return
        self._idle[member] += 1
        if self._idle[member] >= _IDLE and not self._settled[member]:
            self._settle(member)

    def _settle(self, member: int) -> None:
        self._settled[member] = True
        text = f"Member {member + 1} has reached a minimum of the loss"
        self._messages.append(Message(text, Severity.NOTE))

    def _judge(self, member: int, trial: np.ndarray, value: float, gradient: np.ndarray) -> bool:
        """Take the trial point and choose a new direction, or shorten the step; True where it was taken."""
        finite = np.isfinite(value) and bool(np.isfinite(gradient).all())
        if not np.isfinite(self._value[member]):
            if not finite or value > EXPLODED * self._loss.flat:
                self._stop(member)
                return True
        else:
            slope = float(self._gradient[member] @ self._direction[member])
            wanted = self._value[member] + _SUFFICIENT * self._length[member] * slope
            if not finite or value > wanted:
                self._shorten(member, value if finite else np.inf, slope)
                return False
            self._remember(member, trial - self._point[member], gradient - self._gradient[member])
        self._point[member], self._value[member], self._gradient[member] = trial, value, gradient
        self._turn(member)
        return True

    def _shorten(self, member: int, value: float, slope: float) -> None:
        length = self._length[member]
        excess = value - self._value[member] - slope * length
        best = -0.5 * slope * length**2 / excess if np.isfinite(excess) and excess > 0 else 0.0
        self._length[member] = min(max(best, 0.1 * length), 0.5 * length)
        self._tries[member] += 1
        if self._tries[member] < _MOST_TRIES:
            return
        if self._stored[member]:
            self._stored[member] = 0
            self._turn(member)
        else:
            self._settle(member)

    def _remember(self, member: int, move: np.ndarray, change: np.ndarray) -> None:
        """Keep a pair whose curvature is positive."""
        if move @ change <= 1e-10 * np.linalg.norm(move) * np.linalg.norm(change):
            return
        slot = self._stored[member] % MEMORY
        self._moves[member, slot], self._changes[member, slot] = move, change
        self._stored[member] += 1

    def _turn(self, member: int) -> None:
        """Choose the next direction from the remembered pairs by the two-loop recursion."""
        q = self._gradient[member].copy()
        stored = int(self._stored[member])
        slots = [k % MEMORY for k in range(max(0, stored - MEMORY), stored)]
        factors = {}
        for k in reversed(slots):
            move, change = self._moves[member, k], self._changes[member, k]
            factors[k] = (move @ q) / (move @ change)
            q -= factors[k] * change
        if slots:
            move, change = self._moves[member, slots[-1]], self._changes[member, slots[-1]]
            q *= (move @ change) / (change @ change)
        for k in slots:
            move, change = self._moves[member, k], self._changes[member, k]
            q += (factors[k] - (change @ q) / (move @ change)) * move
        self._direction[member] = -q
        first = min(1.0, 1.0 / max(float(np.linalg.norm(q)), 1e-300))
        self._length[member] = 1.0 if slots else first
        self._tries[member] = 0
