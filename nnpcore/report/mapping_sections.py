"""The sections of a report that tell what the mapping analyses have found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnpcore import figures
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
from nnpcore.report.facts import MAX_REGION_GROUPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnpcore.mapping import EosFit, RigidityStudy
    from nnpcore.report.facts import MappingFacts, RunFacts

NO_EOS = "There is no volume scan of a crystal to compare with: give one with --eos, or the EOS role."
NO_REGIONS = "There are no regions: choose atoms of a structure, or monitor a slab while training."


def mapping_sections(facts: RunFacts, found: MappingFacts) -> list[Section]:
    """Return EOS, mapping errors, map, distances, connectivity and rigidity."""
    return [
        Section("Equation of state", tuple(_eos(facts, found))),
        Section("Mapping errors by region", tuple(_regions(facts, found))),
        Section("Map of atoms (PCA)", tuple(_map(facts, found))),
        Section("Distance to the training set", tuple(_distance(facts, found))),
        Section("Connectivity", tuple(_connectivity(facts, found))),
        Section("Rigidity", tuple(_rigidity(facts, found))),
    ]


def mapping_numbers(found: MappingFacts) -> list[tuple[str, str]]:
    """Return the figures of the mapping for the top of the page."""
    numbers: list[tuple[str, str]] = []
    if found.eos is not None:
        error, slope = found.eos.rmse_in_bracket_mev, found.eos.slope_error_gpa
        if error is not None:
            numbers.append(("EOS error in reach", number(error, unit="meV/atom")))
        if slope is not None:
            numbers.append(("Slope error", number(slope, 2, sign=True, unit="GPa")))
    known = [e for e in found.errors if e.error_mev is not None]
    if known:
        worst = max(known, key=lambda e: abs(e.error_mev or 0.0))
        numbers.append((f"Worst region, {worst.name}", number(worst.error_mev, sign=True, unit="meV/atom")))
    return numbers


# equation of state ------------------------------------------------------------------------------------
def _eos(facts: RunFacts, found: MappingFacts) -> list[Block]:
    if found.curve is None or found.eos is None:
        return [missing(found.trouble.get("eos") or NO_EOS)]
    series = EosSeries("ensemble", found.curve, found.eos, found.bracket, OKABE_ITO[0])
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
    blocks += [picture, _fit_table(found), _error_table(found)]
    blocks += [Text(sentence(text)) for text in _remarks(facts, found)]
    return blocks


def _fit_table(found: MappingFacts) -> Table:
    assert found.eos is not None
    head = ("Fit", "V0 (Å³/atom)", "E0 (eV/atom)", "B0 (GPa)", "B0'")
    rows = (("reference", found.eos.reference_fit), ("ensemble mean", found.eos.mean_fit))
    return Table(head, tuple((name, *_fit_cells(fit)) for name, fit in rows))


def _fit_cells(fit: EosFit | None) -> tuple[str, ...]:
    if fit is None:
        return (NOTHING,) * 4
    return number(fit.v0, 3), number(fit.e0, 4), number(fit.b0_gpa), number(fit.b0_prime, 2)


def _error_table(found: MappingFacts) -> Table:
    eos = found.eos
    assert eos is not None
    slope = number(eos.slope_error_gpa, 2, sign=True, unit="GPa")
    if eos.slope_std_gpa is not None:
        slope += f" ± {eos.slope_std_gpa:.2f}"
    reach = NOTHING
    if found.bracket is not None and found.bracket.low is not None and found.bracket.high is not None:
        reach = f"{found.bracket.low:.2f} to {found.bracket.high:.2f} Å³/atom"
    rows = (
        ("Bracket", reach),
        ("RMSE in the bracket", number(eos.rmse_in_bracket_mev, unit="meV/atom")),
        ("Spread in the bracket", number(eos.std_in_bracket_mev, unit="meV/atom")),
        ("RMSE of all points", number(eos.rmse_mev, unit="meV/atom")),
        ("Slope error at V0", slope),
    )
    return Table(("Error", "Value"), rows, words=(0, 1))


def _remarks(facts: RunFacts, found: MappingFacts) -> list[str]:
    assert found.eos is not None
    texts = [found.eos.message, found.bracket.message if found.bracket is not None else ""]
    if found.bracket is None:
        why = found.trouble.get("map") or facts.trouble.get("values", "")
        texts.append(f"There is no bracket: {why}" if why else "")
    return [text for text in texts if text]


# regions ----------------------------------------------------------------------------------------------
def _regions(facts: RunFacts, found: MappingFacts) -> list[Block]:
    blocks: list[Block] = []
    troubles = [text for name, text in found.trouble.items() if name.startswith("regions")]
    if not facts.regions:
        trouble = facts.trouble.get("monitor", "")
        blocks.append(missing(trouble or NO_REGIONS))
    blocks += [missing(text) for text in troubles]
    if any(e.error_mev is not None for e in found.errors):
        caption = "Ensemble mean with its spread, and every member (ticks)."
        blocks.append(Picture(_region_figure(facts, found), "Mapping error of every region", caption))
    if found.errors:
        blocks.append(_region_table(found))
    return blocks + _followed(facts)


def _colors(facts: RunFacts) -> dict[str, str]:
    """Return the colour of every region by its name."""
    return {known.title_of(r): f"series:{r.color_index}" for known in facts.regions for r in known.regions}


def _region_figure(facts: RunFacts, found: MappingFacts) -> Figure:
    colors = _colors(facts)
    bars = [
        figures.RegionBar(e.name, colors[e.name], ((e.error_mev, e.std_mev, e.members),))
        for e in found.errors
        if e.error_mev is not None
    ]
    return figures.region_figure(bars)


def _region_table(found: MappingFacts) -> Table:
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
        for e in found.errors
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
def _no_atoms(facts: RunFacts, found: MappingFacts) -> list[Block]:
    why = found.trouble.get("map") or facts.trouble.get("values") or "the training atoms are not known"
    return [missing(f"this cannot be shown: {why}")]


def _map(facts: RunFacts, found: MappingFacts) -> list[Block]:
    if found.pca is None:
        return _no_atoms(facts, found)
    caption = (
        f"{found.element} atoms by the first two principal components of their symmetry functions; large "
        "groups thinned at random."
    )
    if found.points is not None:
        caption += " White points on a line: the crystal along its volume."
    if sum(len(regions.regions) for regions in facts.regions) > MAX_REGION_GROUPS:
        caption += f" Of the regions the first {MAX_REGION_GROUPS} are shown."
    return [
        Picture(figures.map_figure(found.scores, found.pca), "Atoms in the plane of two components", caption)
    ]


def _distance(facts: RunFacts, found: MappingFacts) -> list[Block]:
    if found.reach is None:
        reach = found.trouble.get("reach")
        return [missing(reach)] if reach else _no_atoms(facts, found)
    whose = "training atoms to those of other frames" if found.reach.left_out else "validation atoms"
    label = "Training atoms" if found.reach.left_out else "Validation atoms"
    caption = f"Usual distances ({whose}), whitened units; the dashed line is their 99th percentile."
    if found.bracket is None or found.curve is None:
        figure = figures.reach_figure(found.reach.distances, found.reach.threshold, label=label)
        text = "Distances of invariant points are missing: there is no volume scan of a crystal."
        return [Picture(figure, "Histogram of distances", caption), missing(text)]
    figure = figures.distance_figure(found.curve.volumes, found.bracket, found.reach.distances, label=label)
    caption += " Right: those of the crystal along its volume."
    return [Picture(figure, "Histogram of distances, and the crystal's by volume", caption)]


def _connectivity(facts: RunFacts, found: MappingFacts) -> list[Block]:
    links = found.links
    if links is None:
        why = found.trouble.get("links")
        if why:
            return [missing(why)]
        if found.pca is not None:
            text = "Connectivity is of two groups of atoms; there is only one."
            return [missing(text)]
        return _no_atoms(facts, found)
    figure = figures.connectivity_figure(links)
    caption = "Near 1 two groups are one cloud, well below they are islands that may be shifted at no cost."
    return [Picture(figure, "Connectivity of every pair of groups", caption), Text(sentence(links.text))]


# rigidity ---------------------------------------------------------------------------------------------
def _rigidity(facts: RunFacts, found: MappingFacts) -> list[Block]:
    study = found.rigidity
    if study is None:
        why = found.trouble.get("rigidity", "it was not computed")
        return [missing(f"there is no rigidity: {why}")]
    volumes = found.points.volumes if found.points is not None else np.empty(0)
    used, total = found.n_rigidity
    caption = (
        "How firmly the training data hold an atomic energy, under three losses (bold: the one it was "
        "trained with); and the mapping error against the standard deviation this lets expect."
    )
    if used < total:
        caption += f" From {used} of {counted(total, 'training frame')}."
    known = _colors(facts)
    colors = [known.get(name, "muted") for name in study.names[study.n_points :]]
    blocks: list[Block] = [
        Picture(figures.rigidity_figure(study, volumes, colors), "Local prediction rigidity", caption),
        Text(study.text),
    ]
    if len(study.names) > study.n_points:
        blocks.append(_rigidity_table(study))
    return blocks


def _rigidity_table(study: RigidityStudy) -> Table:
    rows = tuple(
        (
            study.names[k],
            *(significant(float(study.rigidity[loss][k])) for loss in study.rigidity),
            significant(float(study.std_mev[study.trained_on][k])),
            number(float(study.error_mev[k]), sign=True),
        )
        for k in range(study.n_points, len(study.names))
    )
    head = ("Region", *(f"LPR, {loss}" for loss in study.rigidity), "Expected std (meV)", "Error (meV)")
    return Table(head, rows)
