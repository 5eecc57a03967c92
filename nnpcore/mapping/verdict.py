"""One plain sentence on whether the atomic energies can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from nnpcore.mapping.distance import Bracket
from nnpcore.mapping.eos import EosReport
from nnpcore.mapping.findings import (
    FEW_ATOMS,
    FEW_MARGIN,
    MARGIN,
    SPREAD_MARGIN,
    SPREADS,
    Finding,
    Level,
    levels_of_all,
    one_of,
    rank_of,
)
from nnpcore.mapping.region_errors import RegionError
from nnpcore.mapping.wording import signed
from nnpcore.units import MEV_PER_EV

__all__ = ["Foretold", "Level", "Verdict", "region_finding", "region_list", "verdict"]

SMALLEST_RMSE = 1.0
"""meV/atom: the RMSE that mapping errors are compared with is not taken smaller than this."""

RIGHT_RATIO = 4.0
"""Mapping error over RMSE from which it is no longer right, and spread over RMSE from which it would be so by
luck."""

RIGHT_SHIFT = 0.015
"""The same of a slope, as a share of B0: by so much of its volume a crystal would relax wrongly."""

RIGHT_SHARE = 0.12
"""Share of the energy that a strain costs up to which an error there is no larger than it needs to be: what a
bulk modulus wrong by as much makes of it."""

CURE = "add structures at other volumes"
CURE_OF_SLOPE = f"{CURE} or turn on the stress loss"
CURE_OF_REGIONS = "add hotter or intermediate structures"
TRAIN_ON = "train on, or with other settings"
_MOST_LISTED = 3


@dataclass(frozen=True, eq=False)
class Foretold:
    """Standard deviations that the training data leave open, foretold without any network; None: unknown.

    Attributes
    ----------
    crystal_mev : (n,) of E_at of the crystal at ``volumes``, meV/atom.
    volumes : (n,) Å³/atom, rising; None for those of the volume scan.
    slope_gpa : of dE/dV at the reference's V0, GPa.
    regions_mev : of the mean energies of regions, by their names, meV/atom.
    n_atoms : atoms of the training frames that told it; None: enough.
    """

    crystal_mev: np.ndarray | None = None
    volumes: np.ndarray | None = None
    slope_gpa: float | None = None
    regions_mev: Mapping[str, float] = field(default_factory=dict)
    n_atoms: int | None = None

    @property
    def margin(self) -> float:
        """Factor to which the spreads are known."""
        few = self.n_atoms is not None and self.n_atoms < FEW_ATOMS
        return FEW_MARGIN if few else SPREAD_MARGIN


@dataclass(frozen=True)
class Verdict:
    """The sentence, its level, and whether further structures would help (what *Cure* looks for).

    ``levels`` : between which a doubtful one is. ``findings`` : what was judged, crystal first.
    """

    text: str
    level: Level
    curable: bool = False
    levels: tuple[Level, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def of_crystal(self) -> Level:
        """Level of the crystal alone."""
        own = tuple(f for f in self.findings if f.cure != CURE_OF_REGIONS)
        return one_of(levels_of_all(own))

    def of_region(self, name: str) -> Level:
        """Level of a region alone; of several of one name that of the worst."""
        own = tuple(f for f in self.findings if f.cure == CURE_OF_REGIONS and f.subject == name)
        return one_of(levels_of_all(own))


def verdict(
    rmse_mev: float | None,
    report: EosReport | None,
    bracket: Bracket | None = None,
    regions: Sequence[RegionError] = (),
    foretold: Foretold | None = None,
) -> Verdict:
    """Judge the atomic-energy mapping at the invariant points and in regions, and say what to do about it.

    Parameters
    ----------
    rmse_mev : energy RMSE of the ensemble mean on the validation frames (training frames without any),
        meV/atom. None, when unknown, is treated as 1 meV/atom.
    report, bracket : of the EOS; None where there is no EOS data.
    regions : mapping errors of regions; those without a reference value do not count.
    foretold : how far the training data determine all this; None where nobody foretold it.

    Three kinds of errors are found: RMSE of E_at within the bracket, the slope at the reference's V0, and
    the mean of each region. With r = max(RMSE, 1 meV/atom) each is

    - right up to 4 r (1.5 % of B0 for a slope); of a strained crystal up to 4 r and 12 % of what the strain
      costs, in quadrature, so that errors and spreads far from V0 weigh less,
    - open where it is larger, but within two foretold spreads; or not larger, but by luck, because the
      spread exceeds 4 r (1.5 % of B0): then other seeds or frames make another error,
    - wrong beyond two spreads: the data could know better. Where nothing is foretold, whatever is off is
      wrong, and members that disagree by more than 4 r leave even a small error open.

    Each within the margins of :class:`~nnpcore.mapping.findings.Finding`, so that neither another seed nor
    the last digits turn right into wrong: on a border the level is doubtful. The worst finding counts.
    Unknown: no region has a reference value, and there is no EOS data, no reference energies, or the crystal
    is out of reach of the training set; doubtful where other validation frames could turn that.
    """
    known = [e for e in regions if e.error_mev is not None]
    missing = _missing(report, bracket)
    found: list[Finding] = []
    if report is not None and not missing:
        found += _of_crystal(rmse_mev, report, foretold)
    found += [region_finding(rmse_mev, e, foretold) for e in known]
    if not found:
        level = "doubtful" if _just_out_of_reach(report, bracket) else "unknown"
        return Verdict(_sentence(rmse_mev, "but", missing), level)
    levels = levels_of_all(tuple(found))
    level = one_of(levels)
    if level == "right":
        text = _sentence(rmse_mev, "and", _right_text(report, missing, known))
        return Verdict(text, level, findings=tuple(found))
    culprits = _culprits(found)
    curable = "open" in levels or any(f.foretold is None for f in culprits)
    text = _sentence(rmse_mev, "but", _off_text(culprits, level, known))
    return Verdict(text, level, curable, tuple(sorted(levels)), tuple(found))


# findings -----------------------------------------------------------------------------------------------
def _of_crystal(rmse_mev: float | None, report: EosReport, foretold: Foretold | None) -> list[Finding]:
    """Return the findings of the energy in reach and of the slope at V0."""
    found = [_energy_finding(RIGHT_RATIO * max(rmse_mev or 0.0, SMALLEST_RMSE), report, foretold)]
    if report.slope_error_gpa is not None and report.reference_fit is not None:
        b0 = report.reference_fit.b0_gpa
        slope = Finding(
            subject="the slope of E_at(V)",
            text=f"the slope of E_at(V) is off by {signed(report.slope_error_gpa, 1)} GPa",
            error=abs(report.slope_error_gpa),
            std=report.slope_std_gpa or 0.0,
            n_members=report.n_members,
            limit=RIGHT_SHIFT * b0,
            foretold=None if foretold is None else foretold.slope_gpa,
            unit="GPa",
            cure=CURE_OF_SLOPE,
            spread_margin=SPREAD_MARGIN if foretold is None else foretold.margin,
        )
        found.append(slope)
    return found


def _energy_finding(limit: float, report: EosReport, foretold: Foretold | None) -> Finding:
    """Return what was found of the energies where they are judged; ``limit`` : at V0, meV.

    Errors and spreads are root mean squares of those over the limits there, times the limit at V0.
    """
    fit, volumes = report.reference_fit, report.judged
    assert fit is not None
    limits = np.hypot(limit, RIGHT_SHARE * MEV_PER_EV * (fit.energy(volumes) - fit.e0))
    errors, spreads = report.judged_error_mev, _foretold_of_crystal(report, foretold)
    worst, widest = int(np.argmax(np.abs(errors) / limits)), None
    if spreads is not None:
        k = int(np.argmax(spreads / limits))
        widest = (float(spreads[k]), _where(volumes[k], fit.v0))
    return Finding(
        subject="E_at of the crystal",
        text=f"E_at of the crystal is off by {signed(errors[worst], 0)} meV {_where(volumes[worst], fit.v0)}",
        error=limit * _rms(errors / limits),
        std=limit * float(np.mean(report.judged_std_mev / limits)),
        n_members=report.n_members,
        limit=limit,
        foretold=None if spreads is None else limit * _rms(spreads / limits),
        unit="meV",
        cure=CURE,
        spread_margin=SPREAD_MARGIN if foretold is None else foretold.margin,
        widest=widest,
        right_to=float(limits[worst]),
        differ=float(np.mean(report.judged_std_mev)),
    )


def _foretold_of_crystal(report: EosReport, foretold: Foretold | None) -> np.ndarray | None:
    """Return the foretold spreads (k,) at the volumes where energies are judged, meV."""
    if foretold is None or foretold.crystal_mev is None:
        return None
    volumes = report.volumes if foretold.volumes is None else foretold.volumes
    return np.sqrt(np.interp(report.judged, volumes, foretold.crystal_mev**2))


def _where(volume: float, v0: float) -> str:
    strain = 100.0 * (volume / v0 - 1.0)
    return "at its equilibrium volume" if abs(strain) < 0.5 else f"at {signed(strain, 0)} % volume"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def region_finding(rmse_mev: float | None, error: RegionError, foretold: Foretold | None = None) -> Finding:
    """Return what was found of a region with a reference value."""
    floor = max(rmse_mev or 0.0, SMALLEST_RMSE)
    return Finding(
        subject=error.name,
        text=f"{error.name} is off by {signed(error.error_mev or 0.0, 0)} meV/atom",
        error=abs(error.error_mev or 0.0),
        std=error.std_mev,
        n_members=len(error.members),
        limit=RIGHT_RATIO * floor,
        foretold=None if foretold is None else foretold.regions_mev.get(error.name),
        unit="meV",
        cure=CURE_OF_REGIONS,
        spread_margin=SPREAD_MARGIN if foretold is None else foretold.margin,
    )


def _culprits(found: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are not surely right, the worst first; of equals the crystal's."""
    off = [f for f in found if f.level != "right"]
    return sorted(off, key=lambda f: (-rank_of(f.levels), "right" in f.levels, f.cure == CURE_OF_REGIONS))


