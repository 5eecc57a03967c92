"""Stillinger-Weber silicon and second-moment nickel as ASE calculators with exactly known atomic energies.

Both keep a Verlet list: pairs are searched up to the cutoff plus a skin and used until an atom or the cell
has moved so far that a pair could be missing. A calculator may be used by one thread at a time; the kernels
release the GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.data import atomic_numbers, chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress

from nnpcore.errors import PotentialError, SettingsError
from nnpcore.structures.changes import changes_between
from nnpcore.structures.frame import Frame


@dataclass(frozen=True)
class StillingerWeberParameters:
    """F. H. Stillinger and T. A. Weber, Phys. Rev. B 31, 5262 (1985), p = 4, q = 0; energies in eV, Å.

    Their epsilon of 50 kcal/mol is 2.1682 eV; the usual rounding, 2.1683, gives 4.3366 eV of cohesion.
    """

    epsilon: float = 2.1683
    sigma: float = 2.0951
    a: float = 1.8
    lambda_: float = 21.0
    gamma: float = 1.2
    big_a: float = 7.049556277
    big_b: float = 0.6022245584


@dataclass(frozen=True)
class SecondMomentParameters:
    """F. Cleri and V. Rosato, Phys. Rev. B 48, 22 (1993): a and xi in eV, r0 in Å.

    They sum over five shells of neighbors. Here both sums are whole up to ``taper_start`` (Å), just beyond
    the fifth shell of the crystal, and taken smoothly to zero at ``cutoff`` (Å) by a fifth-order polynomial,
    before the sixth: energy and forces are continuous, and the crystal at rest is theirs.
    """

    a: float
    xi: float
    p: float
    q: float
    r0: float
    taper_start: float
    cutoff: float


CLERI_ROSATO: dict[str, SecondMomentParameters] = {
    "Ni": SecondMomentParameters(0.0376, 1.070, 16.999, 1.189, 2.4918, 5.60, 6.00),
}
"""Parameters by element."""


class PairList:
    """Pairs within a cutoff plus skin, searched again only when one could be missing.

    Parameters
    ----------
    cutoff, skin : Å.
    half : list each pair once instead of once from either end.
    """

    def __init__(self, cutoff: float, skin: float, *, half: bool = False) -> None:
        self.cutoff = cutoff
        self.skin = skin
        self.half = half
        self.n_searches = 0
        self._frame: Frame | None = None

    def update(self, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start (n + 1,), neighbor (n_pairs,) and image offset (n_pairs, 3) Å of the pairs of a frame.

        Raises :class:`DataError` where two atoms sit on one spot or the cell has no volume.
        """
        if self._frame is None or not self._valid(self._frame, frame):
            self._search(frame)
        return self._start, self._neighbor, self._offset

    def _valid(self, listed: Frame, frame: Frame) -> bool:
        """Whether no pair within the cutoff can be missing; moves the images along with the cell."""
        from nnpcore.reference.potential_kernels import farthest_move

        positions = np.require(frame.positions, np.float64, ["C", "W"])
        if listed.n_atoms != frame.n_atoms or (listed.pbc != frame.pbc).any():
            return False
        base, reach = listed.positions, self.cutoff + self.skin
        if not np.array_equal(frame.cell, self._cell):
            if not frame.pbc.all():
                return False
            strain = self._inverse @ frame.cell
            self._offset, self._cell = self._listed_offset @ strain, frame.cell.copy()
            self._base, self._reach = base @ strain, reach * np.linalg.svd(strain, compute_uv=False)[-1]
        slack = 0.5 * (self._reach - self.cutoff)
        return bool(slack > 0 and farthest_move(positions, self._base) < slack * slack)

    def _search(self, frame: Frame) -> None:
        from nnpcore.descriptors.neighbors import neighbor_pairs
        from nnpcore.reference.potential_kernels import half_list

        positions = np.array(frame.positions, dtype=np.float64, order="C")
        frame = replace(frame, positions=positions, cell=frame.cell.copy(), pbc=frame.pbc.copy())
        pairs = neighbor_pairs(frame, self.cutoff + self.skin, where="the structure")
        start, neighbor, vector = pairs.start, pairs.neighbor, pairs.vector
        center = np.repeat(np.arange(frame.n_atoms), np.diff(start))
        offset = vector - (frame.positions[neighbor] - frame.positions[center])
        if self.half:
            start, kept = half_list(start, neighbor, vector)
            neighbor, offset = neighbor[kept], offset[kept]
        self._start, self._neighbor, self._offset = start, neighbor, offset
        self._listed_offset, self._cell = offset, frame.cell
        self._inverse = np.linalg.inv(frame.cell) if frame.pbc.all() else np.eye(3)
        self._base, self._reach = frame.positions, self.cutoff + self.skin
        self._frame = frame
        self.n_searches += 1


