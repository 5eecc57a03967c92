"""Mapping errors of regions: their reference values, their atoms, and what the potential makes of them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.crystal import REFERENCE
from nnpcore.analyses.graph import Analysis, ByKey, Given, Missing
from nnpcore.analyses.inputs import FUNCTIONS, POTENTIAL, REGION_SETS
from nnpcore.descriptors import compute_descriptors
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.mapping.model_energies import is_potential, short_range_energies
from nnpcore.mapping.region_errors import RegionError, errors_of_energies, region_errors
from nnpcore.mapping.region_references import with_references
from nnpcore.mapping.regions import RegionSet

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.mapping.model_energies import AtomicEnergyModel
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class DescribedRegions:
    """Each set's structure, symmetry functions (n_atoms, d) and species (n_atoms,) where known, by key."""

    functions: SymmetryFunctions
    found: dict[str, tuple[Frame, np.ndarray, np.ndarray]]


class RegionErrors(ByKey[tuple[RegionError, ...]]):
    """Errors of the regions of each set."""

    @property
    def all(self) -> tuple[RegionError, ...]:
        """The errors of all sets, one after the other."""
        return tuple(error for errors in self.found.values() for error in errors)


def _references(given: Given) -> ByKey[RegionSet]:
    """Find every reference value of regions that can be known.

    A set that has some already keeps them: it was saved with them. Else a structure with the reference's own
    atomic energies tells them, else the crystal's energy at its equilibrium volume.
    """
    crystal = given.get(REFERENCE)
    found = ByKey[RegionSet]()
    for key, regions in given[REGION_SETS].items():
        found.found[key] = regions
        if any(region.reference is not None for region in regions.regions):
            continue
        energy = None if crystal is None or regions.frame.exact_energies is not None else crystal.e0
        try:
            found.found[key] = with_references(regions, crystal_energy=energy)
        except AnalysisError as error:
            found.missing[key] = Missing.of(error)
    return found


def _described(given: Given) -> DescribedRegions:
    functions, before = given[FUNCTIONS], given.before(REGION_ATOMS)
    same = before is not None and before.functions == functions
    known = {id(item[0]): item for item in before.found.values()} if before is not None and same else {}
    found: dict[str, tuple[Frame, np.ndarray, np.ndarray]] = {}
    for key, regions in given[REGION_SETS].items():
        frame = regions.frame
        with suppress(EatlasError):  # REGION_ERRORS tells why
            if id(frame) not in known:
                table = compute_descriptors([frame], functions, derivatives=False, n_threads=given.n_threads)
                known[id(frame)] = frame, table.values, table.species
            found[key] = known[id(frame)]
    return DescribedRegions(functions, found)


def _errors(given: Given) -> RegionErrors:
    model, described = given[POTENTIAL], given.get(REGION_ATOMS)
    found = RegionErrors()
    for number, (key, regions) in enumerate(given[REFERENCES].found.items()):
        given.progress.report(number / len(given[REFERENCES].found), f"Regions of {regions.name}")
        try:
            found.found[key] = tuple(_errors_of(model, key, regions, described, given))
        except EatlasError as error:
            found.missing[key] = Missing.of(error)
    return found


def _errors_of(
    model: AtomicEnergyModel, key: str, regions: RegionSet, described: DescribedRegions | None, given: Given
) -> list[RegionError]:
    if described is not None and is_potential(model) and model.functions == described.functions:
        known = described.found.get(key)
        if known is not None:
            energies = model.atomic_energies_of(known[1], known[2])
            return errors_of_energies(energies + short_range_energies(model, [known[0]]), regions)
    return region_errors(model, regions, n_threads=given.n_threads)


REFERENCES = Analysis(
    "region_references",
    "Reference values of regions",
    _references,
    needs=(REGION_SETS,),
    uses=(REFERENCE,),
    inner=True,
)
REGION_ATOMS = Analysis(
    "region_atoms", "Atoms of the regions", _described, needs=(REGION_SETS, FUNCTIONS), inner=True
)
REGION_ERRORS = Analysis(
    "regions",
    "Mapping errors",
    _errors,
    needs=(POTENTIAL, REFERENCES),
    uses=(REGION_ATOMS,),
)
