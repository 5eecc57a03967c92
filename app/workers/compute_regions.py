"""What the analyses compute about regions: plain functions on snapshots, for background threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from app.documents.analyses import MappingAnalysis, RegionRow
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from app.documents.analyses import EosAnalysis
    from app.documents.regions import RegionDocument
    from app.workers.compute import GroupSource
    from nnpcore.mapping import RegionError, RegionSet
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

Described = dict[int, tuple["Frame", np.ndarray, np.ndarray]]
NO_REFERENCE = (
    "No reference: open a volume scan of its crystal with the role “EOS reference” and keep a region "
    "called “bulk”, or use frames with atomic energies."
)


def crystal_energy(frames: Sequence[Frame]) -> float | None:
    """Return the crystal's energy at its equilibrium volume, eV/atom; None where it cannot be told."""
    from nnpcore.mapping import fit_eos

    known = [f for f in frames if f.energy is not None and f.volume > 0.0]
    try:
        fit = fit_eos(
            np.array([f.volume / f.n_atoms for f in known]),
            np.array([(f.energy or 0.0) / f.n_atoms for f in known]),
        )
    except AnalysisError:
        return None
    return fit.e0


def referenced(regions: RegionSet, crystal: float | None) -> tuple[RegionSet, str]:
    """Return regions with every reference value that can be known, and why some are missing, or ""."""
    from nnpcore.mapping import with_references

    has_exact = regions.frame.exact_energies is not None
    try:
        found = with_references(regions) if has_exact else with_references(regions, crystal_energy=crystal)
    except AnalysisError:
        return regions, NO_REFERENCE
    return found, ""


def referenced_sets(sets: Sequence[RegionDocument], crystal: Sequence[Frame]) -> list[RegionSet]:
    """Return the regions that have reference values, for a monitor."""
    energy = crystal_energy(crystal)
    found = [referenced(known.set, energy)[0] for known in sets]
    return [regions for regions in found if any(r.reference is not None for r in regions.regions)]


def mapping(
    potential: Potential,
    sets: Sequence[RegionDocument],
    crystal: GroupSource | None,
    epoch: int,
    rmse_mev: float | None,
    eos: EosAnalysis | None,
    known: MappingAnalysis | None,
    n_threads: int | None,
    progress: Progress,
) -> MappingAnalysis:
    """Compare the potential's mean atomic energies of all regions with the reference's.

    The verdict is on the equation of state, too, where it is known. Descriptors and the crystal's energy are
    taken over from ``known`` where the structures are the same.
    """
    from nnpcore.mapping import verdict

    energy = _crystal_of(crystal, known)
    described: Described = {}
    rows: list[RegionRow] = []
    problems: dict[str, str] = {}
    for number, document in enumerate(sets):
        progress.report(number / len(sets), f"Regions of {document.name}")
        regions, problem = referenced(document.set, energy[1])
        try:
            errors = _errors(potential, regions, known, described, n_threads)
        except EatlasError as error:
            problems[document.id] = str(error)
            continue
        if problem:
            problems[document.id] = problem
        pairs = enumerate(zip(document.regions, errors, strict=True))
        rows += [RegionRow(document.id, k, r.name, r.color_index, e) for k, (r, e) in pairs]
    report, bracket = (None, None) if eos is None else (eos.report, eos.bracket)
    found = verdict(rmse_mev, report, bracket, [row.error for row in rows])
    return MappingAnalysis(epoch, tuple(rows), problems, found, described, energy)


def _crystal_of(crystal: GroupSource | None, known: MappingAnalysis | None) -> tuple[int, float | None]:
    key = 0 if crystal is None else id(crystal.frames)
    if known is not None and known.crystal[0] == key:
        return known.crystal
    return key, None if crystal is None else crystal_energy(crystal.frames)


def _errors(
    potential: Potential,
    regions: RegionSet,
    known: MappingAnalysis | None,
    described: Described,
    n_threads: int | None,
) -> list[RegionError]:
    """Return the errors of a set's regions; its atoms are described once."""
    from nnpcore.descriptors import compute_descriptors
    from nnpcore.mapping.model import is_potential
    from nnpcore.mapping.region_errors import errors_of_energies, region_errors

    if not is_potential(potential):
        return region_errors(potential, regions, n_threads=n_threads)
    key = id(regions.frame)
    found = known.described.get(key) if known is not None else None
    if found is None:
        table = compute_descriptors(
            [regions.frame], potential.functions, derivatives=False, n_threads=n_threads
        )
        found = regions.frame, table.values, table.species
    described[key] = found
    return errors_of_energies(potential.atomic_energies_of(*found[1:]), regions)
