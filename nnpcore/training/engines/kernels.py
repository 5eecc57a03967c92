"""Compiled sweeps over frames and networks that training is made of; all release the GIL.

For a row of the Kalman filter, or for the gradient of a loss, one needs the derivative by the weights of
``sum_i dE_i/dx_i . t_i``, where ``t_i = sum_p dx_i/dr_p . u_p`` is how the inputs of atom i change when its
pairs p change by the displacement ``u_p``. With ``u_p = v_j - v_i`` the sum is minus the projection of the
forces on the directions v; with ``u_p = strain r_p`` it is the virial's projection. One forward sweep
carries inputs and tangents through the network together, one backward sweep gives all rows at once: no
automatic differentiation.

Arrays: float32 unless said otherwise; a network's parameters lie as :mod:`.packing` says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from nnpcore.training.engines.contractions import INNER, OPTIONS

ACTIVATION_CODES = {"tanh": 0, "softplus": 1, "sigmoid": 2, "gaussian": 3}


@njit(**INNER)
def _tanh(x: Any) -> Any:
    """Return tanh to about 3e-7 by a rational function, vectorisable (coefficients: Eigen's ptanh)."""
    x = min(max(x, np.float32(-7.9)), np.float32(7.9))
    s = x * x
    p = np.float32(-2.76076847742355e-16)
    p = p * s + np.float32(2.00018790482477e-13)
    p = p * s + np.float32(-8.60467152213735e-11)
    p = p * s + np.float32(5.12229709037114e-08)
    p = p * s + np.float32(1.48572235717979e-05)
    p = p * s + np.float32(6.37261928875436e-04)
    p = p * s + np.float32(4.89352455891786e-03)
    q = np.float32(1.19825839466702e-06)
    q = q * s + np.float32(1.18534705686654e-04)
    q = q * s + np.float32(2.26843463243900e-03)
    q = q * s + np.float32(4.89352518554385e-03)
    return x * p / q


@njit(**INNER)
def activate(code: int, z: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Replace z (n,) by f(z) and fill f'(z) and f''(z)."""
    one = np.float32(1)
    if code == 0:
        for i in range(len(z)):
            t = _tanh(z[i])
            slope = one - t * t
            z[i], first[i], second[i] = t, slope, np.float32(-2) * t * slope
    elif code == 3:
        for i in range(len(z)):
            g = np.float32(math.exp(np.float32(-0.5) * z[i] * z[i]))
            z[i], first[i], second[i] = g, -z[i] * g, (z[i] * z[i] - one) * g
    else:
        for i in range(len(z)):
            s = np.float32(0.5) * (one + _tanh(np.float32(0.5) * z[i]))
            slope = s * (one - s)
            if code == 1:
                magnitude = abs(z[i])
                soft = np.float32(0.5) * (z[i] + magnitude) + np.float32(math.log1p(math.exp(-magnitude)))
                z[i], first[i], second[i] = soft, s, slope
            else:
                z[i], first[i], second[i] = s, slope, slope * (one - np.float32(2) * s)


@njit(**INNER)
def _forward(
    state: np.ndarray,
    matrix: np.ndarray,
    code: int,
    slope: np.ndarray,
    bend: np.ndarray,
    after: np.ndarray,
) -> np.ndarray:
    """Carry inputs and tangents through one hidden layer.

    Parameters
    ----------
    state : (n, 1 + n_rows, n_in + 1): slot 0 is the input with a trailing 1, slots 1... tangents with a
        trailing 0.
    matrix : (n_out, n_in + 1).
    slope, bend : (n, n_out), filled with f' and f''.
    after : (n, 1 + n_rows, n_out + 1), the next layer's state.

    Returns
    -------
    z : (n, 1 + n_rows, n_out): inputs and tangents before the activation.
    """
    n, n_slots, width = state.shape
    n_out = len(matrix)
    z = np.dot(state.reshape(n * n_slots, width), matrix.T).reshape(n, n_slots, n_out)
    values = np.ascontiguousarray(z[:, 0])
    activate(code, values.reshape(n * n_out), slope.reshape(n * n_out), bend.reshape(n * n_out))
    for i in range(n):
        for k in range(n_out):
            after[i, 0, k] = values[i, k]
        after[i, 0, n_out] = np.float32(1)
        for q in range(1, n_slots):
            for k in range(n_out):
                after[i, q, k] = slope[i, k] * z[i, q, k]
            after[i, q, n_out] = np.float32(0)
    return z


@njit(**INNER)
def _turn_back(last: np.ndarray, slope: np.ndarray, bend: np.ndarray, z: np.ndarray) -> None:
    """Replace ``z`` of the last hidden layer by the adjoints of the output, weighted by ``last`` (n_out,)."""
    n, n_slots, n_out = z.shape
    for i in range(n):
        for k in range(n_out):
            z[i, 0, k] = slope[i, k] * last[k]
            bend[i, k] *= last[k]
        for q in range(1, n_slots):
            for k in range(n_out):
                z[i, q, k] *= bend[i, k]


@njit(**INNER)
def _backward(back: np.ndarray, slope: np.ndarray, bend: np.ndarray, z: np.ndarray) -> None:
    """Replace ``z`` by the adjoints of dE/dh and its tangents, ``back`` (n, 1 + n_rows, n_out or more)."""
    n, n_slots, n_out = z.shape
    for i in range(n):
        for k in range(n_out):
            z[i, 0, k] = slope[i, k] * back[i, 0, k]
            bend[i, k] *= back[i, 0, k]
        for q in range(1, n_slots):
            for k in range(n_out):
                z[i, q, k] = bend[i, k] * z[i, q, k] + slope[i, k] * back[i, q, k]


@njit(**INNER)
def _layer_rows(state: np.ndarray, adjoint: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` (1 + n_rows, n_out, n_in + 1): the derivative of every row by one layer's matrix."""
    n, n_slots, width = state.shape
    n_out = adjoint.shape[2]
    inputs = np.ascontiguousarray(state[:, 0])
    plain = np.ascontiguousarray(adjoint[:, 0])
    np.dot(adjoint.reshape(n, n_slots * n_out).T, inputs, out.reshape(n_slots * n_out, width))
    crossed = np.dot(plain.T, state.reshape(n, n_slots * width)).reshape(n_out, n_slots, width)
    for q in range(1, n_slots):
        for k in range(n_out):
            for c in range(width):
                out[q, k, c] += crossed[k, q, c]


@njit(**INNER)
def network_rows(
    state: np.ndarray, parameters: np.ndarray, sizes: np.ndarray, code: int, rows: list, values: np.ndarray
) -> None:
    """Energy and tangent rows of the atoms of one element in one frame.

    Parameters
    ----------
    state : (n, 1 + n_rows, n_in + 1): slot 0 the inputs x with a trailing 1, the others the tangents t,
        trailing 0.
    parameters : one network's, (n_per_element,).
    sizes : neurons by layer, inputs first.
    code : of the activation.
    rows : per layer (1 + n_rows, n_out, n_in + 1), filled with the derivatives of ``values`` by the weights.
    values : (1 + n_rows,) float64, the sum of energies and of their tangents is added.
    """
    n, n_slots, _ = state.shape
    n_hidden = len(sizes) - 2
    none = np.empty((0, 0), np.float32)
    states, slopes, bends, adjoints = [state], [none], [none], [np.empty((0, 0, 0), np.float32)]
    offset = 0
    for layer in range(n_hidden):
        width, n_out = sizes[layer] + 1, sizes[layer + 1]
        matrix = parameters[offset : offset + n_out * width].reshape(n_out, width)
        offset += n_out * width
        slope, bend = np.empty((n, n_out), np.float32), np.empty((n, n_out), np.float32)
        after = np.empty((n, n_slots, n_out + 1), np.float32)
        adjoints.append(_forward(states[layer], matrix, code, slope, bend, after))
        states.append(after)
        slopes.append(slope)
        bends.append(bend)
    width = sizes[n_hidden] + 1
    last = parameters[offset : offset + width]
    _output_rows(states[n_hidden], last, rows[n_hidden], values)
    if n_hidden:
        _turn_back(last, slopes[n_hidden], bends[n_hidden], adjoints[n_hidden])
    for layer in range(n_hidden - 1, -1, -1):
        width, n_out = sizes[layer] + 1, sizes[layer + 1]
        offset -= n_out * width
        adjoint = adjoints[layer + 1]
        _layer_rows(states[layer], adjoint, rows[layer])
        if layer:
            matrix = parameters[offset : offset + n_out * width].reshape(n_out, width)
            back = np.dot(adjoint.reshape(n * n_slots, n_out), matrix).reshape(n, n_slots, width)
            _backward(back, slopes[layer], bends[layer], adjoints[layer])


@njit(**INNER)
def network_gradients(
    inputs: np.ndarray, parameters: np.ndarray, sizes: np.ndarray, code: int, gradients: np.ndarray
) -> Any:
    """Fill dE/dx (n, n_in) of one element's atoms in a frame and return the sum of their energies.

    ``inputs`` (n, n_in + 1) with a trailing 1; the rest as for ``network_rows``.
    """
    n = len(inputs)
    n_hidden = len(sizes) - 2
    slopes = [np.empty((0, 0), np.float32)]
    values = inputs
    offset = 0
    for layer in range(n_hidden):
        width, n_out = sizes[layer] + 1, sizes[layer + 1]
        matrix = parameters[offset : offset + n_out * width].reshape(n_out, width)
        offset += n_out * width
        z = np.dot(values, matrix.T)
        slope, bend = np.empty((n, n_out), np.float32), np.empty((n, n_out), np.float32)
        activate(code, z.reshape(n * n_out), slope.reshape(n * n_out), bend.reshape(n * n_out))
        values = np.empty((n, n_out + 1), np.float32)
        for i in range(n):
            for k in range(n_out):
                values[i, k] = z[i, k]
            values[i, n_out] = np.float32(1)
        slopes.append(slope)
    width = sizes[n_hidden] + 1
    last = parameters[offset : offset + width]
    energy = 0.0
    back = np.empty((n, width), np.float32)
    for i in range(n):
        total = np.float32(0)
        for k in range(width):
            total += values[i, k] * last[k]
            back[i, k] = last[k]
        energy += total
    for layer in range(n_hidden - 1, -1, -1):
        width, n_out = sizes[layer] + 1, sizes[layer + 1]
        offset -= n_out * width
        matrix = parameters[offset : offset + n_out * width].reshape(n_out, width)
        slope = slopes[layer + 1]
        for i in range(n):
            for k in range(n_out):
                slope[i, k] *= back[i, k]
        back = np.dot(slope, matrix)
    for i in range(n):
        for k in range(sizes[0]):
            gradients[i, k] = back[i, k]
    return energy


@njit(**INNER)
def add_rows(lines: list, factor: float, gradient: np.ndarray) -> None:
    """Add factor times the energy row plus the tangent row to a network's gradient."""
    offset = 0
    for line in lines:
        flat = line.reshape(2, line.shape[1] * line.shape[2])
        for k in range(flat.shape[1]):
            gradient[offset + k] += factor * flat[0, k] + flat[1, k]
        offset += flat.shape[1]


@njit(**OPTIONS)
def batch_rows(
    state: np.ndarray,
    starts: np.ndarray,
    parameters: np.ndarray,
    sizes: np.ndarray,
    code: int,
    scales: np.ndarray,
    rows: np.ndarray,
    values: np.ndarray,
) -> None:
    """Rows of one member for a batch of frames.

    Parameters
    ----------
    state : (n, 1 + n_rows, n_in + 1) of the batch's atoms, sorted by frame and within it by element.
    starts : (n_frames, n_elements + 1) into these atoms.
    parameters : (n_parameters,) of the member.
    sizes, code : widths and activation of a network.
    scales : (n_frames, 1 + n_rows), every row is multiplied by its scale.
    rows : (n_frames * (1 + n_rows), n_parameters), filled.
    values : (n_frames, 1 + n_rows) float64, filled with the unscaled energies and tangents.
    """
    n_frames, n_slots = scales.shape
    n_elements = starts.shape[1] - 1
    per_element = len(parameters) // n_elements
    lines = []
    for layer in range(len(sizes) - 1):
        lines.append(np.empty((n_slots, sizes[layer + 1], sizes[layer] + 1), np.float32))
    for f in range(n_frames):
        for q in range(n_slots):
            values[f, q] = 0
        for e in range(n_elements):
            begin, end, offset = starts[f, e], starts[f, e + 1], e * per_element
            if begin < end:
                network = parameters[offset : offset + per_element]
                network_rows(state[begin:end], network, sizes, code, lines, values[f])
            for line in lines:
                size = line.shape[1] * line.shape[2]
                flat = line.reshape(n_slots, size)
                for q in range(n_slots):
                    factor = scales[f, q] if begin < end else np.float32(0)
                    _scaled(flat[q], factor, rows[f * n_slots + q, offset : offset + size])
                offset += size


@njit(**INNER)
def _scaled(values: np.ndarray, factor: Any, out: np.ndarray) -> None:
    """Fill ``out`` with a vector times a factor; 0 clears it, whatever was there."""
    for k in range(len(values)):
        out[k] = values[k] * factor if factor != 0 else np.float32(0)


@njit(**INNER)
def _output_rows(state: np.ndarray, weights: np.ndarray, row: np.ndarray, values: np.ndarray) -> None:
    """Sum the last hidden layer over the atoms: output rows (1 + n_rows, 1, n_in + 1), values."""
    n, n_slots, width = state.shape
    for q in range(n_slots):
        sums = row[q, 0]
        for k in range(width):
            sums[k] = 0
        for i in range(n):
            for k in range(width):
                sums[k] += state[i, q, k]
        total = 0.0
        for k in range(width):
            total += np.float64(sums[k]) * np.float64(weights[k])
        values[q] += total