# sentences ----------------------------------------------------------------------------------------------
def _sentence(rmse_mev: float | None, word: str, text: str) -> str:
    if rmse_mev is None:
        return f"{text[0].upper()}{text[1:]}."
    return f"RMSE {_rmse_text(rmse_mev)} meV/atom, {word} {text}."


def _rmse_text(value: float) -> str:
    """Return an RMSE with a decimal, one below 1 with two significant digits."""
    if value >= 0.95:
        return f"{value:.1f}"
    return f"{value:.2g}" if value >= 0.001 else "below 0.001"


def _right_text(report: EosReport | None, missing: str, regions: Sequence[RegionError]) -> str:
    listed = f"regions: {region_list(regions)}" if regions else ""
    if report is None or missing:
        worst = max(abs(e.error_mev or 0.0) for e in regions)
        return f"the regions' atomic energies are right to {worst:.1f} meV ({region_list(regions)})"
    text = (
        f"E_at of the crystal is right to {report.rmse_in_bracket_mev:.1f} meV in reach of the training set"
    )
    if report.slope_error_gpa is not None:
        text += f" (slope error {signed(report.slope_error_gpa, 1)} GPa)"
    return "; ".join(part for part in (text, listed) if part)


def _off_text(culprits: Sequence[Finding], level: Level, regions: Sequence[RegionError]) -> str:
    """Say what is off, how far the data tell it, and what to do."""
    first = culprits[0]
    what = _what_text(first, culprits, regions)
    if level == "doubtful":
        return f"the mapping is doubtful: {what}; {_doubt(first, what)}; {first.cure}"
    if level == "open":
        told = first.told_by_data
        size = _differ(first)
        if first.error > first.limit:
            how = f"foretold {_told(first, what)}" if told else f"the members disagree by {size}"
            return f"{what}: the data leave it open ({how}); {first.cure}"
        if told:
            error = f"{first.error:.{_places(first)}f} {first.unit}"
            luck = f"that {first.subject} is off by only {error} may be luck"
            return f"{luck}: the data tell it to {_told(first)}; {first.cure}"
        return f"the members disagree by {size} on {first.subject}: the data leave it open; {first.cure}"
    if first.foretold is None:
        return f"{what}: ad hoc mapping; {first.cure}"
    known = _told(first, what)
    return f"{what}: ad hoc mapping, though the data tell it to {known}; {TRAIN_ON}"


