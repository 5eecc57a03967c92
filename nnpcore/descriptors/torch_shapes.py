"""Shapes, distance factors and factors of the angle with torch; see :mod:`nnpcore.descriptors.shapes`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nnpcore.descriptors.shapes import (
    FIRST_ASYMMETRIC,
    FIRST_CHEBYSHEV,
    FIRST_WAVE,
    SHAPES,
    AngleFactor,
    DistanceFactor,
)

_SMALLEST_BASE = 1e-14
_SMALLEST_SINE = 1e-7
_POLYNOMIALS = (
    (1.0, (-3.0, 2.0)),
    (1.0, (-10.0, 15.0, -6.0)),
    (1.0, (-35.0, 84.0, -70.0, 20.0)),
    (1.0, (-126.0, 420.0, -540.0, 315.0, -70.0)),
)
"""Constant, and coefficients from the power n + 1 on, of the n-th polynomial."""


def _polynomial(order: int, y: Tensor) -> tuple[Tensor, Tensor]:
    constant, coefficients = _POLYNOMIALS[order - 1]
    value, slope = torch.zeros_like(y), torch.zeros_like(y)
    for power, coefficient in reversed(list(enumerate(coefficients, start=order + 1))):
        value = value * y + coefficient
        slope = slope * y + power * coefficient
    return constant + value * y ** (order + 1), slope * y**order


def _chebyshev(order: int, y: Tensor) -> tuple[Tensor, Tensor]:
    x = 2.0 * y - 1.0
    t, before, slope, slope_before = torch.ones_like(y), x, torch.zeros_like(y), torch.ones_like(y)
    for _ in range(order):
        t, before = 2.0 * x * t - before, t
        slope, slope_before = 2.0 * before + 2.0 * x * slope - slope_before, slope
    cosine, sine = torch.cos(0.5 * math.pi * y), torch.sin(0.5 * math.pi * y)
    return cosine**2 * t, 2.0 * cosine**2 * slope - math.pi * sine * cosine * t


def shape_of(shape: str, y: Tensor) -> tuple[Tensor, Tensor]:
    """f(y) and f'(y) of a shape for y >= 0, zero from y = 1 on."""
    inside = y < 1.0
    y = torch.where(inside, y, torch.full_like(y, 0.5))
    place = SHAPES.index(shape)
    if shape == "hard":
        f, slope = torch.ones_like(y), torch.zeros_like(y)
    elif shape == "cosine":
        cosine, sine = torch.cos(0.5 * math.pi * y), torch.sin(0.5 * math.pi * y)
        f, slope = cosine**2, -math.pi * sine * cosine
    elif shape in ("tanh3", "tanh3_one"):
        scale = 1.0 if shape == "tanh3" else math.tanh(1.0) ** -3
        t = torch.tanh(1.0 - y)
        f, slope = scale * t**3, 3.0 * scale * t * t * (t * t - 1.0)
    elif shape == "exponential":
        rest = 1.0 / (1.0 - y * y)
        f = torch.exp(1.0 - rest)
        slope = -2.0 * y * rest * rest * f
    elif place < FIRST_ASYMMETRIC:
        f, slope = _polynomial(place - 4, y)
    elif place >= FIRST_WAVE:
        k = 2.0 * math.pi * (place - FIRST_WAVE)
        f, slope = torch.cos(k * y), -k * torch.sin(k * y)
    elif place >= FIRST_CHEBYSHEV:
        f, slope = _chebyshev(place - FIRST_CHEBYSHEV, y)
    else:
        f, slope = _polynomial(place - FIRST_ASYMMETRIC + 1, y * (2.0 - y))
        slope = 2.0 * slope * (1.0 - y)
    zero = torch.zeros((), dtype=y.dtype, device=y.device)
    return torch.where(inside, f, zero), torch.where(inside, slope, zero)


def distance_factors(r: Tensor, factors: Sequence[DistanceFactor]) -> tuple[Tensor, Tensor]:
    """h and dh/dr² of every factor in a last dimension added to r, weights left out."""
    shapes: dict[DistanceFactor, tuple[Tensor, Tensor]] = {}
    h, dh = r.new_empty(*r.shape, len(factors)), r.new_empty(*r.shape, len(factors))
    for index, factor in enumerate(factors):
        alike = factor._replace(eta=0.0, r_s=0.0)
        if alike not in shapes:
            shapes[alike] = _shape_at(r, alike)
        f, slope = shapes[alike]
        u = torch.exp(-factor.eta * (r - factor.r_s) ** 2)
        h[..., index] = u * f
        dh[..., index] = u * (slope - 2.0 * factor.eta * (r - factor.r_s) * f) / (2.0 * r)
    return h, dh


def _shape_at(r: Tensor, factor: DistanceFactor) -> tuple[Tensor, Tensor]:
    """The shape of a factor at r, and its derivative by r."""
    y = (r - factor.center) / factor.width
    f, slope = shape_of(factor.shape, y.abs() if factor.two_sided else y.clamp(min=0.0))
    side = torch.sign(y) if factor.two_sided else (y > 0.0).to(y.dtype)
    return f, slope * side / factor.width


def angle_factors(cosine: Tensor, share: Tensor, factors: Sequence[AngleFactor]) -> tuple[Tensor, Tensor]:
    """u and u'(cosθ)/(r_ij r_ik), (C, N, N, n_factors)."""
    u = cosine.new_empty(*cosine.shape, len(factors))
    v = torch.empty_like(u)
    for index, factor in enumerate(factors):
        if factor.shape:
            value, slope = _compact(cosine, factor)
        else:
            value, slope = _power(cosine, factor)
        u[..., index] = value
        v[..., index] = slope * share
    return u, v


def _compact(cosine: Tensor, factor: AngleFactor) -> tuple[Tensor, Tensor]:
    cosine = cosine.clamp(-1.0, 1.0)
    sine = torch.sqrt(1.0 - cosine * cosine)
    y = (torch.acos(cosine) - factor.first) / factor.second
    f, slope = shape_of(factor.shape, y.abs())
    along = slope * torch.sign(y) / factor.second
    safe = sine > _SMALLEST_SINE
    return f, torch.where(
        safe, -along / torch.where(safe, sine, torch.ones_like(sine)), torch.zeros_like(sine)
    )


def _power(cosine: Tensor, factor: AngleFactor) -> tuple[Tensor, Tensor]:
    zeta, lambda_ = factor.first, factor.second
    base = (0.5 * (1.0 + lambda_ * cosine)).clamp(min=0.0)
    power = base ** (zeta - 1.0)
    if zeta < 1.0 or zeta != int(zeta):
        power = torch.where(base > _SMALLEST_BASE, power, torch.zeros_like(power))
    return 2.0 * base * power, zeta * lambda_ * power
