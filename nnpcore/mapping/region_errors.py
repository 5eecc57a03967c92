"""How far a model's mean atomic energy of a region is from the reference's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnpcore.mapping.model_energies import AtomicEnergyModel, atomic_energies
from nnpcore.mapping.regions import RegionSet
from nnpcore.mapping.wording import signed
from nnpcore.units import MEV_PER_EV


@dataclass(frozen=True, eq=False)
class RegionError:
    """Mapping error of a region. None where it has no reference value.

    Attributes
    ----------
    name : of the region, with its structure's where that has one.
    n_atoms : number of its atoms.
    error_mev : ensemble mean minus reference, meV/atom.
    std_mev : spread of the members, meV/atom.
    members : (n_members,) error of every member, meV/atom; without a reference NaN.
    reference : eV/atom. predicted : mean over atoms and members, eV/atom.
    source : where the reference value comes from.
    """

    name: str
    n_atoms: int
    error_mev: float | None
    std_mev: float
    members: np.ndarray
    reference: float | None
    predicted: float
    source: str

    @property
    def text(self) -> str:
        """The name and the error: "bulk +130 meV/atom"."""
        return (
            f"{self.name} {'unknown' if self.error_mev is None else f'{signed(self.error_mev, 0)} meV/atom'}"
        )


def region_errors(
    model: AtomicEnergyModel, region_set: RegionSet, *, n_threads: int | None = None
) -> list[RegionError]:
    """Compare a model's mean atomic energy of every region with the reference's.

    Raises
    ------
    PotentialError : an element the model does not know.
    """
    energies = atomic_energies(model, [region_set.frame], n_threads=n_threads)
    return errors_of_energies(energies, region_set)


def errors_of_energies(energies: np.ndarray, region_set: RegionSet) -> list[RegionError]:
    """Do the same from the atomic energies (n_members, n_atoms), eV, of the set's structure."""
    found = []
    for region in region_set.regions:
        means = energies[:, region.atoms].mean(axis=1)
        base = np.nan if region.reference is None else region.reference
        members = MEV_PER_EV * (means - base)
        found.append(
            RegionError(
                name=region_set.title_of(region),
                n_atoms=region.n_atoms,
                error_mev=None if region.reference is None else float(members.mean()),
                std_mev=float(MEV_PER_EV * means.std()),
                members=members,
                reference=region.reference,
                predicted=float(means.mean()),
                source=region.source,
            )
        )
    return found
