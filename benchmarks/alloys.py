"""Alloys and compounds labelled by potentials in closed form: a metal, an ionic oxide, a carbide.

Each set has cubic cells and small triclinic ones, strained and shaken, with antisites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.tersoff import Tersoff, TersoffParameters
from ase.neighborlist import neighbor_list
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import _e, _eps0
from scipy.special import erfc

from nnpcore.structures.frame import Frame

COULOMB = 1e10 * _e / (4 * np.pi * _eps0)
"""e²/4πε0 in eV Å."""


class IonPairs(Calculator):
    """Buckingham's ions: ``A exp(-r/ρ) - C/r⁶`` and a damped Coulomb energy whose value and slope vanish at
    the cutoff (Fennell & Gezelter, J. Chem. Phys. 124, 234104 (2006)); ``pairs`` of symbols -> (A, ρ, C).
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(
        self, charges: dict[str, float], pairs: dict[tuple[str, str], tuple[float, float, float]]
    ) -> None:
        super().__init__()
        self.charges = charges
        self.pairs = {tuple(sorted(pair)): numbers for pair, numbers in pairs.items()}
        self.cutoff, self.damping = 7.0, 0.25

    def _coulomb(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energy of two unit charges and its derivative."""
        own = erfc(self.damping * r)
        gauss = 2 * self.damping / np.sqrt(np.pi) * np.exp(-((self.damping * r) ** 2))
        return own / r, -own / r**2 - gauss / r

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Compute everything."""
        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        i, j, r, vector = neighbor_list("ijdD", atoms, self.cutoff)
        symbols = np.array(atoms.get_chemical_symbols())
        charge = np.array([self.charges[s] for s in symbols])
        at_cutoff, slope_there = self._coulomb(np.array([self.cutoff]))
        value, slope = self._coulomb(r)
        strength = COULOMB * charge[i] * charge[j]
        energy = strength * (value - at_cutoff - slope_there * (r - self.cutoff))
        slope = strength * (slope - slope_there)
        for pair, (a, rho, c) in self.pairs.items():
            own = (symbols[i] == pair[0]) & (symbols[j] == pair[1])
            own |= (symbols[i] == pair[1]) & (symbols[j] == pair[0])
            d = r[own]
            energy[own] += a * np.exp(-d / rho) - c / d**6
            slope[own] += -a / rho * np.exp(-d / rho) + 6 * c / d**7
        along = (slope / r)[:, None] * vector
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, along)
        virial = 0.5 * np.einsum("pa,pb->ab", vector, along)
        self.results = {
            "energy": 0.5 * energy.sum(),
            "forces": forces,
            "stress": full_3x3_to_voigt_6_stress(virial / atoms.get_volume()),
        }


def magnesia() -> IonPairs:
    """Return magnesium oxide: Lewis & Catlow, J. Phys. C 18, 1149 (1985)."""
    pairs = {("Mg", "O"): (821.6, 0.3242, 0.0), ("O", "O"): (22764.0, 0.149, 27.88)}
    return IonPairs({"Mg": 2.0, "O": -2.0}, pairs)


def silicon_carbide() -> Tersoff:
    """Return silicon and carbon: Tersoff, Phys. Rev. B 39, 5566 (1989), and its erratum."""
    own = {
        "C": (3.8049e4, 4.3484, -0.57058, 0.72751, 1.5724e-7),
        "Si": (1.0039e5, 16.217, -0.59825, 0.78734, 1.1e-6),
    }
    pair = {
        "CC": (2.2119, 346.74, 3.4879, 1393.6, 1.95),
        "SiSi": (1.73222, 471.18, 2.4799, 1830.8, 2.85),
        "CSi": (1.97205, 395.126, 2.9839, 1597.3111, 2.36),
    }
    parameters = {}
    for e1 in own:
        for e2 in own:
            for e3 in own:
                c, d, h, n, beta = own[e1]
                lambda2, b, lambda1, a, _ = pair["".join(sorted((e1, e2)))]
                reach = pair["".join(sorted((e1, e3)))][4]
                parameters[e1, e2, e3] = TersoffParameters(
                    3.0, 1.0, 0.0, c, d, h, n, beta, lambda2, b, reach, 0.15, lambda1, a
                )
    return Tersoff(parameters)


