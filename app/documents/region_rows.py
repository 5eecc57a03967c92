"""What the Mapping panel shows: regions and crystal, their reference values, and the errors of every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from app.documents.counting import from_one
from nnpcore.analyses.eos import EOS, EosResult
from nnpcore.analyses.regions import REFERENCES, REGION_ERRORS
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from app.documents.regions import RegionDocument
    from app.documents.run import RunDocument
    from nnpcore.mapping import Region
    from nnpcore.mapping.verdict import Level

CRYSTAL_KEY = ("", 0)
NO_REFERENCE = (
    "No reference: open a volume scan of its crystal with the role “EOS reference” and keep a region "
    "called “bulk”, or use frames with atomic energies."
)


@dataclass(frozen=True)
class ErrorValue:
    """Error of an ensemble's mean and spread of its members, meV/atom; None where unknown.

    ``level`` : how the verdict takes it; of the crystal at all volumes, not only at V₀.
    """

    error_mev: float | None
    std_mev: float | None
    level: Level = "unknown"

    @property
    def mean_and_std(self) -> tuple[float, float, np.ndarray] | None:
        """Both and no members, for a figure; None where the error is unknown."""
        return None if self.error_mev is None else (self.error_mev, self.std_mev or 0.0, np.empty(0))


@dataclass(frozen=True)
class ErrorRow:
    """One region, or the crystal, with its error by every run shown.

    Attributes
    ----------
    key : (set id, number of the region), ("", 0) for the crystal.
    name : as shown. color_index : of the palette, None for the crystal.
    n_atoms : atoms of the region, 0 for the crystal.
    reference : eV/atom, None where unknown. source : where it comes from, in words.
    errors : one a run, in the order of the runs.
    """

    key: tuple[str, int]
    name: str
    color_index: int | None
    n_atoms: int
    reference: float | None
    source: str
    errors: tuple[ErrorValue, ...]


UNKNOWN = ErrorValue(None, None)


def error_rows(sets: Mapping[str, RegionDocument], runs: Sequence[RunDocument]) -> list[ErrorRow]:
    """Return the rows: regions in the order they were made, then the crystal at its equilibrium volume."""
    found = []
    for set_id, document in sets.items():
        for number, region in enumerate(document.regions):
            name = f"{document.name} {region.name}" if len(sets) > 1 else region.name
            found.append(_region_row((set_id, number), name, region, runs))
    crystal = _crystal_row(runs)
    return [*found, crystal] if crystal is not None else found


def _region_row(key: tuple[str, int], name: str, region: Region, runs: Sequence[RunDocument]) -> ErrorRow:
    errors, reference, source = [], region.reference, region.source
    for run in runs:
        known = run.result(REGION_ERRORS)
        mine = () if known is None else known.found.get(key[0], ())
        error = mine[key[1]] if key[1] < len(mine) else None
        if error is None:
            errors.append(UNKNOWN)
            continue
        verdict = run.verdict()
        level = "unknown" if verdict is None else verdict.of_region(error.name)
        errors.append(ErrorValue(error.error_mev, error.std_mev, level))
        if reference is None and error.reference is not None:
            reference, source = error.reference, error.source
    return ErrorRow(key, name, region.color_index, len(region.atoms), reference, source, tuple(errors))


def _crystal_row(runs: Sequence[RunDocument]) -> ErrorRow | None:
    found = [run.result(EOS) for run in runs]
    fits = [a.report.reference_fit for a in found if a is not None and a.report.reference_fit is not None]
    if not fits:
        return None
    source = "minimum of the EOS reference"
    errors = []
    for run, analysis in zip(runs, found, strict=True):
        verdict = run.verdict()
        error = UNKNOWN if analysis is None else crystal_error(analysis)
        errors.append(error if verdict is None else replace(error, level=verdict.of_crystal))
    return ErrorRow(CRYSTAL_KEY, "crystal at V₀", None, 0, fits[0].e0, source, tuple(errors))


def crystal_error(analysis: EosResult) -> ErrorValue:
    """Return the error at the reference's equilibrium volume, interpolated between the points."""
    report, curve = analysis.report, analysis.curve
    known = np.isfinite(report.error_mev)
    if report.reference_fit is None or not known.any():
        return UNKNOWN
    v0 = report.reference_fit.v0
    std = MEV_PER_EV * float(np.interp(v0, curve.volumes, curve.std))
    return ErrorValue(float(np.interp(v0, curve.volumes[known], report.error_mev[known])), std)


def region_problems(run: RunDocument) -> list[str]:
    """Return why regions have no error, a sentence each."""
    errors, references = run.result(REGION_ERRORS), run.result(REFERENCES)
    found = {} if errors is None else {key: from_one(str(missing)) for key, missing in errors.missing.items()}
    unknown = () if references is None else references.missing
    return [*found.values(), *(NO_REFERENCE for key in unknown if key not in found)]


def short_source(source: str) -> str:
    """Return where a reference value comes from in a word or two, for a narrow column."""
    if source.startswith("the crystal"):
        return "crystal"
    if source.startswith("total energy"):
        return "total − bulk"
    if source.startswith("exact"):
        return "exact"
    return "EOS" if "EOS" in source else source
