"""Compiled kernels over whole frames for all members at once: predictions, the loss and its gradient.

Float32 networks and derivatives, float64 sums. A pass over some frames adds up in the frames' order, so
that chunks of frames may go to any thread and still give the same numbers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from nnpcore.threads import in_order
from nnpcore.training.data import FitSet, MemberValues, chunks_of
from nnpcore.training.engines.contractions import INNER, OPTIONS, Pairs, frame_forces, frame_tangents
from nnpcore.training.engines.kernels import ACTIVATION_CODES, add_rows, network_gradients, network_rows
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.settings import TrainSettings

ATOMS_AT_ONCE = 512
_LOSS_ATOMS = 128
"""Atoms of a chunk of frames; of the loss a quarter, so that all threads have something of a small batch."""


class FrameArrays(NamedTuple):
    """The arrays of a :class:`FitSet` that the kernels read."""

    frame_start: np.ndarray
    pairs: Pairs
    inputs: np.ndarray
    order: np.ndarray
    element_start: np.ndarray
    matrix: np.ndarray

    @classmethod
    def of(cls, data: FitSet) -> FrameArrays:
        """Collect them; the descriptors must hold float32 derivatives."""
        d = data.descriptors
        return cls(d.frame_start, Pairs.of(d), data.inputs, data.order, data.element_start, data.matrix)


class TargetArrays(NamedTuple):
    """The arrays of :class:`~nnpcore.training.data.Targets` that the kernels read."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray
    has_energy: np.ndarray
    has_forces: np.ndarray
    has_stress: np.ndarray
    volume: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, data: FitSet) -> TargetArrays:
        """Collect them."""
        t = data.targets
        has = t.has_energy, t.has_forces, t.has_stress
        return cls(t.energy, t.forces, t.stress, *has, t.volume, t.weights)


class Networks(NamedTuple):
    """Networks of some members as the kernels take them: parameters (n_members, n_parameters) float32."""

    parameters: np.ndarray
    sizes: np.ndarray
    code: int

    @classmethod
    def of(cls, weights: np.ndarray, packing: Packing, activation: str) -> Networks:
        """Round internal parameters (n_members, n_parameters) to single precision."""
        sizes = np.array(packing.sizes, dtype=np.int64)
        return cls(np.ascontiguousarray(weights, dtype=np.float32), sizes, ACTIVATION_CODES[activation])


@njit(**INNER)
def _inputs_of(arrays: FrameArrays, begin: Any, stop: Any) -> np.ndarray:
    """Return the network inputs (n, n_in + 1) of a stretch of ``arrays.order``, with a trailing 1."""
    n_in = arrays.inputs.shape[1]
    rows = np.empty((stop - begin, n_in + 1), np.float32)
    for i in range(begin, stop):
        for c in range(n_in):
            rows[i - begin, c] = arrays.inputs[arrays.order[i], c]
        rows[i - begin, n_in] = np.float32(1)
    return rows


@njit(**INNER)
def _state_of(
    inputs: np.ndarray, atoms: np.ndarray, tangents: np.ndarray, m: int, matrix: np.ndarray
) -> np.ndarray:
    """Return inputs and whitened tangents (n, 2, n_in + 1) of these atoms of a frame for member m."""
    n, width = inputs.shape
    n_descriptors = tangents.shape[2]
    raw = np.empty((n, n_descriptors), np.float32)
    for i in range(n):
        for d in range(n_descriptors):
            raw[i, d] = tangents[atoms[i], m, d]
    white = np.dot(raw, matrix)
    state = np.zeros((n, 2, width), np.float32)
    for i in range(n):
        for c in range(width):
            state[i, 0, c] = inputs[i, c]
        for c in range(width - 1):
            state[i, 1, c] = white[i, c]
    return state


