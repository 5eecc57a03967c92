"""The loss ``w_E mean((ΔE/N)²) + w_F mean(|ΔF|²) + w_S mean(|Δσ|²) + l2 |w|²`` with its gradient.

Means take what is known of a frame as many times as it counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np

from nnpcore.threads import in_order
from nnpcore.training.data import FitSet, MemberValues, chunks_of
from nnpcore.training.engines.guide import guide_term
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import LossWeights
from nnpcore.training.optimizers.base import ErrorSums
from nnpcore.training.settings import TrainSettings

GoOn = Callable[[], bool]


class LossAndGradient(NamedTuple):
    """The loss of every member over some frames.

    loss (n_members,); gradient (n_members, n_parameters); squares (3, n_members + 1): sums of (ΔE/N)²,
    |ΔF|², |Δσ|² of every member and of the mean prediction, of every frame once.
    """

    loss: np.ndarray
    gradient: np.ndarray
    squares: np.ndarray


class Loss(ABC):
    """The loss over some frames, whatever computes it.

    Attributes
    ----------
    data : training frames; may be replaced by the same frames with other targets.
    flat : the loss of networks that predict zero everywhere, a yardstick; infinite where that is perfect.
    """

    atoms_at_once: ClassVar[int]

    def __init__(self, settings: TrainSettings, data: FitSet, packing: Packing, n_threads: int = 1) -> None:
        self.data = data
        self._packing = packing
        self._settings = settings
        self._n_threads = n_threads
        self._weights = LossWeights.of(settings, data)
        self.flat = self._weights.flat(data) or float("inf")

    def __call__(
        self, frames: np.ndarray, weights: np.ndarray, go_on: GoOn, members: np.ndarray | None = None
    ) -> LossAndGradient | None:
        """Return loss and gradient over ``frames``, as if these were all; None where ``go_on`` said no.

        ``weights`` (n_members, n_parameters) in internal order, of all members or of these ``members``; L2
        and guidance are included. ``go_on`` is asked before every chunk of frames; chunks are added up in
        order, whatever thread they were on.
        """
        scaled = self._weights.scaled(self.data.n_frames / len(frames))
        factors = np.array([scaled.energy, scaled.force, scaled.stress])
        chunks = list(pairwise(chunks_of(self.data.targets.n_atoms[frames], self.atoms_at_once)))
        guide = self.data.guide
        if guide is not None and members is not None:
            guide = guide.of_members(members)
        moved = None if guide is None else guide.moved

        def work(chunk: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
            own = frames[slice(*chunk)]
            shift = None if moved is None else moved.of_frames(own, self.data.atoms_of(own))
            return self._part(own, weights, factors, shift) if go_on() else None

        squares, gradient = np.zeros((2, 3, len(weights) + 1)), np.zeros(weights.shape)
        for part in in_order(work, chunks, self._n_threads):
            if part is None:
                return None
            squares += part[0]
            gradient += part[1]
        loss, l2 = factors @ squares[1, :, :-1], self._settings.l2
        if l2:
            loss, gradient = loss + l2 * (weights**2).sum(axis=1), gradient + 2 * l2 * weights
        if guide is not None:
            more = guide_term(self.data, guide, frames, weights, self._packing, self._settings.activation)
            loss, gradient = loss + more[0], gradient + more[1]
        return LossAndGradient(loss, gradient, squares[0])

    @abstractmethod
    def _part(
        self, frames: np.ndarray, weights: np.ndarray, factors: np.ndarray, moved: MemberValues | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of squares and the loss's gradient over some frames, without the part of L2.

        ``factors`` (3,) weigh (ΔE/N)², |ΔF|² and |Δσ|². The sums (2, 3, n_members + 1) take every frame once,
        and as often as it counts; the latter and the gradient are of targets ``moved`` for each member.
        """

    def errors(self, frames: np.ndarray, squares: np.ndarray) -> ErrorSums:
        """Pair sums of squares (3, n_members + 1) over ``frames`` with how many numbers they go over."""
        t = self.data.targets
        counts = [
            t.has_energy[frames].sum(),
            3 * t.n_atoms[frames][t.has_forces[frames]].sum(),
            9 * t.has_stress[frames].sum() if self._settings.loss_weights[2] > 0 else 0,
        ]
        return ErrorSums(squares, np.array(counts))
