"""Candidates for symmetry functions: what distances between neighbors in some frames suggest.

Cutoff and ranges follow the distances that occur. The candidates of a central element are, for every neighbor
element, G2 whose centers lie evenly between the shortest distance and the cutoff, in coarse and fine steps,
and G2 about zero; for every pair of neighbor elements G4 and G5 of several widths and ζ up to 16. Widths are
in units of the shortest distance: Gastegger et al., J. Chem. Phys. 148, 241709 (2018); Imbalzano et al., J.
Chem. Phys. 148, 241730 (2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase.data import chemical_symbols

from nnpcore.descriptors.functions import (
    G2,
    G4,
    G5,
    SymmetryFunction,
)
from nnpcore.descriptors.neighbors import neighbor_pairs
from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame

LARGEST_CUTOFF = 6.5
SMALLEST_CUTOFF = 3.5
"""Å, of those found from the data."""

NEIGHBORS = 40
"""Neighbors of a usual atom within the cutoff: about three shells."""

_SHORTEST = 0.002
"""Quantile of the distances that counts as the shortest, so that a single odd one does not."""
_STEPS = (10, 5)
_ABOUT_ZERO = (0.0, 0.08, 0.24, 0.6, 1.6, 4.0, 10.0)
_WIDTHS = (0.0, 0.08, 0.3, 1.0)
_TOO_NARROW = 1.0
"""For G4, whose third distance is longer."""
_ZETAS = (1.0, 2.0, 4.0, 8.0, 16.0)
_FEW_ZETAS = (1.0, 4.0, 16.0)
_MANY_ELEMENTS, _VERY_MANY_ELEMENTS = 3, 6
"""From here on fewer candidates a pair: they grow with the square of the elements."""
_SIGNS = (1.0, -1.0)


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances between neighbors in some frames.

    Attributes
    ----------
    elements : symbols, by atomic number.
    counts : number of atoms of each element.
    sorted : by (central, neighbor) element, the distances up to ``LARGEST_CUTOFF``, ascending, Å; pairs that
        never meet are absent.
    """

    elements: tuple[str, ...]
    counts: dict[str, int]
    sorted: dict[tuple[str, str], np.ndarray]

    @classmethod
    def of(cls, frames: Sequence[Frame], reach: float = LARGEST_CUTOFF) -> Distances:
        """Collect the distances in frames up to ``reach`` (Å)."""
        counts: dict[str, int] = {}
        found: dict[tuple[str, str], list[np.ndarray]] = {}
        for index, frame in enumerate(frames):
            pairs = neighbor_pairs(frame, reach, where=frame.label(index))
            r = np.linalg.norm(pairs.vector, axis=1)
            center = np.repeat(frame.numbers, np.diff(pairs.start))
            neighbor = frame.numbers[pairs.neighbor]
            for a in np.unique(frame.numbers).tolist():
                symbol = chemical_symbols[a]
                counts[symbol] = counts.get(symbol, 0) + int(np.count_nonzero(frame.numbers == a))
                for b in np.unique(neighbor[center == a]).tolist():
                    own = r[(center == a) & (neighbor == b)]
                    found.setdefault((symbol, chemical_symbols[b]), []).append(own)
        elements = tuple(sorted(counts, key=chemical_symbols.index))
        return cls(elements, counts, {pair: np.sort(np.concatenate(v)) for pair, v in found.items()})

    def cutoff(self) -> float:
        """Return the distance within which a usual atom has :data:`NEIGHBORS` neighbors, Å, in tenths.

        Raises
        ------
        DataError : no atom has a neighbor.
        """
        if not self.sorted:
            raise no_neighbors(LARGEST_CUTOFF)
        everything = np.sort(np.concatenate(list(self.sorted.values())))
        wanted = NEIGHBORS * sum(self.counts.values())
        found = everything[wanted - 1] if len(everything) >= wanted else LARGEST_CUTOFF
        return float(np.clip(np.round(found, 1), SMALLEST_CUTOFF, LARGEST_CUTOFF))

    def shortest(self, center: str, neighbor: str, cutoff: float) -> float | None:
        """Return the shortest usual distance of two elements, Å; None where they do not meet in reach."""
        known = self.sorted.get((center, neighbor), np.zeros(0))
        known = known[known < cutoff]
        return float(np.quantile(known, _SHORTEST)) if len(known) else None


