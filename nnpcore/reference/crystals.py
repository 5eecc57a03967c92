"""Perfect crystals along a range of volumes, labelled by a calculator: the invariant points.

All atoms of these crystals are equivalent by symmetry, so each holds the total energy over their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_numbers, covalent_radii

from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference.labels import label
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
    tried = _SCAN * 2.0 * covalent_radii[atomic_numbers[element]] / LATTICES[lattice][1]
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
    frames = label([crystal(element, lattice, float(a)) for a in constants], calculator, progress)
    return [
        replace(frame, index=k, info={**frame.info, "lattice": lattice, "lattice_constant": float(a)})
        for k, (frame, a) in enumerate(zip(frames, constants, strict=True))
    ]