def _shaken(atoms: Atoms, rng: np.random.Generator, shake: tuple[float, float]) -> Atoms:
    """Strain the cell in any direction and move the atoms."""
    strain = rng.uniform(0.97, 1.03) * np.eye(3) + rng.normal(0, 0.012, (3, 3))
    atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
    atoms.positions += rng.normal(0, rng.uniform(*shake), (len(atoms), 3))
    return atoms


def _triclinic(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Repeat a primitive cell two or four times, in sheared axes."""
    repeated = atoms * [(2, 1, 1), (2, 2, 1), (1, 2, 2), (1, 1, 2)][rng.integers(4)]
    cell = repeated.cell.array
    cell[2] += rng.integers(-1, 2) * cell[0]
    repeated.set_cell(cell)
    repeated.wrap()
    return repeated


def _labelled(atoms: Atoms, calculator: Calculator, kind: str) -> Frame:
    atoms.calc = calculator
    atoms.get_forces()
    atoms.get_stress()
    atoms.info["kind"] = kind
    return Frame.from_atoms(atoms)


def metal(rng: np.random.Generator) -> Frame:
    """Return copper and gold in any composition, fcc, by effective-medium theory."""
    part = rng.uniform(0.1, 0.9)
    small = rng.uniform() < 0.3
    a = 3.61 + 0.47 * part
    atoms = _triclinic(bulk("Cu", "fcc", a), rng) if small else bulk("Cu", "fcc", a, cubic=True) * (2, 2, 2)
    atoms.set_chemical_symbols(np.where(rng.uniform(size=len(atoms)) < part, "Au", "Cu").tolist())
    return _labelled(_shaken(atoms, rng, (0.03, 0.2)), EMT(), "triclinic" if small else "cubic")


def _compound(
    structure: Callable[..., Atoms],
    cations: tuple[str, str],
    make: Callable[[], Calculator],
    rng: np.random.Generator,
) -> Frame:
    """Return a compound of two elements; of its large cells every third has two antisites."""
    small = rng.uniform() < 0.3
    atoms = _triclinic(structure(False), rng) if small else structure(True) * (2, 2, 1)
    kind = "triclinic" if small else "cubic"
    if not small and rng.uniform() < 1 / 3:
        symbols = np.array(atoms.get_chemical_symbols())
        one, other = (rng.choice(np.flatnonzero(symbols == s)) for s in cations)
        symbols[[one, other]] = symbols[[other, one]]
        atoms.set_chemical_symbols(symbols.tolist())
        kind = "antisite"
    return _labelled(_shaken(atoms, rng, (0.02, 0.12)), make(), kind)


def oxide(rng: np.random.Generator) -> Frame:
    """Return magnesium oxide by pairs of ions, rock salt."""

    def structure(cubic: bool) -> Atoms:
        return bulk("MgO", "rocksalt", 4.28, cubic=cubic)

    return _compound(structure, ("Mg", "O"), magnesia, rng)


def carbide(rng: np.random.Generator) -> Frame:
    """Return silicon carbide by Tersoff's potential, zinc blende."""

    def structure(cubic: bool) -> Atoms:
        return bulk("SiC", "zincblende", 4.32, cubic=cubic)

    return _compound(structure, ("Si", "C"), silicon_carbide, rng)


MAKERS: dict[str, Callable[[np.random.Generator], Frame]] = {
    "metal": metal,
    "oxide": oxide,
    "carbide": carbide,
}


def frames_of(name: str, n: int, seed: int = 0) -> list[Frame]:
    """Return ``n`` frames of a set."""
    rng = np.random.default_rng([seed, list(MAKERS).index(name)])
    return [MAKERS[name](rng) for _ in range(n)]