@njit(**OPTIONS)
def predict_frames(
    arrays: FrameArrays,
    networks: Networks,
    frames: np.ndarray,
    starts: np.ndarray,
    energies: np.ndarray,
    forces: np.ndarray,
    virials: np.ndarray,
) -> None:
    """Predict some frames.

    Parameters
    ----------
    frames, starts : indices of the frames, and where the atoms of each begin in ``forces``.
    energies : (n_frames, n_members) float64, filled.
    forces : (n_atoms, n_members, 3) float32, zeros at first, filled.
    virials : (n_frames, n_members, 3, 3) float32, zeros at first, filled; of no members where not wanted.
    """
    n_members, n_parameters = networks.parameters.shape
    n_elements, n_descriptors, n_in = arrays.matrix.shape
    per_element = n_parameters // n_elements
    for k in range(len(frames)):
        f = frames[k]
        first, end = arrays.frame_start[f], arrays.frame_start[f + 1]
        gradients = np.empty((end - first, n_descriptors, n_members), np.float32)
        for m in range(n_members):
            energies[k, m] = 0
        for e in range(n_elements):
            begin, stop = arrays.element_start[f, e], arrays.element_start[f, e + 1]
            if begin == stop:
                continue
            rows = _inputs_of(arrays, begin, stop)
            slopes = np.empty((stop - begin, n_in), np.float32)
            for m in range(n_members):
                network = networks.parameters[m, e * per_element : (e + 1) * per_element]
                energies[k, m] += network_gradients(rows, network, networks.sizes, networks.code, slopes)
                raw = np.dot(slopes, arrays.matrix[e].T)
                for i in range(begin, stop):
                    for d in range(n_descriptors):
                        gradients[arrays.order[i] - first, d, m] = raw[i - begin, d]
        frame_forces(
            arrays.pairs,
            first,
            gradients,
            forces[starts[k] : starts[k] + end - first],
            virials[k],
        )


@njit(**INNER)
def _lines(rows: np.ndarray, sizes: Any) -> list[np.ndarray]:
    """Return ``rows`` as one array (2, n_out, n_in + 1) for each layer."""
    lines, offset = [], 0
    for layer in range(len(sizes) - 1):
        width, n_out = sizes[layer] + 1, sizes[layer + 1]
        lines.append(rows[2 * offset : 2 * (offset + width * n_out)].reshape(2, n_out, width))
        offset += width * n_out
    return lines


