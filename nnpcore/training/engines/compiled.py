"""Training by compiled kernels on the processor's threads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nnpcore.threads import in_order
from nnpcore.training.data import FitSet, MemberValues, chunks_of
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.passes import (
    FrameArrays,
    Networks,
    TargetArrays,
    add_gradients,
    predict_frames,
    residuals,
)
from nnpcore.training.settings import TrainSettings

ATOMS_AT_ONCE = 512


class CompiledLoss(Loss):
    """The loss by compiled kernels."""

    atoms_at_once = ATOMS_AT_ONCE

    def __init__(self, settings: TrainSettings, data: FitSet, packing: Packing, n_threads: int) -> None:
        super().__init__(settings, data, n_threads)
        self._packing = packing

    def _part(
        self, frames: np.ndarray, weights: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        arrays, targets = FrameArrays.of(self.data), TargetArrays.of(self.data)
        networks = Networks.of(weights, self._packing, self._settings.activation)
        frames = np.asarray(frames, dtype=np.int64)
        found, starts = _predict(arrays, networks, frames, factors[2] > 0)
        squares, gradient = np.zeros((3, len(weights) + 1)), np.zeros(weights.shape)
        follow = (
            np.zeros(found.energies.shape),
            np.zeros(found.forces.shape, dtype=np.float32),
            np.zeros(found.virials.shape),
        )
        residuals(arrays, targets, frames, starts, factors, found, squares, *follow)
        add_gradients(arrays, networks, frames, starts, *follow, gradient)
        return squares, gradient


def predict(
    data: FitSet, weights: np.ndarray, packing: Packing, activation: str, n_threads: int = 1
) -> MemberValues:
    """Predict all frames of a set; ``weights`` (n_members, n_parameters) in internal order.

    There are virials where the set has stresses.
    """
    stress = bool(data.targets.has_stress.any())
    arrays, networks = FrameArrays.of(data), Networks.of(weights, packing, activation)
    chunks = list(pairwise(chunks_of(data.targets.n_atoms, ATOMS_AT_ONCE)))

    def work(chunk: tuple[int, int]) -> MemberValues:
        return _predict(arrays, networks, np.arange(*chunk), stress)[0]

    return MemberValues(*map(np.concatenate, zip(*in_order(work, chunks, n_threads), strict=True)))


def _predict(
    arrays: FrameArrays, networks: Networks, frames: np.ndarray, stress: bool
) -> tuple[MemberValues, np.ndarray]:
    """Predict some frames; return it with where each frame's atoms begin."""
    ends = np.cumsum(arrays.frame_start[frames + 1] - arrays.frame_start[frames])
    starts = np.concatenate([[0], ends[:-1]])
    n_members = len(networks.parameters)
    found = MemberValues(
        energies=np.empty((len(frames), n_members)),
        forces=np.zeros((int(ends[-1]), n_members, 3), dtype=np.float32),
        virials=np.zeros((len(frames), n_members if stress else 0, 3, 3), dtype=np.float32),
    )
    predict_frames(arrays, networks, frames, starts, found.energies, found.forces, found.virials)
    return found, starts