class ReferenceCalculator(Calculator):
    """A potential with known atomic energies: energy, free_energy, energies, forces and stress (ASE's sign).

    There is a stress only for cells that are periodic in all three directions.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 (ASE's)
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (ASE's)
    title: ClassVar[str]
    kernel: ClassVar[str]
    """Name of the compiled function, in ``potential_kernels``."""

    def __init__(self, element: str, parameters: Any, cutoff: float, skin: float, *, half: bool) -> None:
        super().__init__()
        self.element = element
        self.elements = (element,)
        self.reference = parameters
        self.cutoff = cutoff
        self._numbers = np.array(astuple(parameters), dtype=np.float64)
        self.pairs = PairList(cutoff, skin, half=half)

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Fill ``results``; raise :class:`PotentialError` for a foreign element and :class:`DataError` for a
        structure that makes no sense (two atoms on one spot, a periodic cell without volume)."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        copy = self.atoms
        frame = Frame(copy.numbers, copy.positions, copy.cell.array, copy.pbc)
        periodic = bool(frame.pbc.all())
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError("stress needs a cell that is periodic in all three directions")
        energies, forces, virial = self.evaluate(frame)
        energy = float(energies.sum())
        self.results = {"energy": energy, "free_energy": energy, "energies": energies, "forces": forces}
        if periodic:
            self.results["stress"] = full_3x3_to_voigt_6_stress(virial / frame.volume)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What of the structure has changed since the last results, exactly."""
        return changes_between(self.atoms, atoms)

    def evaluate(self, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Atomic energies (n,) eV, forces (n, 3) eV/Å, virial (3, 3) eV; errors as in :meth:`calculate`."""
        from nnpcore.reference import potential_kernels

        self._check(frame.numbers)
        positions = np.require(frame.positions, np.float64, ["C", "W"])  # what the kernels are compiled for
        energies, forces, virial = np.empty(frame.n_atoms), np.empty((frame.n_atoms, 3)), np.empty((3, 3))
        pairs = self.pairs.update(frame)
        getattr(potential_kernels, self.kernel)(positions, *pairs, self._numbers, energies, forces, virial)
        return energies, forces, virial

    def _check(self, numbers: np.ndarray) -> None:
        foreign = numbers[numbers != atomic_numbers[self.element]]
        if len(foreign):
            names = ", ".join(sorted({chemical_symbols[n] for n in foreign}))
            raise PotentialError(
                f"{self.title} knows {self.element} only, not {names}",
                fix=f"Use a structure of {self.element} alone or another calculator",
            )


class StillingerWeber(ReferenceCalculator):
    """Stillinger-Weber silicon.

    Atomic energies: half of each pair's energy to either atom, each triplet's energy to its central atom.

    Parameters
    ----------
    parameters : see :class:`StillingerWeberParameters`.
    skin : Å, of the Verlet list.
    """

    title, kernel = "Stillinger-Weber silicon", "stillinger_weber"

    def __init__(self, parameters: StillingerWeberParameters | None = None, *, skin: float = 1.0) -> None:
        parameters = parameters or StillingerWeberParameters()
        super().__init__("Si", parameters, parameters.a * parameters.sigma, skin, half=False)


class CleriRosato(ReferenceCalculator):
    """A metal in the second-moment approximation of tight binding, a sum over atoms by nature.

    Parameters
    ----------
    element : a key of ``CLERI_ROSATO``; raises :class:`SettingsError` otherwise.
    skin : Å, of the Verlet list.
    """

    title, kernel = "The second-moment potential", "second_moment"

    def __init__(self, element: str = "Ni", *, skin: float = 1.0) -> None:
        if element not in CLERI_ROSATO:
            raise SettingsError(
                f"there are no second-moment parameters for {element!r}",
                fix=f"Take {', '.join(CLERI_ROSATO)}",
            )
        parameters = CLERI_ROSATO[element]
        super().__init__(element, parameters, parameters.cutoff, skin, half=True)


@dataclass(frozen=True)
class ReferenceInfo:
    """A reference potential as a choice: what it is called, which elements it knows, where it comes from."""

    title: str
    elements: tuple[str, ...]
    source: str
    make: Callable[[], ReferenceCalculator]


REFERENCES: dict[str, ReferenceInfo] = {
    "stillinger-weber": ReferenceInfo(
        "Stillinger-Weber silicon",
        ("Si",),
        "F. H. Stillinger and T. A. Weber, Phys. Rev. B 31, 5262 (1985)",
        StillingerWeber,
    ),
    "cleri-rosato": ReferenceInfo(
        "Second-moment nickel (Cleri and Rosato)",
        ("Ni",),
        "F. Cleri and V. Rosato, Phys. Rev. B 48, 22 (1993)",
        CleriRosato,
    ),
}
"""The reference potentials by name."""


def reference_calculator(name: str) -> ReferenceCalculator:
    """Return a new calculator of a reference potential; raise :class:`SettingsError` for an unknown name."""
    if name not in REFERENCES:
        raise SettingsError(
            f"there is no reference potential called {name!r}", fix=f"Take {' or '.join(REFERENCES)}"
        )
    return REFERENCES[name].make()