def _told(finding: Finding, said: str = "") -> str:
    """Say how far the data tell what was found, and where, unless what was ``said`` names the place."""
    if finding.widest is None:
        return f"± {finding.spread:.{_places(finding)}f} {finding.unit}"
    size, where = finding.widest
    return f"± {size:.{_places(finding)}f} {finding.unit} {'there' if where in said else where}"


def _differ(finding: Finding) -> str:
    """Say what the members differ by."""
    size = finding.std if finding.differ is None else finding.differ
    return f"{size:.{_places(finding)}f} {finding.unit}"


def _places(finding: Finding) -> int:
    return 1 if finding.unit == "GPa" else 0


def _what_text(first: Finding, culprits: Sequence[Finding], regions: Sequence[RegionError]) -> str:
    of_crystal = [f for f in culprits if f.cure != CURE_OF_REGIONS]
    if first.cure == CURE_OF_REGIONS:
        word = "cancel" if _cancel(regions) else "are off" if len(regions) > 1 else "is off"
        return f"{region_list(regions)} {word}"
    slope = of_crystal[1] if len(of_crystal) > 1 else None
    text = first.text
    if slope is not None:
        also = slope.text.replace("the slope of E_at(V) is off", "its slope")
        text += f" and {also if slope.unit == 'GPa' else slope.text}"
    of_regions = len(of_crystal) < len(culprits)
    return text + (f" (regions: {region_list(regions)})" if of_regions else "")


