"""The loss ``w_E mean((ΔE/N)²) + w_F mean(|ΔF|²) + w_S mean(|Δσ|²) + l2 |w|²`` with its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from nnpcore.training.data import FitSet
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.passes import LossAndGradient, loss_and_gradient
from nnpcore.training.engines.rows import LossWeights
from nnpcore.training.optimizers.base import ErrorSums
from nnpcore.training.settings import TrainSettings

GoOn = Callable[[], bool]


class Loss(Protocol):
    """The loss over some frames, whatever computes it.

    Attributes
    ----------
    data : training frames.
    flat : the loss of networks that say nothing, a yardstick.
    """

    data: FitSet
    flat: float

    def __call__(self, frames: np.ndarray, weights: np.ndarray, go_on: GoOn) -> LossAndGradient | None:
        """Return loss and gradient over ``frames``, as if these were all; None where ``go_on`` said no.

        ``weights`` (n_members, n_parameters) in internal order; the part of L2 is included.
        """
        ...


class CpuLoss:
    """The loss by compiled kernels. A :class:`Loss`."""

    def __init__(self, settings: TrainSettings, data: FitSet, packing: Packing, n_threads: int) -> None:
        self.data = data
        self._settings = settings
        self._packing = packing
        self._n_threads = n_threads
        self._weights = LossWeights.of(settings, data)
        self.flat = flat_loss(data, self._weights)

    def __call__(self, frames: np.ndarray, weights: np.ndarray, go_on: GoOn) -> LossAndGradient | None:
        """Return loss and gradient over ``frames``; see :class:`Loss`."""
        found = loss_and_gradient(
            self.data,
            frames,
            weights,
            self._packing,
            self._settings.activation,
            self._weights.scaled(self.data.n_frames / len(frames)),
            n_threads=self._n_threads,
            go_on=go_on,
        )
        return None if found is None else with_l2(found, weights, self._settings.l2)


def with_l2(found: LossAndGradient, weights: np.ndarray, l2: float) -> LossAndGradient:
    """Add ``l2 |w|²`` to loss and gradient."""
    if not l2:
        return found
    loss = found.loss + l2 * (weights**2).sum(axis=1)
    return LossAndGradient(loss, found.gradient + 2 * l2 * weights, found.squares)


def flat_loss(data: FitSet, weights: LossWeights) -> float:
    """Return the loss of networks that predict zero everywhere; infinite where that is already perfect."""
    return weights.flat(data) or float("inf")


def error_sums(data: FitSet, frames: np.ndarray, squares: np.ndarray, with_stress: bool) -> ErrorSums:
    """Pair sums of squares (3, n_members + 1) over ``frames`` with how many numbers they go over."""
    t = data.targets
    counts = [
        t.has_energy[frames].sum(),
        3 * t.n_atoms[frames][t.has_forces[frames]].sum(),
        9 * t.has_stress[frames].sum() if with_stress else 0,
    ]
    return ErrorSums(squares, np.array(counts))
