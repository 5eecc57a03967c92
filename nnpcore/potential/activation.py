"""Activation functions with their first two derivatives, the same code for numpy arrays and torch tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnpcore.errors import PotentialError

Array = Any
"""A numpy array or a torch tensor."""


def array_module(x: Array) -> Any:
    """Return ``numpy`` or ``torch``, whichever the array belongs to; torch is imported only for tensors."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np
    import torch

    return torch


def _tanh(z: Array) -> tuple[Array, Array]:
    t = array_module(z).tanh(z)
    return t, 1 - t * t


def _tanh_second(z: Array) -> Array:
    t = array_module(z).tanh(z)
    return -2 * t * (1 - t * t)


def _sigmoid_value(z: Array) -> Array:
    return 0.5 * (1 + array_module(z).tanh(0.5 * z))


def _sigmoid(z: Array) -> tuple[Array, Array]:
    s = _sigmoid_value(z)
    return s, s * (1 - s)


def _sigmoid_second(z: Array) -> Array:
    s = _sigmoid_value(z)
    return s * (1 - s) * (1 - 2 * s)


def _reversed_sigmoid(z: Array) -> tuple[Array, Array]:
    s = _sigmoid_value(z)
    return 1 - s, -s * (1 - s)


def _softplus(z: Array) -> tuple[Array, Array]:
    xp = array_module(z)
    magnitude = xp.abs(z)
    return 0.5 * (z + magnitude) + xp.log1p(xp.exp(-magnitude)), _sigmoid_value(z)


def _relu(z: Array) -> tuple[Array, Array]:
    positive = (z > 0) * (z * 0 + 1)
    return z * positive, positive


def _gaussian(z: Array) -> tuple[Array, Array]:
    g = array_module(z).exp(-0.5 * z * z)
    return g, -z * g


def _cosine(z: Array) -> tuple[Array, Array]:
    xp = array_module(z)
    return xp.cos(z), -xp.sin(z)


def _exponential(z: Array) -> tuple[Array, Array]:
    e = array_module(z).exp(-z)
    return e, -e


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848
"""Of self-normalising networks, Klambauer et al. (2017)."""


def _selu_parts(z: Array) -> tuple[Array, Array, Array]:
    """Return (z > 0 as numbers, α exp(z) of the negative part, the positive part)."""
    positive = (z > 0) * (z * 0 + 1)
    return positive, _SELU_ALPHA * array_module(z).exp(z * (1 - positive)), z * positive


def _selu(z: Array) -> tuple[Array, Array]:
    positive, decay, linear = _selu_parts(z)
    value = linear + (1 - positive) * (decay - _SELU_ALPHA)
    return _SELU_SCALE * value, _SELU_SCALE * (positive + (1 - positive) * decay)


def _selu_second(z: Array) -> Array:
    positive, decay, _ = _selu_parts(z)
    return _SELU_SCALE * (1 - positive) * decay


def _swish(z: Array) -> tuple[Array, Array]:
    s = _sigmoid_value(z)
    return z * s, s + z * s * (1 - s)


def _swish_second(z: Array) -> Array:
    s = _sigmoid_value(z)
    return s * (1 - s) * (2 + z * (1 - 2 * s))


@dataclass(frozen=True)
class Activation:
    """One activation function f.

    Attributes
    ----------
    name : the name used in files and settings.
    with_derivative : z -> (f(z), f'(z)), shaped and typed as z.
    second : z -> f''(z).
    """

    name: str
    with_derivative: Callable[[Array], tuple[Array, Array]]
    second: Callable[[Array], Array]

    def value(self, z: Array) -> Array:
        """Return f(z)."""
        return self.with_derivative(z)[0]


ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("tanh", _tanh, _tanh_second),
        Activation("softplus", _softplus, lambda z: _sigmoid(z)[1]),
        Activation("sigmoid", _sigmoid, _sigmoid_second),
        Activation("reversed_sigmoid", _reversed_sigmoid, lambda z: -_sigmoid_second(z)),
        Activation("relu", _relu, lambda z: z * 0),
        Activation("identity", lambda z: (z, z * 0 + 1), lambda z: z * 0),
        Activation("gaussian", _gaussian, lambda z: (z * z - 1) * _gaussian(z)[0]),
        Activation("cosine", _cosine, lambda z: -_cosine(z)[0]),
        Activation("exponential", _exponential, lambda z: _exponential(z)[0]),
        Activation("harmonic", lambda z: (z * z, 2 * z), lambda z: z * 0 + 2),
        Activation("selu", _selu, _selu_second),
        Activation("swish", _swish, _swish_second),
    )
}
"""Every known activation by name; as in n2p2, gaussian is exp(-z²/2), exponential exp(-z), harmonic z²."""

_ALIASES = {"logistic": "sigmoid", "linear": "identity"}


def get_activation(name: str) -> Activation:
    """Return the activation of that name; raise :class:`PotentialError` naming the known ones."""
    found = ACTIVATIONS.get(_ALIASES.get(name, name))
    if found is None:
        raise PotentialError(
            f"unknown activation function '{name}'",
            where="activation",
            fix=f"Use one of {', '.join(ACTIVATIONS)}",
        )
    return found
