"""Perfect crystals along a range of volumes, labelled by a calculator: the invariant points.

All atoms of these crystals are equivalent by symmetry, so each holds the total energy over their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_numbers, covalent_radii

from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference.labels import label, label_all
from nnpcore.structures.frame import Frame

LATTICES: dict[str, tuple[float, float]] = {
    "diamond": (8.0, math.sqrt(3.0) / 4.0),
    "fcc": (4.0, math.sqrt(0.5)),
    "bcc": (2.0, math.sqrt(0.75)),
    "hcp": (math.sqrt(2.0), 1.0),
    "sc": (1.0, 1.0),
}
"""By lattice: a³ over the volume of an atom, and the distance of nearest neighbors over a. The cells are the
cubic ones; hcp has two atoms and the ideal c/a of sqrt(8/3)."""

_SCAN = np.linspace(0.75, 1.6, 35)
_RANGE = 0.05


def crystal(element: str, lattice: str, lattice_constant: float) -> Atoms:
    """Perfect crystal with a lattice constant a in Å; raise :class:`SettingsError` for what is unknown."""
    if element not in atomic_numbers or element == "X":
        raise SettingsError(f"there is no element {element!r}", fix="Give a symbol such as Si")
    from ase.build import bulk  # brings much of scipy

    _known(lattice)
    if not (math.isfinite(lattice_constant) and lattice_constant > 0):
        raise SettingsError(f"a lattice constant of {lattice_constant:g} Å is out of range", fix="Give a > 0")
    if lattice == "hcp":
        return bulk(element, "hcp", a=lattice_constant, c=math.sqrt(8.0 / 3.0) * lattice_constant)
    return bulk(element, lattice, a=lattice_constant, cubic=True)


def _known(lattice: str) -> None:
    if lattice not in LATTICES:
        raise SettingsError(f"there is no lattice {lattice!r}", fix=f"Take one of {', '.join(LATTICES)}")


def lattice_constant(lattice: str, volume: float) -> float:
    """Lattice constant a (Å) of a crystal with ``volume`` Å³ an atom."""
    _known(lattice)
    if not (math.isfinite(volume) and volume > 0):
        raise SettingsError(f"{volume:g} Å³ is no volume of an atom", fix="Give a volume above 0")
    return (LATTICES[lattice][0] * volume) ** (1.0 / 3.0)


def touching_lattice(element: str, lattice: str) -> float:
    """Lattice constant a (Å) of a crystal whose atoms touch each other, by their covalent radii.

    Raises :class:`SettingsError` for what is no element.
    """
    _known(lattice)
    if not atomic_numbers.get(element):
        what = f"there is no element {element!r}"
        raise SettingsError(what, where="element", fix="Give a symbol such as Si")
    return 2.0 * float(covalent_radii[atomic_numbers[element]]) / LATTICES[lattice][1]


def equilibrium_lattice(
    element: str, lattice: str, calculator: BaseCalculator, progress: Progress | None = None
) -> float:
    """Lattice constant a (Å) at which the calculator's energy is lowest; for hcp at the ideal c/a.

    Looks from 0.75 to 1.6 times the sum of covalent radii between nearest neighbors, then refines the deepest
    minimum to 1e-6 Å or better. Raises :class:`AnalysisError` when the energy has no minimum there.
    """
    from scipy.optimize import minimize_scalar

    def energy(a: float) -> float:
        if progress is not None:
            progress.report(None, f"Lattice of {lattice} {element}")
        value = label(crystal(element, lattice, a), calculator).energy
        if value is None:
            raise AnalysisError("the calculator gives no energy", fix="Take another calculator")
        return value / count

    count = len(crystal(element, lattice, 1.0))
    tried = _SCAN * touching_lattice(element, lattice)
    energies = np.array([energy(a) for a in tried])
    inner = 1 + np.flatnonzero((energies[1:-1] < energies[:-2]) & (energies[1:-1] <= energies[2:]))
    if len(inner) == 0:
        raise AnalysisError(
            f"the energy of {lattice} {element} has no minimum from a = {tried[0]:.3g} to {tried[-1]:.3g} Å",
            fix="Give the lattice constants yourself or take another calculator",
        )
    best = inner[energies[inner].argmin()]
    bounds = (tried[best - 1], tried[best + 1])
    found: Any = minimize_scalar(energy, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return float(found.x)


def crystal_scan(
    element: str,
    lattice: str,
    calculator: BaseCalculator,
    *,
    volumes: Sequence[float] | np.ndarray | None = None,
    lattice_range: tuple[float, float] | None = None,
    n: int = 21,
    progress: Progress | None = None,
) -> list[Frame]:
    """Perfect crystals along their volume with the calculator's labels: one line of invariant points.

    Parameters
    ----------
    lattice : a key of ``LATTICES``.
    volumes : Å³ an atom, taken as they are; or
    lattice_range : lowest and highest lattice constant, Å, between which ``n`` are spaced evenly; by default
        5 % to either side of :func:`equilibrium_lattice`.

    Returns frames with ``info["lattice"]`` and ``info["lattice_constant"]`` (Å). Raises
    :class:`SettingsError` for an empty or impossible range, and what :func:`label` raises.
    """
    if volumes is not None:
        constants = [lattice_constant(lattice, float(v)) for v in volumes]
    else:
        if lattice_range is None:
            a = equilibrium_lattice(element, lattice, calculator, progress)
            lattice_range = ((1.0 - _RANGE) * a, (1.0 + _RANGE) * a)
        low, high = lattice_range
        if not 0 < low <= high or n < 1:
            raise SettingsError(
                f"{n} crystals between {low:g} and {high:g} Å cannot be",
                where="lattice range",
                fix="Give a lower end above 0, an upper end above it and one crystal or more",
            )
        constants = list(np.linspace(low, high, n))
    if not constants:
        raise SettingsError("no volume is given", where="volumes", fix="Give one or more, in Å³ an atom")
    frames = label_all([crystal(element, lattice, float(a)) for a in constants], calculator, progress)
    return [
        replace(frame, index=k, info={**frame.info, "lattice": lattice, "lattice_constant": float(a)})
        for k, (frame, a) in enumerate(zip(frames, constants, strict=True))
    ]


@dataclass(frozen=True)
class CrystalRange:
    """Perfect crystals along their volume.

    Attributes
    ----------
    element, lattice : of the crystals; ``lattice`` is a key of ``LATTICES``. n : their number.
    span : what ``low`` and ``high`` are: "strain" (``high`` in % to either side of the equilibrium volume),
        "volume" (Å³/atom) or "constant" (Å).
    """

    element: str = "Si"
    lattice: str = "diamond"
    span: Literal["strain", "volume", "constant"] = "strain"
    low: float = 0.0
    high: float = 5.0
    n: int = 21

    def first_look(self) -> Atoms:
        """Return one such crystal, of touching atoms."""
        return crystal(self.element, self.lattice, touching_lattice(self.element, self.lattice))

    def frames(
        self, calculator: BaseCalculator | None = None, progress: Progress | None = None
    ) -> list[Frame]:
        """Return the crystals as :func:`crystal_scan` does; without a calculator they have no labels.

        Raises
        ------
        SettingsError : a range that is none, or a strain without a calculator; ``where`` names the field.
        """
        volumes, constants = self._range(calculator, progress)
        if calculator is not None:
            return crystal_scan(
                self.element, self.lattice, calculator,
                volumes=volumes, lattice_range=constants, n=self.n, progress=progress,
            )  # fmt: skip
        if volumes is not None:
            values = [lattice_constant(self.lattice, float(v)) for v in volumes]
        else:
            assert constants is not None
            values = np.linspace(*constants, self.n).tolist()
        built = [crystal(self.element, self.lattice, a) for a in values]
        return [Frame.from_atoms(atoms, index=k) for k, atoms in enumerate(built)]

    def _range(
        self, calculator: BaseCalculator | None, progress: Progress | None
    ) -> tuple[np.ndarray | None, tuple[float, float] | None]:
        """Volumes (n,), or the lowest and the highest lattice constant."""
        if self.span == "strain":
            if calculator is None:
                raise SettingsError(
                    "without a calculator there is no equilibrium",
                    where="span",
                    fix="Give volumes or lattice constants",
                )
            a = equilibrium_lattice(self.element, self.lattice, calculator, progress)
            share = (1.0 + self.high / 100.0) ** (1.0 / 3.0) - 1.0
            return None, (a * (1.0 - share), a * (1.0 + share))
        if self.low >= self.high or self.low <= 0.0:
            what = f"{self.low:g} to {self.high:g} is no range"
            raise SettingsError(what, where="low", fix="Give a low end above 0 and a high end above it")
        if self.span == "volume":
            return np.linspace(self.low, self.high, self.n), None
        return None, (self.low, self.high)
