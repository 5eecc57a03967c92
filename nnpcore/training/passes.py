"""Compiled passes over whole frames for all members at once: predictions, and the gradient of the loss.

Float32 networks and derivatives, float64 sums. A pass over some frames adds up in the frames' order, so that chunks
of frames may go to any thread and still give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from numba import njit

from nnpcore.training.contractions import OPTIONS, frame_forces, frame_tangents
from nnpcore.training.data import FitSet
from nnpcore.training.layout import Layout
from nnpcore.training.rows import LossWeights
from nnpcore.training.sweeps import ACTIVATION_CODES, frame_gradients, frame_loss_gradient

_ATOMS_PER_CHUNK = 512
Result = TypeVar("Result")


class FrameArrays(NamedTuple):
    """The arrays of a :class:`FitSet` that the kernels read."""

    frame_start: np.ndarray
    pair_start: np.ndarray
    pair_neighbor: np.ndarray
    pair_vector: np.ndarray
    derivatives: np.ndarray
    inputs: np.ndarray
    order: np.ndarray
    element_start: np.ndarray
    matrix: np.ndarray

    @classmethod
    def of(cls, data: FitSet) -> FrameArrays:
        """Collect them; the descriptors must hold float32 derivatives."""
        d = data.descriptors
        if d.derivatives is None or d.derivatives.dtype != np.float32:
            raise ValueError("training needs float32 derivatives")
        return cls(
            d.frame_start,
            d.pair_start,
            d.pair_neighbor,
            d.pair_vector,
            d.derivatives,
            data.inputs,
            data.order,
            data.element_start,
            data.matrix,
        )


class TargetArrays(NamedTuple):
    """The arrays of :class:`~nnpcore.training.data.Targets` that the kernels read."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    has_energy: np.ndarray
    has_forces: np.ndarray
    has_stress: np.ndarray
    volume: np.ndarray

    @classmethod
    def of(cls, data: FitSet) -> TargetArrays:
        """Collect them."""
        t = data.targets
        return cls(t.energy, t.forces, t.stress, t.has_energy, t.has_forces, t.has_stress, t.volume)


class Networks(NamedTuple):
    """Networks of some members as the kernels take them: parameters (n_members, n_parameters) float32."""

    parameters: np.ndarray
    sizes: np.ndarray
    code: int

    @classmethod
    def of(cls, weights: np.ndarray, layout: Layout, activation: str) -> Networks:
        """Round internal parameters (n_members, n_parameters) to single precision."""
        sizes = np.array(layout.sizes, dtype=np.int64)
        return cls(np.ascontiguousarray(weights, dtype=np.float32), sizes, ACTIVATION_CODES[activation])


@njit(**OPTIONS)
def predict_frame(
    arrays: FrameArrays,
    networks: Networks,
    f: int,
    energies: np.ndarray,
    forces: np.ndarray,
    virials: np.ndarray,
) -> None:
    """Predict one frame.

    Parameters
    ----------
    energies : (n_members,) float64, filled.
    forces : (n, n_members, 3) float32, filled.
    virials : (n_members, 3, 3) float32, filled; nothing where its length is 0.
    """
    first, end = arrays.frame_start[f], arrays.frame_start[f + 1]
    n_members = len(networks.parameters)
    gradients = np.empty((end - first, arrays.matrix.shape[1], n_members), np.float32)
    frame_gradients(
        arrays.inputs[first:end],
        arrays.order[first:end] - first,
        arrays.element_start[f] - first,
        arrays.matrix,
        networks.parameters,
        networks.sizes,
        networks.code,
        energies,
        gradients,
    )
    forces[:] = 0
    virials[:] = 0
    frame_forces(
        arrays.pair_start,
        arrays.pair_neighbor,
        arrays.pair_vector,
        arrays.derivatives,
        first,
        gradients,
        forces,
        virials,
    )


@njit(**OPTIONS)
def _predict_chunk(
    arrays: FrameArrays,
    networks: Networks,
    first: int,
    end: int,
    energies: np.ndarray,
    forces: np.ndarray,
    virials: np.ndarray,
) -> None:
    for f in range(first, end):
        a, b = arrays.frame_start[f], arrays.frame_start[f + 1]
        virial = virials[f] if len(virials) else np.empty((0, 3, 3), np.float32)
        predict_frame(arrays, networks, f, energies[f], forces[a:b], virial)


