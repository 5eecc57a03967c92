"""Units of other programs' potentials, whose files do not tell them."""

from __future__ import annotations

from dataclasses import dataclass

from nnpcore.descriptors.functions import SymmetryFunction
from nnpcore.errors import SettingsError


@dataclass(frozen=True)
class ForeignUnits:
    """Å and eV in one unit of length and energy of a file."""

    name: str
    length: float
    energy: float


def foreign_units(name: str) -> ForeignUnits:
    """Return the units called "angstrom-ev" or "bohr-hartree"; SettingsError for others."""
    from ase import units

    if name == "angstrom-ev":
        return ForeignUnits(name, 1.0, 1.0)
    if name == "bohr-hartree":
        return ForeignUnits(name, units.Bohr, units.Hartree)
    raise SettingsError(
        f"there are no units {name!r}", where="units", fix="Choose angstrom-ev or bohr-hartree"
    )


def in_angstrom(function: SymmetryFunction, units: ForeignUnits) -> SymmetryFunction:
    """Return the same function of distances in Å; its value does not change."""
    return function if units.length == 1.0 else function.in_unit(units.length)
