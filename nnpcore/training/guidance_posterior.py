"""The posterior of some training frames: what networks follow, and what tells whether stresses are such.

It learns energies and forces first, and their stresses after that, on the same functions: so one process
serves both, and a training that goes on makes the same one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.training.group_weights import counted_labels

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet
    from nnpcore.posterior import Posterior, PosteriorSettings
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

_MOST_FRAMES = 50
_MOST_ATOMS = 5_000
_SAMPLE = 12
"""Frames that the process learns from, and its length from: with twice as many what silicon leaves open falls
by 4 % only, and the time to the same accuracy grows by a third."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A posterior of energies and forces, and what it takes to learn the stresses of the same frames.

    Attributes
    ----------
    posterior : of energies and forces alone.
    chosen : indices of its frames among those of the training.
    rows : the (6, m) rows of their stresses; empty where nobody has asked for them.
    """

    posterior: Posterior
    chosen: list[int]
    rows: tuple[np.ndarray | None, ...] = ()


def learned_from(
    frames: Sequence[Frame],
    descriptors: DescriptorSet,
    settings: TrainSettings,
    n_threads: int,
    progress: Progress,
    *,
    rows: bool,
) -> Learned:
    """Learn energies and forces of (up to 50 of) the training frames, those that count in the loss.

    Parameters
    ----------
    frames, descriptors : of the training, with all their labels. rows : whether stresses will be asked for.

    Raises
    ------
    DataError : there is nothing to learn from. Cancelled : by ``progress``.
    """
    from nnpcore.posterior import Posterior
    from nnpcore.posterior.streaming import each_rows

    weights = zip(("energy", "forces"), settings.loss_weights, strict=False)
    kinds = [kind for kind, weight in weights if weight > 0]
    chosen = representative_frames(descriptors, _most_frames(descriptors))
    own = _frames(frames, chosen, settings)
    parts = (progress.part(0.0, 0.7), progress.part(0.7, 1.0)) if rows else (progress, progress)
    posterior = Posterior.fit(
        own, descriptors.functions, kinds=kinds, settings=_settings(), n_threads=n_threads, progress=parts[0]
    )
    if not rows:
        return Learned(posterior, chosen)
    of_stress = (row.stress for row in each_rows(posterior.basis, own, n_threads, parts[1]))
    return Learned(posterior, chosen, tuple(of_stress))


def with_their_stresses(
    learned: Learned, frames: Sequence[Frame], settings: TrainSettings, n_threads: int
) -> Posterior:
    """Return the posterior that knows the stresses, too; that of energies and forces where none counts."""
    if not settings.loss_weights[2]:
        return learned.posterior
    own = _frames(frames, learned.chosen, settings)
    return learned.posterior.with_stresses(own, learned.rows, settings=_settings(), n_threads=n_threads)


def fitted_posterior(
    frames: Sequence[Frame],
    descriptors: DescriptorSet,
    settings: TrainSettings,
    n_threads: int,
    progress: Progress,
) -> Posterior:
    """Return the posterior of (up to 50 of) the training frames, on what counts in the loss.

    Raises
    ------
    DataError : there is nothing to learn from. Cancelled : by ``progress``.
    """
    from nnpcore.posterior import Posterior

    energy, forces, stress = settings.loss_weights
    if energy or forces:
        learned = learned_from(frames, descriptors, settings, n_threads, progress, rows=stress > 0)
        return with_their_stresses(learned, frames, settings, n_threads)
    own = _frames(frames, representative_frames(descriptors, _most_frames(descriptors)), settings)
    return Posterior.fit(
        own,
        descriptors.functions,
        kinds=("stress",),
        settings=_settings(),
        n_threads=n_threads,
        progress=progress,
    )


def _settings() -> PosteriorSettings:
    from nnpcore.posterior import PosteriorSettings

    return PosteriorSettings(n_sample=_SAMPLE)


def _most_frames(descriptors: DescriptorSet) -> int:
    return min(_MOST_FRAMES, max(2, _MOST_ATOMS * descriptors.n_frames // max(1, descriptors.n_atoms)))


def _frames(frames: Sequence[Frame], chosen: Sequence[int], settings: TrainSettings) -> tuple[Frame, ...]:
    return counted_labels([frames[k] for k in chosen], settings)


def representative_frames(descriptors: DescriptorSet, n: int) -> list[int]:
    """Return the indices of ``n`` frames at most: half of them unlike each other, the others evenly spread.

    Few frames of another kind, as those that heal a map, are among them so.
    """
    from nnpcore.posterior.basis import far_apart

    n_frames = descriptors.n_frames
    if n_frames <= n:
        return list(range(n_frames))
    sums = np.add.reduceat(descriptors.values.astype(np.float64), descriptors.frame_start[:-1], axis=0)
    means = sums / np.diff(descriptors.frame_start)[:, None]
    scale = means.std(axis=0)
    unlike = far_apart((means - means.mean(axis=0)) / np.where(scale > 0, scale, 1.0), (n + 1) // 2)
    others = np.setdiff1d(np.arange(n_frames), unlike)
    spread = others[np.linspace(0, len(others) - 1, n - len(unlike)).astype(np.int64)]
    return np.union1d(unlike, spread).tolist()
