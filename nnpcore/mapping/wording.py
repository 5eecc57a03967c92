"""Numbers in sentences."""

from __future__ import annotations


def signed(value: float, places: int) -> str:
    """Return a number with its sign, a true minus: "+13", "−0.4"; what rounds to zero has none."""
    text = f"{value:+.{places}f}"
    return text.replace("-", "−") if float(text) else text[1:]
