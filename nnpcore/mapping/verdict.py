"""One plain sentence on whether the atomic energies can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nnpcore.mapping.distance import Bracket
from nnpcore.mapping.eos import EosReport
from nnpcore.mapping.region_errors import RegionError

Level = Literal["good", "warning", "bad", "unknown"]

SMALLEST_RMSE = 1.0
"""meV/atom: the RMSE that mapping errors are compared with is not taken smaller than this."""

WARNING_RATIO, BAD_RATIO = 3.0, 10.0
"""Mapping error over RMSE from which it is doubtful, and from which the mapping is ad hoc."""

SPREAD_RATIO = 6.0
"""Spread of the members over RMSE from which their mean is not to be trusted."""

WARNING_SHIFT, BAD_SHIFT = 0.01, 0.02
"""|slope error| / B0: by this share of its volume a crystal would relax wrongly."""

_CURE = "add structures at other volumes"
_CURE_OF_REGIONS = "add hotter or intermediate structures"
_MOST_LISTED = 3
_CURE_OF_SLOPE = f"{_CURE} or turn on the stress loss"
_ORDER: tuple[Level, ...] = ("good", "warning", "bad")


@dataclass(frozen=True)
class Verdict:
    """The sentence, and "good", "warning", "bad" or "unknown"."""

    text: str
    level: Level


def verdict(
    rmse_mev: float | None,
    report: EosReport | None,
    bracket: Bracket | None = None,
    regions: Sequence[RegionError] = (),
) -> Verdict:
    """Judge the atomic-energy mapping at the invariant points and in regions, and say what to do about it.

    Parameters
    ----------
    rmse_mev : energy RMSE of the ensemble mean on the validation frames (training frames without any),
        meV/atom. None, when unknown, is treated as 1 meV/atom.
    report, bracket : of the EOS; None where there is no EOS data.
    regions : mapping errors of regions; those without a reference value do not count.

    Rules, with r = max(RMSE, 1 meV/atom), those of the EOS within the bracket:

    - unknown: no region has a reference value, and there is no EOS data, no reference energies, or the
      crystal is out of reach of the training set.
    - error: RMSE of E_at against the reference over r; from 3 on a warning, from 10 on bad.
    - slope: |slope error at the reference V0| / reference B0; from 1 % on a warning, from 2 % on bad.
    - spread: mean std of the members over r; from 6 on a warning (members that disagree are not to be
      trusted, even where their mean happens to be right).
    - regions: the largest |error| of a region over r; from 3 on a warning, from 10 on bad. Their spread as
      that of the crystal.

    The worst of them counts; the sentence is about the crystal unless the regions are worse.
    """
    known = [e for e in regions if e.error_mev is not None]
    of_regions = region_grade(rmse_mev, known)
    missing = _missing(report, bracket)
    if report is None or missing:
        if not known:
            return Verdict(_sentence(rmse_mev, "but", missing), "unknown")
        return _region_verdict(rmse_mev, known, of_regions)
    spread = (report.std_in_bracket_mev or 0.0) / max(rmse_mev or 0.0, SMALLEST_RMSE)
    grade = max(_error_grade(rmse_mev, report), _slope_grade(report), int(spread >= SPREAD_RATIO))
    if of_regions > grade:
        return _region_verdict(rmse_mev, known, of_regions)
    level = _ORDER[grade]
    if level == "good":
        text = _good_text(report) + (f"; regions: {region_list(known)}" if known else "")
        return Verdict(_sentence(rmse_mev, "and", text), level)
    text = _bad_text(rmse_mev, report, level) + (f" (regions: {region_list(known)})" if of_regions else "")
    return Verdict(_sentence(rmse_mev, "but", text), level)


def region_grade(rmse_mev: float | None, regions: Sequence[RegionError]) -> int:
    """Return 0, 1 or 2 for regions that are right, doubtful or wrong."""
    floor = max(rmse_mev or 0.0, SMALLEST_RMSE)
    errors = [_grade(abs(e.error_mev or 0.0) / floor, WARNING_RATIO, BAD_RATIO) for e in regions]
    spreads = [1 if e.std_mev / floor >= SPREAD_RATIO else 0 for e in regions]
    return max([0, *errors, *spreads])


def region_list(regions: Sequence[RegionError]) -> str:
    """Return "bulk +130, surface -80 meV/atom", the worst first, three at most."""
    ordered = sorted(regions, key=lambda e: -abs(e.error_mev or 0.0))
    text = ", ".join(f"{e.name} {e.error_mev:+.0f}" for e in ordered[:_MOST_LISTED])
    more = len(ordered) - _MOST_LISTED
    return f"{text} meV/atom" + (f" and {more} more" if more > 0 else "")


def _region_verdict(rmse_mev: float | None, regions: Sequence[RegionError], grade: int) -> Verdict:
    level = _ORDER[grade]
    if level == "good":
        worst = max(abs(e.error_mev or 0.0) for e in regions)
        text = f"the regions' atomic energies are right to {worst:.1f} meV ({region_list(regions)})"
        return Verdict(_sentence(rmse_mev, "and", text), level)
    floor = max(rmse_mev or 0.0, SMALLEST_RMSE)
    if max(abs(e.error_mev or 0.0) for e in regions) / floor < WARNING_RATIO:
        spread = max(regions, key=lambda e: e.std_mev)
        text = f"the members disagree by {spread.std_mev:.0f} meV on {spread.name}: the data leave it open"
        return Verdict(_sentence(rmse_mev, "but", f"{text}; {_CURE_OF_REGIONS}"), level)
    name = "ad hoc mapping" if level == "bad" else "the mapping is doubtful"
    word = "cancel" if _cancel(regions) else "are off" if len(regions) > 1 else "is off"
    text = f"{region_list(regions)} {word}: {name}; {_CURE_OF_REGIONS}"
    return Verdict(_sentence(rmse_mev, "but", text), level)


def _cancel(regions: Sequence[RegionError]) -> bool:
    """Whether errors of both signs make up for each other in the total energy, to a third or better."""
    sums = [e.n_atoms * (e.error_mev or 0.0) for e in regions]
    return min(sums) < 0 < max(sums) and abs(sum(sums)) < sum(map(abs, sums)) / 3


def _sentence(rmse_mev: float | None, word: str, text: str) -> str:
    if rmse_mev is None:
        return f"{text[0].upper()}{text[1:]}."
    return f"RMSE {rmse_mev:.1f} meV/atom, {word} {text}."


def _missing(report: EosReport | None, bracket: Bracket | None) -> str:
    if report is None:
        return "nothing tells whether the atomic energies are right: add a crystal's volume scan (EOS role)"
    if report.reference_fit is None:
        return (
            f"the atomic energies have nothing to be compared with ({report.message}): add reference energies"
        )
    if report.rmse_in_bracket_mev is None:
        if bracket is not None and bracket.low is not None:
            reach = f"{bracket.low:.2f} to {bracket.high:.2f} Å³/atom"
            return (
                f"the scan has no reference energies in reach of the training set ({reach}): add some there"
            )
        why = bracket.message if bracket is not None else "the reach of the training set is not known"
        return f"{why}: E_at of the crystal is a guess; add structures closer to it"
    return ""


def _grade(value: float, warning: float, bad: float) -> int:
    return 2 if value >= bad else 1 if value >= warning else 0


def _error_grade(rmse_mev: float | None, report: EosReport) -> int:
    ratio = (report.rmse_in_bracket_mev or 0.0) / max(rmse_mev or 0.0, SMALLEST_RMSE)
    return _grade(ratio, WARNING_RATIO, BAD_RATIO)


def _slope_grade(report: EosReport) -> int:
    if report.slope_error_gpa is None or report.reference_fit is None:
        return 0
    return _grade(abs(report.slope_error_gpa) / report.reference_fit.b0_gpa, WARNING_SHIFT, BAD_SHIFT)


def _good_text(report: EosReport) -> str:
    text = (
        f"E_at of the crystal is right to {report.rmse_in_bracket_mev:.1f} meV in reach of the training set"
    )
    if report.slope_error_gpa is not None:
        text += f" (slope error {report.slope_error_gpa:+.1f} GPa)"
    return text


def _bad_text(rmse_mev: float | None, report: EosReport, level: Level) -> str:
    parts = []
    if _error_grade(rmse_mev, report):
        parts.append(_error_text(report))
    if _slope_grade(report):
        subject, verb = ("its slope", "") if parts else ("the slope of E_at(V)", "is off ")
        parts.append(f"{subject} {verb}by {report.slope_error_gpa:+.1f} GPa")
    if not parts:
        disagree = f"the members disagree by {report.std_in_bracket_mev:.0f} meV on E_at of the crystal"
        return f"{disagree}: the data leave it open; {_CURE_OF_SLOPE}"
    cure = _CURE_OF_SLOPE if _slope_grade(report) else _CURE
    name = "ad hoc mapping" if level == "bad" else "the mapping is doubtful"
    return f"{' and '.join(parts)}: {name}; {cure}"


def _error_text(report: EosReport) -> str:
    if report.worst is None or report.v0 is None:
        return f"E_at of the crystal is off by {report.rmse_in_bracket_mev:.0f} meV"
    error = float(report.error_mev[report.worst])
    strain = 100.0 * (float(report.volumes[report.worst]) / report.v0 - 1.0)
    where = "its equilibrium volume" if abs(strain) < 0.5 else f"{strain:+.0f} % volume"
    return f"E_at of the crystal is off by {error:+.0f} meV at {where}"
