"""An energy of atoms that are more crowded than any in the data, so that no compression makes energy fall.

Distances alone do not tell it: a crystal at half its volume may have none shorter than a hot atom's. What
surrounds an atom i is summed up as the densities of embedded-atom potentials (Daw and Baskes, Phys. Rev. B
29, 6443 (1984); here one that depends on both elements, as LAMMPS' ``pair_style eam/fs`` has it):

    rho_i = sum_j (1 - r_ij²/R²)^5 for r_ij < R,     E_i = F(rho_i)

    F(rho) = 0                                  rho <= rho_0
    F(rho) = k d (5/2 t^4 - 3 t^5 + t^6)        t = (rho - rho_0)/d <= 1
    F(rho) = k d (t - 1/2)                      beyond

F and three derivatives are continuous, as are four of the density.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nnpcore.errors import PotentialError


@dataclass(frozen=True)
class Crowding:
    """What an atom of one element feels when it is crowded.

    Attributes
    ----------
    element : its symbol.
    reaches : neighbors' elements and R, Å, up to which they count; the same seen from the other element.
    start : density rho_0 from which on it feels something. width : d. slope : k, eV.
    """

    element: str
    reaches: tuple[tuple[str, float], ...]
    start: float
    width: float
    slope: float

    def energy(self, rho: np.ndarray) -> np.ndarray:
        """Return F(rho), eV."""
        return _embedded(np.asarray(rho, dtype=float), self.start, self.width, self.slope)[0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return vars(self) | {"reaches": dict(self.reaches)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Crowding:
        """Rebuild from :meth:`to_dict`; KeyError, TypeError or ValueError where it is damaged."""
        reaches = tuple((str(element), float(reach)) for element, reach in values["reaches"].items())
        numbers = (float(values[name]) for name in ("start", "width", "slope"))
        return cls(str(values["element"]), reaches, *numbers)


def density(r: np.ndarray, reach: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return what neighbors at distances ``r``, Å, add to the density, and its derivative by r."""
    left = np.maximum(1.0 - (r / reach) ** 2, 0.0)
    return left**5, -10.0 * r / np.square(reach) * left**4


def _embedded(rho: np.ndarray, start: Any, width: Any, slope: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return F and F'."""
    t = np.maximum(rho - start, 0.0) / width
    low = np.minimum(t, 1.0)
    bent = low**4 * (2.5 + low * (low - 3.0))
    energy = slope * width * (bent + np.maximum(t - 1.0, 0.0))
    return energy, slope * low**3 * (10.0 + low * (6.0 * low - 15.0))


def crowded_pairs(
    crowding: tuple[Crowding, ...],
    elements: Sequence[str],
    centers: np.ndarray,
    center: np.ndarray,
    neighbors: np.ndarray,
    r: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs' shares of the energies of their centers, eV, and these energies' derivatives by the
    pairs' distances, eV/Å; zero where the center is not crowded.

    Parameters
    ----------
    elements : that species point into. centers : (n,) species of the centers, all of whose neighbors within
        the reach are among the pairs.
    center, neighbors, r : of pairs: the center, the neighbor's species and the distance, Å.
    """
    table = _table(crowding, tuple(elements))
    species = centers[center]
    reach = np.where((species >= 0) & (neighbors >= 0), table.reach[species, neighbors], 0.0)
    near = np.flatnonzero(r < reach)
    own, bend = density(r[near], reach[near])
    rho = np.bincount(center[near], own, len(centers))
    crowded = (rho > np.where(centers >= 0, table.start[centers], np.inf))[center[near]]
    near, own, bend = near[crowded], own[crowded], bend[crowded]
    kind, total = species[near], rho[center[near]]
    energy, rise = _embedded(total, table.start[kind], table.width[kind], table.slope[kind])
    energies, slopes = np.zeros(len(r)), np.zeros(len(r))
    energies[near], slopes[near] = energy * own / total, rise * bend
    return energies, slopes


@dataclass(frozen=True, eq=False)
class _Table:
    """Numbers by species: reach (n, n), 0 where none counts; start, infinite where nothing is felt."""

    reach: np.ndarray
    start: np.ndarray
    width: np.ndarray
    slope: np.ndarray


@lru_cache(maxsize=64)
def _table(crowding: tuple[Crowding, ...], elements: tuple[str, ...]) -> _Table:
    n = len(elements)
    table = _Table(np.zeros((n, n)), np.full(n, np.inf), np.ones(n), np.ones(n))
    for one in crowding:
        if one.element not in elements:
            continue
        k = elements.index(one.element)
        table.start[k], table.width[k], table.slope[k] = one.start, one.width, one.slope
        for element, reach in one.reaches:
            if element in elements:
                table.reach[k, elements.index(element)] = reach
    return table


def check_crowding(crowding: Sequence[Crowding], elements: Sequence[str], cutoff: float) -> None:
    """Raise :class:`PotentialError` unless it fits a potential of these elements and this cutoff, Å."""
    known = [one.element for one in crowding]
    reaches = {(one.element, element): reach for one in crowding for element, reach in one.reaches}
    if len(set(known)) < len(known) or not {e for pair in reaches for e in pair} <= set(elements):
        raise PotentialError("the crowding has an element twice, or one that the symmetry functions have not")
    for one in crowding:
        numbers = np.array([one.start, one.width, one.slope, *dict(one.reaches).values()])
        if not np.all(np.isfinite(numbers)) or not np.all(numbers > 0) or not one.reaches:
            raise PotentialError(f"the crowding of {one.element} has numbers that are not above 0")
    for (a, b), reach in reaches.items():
        if reach > cutoff or reaches.get((b, a), reach) != reach:
            raise PotentialError(
                f"the crowding of {a} by {b} reaches to {reach:g} Å, wanted the same seen from either, up to "
                f"the cutoff of {cutoff:g} Å"
            )