@njit(**OPTIONS)
def _loss_chunk(
    arrays: FrameArrays,
    targets: TargetArrays,
    networks: Networks,
    frames: np.ndarray,
    weights: np.ndarray,
    squares: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Add the loss's parts and gradient over some frames.

    Parameters
    ----------
    weights : (3,) of (ΔE/N)², |ΔF|² and |Δσ|² of every frame.
    squares : (3, n_members + 1) float64: sums of (ΔE/N)², |ΔF|², |Δσ|² of every member and of the mean prediction.
    gradient : (n_members, n_parameters) float64.
    """
    n_members = len(networks.parameters)
    none = np.empty((0, 3, 3), np.float32)
    for f in frames:
        first, end = arrays.frame_start[f], arrays.frame_start[f + 1]
        n = end - first
        energies = np.empty(n_members)
        forces = np.empty((n, n_members, 3), np.float32)
        with_stress = weights[2] > 0 and targets.has_stress[f]
        virials = np.empty((n_members, 3, 3), np.float32) if with_stress else none
        predict_frame(arrays, networks, f, energies, forces, virials)
        factors = np.zeros(n_members)
        directions = np.zeros((n_members, n, 3), np.float32)
        strains = np.zeros((len(virials), 3, 3))
        if targets.has_energy[f]:
            _energy_part(energies, targets.energy[f], n, weights[0], squares[0], factors)
        if targets.has_forces[f]:
            _force_part(forces, targets.forces[first:end], weights[1], squares[1], directions)
        if with_stress:
            _stress_part(virials, targets.stress[f], targets.volume[f], weights[2], squares[2], strains)
        tangents = np.empty((n, n_members, arrays.matrix.shape[1]), np.float32)
        frame_tangents(
            arrays.pair_start,
            arrays.pair_neighbor,
            arrays.pair_vector,
            arrays.derivatives,
            first,
            directions,
            strains,
            tangents,
        )
        frame_loss_gradient(
            arrays.inputs[first:end],
            tangents,
            arrays.order[first:end] - first,
            arrays.element_start[f] - first,
            arrays.matrix,
            networks.parameters,
            networks.sizes,
            networks.code,
            factors,
            gradient,
        )


@njit(**OPTIONS)
def _energy_part(
    energies: np.ndarray, target: float, n: int, weight: float, squares: np.ndarray, factors: np.ndarray
) -> None:
    """Add the squares of ΔE/N and set dL/dE."""
    mean = 0.0
    for m in range(len(energies)):
        error = (energies[m] - target) / n
        squares[m] += error * error
        factors[m] = 2 * weight * error / n
        mean += error / len(energies)
    squares[-1] += mean * mean


@njit(**OPTIONS)
def _force_part(
    forces: np.ndarray, target: np.ndarray, weight: float, squares: np.ndarray, directions: np.ndarray
) -> None:
    """Add the squares of ΔF and set the displacements v = -dL/dF, since the projection on v is minus the tangent."""
    n, n_members, _ = forces.shape
    for i in range(n):
        for c in range(3):
            mean = 0.0
            for m in range(n_members):
                error = np.float64(forces[i, m, c]) - np.float64(target[i, c])
                squares[m] += error * error
                directions[m, i, c] = -2 * weight * error
                mean += error / n_members
            squares[-1] += mean * mean


@njit(**OPTIONS)
def _stress_part(
    virials: np.ndarray,
    target: np.ndarray,
    volume: float,
    weight: float,
    squares: np.ndarray,
    strains: np.ndarray,
) -> None:
    """Add the squares of Δσ, σ the symmetrised virial over V, and set the strains dL/dσ / V."""
    n_members = len(virials)
    for a in range(3):
        for c in range(3):
            mean = 0.0
            for m in range(n_members):
                error = 0.5 * (virials[m, a, c] + virials[m, c, a]) / volume - target[a, c]
                squares[m] += error * error
                strains[m, a, c] = 2 * weight * error / volume
                mean += error / n_members
            squares[-1] += mean * mean


class Prediction(NamedTuple):
    """What members predict for a set, element energies not included.

    energies (n_frames, n_members) eV; forces (n_atoms, n_members, 3) float32 eV/Å; virials (n_frames, n_members, 3, 3)
    float32 eV, of no frames where not asked for.
    """

    energies: np.ndarray
    forces: np.ndarray
    virials: np.ndarray


def predict(
    data: FitSet, weights: np.ndarray, layout: Layout, activation: str, *, stress: bool, n_threads: int
) -> Prediction:
    """Predict all frames of a set; ``weights`` (n_members, n_parameters) in internal order."""
    arrays, networks = FrameArrays.of(data), Networks.of(weights, layout, activation)
    n_members = len(weights)
    energies = np.empty((data.n_frames, n_members))
    forces = np.empty((data.descriptors.n_atoms, n_members, 3), dtype=np.float32)
    virials = np.empty((data.n_frames if stress else 0, n_members, 3, 3), dtype=np.float32)
    chunks = chunks_of(data.targets.n_atoms)

    def work(k: int) -> None:
        _predict_chunk(arrays, networks, chunks[k], chunks[k + 1], energies, forces, virials)

    in_threads(work, len(chunks) - 1, n_threads)
    return Prediction(energies, forces, virials)


class LossAndGradient(NamedTuple):
    """The loss of every member over some frames.

    loss (n_members,); gradient (n_members, n_parameters); squares (3, n_members + 1): sums of (ΔE/N)², |ΔF|², |Δσ|²
    of every member and of the mean prediction. Without the L2 part.
    """

    loss: np.ndarray
    gradient: np.ndarray
    squares: np.ndarray


def loss_and_gradient(
    data: FitSet,
    frames: np.ndarray,
    weights: np.ndarray,
    layout: Layout,
    activation: str,
    loss: LossWeights,
    *,
    n_threads: int,
    go_on: Callable[[], bool] = lambda: True,
) -> LossAndGradient | None:
    """Return the loss over ``frames`` and its gradient by ``weights`` (n_members, n_parameters, internal order).

    None where ``go_on``, asked before every chunk of frames, said no.
    """
    arrays, targets = FrameArrays.of(data), TargetArrays.of(data)
    networks = Networks.of(weights, layout, activation)
    factors = np.array([loss.energy, loss.force, loss.stress])
    edges = chunks_of(data.targets.n_atoms[frames])

    def work(k: int) -> tuple[np.ndarray, np.ndarray] | None:
        if not go_on():
            return None
        squares, gradient = np.zeros((3, len(weights) + 1)), np.zeros(weights.shape)
        part = np.asarray(frames[edges[k] : edges[k + 1]], dtype=np.int64)
        _loss_chunk(arrays, targets, networks, part, factors, squares, gradient)
        return squares, gradient

    squares, gradient = np.zeros((3, len(weights) + 1)), np.zeros(weights.shape)
    for part in in_threads(work, len(edges) - 1, n_threads):
        if part is None:
            return None
        squares += part[0]
        gradient += part[1]
    return LossAndGradient(factors @ squares[:, :-1], gradient, squares)


def chunks_of(n_atoms: np.ndarray) -> list[int]:
    """Cut frames of these sizes into runs of some hundred atoms; return where each begins, and the end."""
    edges, held = [0], 0
    for f, n in enumerate(n_atoms.tolist()):
        if held and held + n > _ATOMS_PER_CHUNK:
            edges.append(f)
            held = 0
        held += n
    return [*edges, len(n_atoms)] if len(n_atoms) else [0]


def in_threads(work: Callable[[int], Result], n_tasks: int, n_threads: int) -> list[Result]:
    """Return ``work(k)`` for every task, in order; several at a time on ``n_threads`` threads."""
    if n_threads <= 1 or n_tasks <= 1:
        return [work(k) for k in range(n_tasks)]
    with ThreadPoolExecutor(min(n_threads, n_tasks), thread_name_prefix="training") as pool:
        return list(pool.map(work, range(n_tasks)))
