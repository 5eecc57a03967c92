"""Nanoclusters with the shape of Wulff's construction, cut from a crystal.

A plane of surface energy γ lies at a distance from the centre in proportion to γ. The number of atoms then
follows from the scale and from where in the crystal the centre lies; both are searched for a wanted number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from ase import Atoms
from ase.build import bulk

from nnpcore.errors import SettingsError
from nnpcore.reference.slabs import DIAMOND_LATTICES, checked_lattice

SILICON_ENERGIES = {"100": 1.41, "110": 1.70, "111": 1.44}
"""J/m²: density-functional values of the (2×2), relaxed and (2×1) surfaces: A. A. Stekolnikov, J. Furthmüller
and F. Bechstedt, Phys. Rev. B 65, 115318 (2002). Only their ratios matter."""

NICKEL_ENERGIES = {"100": 2.21, "110": 2.29, "111": 1.92}
"""J/m²: density-functional values of R. Tran et al., Sci. Data 3, 160080 (2016)."""

FCC_LATTICES = {"Ni": 3.523, "Cu": 3.615, "Al": 4.05, "Ag": 4.086, "Au": 4.078, "Pt": 3.924, "Pd": 3.891}
"""Lattice constants in Å at room temperature."""

MAX_ATOMS = 5000
ENOUGH_SIZES = 6
"""Other sizes to know before the search stops at the wanted one."""


@dataclass(frozen=True)
class _Lattice:
    """A crystal to cut from: ASE's name, lattice constant in Å, bond length in its units, and its sites.

    ``min_bonds``: atoms of a cluster with fewer bonds are taken off. ``centers`` are tried in this order.
    """

    name: str
    constant: float
    bond: float
    atoms_per_cell: int
    min_bonds: int
    energies: Mapping[str, float]
    centers: tuple[tuple[float, float, float], ...]


def _along(direction: tuple[int, int, int], steps: int) -> tuple[tuple[float, float, float], ...]:
    points = np.outer((np.arange(1, 2 * steps) - steps) / (2 * steps), direction)
    return tuple((float(x), float(y), float(z)) for x, y, z in points)


_DIAMOND_CENTERS = (
    (0.0, 0.0, 0.0),  # an atom
    (0.125, 0.125, 0.125),  # the middle of a bond
    (0.5, 0.5, 0.5),  # the tetrahedral site
    (0.625, 0.625, 0.625),  # the hexagonal site
    *_along((1, 1, 1), 20),
    *_along((1, 0, 0), 20),
    *_along((1, 1, 0), 20),
)
_FCC_CENTERS = (
    (0.0, 0.0, 0.0),  # an atom
    (0.5, 0.5, 0.5),  # the octahedral site
    (0.25, 0.25, 0.25),  # the tetrahedral site
    *_along((1, 1, 1), 10),
    *_along((1, 0, 0), 10),
    *_along((1, 1, 0), 10),
)


def wulff_cluster(
    element: str = "Si",
    n_atoms: int = 239,
    *,
    lattice: float | None = None,
    surface_energies: Mapping[str, float] | None = None,
) -> Atoms:
    """Cut a cluster with {100}, {110} and {111} facets (or others) from a diamond or fcc crystal.

    Parameters
    ----------
    element : an element with the diamond or the fcc lattice.
    n_atoms : wanted number of atoms. Not every number is possible; the nearest one is taken.
    lattice : lattice constant, Å; the usual one of the element where it is None.
    surface_energies : energy of each facet by its Miller indices ("100"), in any unit; silicon's for the
        diamond lattice and nickel's for the fcc lattice where it is None: 201 atoms of nickel then are a
        truncated octahedron.

    Returns
    -------
    Atoms
        Not periodic, in a box with 10 Å around it; ``info["near_sizes"]`` are the possible numbers of atoms
        around the wanted one, ``info["wulff_center"]`` is the point the facets are counted from, Å.

    Raises
    ------
    SettingsError : for an unknown element, a number of atoms out of range or facets that are none.
    """
    crystal = _lattice_of(element)
    constant = checked_lattice(element, crystal.constant, lattice)
    planes = facet_planes(surface_energies or crystal.energies)
    if not 10 <= n_atoms <= MAX_ATOMS:
        raise SettingsError(
            f"a cluster of {n_atoms} atoms cannot be cut", where="n_atoms", fix=f"Use 10 to {MAX_ATOMS} atoms"
        )
    block = _Block.of(crystal, element, planes, n_atoms)
    found: dict[int, np.ndarray] = {}
    for center in crystal.centers:
        for points in block.cuts(center, planes, n_atoms):
            found.setdefault(len(points), points)
        if n_atoms in found and len(found) > ENOUGH_SIZES:
            break
    return _cluster(element, constant, n_atoms, found)


def facet_planes(surface_energies: Mapping[str, float]) -> np.ndarray:
    """Return normals over energy (n_planes, 3): a point r is inside a crystal of scale s where all n·r <= s.

    Raises
    ------
    SettingsError : for Miller indices that are none, or energies that are not positive.
    """
    planes = []
    for indices, energy in surface_energies.items():
        if not (len(indices) == 3 and indices.isdigit() and indices != "000"):
            raise SettingsError(f"{indices!r} are no Miller indices", where="surface energies",
                                fix="Write them as 100, 110 or 111")  # fmt: skip
        if not energy > 0:
            raise SettingsError(f"the energy of {{{indices}}} must be positive, not {energy!r}",
                                where="surface energies")  # fmt: skip
        signed = product((1, -1), repeat=3)
        index = [int(character) for character in indices]
        family = {tuple(np.multiply(p, s).tolist()) for s in signed for p in permutations(index)}
        planes += [np.array(h) / np.linalg.norm(h) / energy for h in sorted(family)]
    if not planes:
        raise SettingsError("there are no facets", where="surface energies", fix="Give 100, 110 or 111")
    return np.array(planes)


def _lattice_of(element: str) -> _Lattice:
    if element in DIAMOND_LATTICES:
        return _Lattice("diamond", DIAMOND_LATTICES[element], np.sqrt(3.0) / 4.0, 8, 2, SILICON_ENERGIES,
                        _DIAMOND_CENTERS)  # fmt: skip
    if element in FCC_LATTICES:
        return _Lattice("fcc", FCC_LATTICES[element], np.sqrt(0.5), 4, 3, NICKEL_ENERGIES, _FCC_CENTERS)
    known = ", ".join([*DIAMOND_LATTICES, *FCC_LATTICES])
    raise SettingsError(f"no clusters are cut from {element}", where="element", fix=f"Use one of {known}")


@dataclass(frozen=True, eq=False)
class _Block:
    """Crystal points (n, 3) around the origin, in lattice constants, and their bonds (n_bonds, 2)."""

    points: np.ndarray
    bonds: np.ndarray
    min_bonds: int

    @classmethod
    def of(cls, crystal: _Lattice, element: str, planes: np.ndarray, n_atoms: int) -> _Block:
        """Take a block that surely contains the clusters that will be cut from it."""
        from scipy.spatial import KDTree

        energies = 1.0 / np.linalg.norm(planes, axis=1)
        radius = (3 * 1.5 * n_atoms / (4 * np.pi * crystal.atoms_per_cell)) ** (1 / 3)
        reach = radius * float(energies.max() / energies.min()) + 1.5
        n = int(np.ceil(reach))
        points = bulk(element, crystal.name, a=1.0, cubic=True).repeat(2 * n).positions - n
        points = points[np.linalg.norm(points, axis=1) < reach]
        bonds = KDTree(points).query_pairs(1.15 * crystal.bond, output_type="ndarray")
        return cls(points, bonds, crystal.min_bonds)

    def cuts(self, center: tuple[float, ...], planes: np.ndarray, n_atoms: int) -> Iterator[np.ndarray]:
        """Clusters (n, 3) of about the wanted size around one centre, smallest first."""
        scales = ((self.points - center) @ planes.T).max(axis=1)
        levels = np.sort(scales)
        edges = np.flatnonzero(np.diff(levels) > 1e-6)
        layer = n_atoms ** (2 / 3)  # about as many as there are at the surface
        for last in edges[(edges > n_atoms - layer / 2) & (edges < n_atoms + layer)]:
            kept = self._without_loose_atoms(scales < levels[last] + 5e-7)
            if kept.any():
                yield self.points[kept] - center

    def _without_loose_atoms(self, inside: np.ndarray) -> np.ndarray:
        """Take off atoms with too few bonds until there are none."""
        bonds = self.bonds
        while True:
            bonds = bonds[inside[bonds].all(axis=1)]
            loose = inside & (np.bincount(bonds.ravel(), minlength=len(inside)) < self.min_bonds)
            if not loose.any():
                return inside
            inside = inside & ~loose


def _cluster(element: str, constant: float, n_atoms: int, found: Mapping[int, np.ndarray]) -> Atoms:
    """The cluster (points counted from its centre) whose size is nearest to the wanted one."""
    sizes = sorted(found, key=lambda size: (abs(size - n_atoms), size))
    if not sizes:
        raise SettingsError(f"no cluster of about {n_atoms} atoms has these facets", where="surface energies",
                            fix="Give energies that are closer to each other")  # fmt: skip
    points = found[sizes[0]]
    atoms = Atoms(element * len(points), positions=points * constant)
    atoms.center(vacuum=10.0)
    atoms.info["near_sizes"] = sorted(sizes[:8])
    atoms.info["wulff_center"] = (atoms.positions[0] - points[0] * constant).tolist()
    return atoms
