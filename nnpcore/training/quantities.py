"""The quantities that errors are given for: their names, their units, and how these are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnpcore.units import GPA_PER_EV_PER_ANG3, MEV_PER_EV


@dataclass(frozen=True)
class Quantity:
    """A quantity with reference values.

    Attributes
    ----------
    name : "energy", "force" or "stress". unit : as shown.
    column : the unit in the head of a table.
    factor : from eV/atom, eV/Å and eV/Å³ to what is shown.
    """

    name: str
    unit: str
    column: str
    factor: float

    @property
    def report_key(self) -> str:
        """Its key in a report of RMSEs."""
        return f"rmse_{self.name}_{self.column.lower()}"


_ALL = (
    Quantity("energy", "meV/atom", "meV_per_atom", MEV_PER_EV),
    Quantity("force", "eV/Å", "eV_per_ang", 1.0),
    Quantity("stress", "GPa", "gpa", GPA_PER_EV_PER_ANG3),
)
QUANTITIES = {quantity.name: quantity for quantity in _ALL}
"""By name, in the order of all arrays of three."""


def rmse_text(report: Mapping[str, Any]) -> str:
    """Return the errors of a mean prediction, as a report of RMSEs has them: "5.5 meV/atom, 0.64 eV/Å"."""
    means = {q.unit: (report.get(q.report_key) or {}).get("mean") for q in _ALL}
    return ", ".join(f"{mean:.3g} {unit}" for unit, mean in means.items() if mean is not None)