def no_neighbors(cutoff: float) -> DataError:
    """Return the error for frames of isolated atoms only."""
    return DataError(
        f"no atom of the training frames has a neighbor within {cutoff:g} Å: isolated atoms leave nothing to "
        "learn but their own energies",
        fix="Add frames in which atoms have neighbors, or give a larger cutoff",
    )


def candidates(distances: Distances, cutoff: float) -> dict[str, tuple[SymmetryFunction, ...]]:
    """Return the candidates of every element; those of elements without neighbors are as if they had some."""
    if len(distances.elements) >= _VERY_MANY_ELEMENTS:
        return _of_all(distances, cutoff, _Shapes(_STEPS[:1], _ABOUT_ZERO, (0.0, 0.3), (1.0, 4.0)))
    zetas = _ZETAS if len(distances.elements) < _MANY_ELEMENTS else _FEW_ZETAS
    return _of_all(distances, cutoff, _Shapes(_STEPS, _ABOUT_ZERO, _WIDTHS, zetas))


def few_candidates(distances: Distances, cutoff: float) -> dict[str, tuple[SymmetryFunction, ...]]:
    """Return some of them for every element, enough to compare cutoffs by."""
    if len(distances.elements) >= _VERY_MANY_ELEMENTS:  # fits of a quarter of the unknowns
        return _of_all(distances, cutoff, _Shapes((8,), (0.24,), (0.0,), (1.0,)))
    return _of_all(distances, cutoff, _Shapes((8,), (0.0, 0.24, 1.6), (0.0, 0.3), (1.0, 4.0)))


@dataclass(frozen=True)
class _Shapes:
    """Which candidates there are: steps of shifted G2, widths of those about zero, and of angular ones, ζ."""

    steps: tuple[int, ...]
    about_zero: tuple[float, ...]
    widths: tuple[float, ...]
    zetas: tuple[float, ...]


def _of_all(distances: Distances, cutoff: float, shapes: _Shapes) -> dict[str, tuple[SymmetryFunction, ...]]:
    anything = [r[r < cutoff] for r in distances.sorted.values()]
    usual = float(np.quantile(np.concatenate(anything), _SHORTEST)) if any(map(len, anything)) else 1.0
    return {element: _of_element(element, distances, cutoff, usual, shapes) for element in distances.elements}


def _of_element(
    center: str, distances: Distances, cutoff: float, usual: float, shapes: _Shapes
) -> tuple[SymmetryFunction, ...]:
    known = {b: distances.shortest(center, b, cutoff) for b in distances.elements}
    shortest = {b: r for b, r in known.items() if r is not None}
    found: list[SymmetryFunction] = []
    for neighbor in distances.elements:
        if neighbor in shortest:
            found += _radial(neighbor, shortest[neighbor], cutoff, shapes)
        else:
            found += plain_radial(neighbor, usual, cutoff)
    return tuple(dict.fromkeys([*found, *_angular(shortest, cutoff, shapes)]))


def plain_radial(neighbor: str, shortest: float, cutoff: float) -> list[SymmetryFunction]:
    """Return the two G2 that a pair of elements has at least, so that none is blind for the other."""
    return [G2(neighbor, _eta(k, shortest), 0.0, cutoff) for k in (0.08, 0.6)]


def _radial(neighbor: str, shortest: float, cutoff: float, shapes: _Shapes) -> list[SymmetryFunction]:
    found: list[SymmetryFunction] = [G2(neighbor, _eta(k, shortest), 0.0, cutoff) for k in shapes.about_zero]
    for n in shapes.steps:
        step = (cutoff - shortest) / n
        found += [
            G2(neighbor, _rounded(0.5 / step**2), round(shortest + k * step, 3), cutoff) for k in range(n)
        ]
    return found


def _angular(shortest: Mapping[str, float], cutoff: float, shapes: _Shapes) -> list[SymmetryFunction]:
    found: list[SymmetryFunction] = []
    for pair in combinations_with_replacement(shortest, 2):
        middle = 0.5 * (shortest[pair[0]] + shortest[pair[1]])
        for kind, widths in ((G4, [w for w in shapes.widths if w < _TOO_NARROW]), (G5, shapes.widths)):
            found += [
                kind(pair, _eta(width, middle), zeta, sign, cutoff)
                for width in widths
                for zeta in shapes.zetas
                for sign in _SIGNS
            ]
    return found


def _eta(width: float, shortest: float) -> float:
    return _rounded(width / shortest**2)


def _rounded(value: float) -> float:
    """Four digits, so that the last bits of a distance do not matter."""
    return float(f"{value:.4g}")
