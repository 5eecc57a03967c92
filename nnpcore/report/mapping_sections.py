"""The sections of a report that tell what the mapping analyses have found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore import figures
from nnpcore.analyses import Missing
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.distance import REACH
from nnpcore.analyses.eos import EOS, EosResult
from nnpcore.analyses.foretold import FORETOLD, Foretold
from nnpcore.analyses.pca import PCA
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.figures import EosSeries
from nnpcore.figures.drawing import OKABE_ITO
from nnpcore.report.content import (
    NOTHING,
    Block,
    Picture,
    Section,
    Table,
    Text,
    counted,
    missing,
    number,
    sentence,
    significant,
)
from nnpcore.report.facts import MAX_REGION_GROUPS, text_of

if TYPE_CHECKING:
    from nnpcore.mapping import EosFit, RegionError
    from nnpcore.report.facts import RunFacts

NO_EOS = "There is no volume scan of a crystal to compare with: give one with --eos, or the EOS role."
NO_REGIONS = "There are no regions: choose atoms of a structure, or monitor a slab while training."


def mapping_sections(facts: RunFacts) -> list[Section]:
    """Return EOS, mapping errors, map, distances, connectivity and foretold spreads."""
    return [
        Section("Equation of state", tuple(_eos(facts))),
        Section("Mapping errors by region", tuple(_regions(facts))),
        Section("Map of atoms (PCA)", tuple(_map(facts))),
        Section("Distance to the training set", tuple(_distance(facts))),
        Section("Connectivity", tuple(_connectivity(facts))),
        Section("What the data determine", tuple(_foretold(facts))),
    ]


def mapping_numbers(facts: RunFacts) -> list[tuple[str, str]]:
    """Return the figures of the mapping for the top of the page."""
    numbers: list[tuple[str, str]] = []
    if (eos := facts.found(EOS)) is not None:
        error, slope = eos.report.rmse_in_bracket_mev, eos.report.slope_error_gpa
        if error is not None:
            numbers.append(("EOS error in reach", number(error, unit="meV/atom")))
        if slope is not None:
            numbers.append(("Slope error", number(slope, 2, sign=True, unit="GPa")))
    known = [e for e in _errors(facts) if e.error_mev is not None]
    if known:
        worst = max(known, key=lambda e: abs(e.error_mev or 0.0))
        numbers.append((f"Worst region, {worst.name}", number(worst.error_mev, sign=True, unit="meV/atom")))
    return numbers


# equation of state ------------------------------------------------------------------------------------
def _eos(facts: RunFacts) -> list[Block]:
    eos = facts.found(EOS)
    if eos is None:
        return [missing(facts.why_missing(EOS) if facts.eos else NO_EOS)]
    series = EosSeries("ensemble", eos.curve, eos.report, eos.bracket, OKABE_ITO[0])
    caption = (
        "Ensemble mean (shade: one standard deviation), its members (thin) and the reference (points). The "
        "square bracket holds the volumes in reach of the training set."
    )
    blocks: list[Block] = []
    if facts.scan_name:
        blocks.append(Text(f"The crystal is the one monitored as {facts.scan_name}."))
    picture = Picture(
        figures.eos_figure([series], members=True), "Energy of the crystal against its volume", caption
    )
    fits = (("reference", eos.report.reference_fit), ("ensemble mean", eos.report.mean_fit))
    head = ("Fit", "V0 (Å³/atom)", "E0 (eV/atom)", "B0 (GPa)", "B0'")
    blocks += [picture, Table(head, tuple((name, *_fit_cells(fit)) for name, fit in fits)), _error_table(eos)]
    no_bracket = f"There is no bracket: {facts.why_missing(PCA)}" if facts.why_missing(PCA) else ""
    fit = eos.report.mean_fit
    rough = f"ensemble: {fit.doubt}" if fit is not None and fit.doubt else ""
    remarks = (eos.report.message, rough, no_bracket if eos.bracket is None else eos.bracket.message)
    return [*blocks, *(Text(sentence(text)) for text in remarks if text)]


def _fit_cells(fit: EosFit | None) -> tuple[str, ...]:
    if fit is None:
        return (NOTHING,) * 4
    return number(fit.v0, 3), number(fit.e0, 4), number(fit.b0_gpa), number(fit.b0_prime, 2)


def _error_table(found: EosResult) -> Table:
    eos, bracket = found.report, found.bracket
    slope = number(eos.slope_error_gpa, 2, sign=True, unit="GPa")
    if eos.slope_std_gpa is not None:
        slope += f" ± {eos.slope_std_gpa:.2f}"
    reach = NOTHING
    if bracket is not None and bracket.low is not None and bracket.high is not None:
        reach = f"{bracket.low:.2f} to {bracket.high:.2f} Å³/atom"
    rows = (
        ("Bracket", reach),
        ("RMSE in the bracket", number(eos.rmse_in_bracket_mev, unit="meV/atom")),
        ("Spread in the bracket", number(eos.std_in_bracket_mev, unit="meV/atom")),
        ("RMSE of all points", number(eos.rmse_mev, unit="meV/atom")),
        ("Slope error at V0", slope),
    )
    return Table(("Error", "Value"), rows, words=(0, 1))


# regions ----------------------------------------------------------------------------------------------
def _errors(facts: RunFacts) -> tuple[RegionError, ...]:
    regions = facts.found(REGION_ERRORS)
    return () if regions is None else regions.all


def _regions(facts: RunFacts) -> list[Block]:
    blocks: list[Block] = []
    if not facts.regions:
        blocks.append(missing(facts.trouble.get("monitor") or NO_REGIONS))
    if (regions := facts.found(REGION_ERRORS)) is not None:
        blocks += [missing(text_of(why)) for why in regions.missing.values()]
    colors, errors = _colors(facts), _errors(facts)
    bars = [
        figures.RegionBar(e.name, colors[e.name], ((e.error_mev, e.std_mev, e.members),))
        for e in errors
        if e.error_mev is not None
    ]
    if bars:
        caption = "Ensemble mean with its spread, and every member (ticks)."
        blocks.append(Picture(figures.region_figure(bars), "Mapping error of every region", caption))
    if errors:
        blocks.append(_region_table(errors))
    return blocks + _followed(facts)


def _colors(facts: RunFacts) -> dict[str, str]:
    """Return the colour of every region by its name."""
    return {known.title_of(r): f"series:{r.color_index}" for known in facts.regions for r in known.regions}


def _region_table(errors: Sequence[RegionError]) -> Table:
    head = ("Region", "Atoms", "Reference (eV)", "Potential (eV)", "Error (meV)", "Spread (meV)", "Source")
    rows = tuple(
        (
            e.name,
            str(e.n_atoms),
            number(e.reference, 4),
            number(e.predicted, 4),
            number(e.error_mev, sign=True),
            number(e.std_mev),
            "no reference value" if e.reference is None else e.source or NOTHING,
        )
        for e in errors
    )
    return Table(head, rows, words=(0, 6), caption="Mean atomic energies, an atom.")


def _followed(facts: RunFacts) -> list[Block]:
    """Return the mapping errors by epoch, or why there are none."""
    curves = figures.RunCurves.of(facts.name, facts.history, facts.regions)
    if not any(np.isfinite(curve.errors).sum() > 1 for curve in curves.curves):
        text = "There is no curve of the mapping errors over the epochs: the training was not monitored."
        if facts.folder.imported:
            text = "There is no curve of the mapping errors over the epochs: it was not trained here."
        elif any(record.mapping for record in facts.history):
            text = "There is no curve of the mapping errors over the epochs: only one epoch was monitored."
        return [missing(text)]
    caption = "Mapping errors while the training went on, absolute values, and the energy RMSE beside them."
    return [Picture(figures.curves_figure([curves]), "Mapping errors by epoch", caption)]


# G space ----------------------------------------------------------------------------------------------
def _no_atoms(facts: RunFacts) -> list[Block]:
    why = facts.why_missing(PCA) or "the training atoms are not known"
    return [missing(f"this cannot be shown: {why}")]


def _map(facts: RunFacts) -> list[Block]:
    pca = facts.found(PCA)
    if pca is None:
        return _no_atoms(facts)
    caption = (
        f"{pca.element} atoms by the first two principal components of their symmetry functions; large "
        "groups thinned at random."
    )
    if facts.found(POINTS) is not None:
        caption += " White points on a line: the crystal along its volume."
    if sum(len(regions.regions) for regions in facts.regions) > MAX_REGION_GROUPS:
        caption += f" Of the regions the first {MAX_REGION_GROUPS} are shown."
    figure = figures.map_figure(pca.by_name, pca.result)
    return [Picture(figure, "Atoms in the plane of two components", caption)]


def _distance(facts: RunFacts) -> list[Block]:
    reaches, pca, eos = facts.found(REACH), facts.found(PCA), facts.found(EOS)
    if reaches is None or pca is None:
        return _no_atoms(facts)
    reach = reaches.of(pca.element)
    if isinstance(reach, Missing):
        return [missing(text_of(reach))]
    label = f"{reach.whose[0].upper()}{reach.whose[1:]}"
    share = f"{100 * reach.share:.0f}th percentile"
    caption = f"Usual distances ({reach.whose}), whitened units; the dashed line is their {share}."
    caption += f" They are of {reach.sampling}." if reach.sampling else ""
    if eos is None or eos.bracket is None:
        figure = figures.reach_figure(reach.distances, reach.threshold, label=label)
        text = "Distances of invariant points are missing: there is no volume scan of a crystal."
        return [Picture(figure, "Histogram of distances", caption), missing(text)]
    figure = figures.distance_figure(eos.curve.volumes, eos.bracket, reach.distances, label=label)
    caption += " Right: those of the crystal along its volume."
    return [Picture(figure, "Histogram of distances, and the crystal's by volume", caption)]


def _connectivity(facts: RunFacts) -> list[Block]:
    pca, found = facts.found(PCA), facts.found(CONNECTIVITY)
    if pca is None:
        return _no_atoms(facts)
    if found is None:
        alone = "Connectivity is of two groups of atoms; there is only one."
        return [missing(facts.why_missing(CONNECTIVITY) if len(pca.groups) > 1 else alone)]
    links = found.result
    figure = figures.connectivity_figure(links)
    caption = "Near 1 two groups are one cloud, well below they are islands that may be shifted at no cost."
    return [Picture(figure, "Connectivity of every pair of groups", caption), Text(sentence(links.text))]


# what the data determine ------------------------------------------------------------------------------
def _foretold(facts: RunFacts) -> list[Block]:
    found = facts.found(FORETOLD)
    if found is None:
        no_targets = "it is foretold of invariant points and regions, and there are none"
        return [missing(f"there is no foretold spread: {facts.why_missing(FORETOLD) or no_targets}")]
    caption = (
        "How far the training data determine an atomic energy, by a Gaussian process on them alone; and the "
        "errors of the potential (lines: one and two spreads)."
    )
    if found.data.n_frames < found.data.n_total:
        caption += f" From {found.data.n_frames} of {counted(found.data.n_total, 'training frame')}."
    known = _colors(facts)
    colors = [known.get(name, "muted") for name in found.names[found.n_points :]]
    parts = found.names, found.volumes, found.spread_mev, found.error_mev
    title = "Foretold spread and error"
    blocks: list[Block] = [Picture(figures.foretold_figure(*parts, colors), title, caption), Text(found.text)]
    if found.eos is not None:
        slope = (
            "" if found.slope_gpa is None else f", dE/dV at the reference's V0 ± {found.slope_gpa:.2g} GPa"
        )
        blocks.append(Text(f"By the data alone: {found.eos.text}{slope}."))
    if len(found.names) > found.n_points:
        blocks.append(_foretold_table(found))
    return blocks


def _foretold_table(found: Foretold) -> Table:
    rows = tuple(
        (
            found.names[k],
            significant(float(found.spread_mev[k])),
            number(float(found.error_mev[k]), sign=True),
        )
        for k in range(found.n_points, len(found.names))
    )
    return Table(("Region", "Foretold spread (meV)", "Error (meV)"), rows)
