"""One plain sentence on the mapping errors of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnpcore.mapping import RegionError, Verdict

CURE = "add structures in which the regions turn into each other (hotter, strained, other surfaces)"


def region_verdict(rmse_mev: float | None, errors: Sequence[RegionError]) -> Verdict:
    """Judge the mapping errors of regions against the energy RMSE (meV/atom).

    With r = max(RMSE, 1 meV/atom) the largest error over r is a warning from 3 on and bad from 10 on, as for
    the equation of state; "unknown" where no region has a reference value.
    """
    from nnpcore.mapping.verdict import BAD_RATIO, SMALLEST_RMSE, WARNING_RATIO, Verdict

    known = [e for e in errors if e.error_mev is not None]
    if not known:
        text = "The regions have no reference values" if errors else "There are no regions"
        return Verdict(f"{text}, so nothing is known about their mapping errors.", "unknown")
    worst = max(abs(e.error_mev or 0.0) for e in known)
    ratio = worst / max(rmse_mev or 0.0, SMALLEST_RMSE)
    start = "" if rmse_mev is None else f"RMSE {rmse_mev:.1f} meV/atom, "
    if ratio < WARNING_RATIO:
        text = f"{start}{'and ' if start else ''}every region is right to {worst:.1f} meV/atom."
        return Verdict(text[:1].upper() + text[1:], "good")
    level = "bad" if ratio >= BAD_RATIO else "warning"
    name = "ad hoc mapping" if level == "bad" else "the mapping is doubtful"
    text = f"{start}{'but ' if start else ''}{_offsets(known)}: {name}; {CURE}."
    return Verdict(text[:1].upper() + text[1:], level)


def _offsets(known: Sequence[RegionError]) -> str:
    """Name the two largest errors, and say so where they cancel."""
    ranked = sorted(known, key=lambda e: -abs(e.error_mev or 0.0))[:2]
    parts = [f"{e.name} is off by {_signed(e.error_mev or 0.0)} meV/atom" for e in ranked]
    if len(ranked) < 2:
        return parts[0]
    first, second = (e.error_mev or 0.0 for e in ranked)
    total = abs(sum((e.error_mev or 0.0) * e.n_atoms for e in ranked))
    whole = sum(abs(e.error_mev or 0.0) * e.n_atoms for e in ranked)
    if first * second < 0 and total < 0.2 * whole:
        return f"{parts[0]} and {ranked[1].name} by {_signed(second)}, offsets that cancel in the total"
    return f"{parts[0]} and {ranked[1].name} by {_signed(second)}"


def _signed(value: float) -> str:
    return f"{value:+.0f}".replace("-", "−")