@njit(**OPTIONS)
def add_gradients(
    arrays: FrameArrays,
    networks: Networks,
    frames: np.ndarray,
    starts: np.ndarray,
    factors: np.ndarray,
    directions: np.ndarray,
    strains: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Add every member's derivative by the weights of ``factor * E + sum_i dE_i/dG_i . t_i``.

    Parameters
    ----------
    frames, starts : as for ``predict_frames``.
    factors : (n_frames, n_members) float64.
    directions, strains : (n_atoms, n_members, 3) and (n_frames, n_members, 3, 3), what the tangents t follow.
    gradient : (n_members, n_parameters) float64, added to.
    """
    n_members, n_parameters = networks.parameters.shape
    n_elements, n_descriptors, _ = arrays.matrix.shape
    per_element = n_parameters // n_elements
    sizes = networks.sizes
    values, lines = np.zeros(2), _lines(np.empty(2 * per_element, np.float32), sizes)
    for k in range(len(frames)):
        f = frames[k]
        first, end = arrays.frame_start[f], arrays.frame_start[f + 1]
        tangents = np.empty((end - first, n_members, n_descriptors), np.float32)
        frame_tangents(
            arrays.pairs,
            first,
            directions[starts[k] : starts[k] + end - first],
            strains[k],
            tangents,
        )
        for e in range(n_elements):
            begin, stop = arrays.element_start[f, e], arrays.element_start[f, e + 1]
            if begin == stop:
                continue
            inputs = _inputs_of(arrays, begin, stop)
            for m in range(n_members):
                state = _state_of(inputs, arrays.order[begin:stop] - first, tangents, m, arrays.matrix[e])
                network = networks.parameters[m, e * per_element : (e + 1) * per_element]
                network_rows(state, network, sizes, networks.code, lines, values)
                add_rows(lines, factors[k, m], gradient[m, e * per_element : (e + 1) * per_element])


@njit(**OPTIONS)
def residuals(
    arrays: FrameArrays,
    targets: TargetArrays,
    frames: np.ndarray,
    starts: np.ndarray,
    weights: np.ndarray,
    prediction: MemberValues,
    squares: np.ndarray,
    factors: np.ndarray,
    directions: np.ndarray,
    strains: np.ndarray,
) -> None:
    """Add up the squared errors of some frames and set what the loss's gradient follows.

    Parameters
    ----------
    weights : (3,) of (ΔE/N)², |ΔF|² and |Δσ|² of every frame, times how often each of them counts.
    squares : (2, 3, n_members + 1) float64: sums of (ΔE/N)², |ΔF|², |Δσ|² of every member and of the mean
        prediction, of every frame once, and as often as it counts.
    factors, directions, strains : as for ``add_gradients``, zeros at first, filled.
    """
    for k in range(len(frames)):
        f = frames[k]
        first, n = arrays.frame_start[f], arrays.frame_start[f + 1] - arrays.frame_start[f]
        part = slice(starts[k], starts[k] + n)
        count, own = targets.weights[f], np.zeros((squares.shape[1], squares.shape[2]))
        if targets.has_energy[f]:
            known = targets.energy[f]
            _energy_part(prediction.energies[k], known, n, weights[0] * count[0], own[0], factors[k])
        if targets.has_forces[f]:
            known = targets.forces[first : first + n]
            _force_part(prediction.forces[part], known, weights[1] * count[1], own[1], directions[part])
        if targets.has_stress[f] and strains.shape[1]:
            virials, known = prediction.virials[k], targets.stress[f]
            _stress_part(virials, known, targets.volume[f], weights[2] * count[2], own[2], strains[k])
        for q in range(own.shape[0]):  # sums of whole arrays compile for seconds
            for m in range(own.shape[1]):
                squares[0, q, m] += own[q, m]
                squares[1, q, m] += count[q] * own[q, m]


@njit(**INNER)
def _energy_part(
    energies: np.ndarray, target: Any, n: Any, weight: float, squares: np.ndarray, factors: np.ndarray
) -> None:
    """Add the squares of ΔE/N and set dL/dE."""
    mean = 0.0
    for m in range(len(energies)):
        error = (energies[m] - target) / n
        squares[m] += error * error
        factors[m] = 2 * weight * error / n
        mean += error / len(energies)
    squares[-1] += mean * mean


@njit(**INNER)
def _force_part(
    forces: np.ndarray, target: np.ndarray, weight: float, squares: np.ndarray, directions: np.ndarray
) -> None:
    """Add the squares of ΔF and set v = -dL/dF: the forces' projection on v is minus the tangent."""
    n, n_members, _ = forces.shape
    for i in range(n):
        for c in range(3):
            mean = 0.0
            for m in range(n_members):
                error = np.float64(forces[i, m, c]) - np.float64(target[i, c])
                squares[m] += error * error
                directions[i, m, c] = -2 * weight * error
                mean += error / n_members
            squares[-1] += mean * mean


@njit(**INNER)
def _stress_part(
    virials: np.ndarray,
    target: np.ndarray,
    volume: Any,
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


class CompiledLoss(Loss):
    """The loss by compiled kernels."""

    atoms_at_once = _LOSS_ATOMS

    def __init__(self, settings: TrainSettings, data: FitSet, packing: Packing, n_threads: int) -> None:
        super().__init__(settings, data, packing, n_threads)

    def _part(
        self, frames: np.ndarray, weights: np.ndarray, factors: np.ndarray, moved: MemberValues | None
    ) -> tuple[np.ndarray, np.ndarray]:
        data, frames = self.data.window(np.asarray(frames, dtype=np.int64))
        arrays, targets = FrameArrays.of(data), TargetArrays.of(data)
        networks = Networks.of(weights, self._packing, self._settings.activation)
        found, starts = _predict(arrays, networks, frames, factors[2] > 0)
        squares, gradient = np.zeros((2, 3, len(weights) + 1)), np.zeros(weights.shape)
        follow = (
            np.zeros(found.energies.shape),
            np.zeros(found.forces.shape, dtype=np.float32),
            np.zeros(found.virials.shape),
        )
        seen = found if moved is None else found.less(moved)
        residuals(arrays, targets, frames, starts, factors, seen, squares, *follow)
        if moved is not None:  # what is shown are errors of the data themselves
            plain, unused = np.zeros_like(squares), tuple(np.zeros_like(values) for values in follow)
            residuals(arrays, targets, frames, starts, factors, found, plain, *unused)
            squares[0] = plain[0]
        add_gradients(arrays, networks, frames, starts, *follow, gradient)
        return squares, gradient


def predict(
    data: FitSet, weights: np.ndarray, packing: Packing, activation: str, n_threads: int = 1
) -> MemberValues:
    """Predict all frames of a set; ``weights`` (n_members, n_parameters) in internal order.

    There are virials where the set has stresses.
    """
    stress = bool(data.targets.has_stress.any())
    networks = Networks.of(weights, packing, activation)
    chunks = list(pairwise(chunks_of(data.targets.n_atoms, ATOMS_AT_ONCE)))

    def work(chunk: tuple[int, int]) -> MemberValues:
        part, frames = data.window(np.arange(*chunk))
        return _predict(FrameArrays.of(part), networks, frames, stress)[0]

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