def _doubt(finding: Finding, said: str) -> str:
    """Say what could turn the level, after what was ``said`` to be off."""
    places, unit = _places(finding), finding.unit
    spread = _differ(finding)
    if {"right", "open"} <= set(finding.levels) and finding.errors[1] <= finding.limit:
        if finding.told_by_data:
            return f"the data tell it only to {_told(finding, said)}"
        return f"the members tell it only to ± {finding.spread:.{places}f} {unit}"
    if "right" in finding.levels:
        right_to = finding.limit if finding.right_to is None else finding.right_to
        near = f"{right_to:.{places}f} {unit} would be right"
        if finding.foretold is not None:
            return f"{near}, and another training may err {MARGIN:g} times more or less"
        return f"{near}, and the members differ by {spread}"
    if finding.foretold is None:
        return f"the members differ by {spread}, so that the data may leave it open"
    times = finding.error / finding.spread
    return f"that is {times:.1f} times what the data leave open, and up to {SPREADS:.0f} would be chance"


def region_list(regions: Sequence[RegionError]) -> str:
    """Return "bulk +130, surface -80 meV/atom", the worst first, three at most."""
    ordered = sorted(regions, key=lambda e: -abs(e.error_mev or 0.0))
    text = ", ".join(f"{e.name} {signed(e.error_mev or 0.0, 0)}" for e in ordered[:_MOST_LISTED])
    more = len(ordered) - _MOST_LISTED
    return f"{text} meV/atom" + (f" and {more} more" if more > 0 else "")


def _cancel(regions: Sequence[RegionError]) -> bool:
    """Whether errors of both signs make up for each other in the total energy, to a third or better."""
    sums = [e.n_atoms * (e.error_mev or 0.0) for e in regions]
    return min(sums) < 0 < max(sums) and abs(sum(sums)) < sum(map(abs, sums)) / 3


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


def _just_out_of_reach(report: EosReport | None, bracket: Bracket | None) -> bool:
    """Return whether other validation frames could bring the crystal at its equilibrium into reach."""
    if report is None or report.reference_fit is None or bracket is None or bracket.distance is None:
        return False
    return bracket.low is None and bracket.distance <= MARGIN * bracket.threshold
