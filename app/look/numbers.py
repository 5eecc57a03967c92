"""Numbers to be read: decimals, true minus signs, and round ones for the ticks of an axis."""

from __future__ import annotations

import math

import numpy as np

_NICE = (1.0, 2.0, 5.0, 10.0)


_further = {"digits": 0}


def set_further_digits(digits: int) -> bool:
    """Show numbers with so many digits more than usual; return whether that is a change."""
    changed = digits != _further["digits"]
    _further["digits"] = digits
    return changed


def true_minus(text: str) -> str:
    """Return a text with true minus signs."""
    return text.replace("-", "−")


def number_text(value: float | None, places: int, sign: bool = False) -> str:
    """Return a number with a true minus sign, or a dash where it is unknown."""
    if value is None or not np.isfinite(value):
        return "–"
    digits = places + _further["digits"]
    return true_minus(f"{value:{'+' if sign else ''}.{digits}f}")


def duration(seconds: float) -> str:
    """Return a time as h:mm:ss or m:ss."""
    minutes, left = divmod(round(seconds), 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02d}:{left:02d}" if hours else f"{rest}:{left:02d}"


def nice_step(span: float, most: int) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that gives at most ``most`` intervals."""
    raw = span / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    return next(power * n for n in _NICE if power * n >= raw * (1 - 1e-9))


def tick_step(low: float, high: float, most: int) -> float:
    """Return the smallest round step that has at most ``most + 1`` multiples in [low, high]."""
    step = nice_step(high - low, 4 * max(most, 1))
    while math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) > most:
        step = nice_step(step * 1.5, 1)
    return step


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most + 1`` round numbers in [low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    step = tick_step(low, high, most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [0.0 if k == 0 else k * step for k in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between 10^low and 10^high as their log10: decades, then 2 and 5, then any."""
    if high - low > 400 or not math.isfinite(high - low):
        return []
    decades = range(math.floor(low) - 1, math.ceil(high) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [k + math.log10(d) for k in decades for d in digits]
        ticks = [t for t in ticks if low - 1e-9 <= t <= high + 1e-9]
        if len(ticks) <= most + 1:
            break
    else:
        step = math.ceil(len(ticks) / max(most, 1))
        even = [t for t in ticks if round(t) % step == 0]
        ticks = even if len(even) >= 2 else ticks[:: math.ceil((len(ticks) - 1) / max(most, 1))]
    if len(ticks) >= 2:
        return ticks
    return [math.log10(v) for v in linear_ticks(10.0**low, 10.0**high, most) if v > 0]


def tick_text(value: float, step: float) -> str:
    """Return a number with just the decimals its step needs, with a true minus sign."""
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-4):
        text = f"{value:.3g}"
    else:
        places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
        text = f"{value:.{min(places, 8)}f}"
    return true_minus(text)


def is_plain(value: float) -> bool:
    """Whether 10^value is written without an exponent."""
    return 1e-4 <= 10.0**value < 1e5


def log_text(value: float, powers: bool = False) -> str:
    """Return 10^value without exponents between 0.0001 and 100000, as a superscript power outside.

    ``powers``: as a power inside, too, except 1: labels of one axis are written alike.
    """
    number = 10.0**value
    if abs(value) < 1e-9 or (is_plain(value) and not powers):
        return f"{number:.10g}" if abs(value - round(value)) < 1e-9 else f"{float(f'{number:.3g}'):.10g}"
    mantissa = number / 10.0 ** math.floor(value + 1e-9)
    power = str(math.floor(value + 1e-9)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if abs(mantissa - 1) < 1e-6 else f"{mantissa:.2g}·10{power}"
