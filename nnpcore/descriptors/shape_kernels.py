"""Compiled shapes and distance factors, one number at a time; see :mod:`nnpcore.descriptors.shapes`."""

from __future__ import annotations

import math

from numba import njit

from nnpcore.descriptors.shapes import FIRST_ASYMMETRIC, FIRST_CHEBYSHEV, FIRST_WAVE
from nnpcore.descriptors.simd import HELPER, get

_OF_ONE = math.tanh(1.0) ** -3
_NEARLY_ZERO = 1e-200
"""Stands for a zero between others: slopes are kept relative to their values."""


@njit(**HELPER)
def _polynomial(order: int, y: float) -> tuple[float, float]:
    """The polynomial with ``order`` derivatives that vanish at 0 and 1, and its derivative."""
    z = y * y
    if order == 1:
        return 1.0 + z * (2.0 * y - 3.0), 6.0 * y * (y - 1.0)
    if order == 2:
        return 1.0 + z * y * (y * (15.0 - 6.0 * y) - 10.0), -30.0 * z * (1.0 - y) ** 2
    if order == 3:
        return 1.0 + z * z * (y * (84.0 + y * (20.0 * y - 70.0)) - 35.0), -140.0 * z * y * (1.0 - y) ** 3
    inner = y * (420.0 + y * (y * (315.0 - 70.0 * y) - 540.0)) - 126.0
    return 1.0 + z * z * y * inner, -630.0 * z * z * (1.0 - y) ** 4


@njit(**HELPER)
def _chebyshev(order: int, y: float) -> tuple[float, float]:
    """T_n(2y - 1) times the cosine cutoff, and its derivative."""
    x = 2.0 * y - 1.0
    t, before, slope, slope_before = 1.0, x, 0.0, 1.0
    for _ in range(order):
        t, before = 2.0 * x * t - before, t
        slope, slope_before = 2.0 * before + 2.0 * x * slope - slope_before, slope
    cosine, sine = math.cos(0.5 * math.pi * y), math.sin(0.5 * math.pi * y)
    f = cosine * cosine * t
    return f if f != 0.0 else _NEARLY_ZERO, 2.0 * cosine * cosine * slope - math.pi * sine * cosine * t


@njit(**HELPER)
def shape_of(shape: int, y: float) -> tuple[float, float]:
    """f(y) and f'(y) of the shape at this place in ``SHAPES``, 0 from y = 1 on."""
    if y >= 1.0:
        return 0.0, 0.0
    if shape == 0:
        return 1.0, 0.0
    if shape == 1:
        cosine, sine = math.cos(0.5 * math.pi * y), math.sin(0.5 * math.pi * y)
        return cosine * cosine, -math.pi * sine * cosine
    if shape <= 3:
        scale = 1.0 if shape == 2 else _OF_ONE
        t = math.tanh(1.0 - y)
        return scale * t * t * t, 3.0 * scale * t * t * (t * t - 1.0)
    if shape == 4:
        rest = 1.0 / (1.0 - y * y)
        f = math.exp(1.0 - rest)
        return f, -2.0 * y * rest * rest * f
    if shape < FIRST_ASYMMETRIC:
        return _polynomial(shape - 4, y)
    if shape >= FIRST_WAVE:
        k = 2.0 * math.pi * (shape - FIRST_WAVE)
        return math.cos(k * y), -k * math.sin(k * y)
    if shape >= FIRST_CHEBYSHEV:
        return _chebyshev(shape - FIRST_CHEBYSHEV, y)
    f, slope = _polynomial(shape - FIRST_ASYMMETRIC + 1, y * (2.0 - y))
    return f, 2.0 * slope * (1.0 - y)


@njit(**HELPER)
def distance_factor(row: int, r2: float) -> tuple[float, float]:
    """h and dh/dr² of the factor whose numbers lie at this address: see ``factor_value`` of the tables."""
    eta, r_s, center, two_sided = get(row, 0), get(row, 2), get(row, 4), get(row, 6)
    r, side = math.sqrt(r2), 1.0
    y = (r - center) * get(row, 5)
    if y < 0.0:
        side = -1.0 if two_sided != 0.0 else 0.0
        y = y * side
    f, slope = shape_of(int(get(row, 3)), y)
    u = math.exp(-eta * (r - r_s) * (r - r_s))
    return u * f, u * (side * slope * get(row, 5) - 2.0 * eta * (r - r_s) * f) / (2.0 * r)
