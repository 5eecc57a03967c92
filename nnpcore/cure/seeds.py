"""Where pools start: the crystals among the structures at hand, each in its smallest usual cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.mapping.invariant import check_invariant
from nnpcore.reference.crystals import LATTICES, crystal, lattice_constant
from nnpcore.structures.frame import Frame

_SAME = 1e-3  # of a neighbor distance
_SHELLS = 40
_MOST_CHECKED = 60


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal to start from.

    Attributes
    ----------
    frame : its cell, without labels.
    element : its one element, empty for compounds. lattice : a key of ``LATTICES``, empty for others.
    constant : lattice constant, Å, where the lattice is known.
    """

    frame: Frame
    element: str = ""
    lattice: str = ""
    constant: float = 0.0


@dataclass(frozen=True, eq=False)
class Seeds:
    """What a pool starts from.

    Attributes
    ----------
    crystals : perfect crystals, one of each kind.
    structures : one of each other kind of structure (composition, size, periodicity), as it is.
    """

    crystals: tuple[Crystal, ...] = ()
    structures: tuple[Frame, ...] = ()

    @property
    def cells(self) -> tuple[Frame, ...]:
        """The crystals' cells; without crystals, the smallest structures that are periodic throughout."""
        if self.crystals:
            return tuple(c.frame for c in self.crystals)
        periodic = [f for f in self.structures if f.pbc.all()]
        least = min((f.n_atoms for f in periodic), default=0)
        return tuple(f for f in periodic if f.n_atoms == least)


def seeds_of(frames: Sequence[Frame]) -> Seeds:
    """Find the crystals among frames; where there are none, the usual crystal of a single element is taken.

    Of crystals of one lattice the one of lowest energy is taken, or of middle volume where none is known.
    """
    kinds: dict[tuple[object, ...], list[Frame]] = {}
    for frame in frames:
        key = (tuple(np.bincount(frame.numbers).tolist()), tuple(frame.pbc.tolist()))
        kinds.setdefault(key, []).append(frame)
    found: dict[tuple[str, str], list[Crystal]] = {}
    structures = []
    for group in kinds.values():
        periodic = [f for f in group if f.pbc.all() and f.volume > 0.0][:_MOST_CHECKED]
        checks = check_invariant(periodic, n_threads=1)
        perfect = [f for f, check in zip(periodic, checks, strict=True) if check.ok]
        for frame in perfect:
            one = _recognized(frame)
            found.setdefault((one.element, one.lattice), []).append(one)
        if len(perfect) < len(group):
            flawed = next(f for f in group if not any(f is p for p in perfect))
            structures.append(flawed)
    crystals = [_best(group) for group in found.values()]
    return Seeds(tuple(crystals or _usual(frames)), tuple(structures))


def _best(group: list[Crystal]) -> Crystal:
    known = [c for c in group if c.frame.energy is not None]
    if known:
        chosen = min(known, key=lambda c: (c.frame.energy or 0.0) / c.frame.n_atoms)
    else:
        ordered = sorted(group, key=lambda c: c.frame.volume / c.frame.n_atoms)
        chosen = ordered[len(ordered) // 2]
    if not chosen.lattice:
        return Crystal(_bare(chosen.frame), chosen.element)
    cell = Frame.from_atoms(crystal(chosen.element, chosen.lattice, chosen.constant))
    return Crystal(cell, chosen.element, chosen.lattice, chosen.constant)


def _bare(frame: Frame) -> Frame:
    return Frame(frame.numbers, frame.positions, frame.cell, frame.pbc)


def _recognized(frame: Frame) -> Crystal:
    """The lattice whose neighbor shells a perfect crystal of one element has, if it is a usual one."""
    from ase.data import chemical_symbols

    element = chemical_symbols[int(frame.numbers[0])]
    if len(np.unique(frame.numbers)) > 1:
        return Crystal(frame)
    volume = frame.volume / frame.n_atoms
    own = _shells(frame)
    for lattice in LATTICES:
        constant = lattice_constant(lattice, volume)
        other = _shells(Frame.from_atoms(crystal(element, lattice, constant)))
        if len(own) == len(other) and np.allclose(own, other, rtol=_SAME):
            return Crystal(frame, element, lattice, constant)
    return Crystal(frame, element)


def _shells(frame: Frame) -> np.ndarray:
    """Distances of the nearest atoms to the first one, ascending, as multiples of the atomic radius."""
    from nnpcore.descriptors.neighbors import neighbor_pairs

    radius = (frame.volume / frame.n_atoms) ** (1.0 / 3.0)
    pairs = neighbor_pairs(frame, 2.4 * radius)
    first = pairs.vector[pairs.start[0] : pairs.start[1]]
    return np.sort(np.linalg.norm(first, axis=1))[:_SHELLS] / radius


def _usual(frames: Sequence[Frame]) -> list[Crystal]:
    """The crystal that a single element is known to have, at the density of what is periodic at hand."""
    from ase.data import atomic_numbers, chemical_symbols, reference_states

    numbers = {int(n) for frame in frames for n in np.unique(frame.numbers)}
    if len(numbers) != 1:
        return []
    element = chemical_symbols[numbers.pop()]
    state = reference_states[atomic_numbers[element]] or {}
    lattice = str(state.get("symmetry", ""))
    constant = state.get("a")
    if lattice not in LATTICES or not isinstance(constant, float | int):
        return []
    full = [f.volume / f.n_atoms for f in frames if f.pbc.all() and f.volume > 0.0]
    cell = crystal(element, lattice, float(constant))
    own = float(cell.cell.volume) / len(cell)
    if full and abs(float(np.median(full)) / own - 1.0) < 0.15:
        constant = lattice_constant(lattice, float(np.median(full)))
    return [
        Crystal(
            Frame.from_atoms(crystal(element, lattice, float(constant))), element, lattice, float(constant)
        )
    ]
