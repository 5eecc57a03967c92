"""A linear part beside a network as a few more neurons in each hidden layer.

A number y passes through an activation f as ``y = constant + sum_k amount_k f(at_k + slope_k y)``: exactly
where f is linear somewhere, else to better than 1e-9 eV where f is nearly linear around ``at_k``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_TINY = 2.0**-27
"""tanh(εy)/ε = y (1 - ε²y²/3): 2e-11 eV at y = 100 eV; near zero it has no rounding error of its own."""

_SMALL = 2.0**-15
"""Neurons at ±ε and ±2ε leave an error of the order ε⁴y⁵: 1e-9 eV at y = 50 eV; rounding adds 1e-11.

An odd activation needs no more than ε and 2ε. SIMPLE-NN's LAMMPS code computes tanh as
``2 / (1 + exp(-2x)) - 1``, which is rounded as a number near 1: with ``_TINY`` y would be off by 3e-8 eV.
"""

_FAR, _GENTLE = 64.0, 2.0**-5
"""softplus, swish, selu and relu are linear far to the right: here for y from -700 eV on."""


@dataclass(frozen=True)
class Passage:
    """How y passes a layer; see the module. ``at``, ``slope`` and ``amount`` are (n_neurons,)."""

    at: np.ndarray
    slope: np.ndarray
    amount: np.ndarray
    constant: float


def passage(activation: str, *, coarse_tanh: bool = False) -> Passage:
    """Return how a number passes a layer; ``coarse_tanh``: the program rounds tanh as a number near 1."""
    if activation == "identity":
        return _passage([0.0], [1.0], [1.0])
    if activation == "tanh" and coarse_tanh:
        h = _SMALL
        return _passage([0.0, 0.0], [h, 2 * h], [4 / 3 / h, -1 / 3 / (2 * h)])
    if activation == "tanh":
        return _passage([0.0], [_TINY], [1 / _TINY])
    if activation == "harmonic":  # (1 + y)² - (1 - y)² = 4 y
        return _passage([1.0, 1.0], [1.0, -1.0], [0.25, -0.25])
    if activation in _LINEAR_FAR:
        amount = 1 / (_GENTLE * _LINEAR_FAR[activation])
        return _passage([_FAR], [_GENTLE], [amount], -_FAR / _GENTLE)
    at, slope = _STEEPEST[activation]
    h = _SMALL
    near, far = 4 / 3 / (2 * h * slope), -1 / 3 / (4 * h * slope)
    return _passage([at] * 4, [h, -h, 2 * h, -2 * h], [near, -near, far, -far])


_LINEAR_FAR = {"softplus": 1.0, "swish": 1.0, "relu": 1.0, "selu": 1.0507009873554804934}
"""Slope far to the right."""

_STEEPEST = {
    "sigmoid": (0.0, 0.25),
    "reversed_sigmoid": (0.0, -0.25),
    "gaussian": (1.0, -float(np.exp(-0.5))),
    "cosine": (float(np.pi / 2), -1.0),
    "exponential": (0.0, -1.0),
}
"""A point where the activation is nearly linear, and its slope there."""


def _passage(
    at: Sequence[float], slope: Sequence[float], amount: Sequence[float], constant: float = 0.0
) -> Passage:
    return Passage(np.array(at), np.array(slope), np.array(amount), constant)


def carry_linear_part(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    activations: Sequence[str],
    linear: np.ndarray,
    constant: float,
    *,
    coarse_tanh: bool = False,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return layers whose output is that of ``layers`` plus ``linear . u + constant``.

    Parameters
    ----------
    layers : weight (n_in, n_out) and bias (n_out,), the last one the linear output of one neuron.
    activations : their names.
    linear : (n_inputs,), of the network's inputs u.
    coarse_tanh : see :func:`passage`.
    """
    grown = []
    read, rest = np.asarray(linear, dtype=np.float64), float(constant)
    added = 0
    for (weight, bias), name in zip(layers[:-1], activations, strict=False):
        way = passage(name, coarse_tanh=coarse_tanh)
        weight = np.concatenate([_taller(weight, added), read[:, None] * way.slope], axis=1)
        grown.append((weight, np.concatenate([bias, way.at + rest * way.slope])))
        added, rest = len(way.at), way.constant
        read = np.concatenate([np.zeros(len(bias)), way.amount])
    weight, bias = layers[-1]
    grown.append((_taller(weight, added) + read[:, None], bias + rest))
    return grown


def _taller(weight: np.ndarray, n_rows: int) -> np.ndarray:
    """Return a weight with ``n_rows`` rows of zeros below it."""
    return np.concatenate([weight, np.zeros((n_rows, weight.shape[1]))])
