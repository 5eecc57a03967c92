"""One plain sentence on whether the atomic energies can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nnpcore.mapping.distance import Bracket
from nnpcore.mapping.eos import EosReport

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
_CURE_OF_SLOPE = f"{_CURE} or turn on the stress loss"
_ORDER: tuple[Level, ...] = ("good", "warning", "bad")


@dataclass(frozen=True)
class Verdict:
    """The sentence, and "good", "warning", "bad" or "unknown"."""

    text: str
    level: Level


def verdict(rmse_mev: float | None, report: EosReport | None, bracket: Bracket | None = None) -> Verdict:
    """Judge the atomic-energy mapping at the invariant points, and say what to do about it.

    Parameters
    ----------
    rmse_mev : energy RMSE of the ensemble mean on the validation frames (training frames without any),
        meV/atom. None, when unknown, is treated as 1 meV/atom.
    report, bracket : of the EOS; None where there is no EOS data.

    Rules, with r = max(RMSE, 1 meV/atom), all within the bracket:

    - unknown: no EOS data, no reference energies, or the crystal is out of reach of the training set.
    - error: RMSE of E_at against the reference over r; from 3 on a warning, from 10 on bad.
    - slope: |slope error at the reference V0| / reference B0; from 1 % on a warning, from 2 % on bad.
    - spread: mean std of the members over r; from 6 on a warning (members that disagree are not to be
      trusted, even where their mean happens to be right).

    The worst of the three counts.
    """
    missing = _missing(report, bracket)
    if report is None or missing:
        return Verdict(_sentence(rmse_mev, "but", missing), "unknown")
    level = _ORDER[max(_error_grade(rmse_mev, report), _slope_grade(report), _spread_grade(rmse_mev, report))]
    if level == "good":
        return Verdict(_sentence(rmse_mev, "and", _good_text(report)), level)
    return Verdict(_sentence(rmse_mev, "but", _bad_text(rmse_mev, report, level)), level)


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


def _spread_grade(rmse_mev: float | None, report: EosReport) -> int:
    ratio = (report.std_in_bracket_mev or 0.0) / max(rmse_mev or 0.0, SMALLEST_RMSE)
    return 1 if ratio >= SPREAD_RATIO else 0


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
        parts.append(f"its slope by {report.slope_error_gpa:+.1f} GPa" if parts else _slope_text(report))
    if not parts:
        disagree = f"the members disagree by {report.std_in_bracket_mev:.0f} meV on E_at of the crystal"
        return f"{disagree}: the data leave it open; {_CURE_OF_SLOPE}"
    cure = _CURE_OF_SLOPE if _slope_grade(report) else _CURE
    name = "ad hoc mapping" if level == "bad" else "the mapping is doubtful"
    return f"{' and '.join(parts)}: {name}; {cure}"


def _slope_text(report: EosReport) -> str:
    return f"the slope of E_at(V) is off by {report.slope_error_gpa:+.1f} GPa"


def _error_text(report: EosReport) -> str:
    if report.worst is None or report.v0 is None:
        return f"E_at of the crystal is off by {report.rmse_in_bracket_mev:.0f} meV"
    error = float(report.error_mev[report.worst])
    return f"E_at of the crystal is off by {error:+.0f} meV at {_strain_text(report)}"


def _strain_text(report: EosReport) -> str:
    assert report.worst is not None and report.v0 is not None
    strain = 100.0 * (float(report.volumes[report.worst]) / report.v0 - 1.0)
    return "its equilibrium volume" if abs(strain) < 0.5 else f"{strain:+.0f} % volume"
