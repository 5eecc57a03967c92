"""A repulsion of nuclei under the networks, for atoms closer to each other than any data are.

The screened repulsion of Ziegler, Biersack and Littmark (The Stopping and Range of Ions in Solids, Pergamon,
1985), joined to zero as LAMMPS' ``pair_style zbl`` does: for a pair of nuclei Z, Z' at a distance r,

    V(r) = k Z Z' phi(r/a)/r + S(r),   phi(x) = sum_i c_i exp(-d_i x),   a = 0.46850 Å / (Z^0.23 + Z'^0.23)

    S(r) = C                                     r < r_in
    S(r) = A/3 (r - r_in)³ + B/4 (r - r_in)⁴ + C     r_in <= r < r_out

so that V, V' and V'' are zero from r_out on. Half of it belongs to each of the two atoms. Beside it, atoms
more crowded than in any data may have an energy, see :mod:`nnpcore.potential.crowding`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.potential.crowding import Crowding, check_crowding, crowded_pairs

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

KIND = "zbl"
COULOMB = 14.399645
"""e²/(4 pi epsilon_0) in eV Å, as LAMMPS has it in metal units."""

_POWER, _LENGTH = 0.23, 0.46850
_HEIGHTS = np.array([0.02817, 0.28022, 0.50986, 0.18175])
_DECAYS = np.array([0.20162, 0.40290, 0.94229, 3.19980])


@dataclass(frozen=True)
class PairRepulsion:
    """The repulsion of two elements (symbols, by atomic number): whole below ``inner``, none from ``outer``
    on, Å.
    """

    elements: tuple[str, str]
    inner: float
    outer: float

    @property
    def numbers(self) -> tuple[int, int]:
        """Both atomic numbers."""
        from ase.data import atomic_numbers

        first, second = self.elements
        return atomic_numbers[first], atomic_numbers[second]

    def energy(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return V(r), eV, and V'(r), eV/Å, both of the shape of ``r``, Å."""
        r = np.asarray(r, dtype=float)
        table = _table((self,), self.elements)
        return table.evaluate(r, np.zeros(r.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """Those of some pairs that feel the repulsion, or whose center is crowded.

    Attributes
    ----------
    pair : (n,) which they are. center : (n,) their centers' place among those asked about.
    energies : (n,) eV, what they add to the energy of their center: half of V, and their share of F.
    gradients : (n, 3) eV/Å, the derivative of that by the neighbor's position.
    """

    pair: np.ndarray
    center: np.ndarray
    energies: np.ndarray
    gradients: np.ndarray


@dataclass(frozen=True)
class ShortRange:
    """The repulsion under a potential's networks, for some or all pairs of its elements, and the energy of
    atoms of some or all elements that are crowded.
    """

    pairs: tuple[PairRepulsion, ...]
    crowding: tuple[Crowding, ...] = ()

    @cached_property
    def reach(self) -> float:
        """The largest distance at which a neighbor is felt, Å."""
        crowding = (reach for one in self.crowding for _, reach in one.reaches)
        return max(self.outer, *crowding, 0.0)

    @property
    def outer(self) -> float:
        """The largest ``outer`` of the pairs, Å."""
        return max(pair.outer for pair in self.pairs)

    @property
    def text(self) -> str:
        """What it is, in words."""
        pairs = ", ".join(f"{'-'.join(pair.elements)} below {pair.outer:g} Å" for pair in self.pairs)
        crowded = ", ".join(one.element for one in self.crowding)
        more = f"; of atoms more crowded than in the data: {crowded}" if crowded else ""
        return f"repulsion of nuclei (ZBL): {pairs}{more}"

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """All elements that have a part in it."""
        crowding = (element for one in self.crowding for element, _ in one.reaches)
        pairs = (element for pair in self.pairs for element in pair.elements)
        return tuple(dict.fromkeys((*pairs, *crowding)))

    def close_pairs(
        self,
        elements: Sequence[str],
        centers: np.ndarray,
        start: np.ndarray,
        neighbors: np.ndarray,
        vectors: np.ndarray,
    ) -> ClosePairs | None:
        """Return the pairs that feel it, None where there are none.

        Parameters
        ----------
        elements : that species point into. centers : (n,) species of the centers, whose neighbors are all
            there; a negative one feels nothing. start : (n + 1,) into the pairs.
        neighbors : (n_pairs,) species of the neighbors.
        vectors : (n_pairs, 3) from center to neighbor, Å.
        """
        squares = np.einsum("pa,pa->p", vectors, vectors)
        near = np.flatnonzero(squares < self.reach**2)
        if not len(near):
            return None
        center = np.searchsorted(start, near, "right") - 1
        r = np.sqrt(squares[near])
        first, second = centers[center], neighbors[near]
        energies, slopes = self._repelling(elements, first, second, r)
        if self.crowding:
            more = crowded_pairs(self.crowding, elements, centers, center, second, r)
            energies, slopes = energies + more[0], slopes + more[1]
        felt = np.flatnonzero((energies != 0.0) | (slopes != 0.0))
        if not len(felt):
            return None
        near, slopes = near[felt], slopes[felt] / r[felt]
        return ClosePairs(near, center[felt], energies[felt], slopes[:, None] * vectors[near])

    def _repelling(
        self, elements: Sequence[str], first: np.ndarray, second: np.ndarray, r: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return half of V and half of V' of pairs of two species, zero for those too far apart."""
        table = _table(self.pairs, tuple(elements))
        kind = np.where((first < 0) | (second < 0), -1, table.index[first, second])
        chosen = np.flatnonzero((kind >= 0) & (r < table.outer[kind]))
        energies, slopes = np.zeros(len(r)), np.zeros(len(r))
        found = table.evaluate(r[chosen], kind[chosen])
        energies[chosen], slopes[chosen] = 0.5 * found[0], 0.5 * found[1]
        return energies, slopes

    def of_frame(self, frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return what it adds to a structure: atomic energies (n,), eV, forces (n, 3), eV/Å, and the virial
        dE/d(strain) (3, 3), eV; None where no two atoms are close enough.
        """
        from nnpcore.descriptors import NeighborFinder

        found = NeighborFinder(frame, self.reach).pairs()
        species = self._species(frame)
        close = self.close_pairs(self.elements, species, found.start, species[found.neighbor], found.vector)
        if close is None:
            return None
        neighbor = found.neighbor[close.pair]
        energies, forces = np.zeros(frame.n_atoms), np.zeros((frame.n_atoms, 3))
        np.add.at(energies, close.center, close.energies)
        np.add.at(forces, close.center, close.gradients)
        np.add.at(forces, neighbor, -close.gradients)
        return energies, forces, found.vector[close.pair].T @ close.gradients

    def atomic_energies(self, frames: Sequence[Frame]) -> np.ndarray:
        """Return what it adds to the atomic energies (n_atoms,), eV, of frames laid end to end."""
        parts = [(frame, self.of_frame(frame)) for frame in frames]
        return np.concatenate(
            [np.zeros(0), *(np.zeros(f.n_atoms) if found is None else found[0] for f, found in parts)]
        )

    def taken_off(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return the frames with it taken off their reference values; the same frames where it is zero."""
        return [self._taken_off(frame) for frame in frames]

    def _taken_off(self, frame: Frame) -> Frame:
        found = self.of_frame(frame)
        if found is None:
            return frame
        energies, forces, virial = found
        stress = frame.stress
        if stress is not None and frame.volume > 0:
            stress = stress - 0.5 * (virial + virial.T) / frame.volume
        return replace(
            frame,
            energy=None if frame.energy is None else frame.energy - float(energies.sum()),
            forces=None if frame.forces is None else frame.forces - forces,
            stress=stress,
        )

    def _species(self, frame: Frame) -> np.ndarray:
        from ase.data import atomic_numbers

        species = np.full(frame.n_atoms, -1)
        for index, element in enumerate(self.elements):
            species[frame.numbers == atomic_numbers[element]] = index
        return species

    def numbers_of(self, element: str, elements: Sequence[str]) -> np.ndarray:
        """Return, for neighbors of each of ``elements``, what V about an atom of ``element`` is made of.

        (n_elements, 13): r_in, r_out, A, B, C, then the four k Z Z' c_i, eV Å, and d_i/a, 1/Å; r_out is
        0 where there is no repulsion.
        """
        table = _table(self.pairs, tuple(elements))
        kinds = table.index[tuple(elements).index(element)]
        found = np.zeros((len(elements), 13))
        for row, k in zip(found, kinds, strict=True):
            if k >= 0:
                row[:5] = table.inner[k], table.outer[k], table.cubic[k], table.quartic[k], table.shift[k]
                row[5:] = *(table.height[k] * _HEIGHTS), *(table.decay[k] * _DECAYS)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        pairs = [{"elements": list(p.elements), "inner": p.inner, "outer": p.outer} for p in self.pairs]
        crowding = {"crowding": [one.to_dict() for one in self.crowding]} if self.crowding else {}
        return {"kind": KIND, "pairs": pairs, **crowding}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShortRange:
        """Rebuild from :meth:`to_dict`; KeyError for a missing entry, PotentialError for an unknown kind."""
        if values["kind"] != KIND:
            raise PotentialError(f"the short range is of the unknown kind {values['kind']!r}")
        pairs = []
        for one in values["pairs"]:
            first, second = map(str, one["elements"])
            pairs.append(PairRepulsion((first, second), float(one["inner"]), float(one["outer"])))
        return cls(tuple(pairs), tuple(map(Crowding.from_dict, values.get("crowding", ()))))

    def check(self, elements: Sequence[str], cutoff: float) -> None:
        """Raise :class:`PotentialError` unless it fits a potential of these elements and this cutoff, Å."""
        check_crowding(self.crowding, elements, cutoff)
        known = {frozenset(pair.elements) for pair in self.pairs}
        if not self.pairs or len(known) < len(self.pairs):
            raise PotentialError("the short range has no pair of elements, or one of them twice")
        for pair in self.pairs:
            names = "-".join(pair.elements)
            if not set(pair.elements) <= set(elements):
                raise PotentialError(f"the short range has {names}, which the symmetry functions have not")
            if not 0.0 < pair.inner < pair.outer <= cutoff:
                raise PotentialError(
                    f"the short range of {names} goes from {pair.inner:g} to {pair.outer:g} Å, wanted two "
                    f"growing distances up to the cutoff of {cutoff:g} Å"
                )


@dataclass(frozen=True, eq=False)
class _Table:
    """Numbers of all pairs, (n_pairs,) each, and which pair two species are, (n_species, n_species) or -1."""

    index: np.ndarray
    height: np.ndarray
    decay: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    cubic: np.ndarray
    quartic: np.ndarray
    shift: np.ndarray

    def evaluate(self, r: np.ndarray, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return V and V' at distances ``r`` of pairs ``kind``."""
        bare, slope, _ = _screened(r, self.height[kind], self.decay[kind])
        t = np.maximum(r - self.inner[kind], 0.0)
        a, b = self.cubic[kind], self.quartic[kind]
        energy = bare + self.shift[kind] + t**3 * (a / 3.0 + b * t / 4.0)
        inside = r < self.outer[kind]
        return np.where(inside, energy, 0.0), np.where(inside, slope + t**2 * (a + b * t), 0.0)


@lru_cache(maxsize=64)
def _table(pairs: tuple[PairRepulsion, ...], elements: tuple[str, ...]) -> _Table:
    index = np.full((len(elements), len(elements)), -1)
    for k, pair in enumerate(pairs):
        first, second = (elements.index(e) if e in elements else -1 for e in pair.elements)
        if min(first, second) >= 0:
            index[first, second] = index[second, first] = k
    numbers = np.array([pair.numbers for pair in pairs], dtype=float)
    height = COULOMB * numbers.prod(axis=1)
    decay = (numbers**_POWER).sum(axis=1) / _LENGTH
    inner, outer = (np.array([getattr(pair, name) for pair in pairs]) for name in ("inner", "outer"))
    energy, slope, curvature = _screened(outer, height, decay)
    t = outer - inner
    return _Table(
        index,
        height,
        decay,
        inner,
        outer,
        cubic=(t * curvature - 3.0 * slope) / t**2,
        quartic=(2.0 * slope - t * curvature) / t**3,
        shift=0.5 * t * slope - energy - t**2 * curvature / 12.0,
    )


def _screened(
    r: np.ndarray, height: np.ndarray, decay: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the repulsion that is joined to nothing, and its first and second derivative by r."""
    rates = decay[..., None] * _DECAYS
    terms = _HEIGHTS * np.exp(-rates * r[..., None])
    phi, one, two = terms.sum(-1), -(rates * terms).sum(-1), (rates**2 * terms).sum(-1)
    energy = height * phi / r
    slope = height * (one - phi / r) / r
    curvature = height * (two - 2.0 * one / r + 2.0 * phi / r**2) / r
    return energy, slope, curvature
