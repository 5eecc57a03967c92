"""What the reference says of regions: from exact atomic energies, or from the crystal and a total energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.regions import BULK, Region, RegionSet

EXACT = "exact atomic energies"


def with_references(
    region_set: RegionSet,
    *,
    crystal_energy: float | None = None,
    exact: np.ndarray | None = None,
    bulk: str = BULK,
) -> RegionSet:
    """Return the set with the reference value of every region that can be known.

    Parameters
    ----------
    crystal_energy : eV per atom of the crystal at its equilibrium volume. The bulk region gets this value,
        and a single remaining one ``[E_tot - N_b E_b] / N_s`` from the structure's energy; several remaining
        ones cannot be told apart and stay without.
    exact : (n_atoms,) eV, atomic energies of a reference that has them. Without either, those that the
        structure itself carries are taken.
    bulk : name of the region that is like the crystal.

    Raises
    ------
    AnalysisError : neither is known; no region called ``bulk``; energies that do not fit the structure.
    """
    if exact is None and crystal_energy is None:
        exact = region_set.frame.exact_energies
        if exact is None:
            raise AnalysisError(
                "nothing tells what the atoms of these regions cost: there is neither the crystal's energy "
                "nor atomic energies of the reference",
                where=region_set.frame.origin,
                fix="Add a crystal with energies (EOS role)",
            )
    if exact is not None:
        return replace(region_set, regions=_exact(region_set, np.asarray(exact, dtype=np.float64)))
    assert crystal_energy is not None
    return replace(region_set, regions=_from_total(region_set, float(crystal_energy), bulk))


def _exact(region_set: RegionSet, energies: np.ndarray) -> tuple[Region, ...]:
    if energies.shape != (region_set.frame.n_atoms,) or not np.isfinite(energies).all():
        raise AnalysisError(
            f"the reference gives {energies.size} atomic energies for {region_set.frame.n_atoms} atoms, or "
            "some that are not numbers",
            where=region_set.frame.origin,
            fix="Compute them again for this structure",
        )
    chosen = [(r, energies[r.atoms]) for r in region_set.regions]
    return tuple(
        replace(r, reference=float(e.mean()), reference_std=float(e.std()), source=EXACT) for r, e in chosen
    )


def _from_total(region_set: RegionSet, crystal_energy: float, bulk: str) -> tuple[Region, ...]:
    inside, frame = region_set.region(bulk), region_set.frame
    others = [r for r in region_set.regions if r is not inside]
    known = {inside.name: (crystal_energy, "the crystal at its equilibrium volume")}
    if len(others) == 1 and frame.energy is not None and not len(region_set.rest()):
        rest = (frame.energy - inside.n_atoms * crystal_energy) / others[0].n_atoms
        known[others[0].name] = (rest, f"total energy less {inside.n_atoms} atoms of {bulk}, per atom")
    return tuple(
        replace(r, reference=value, reference_std=None, source=source)
        for r in region_set.regions
        for value, source in [known.get(r.name, (None, ""))]
    )
