"""Where the repulsion of nuclei begins under the networks of a training: below the distances of its data; and
from which crowding on an atom is lifted: beyond the data's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.neighbors import neighbor_pairs
from nnpcore.errors import SettingsError
from nnpcore.potential.crowding import Crowding, density
from nnpcore.potential.short_range import PairRepulsion, ShortRange
from nnpcore.progress import Progress
from nnpcore.threads import in_order

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

FARTHEST = 3.5
"""Å; elements that never come so close count as never seen together."""

BELOW = 0.99
"""The repulsion begins at such a part of the shortest distance in the data,"""

OF_NEAREST = 0.9
"""with "auto" at such a part of the usual distance of nearest neighbors at most: a crystal at 0.73 of its
volume is still the networks' own,"""

OF_RADII = 0.9
"""at such a part of the sum of the covalent radii for elements never seen together,"""

INNER = 0.8
"""and is whole at such a part of where it begins."""

OF_REACH = 1.4
"""Neighbors count as crowding up to such a part of the sum of the covalent radii;"""

ABOVE = 1.02
"""more than such a part of the data's largest crowding lifts an atom, with "auto" more, too, than where
distances are :data:`OF_NEAREST` of the usual ones,"""

TAILS = 3.0
"""and more than such a multiple of the data's tail above their largest: were as many atoms drawn again, one
in twenty draws would have an atom so crowded (of an exponential tail, e^-3);"""

STEEP = 20.0
"""eV by which it does for every usual crowding more,"""

WIDTH = 0.1
"""once such a part of the usual one is passed."""

_ONE_BOND = float(density(np.array(1.0), OF_REACH)[0])
"""Crowding by one neighbor at the sum of the covalent radii."""

_HUNDREDTH = 100.0
_SMALLEST = 0.1
_NOTHING = 1e-9


@dataclass(frozen=True)
class Nearest:
    """How close atoms of two elements come, Å: at the shortest, and usually to the nearest neighbor."""

    shortest: float
    usual: float


@dataclass(frozen=True)
class Crowded:
    """How crowded ``n`` atoms of an element are: usually, at the most, and usually where distances were
    :data:`OF_NEAREST` of theirs.
    """

    usual: float
    most: float
    pressed: float
    n: int

    @property
    def tail(self) -> float:
        """By how much the crowding grows where atoms become rarer by a factor of e: an exponential tail from
        the median to the largest.
        """
        return (self.most - self.usual) / max(float(np.log(self.n / 2.0)), 1.0)


def nearest_distances(
    frames: Sequence[Frame], reach: float, n_threads: int | None = None, progress: Progress | None = None
) -> dict[tuple[str, str], Nearest]:
    """Return how close atoms come in frames, by elements in the order of their numbers.

    Elements that never come closer than ``reach``, Å, are absent.

    Raises
    ------
    DataError : a frame that cannot be used. Cancelled : by ``progress``.
    """
    return _surroundings(frames, reach, {}, n_threads, progress)[0]


def _surroundings(
    frames: Sequence[Frame],
    reach: float,
    reaches: Mapping[tuple[int, int], float],
    n_threads: int | None,
    progress: Progress | None,
) -> tuple[dict[tuple[str, str], Nearest], dict[str, Crowded]]:
    """Return how close atoms come, see :func:`nearest_distances`, and how crowded they are, by element.

    ``reaches``: by two atomic numbers up to where neighbors count as crowding, Å.
    """
    from ase.data import chemical_symbols

    found: dict[tuple[int, int], list[np.ndarray]] = {}
    crowds: dict[int, list[np.ndarray]] = {}
    jobs = [(frame, frame.label(k), reach, reaches) for k, frame in enumerate(frames)]
    for k, (own, crowd) in enumerate(in_order(lambda job: _around(*job), jobs, n_threads)):
        for pair, distances in own.items():
            found.setdefault(pair, []).append(distances)
        for number, values in crowd.items():
            crowds.setdefault(number, []).append(values)
        if progress is not None:
            progress.report((k + 1) / len(frames), "distances")
    nearest = {pair: np.concatenate(parts) for pair, parts in found.items()}
    crowded = {number: np.concatenate(parts, axis=1) for number, parts in crowds.items()}
    return {
        (chemical_symbols[a], chemical_symbols[b]): Nearest(float(r.min()), float(np.median(r)))
        for (a, b), r in sorted(nearest.items())
    }, {
        chemical_symbols[number]: Crowded(
            float(np.median(rho)), float(rho.max()), float(np.median(pressed)), len(rho)
        )
        for number, (rho, pressed) in sorted(crowded.items())
    }


def _around(
    frame: Frame, where: str, reach: float, reaches: Mapping[tuple[int, int], float]
) -> tuple[dict[tuple[int, int], np.ndarray], dict[int, np.ndarray]]:
    """Return by two atomic numbers the distances of atoms to the nearest neighbor of the other, Å, and by one
    the crowding (2, n) of its atoms, as they are and with shorter distances.
    """
    longest = max((*reaches.values(), 0.0)) / OF_NEAREST
    pairs = neighbor_pairs(frame, max(reach, longest), where=where)
    r = np.linalg.norm(pairs.vector, axis=1)
    center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
    first, second = frame.numbers[center], frame.numbers[pairs.neighbor]
    crowding: dict[int, np.ndarray] = {}
    if reaches:
        numbers = np.array(list(reaches))
        table = np.full((max(numbers.max(), frame.numbers.max()) + 1,) * 2, _NOTHING)
        table[numbers[:, 0], numbers[:, 1]] = list(reaches.values())
        own = table[first, second]
        both = [np.bincount(center, density(s * r, own)[0], frame.n_atoms) for s in (1.0, OF_NEAREST)]
        crowding = {int(a): np.array(both)[:, frame.numbers == a] for a in np.unique(frame.numbers)}
    near = r < reach
    r, center, first, second = r[near], center[near], first[near], second[near]
    found: dict[tuple[int, int], np.ndarray] = {}
    for a, b in combinations_with_replacement(np.unique(frame.numbers).tolist(), 2):
        chosen = (first == a) & (second == b)
        if chosen.any():
            nearest = np.full(frame.n_atoms, np.inf)
            np.minimum.at(nearest, center[chosen], r[chosen])
            found[a, b] = nearest[np.isfinite(nearest)]
    return found, crowding


def short_range_of(
    frames: Sequence[Frame],
    elements: Sequence[str],
    cutoff: float,
    settings: TrainSettings,
    progress: Progress | None = None,
) -> tuple[ShortRange | None, str]:
    """Return the repulsion that settings want under networks, None for none, and a sentence on it.

    Parameters
    ----------
    frames : of training and validation; where data are it is zero, unless a pair has distances of its own.
    elements, cutoff : of the symmetry functions, Å.

    Raises
    ------
    SettingsError : a pair of elements that the data have not, or distances beyond the cutoff.
    """
    pairs = list(combinations_with_replacement(elements, 2))
    given = {_ordered(name, elements): value for name, value in settings.short_range_pairs.items()}
    wanted = {pair: given.get(pair, settings.short_range) for pair in pairs}
    if all(value == "off" for value in wanted.values()):
        return None, ""
    reach = min(FARTHEST, cutoff)
    free = [pair for pair, value in wanted.items() if value in ("auto", "on")]
    reaches = _reaches(free, cutoff)
    known, crowds = _surroundings(frames, reach, _both_ways(reaches), settings.n_threads, progress)
    found = []
    for pair, value in wanted.items():
        if value == "off":
            continue
        inner, outer = value if isinstance(value, tuple) else _distances(pair, value, known, cutoff)
        if outer > cutoff:
            raise SettingsError(
                f"the repulsion of {'-'.join(pair)} would begin at {outer:g} Å, beyond the cutoff of the "
                f"symmetry functions, {cutoff:g} Å",
                where="short_range_pairs",
                fix="Give shorter distances",
            )
        found.append(PairRepulsion(pair, inner, outer))
    crowding = tuple(
        _crowding(element, [wanted[pair] for pair in free if element in pair], reaches, crowds[element])
        for element in elements
        if element in crowds and any(element in pair for pair in reaches)
    )
    return ShortRange(tuple(found), crowding), _sentence(found, known, crowding)


def _reaches(pairs: Sequence[tuple[str, str]], cutoff: float) -> dict[tuple[str, str], float]:
    """Return by two elements up to where they crowd each other, Å."""
    from ase.data import atomic_numbers, covalent_radii

    radii = {e: float(covalent_radii[atomic_numbers[e]]) for pair in pairs for e in pair}
    return {(a, b): round(min(OF_REACH * (radii[a] + radii[b]), cutoff), 4) for a, b in pairs}


def _both_ways(reaches: Mapping[tuple[str, str], float]) -> dict[tuple[int, int], float]:
    """Return the same by atomic numbers in either order."""
    from ase.data import atomic_numbers

    ways = ((a, b, reach) for (x, y), reach in reaches.items() for a, b in ((x, y), (y, x)))
    return {(atomic_numbers[a], atomic_numbers[b]): reach for a, b, reach in ways}


def _crowding(
    element: str, modes: Sequence[object], reaches: Mapping[tuple[str, str], float], crowd: Crowded
) -> Crowding:
    """Return how crowded atoms of an element are lifted; ``modes`` : of its pairs, "on" or "auto"."""
    own = {b if a == element else a: reach for (a, b), reach in reaches.items() if element in (a, b)}
    usual = max(crowd.usual, _ONE_BOND)
    seen = max(ABOVE * crowd.most, crowd.most + TAILS * crowd.tail)
    start = max(seen, crowd.pressed if "auto" in modes else 0.0, 2.0 * _ONE_BOND)
    return Crowding(element, tuple(own.items()), start, WIDTH * usual, STEEP / usual)


def _ordered(name: str, elements: Sequence[str]) -> tuple[str, str]:
    """Return the elements of a name such as "O-Si" in their order."""
    symbols = name.split("-")
    missing = [symbol for symbol in symbols if symbol not in elements]
    if missing:
        raise SettingsError(
            f"the data have no {missing[0]}",
            where=f"short_range_pairs, {name}",
            fix=f"Name pairs of {', '.join(elements)}, such as {elements[0]}-{elements[-1]}",
        )
    first, second = sorted(symbols, key=list(elements).index)
    return first, second


def _distances(
    pair: tuple[str, str], mode: str, known: Mapping[tuple[str, str], Nearest], cutoff: float
) -> tuple[float, float]:
    """Return between which distances the repulsion of a pair is joined, Å."""
    from ase.data import atomic_numbers, covalent_radii

    radii = OF_RADII * float(sum(covalent_radii[atomic_numbers[element]] for element in pair))
    own = known.get(pair)
    if own is None:  # but maybe at the very distance up to which it was looked for
        outer = min(radii, BELOW * FARTHEST)
    else:
        outer = BELOW * own.shortest
        outer = min(outer, OF_NEAREST * own.usual) if mode == "auto" else outer
    outer = max(float(np.floor(_HUNDREDTH * min(outer, cutoff)) / _HUNDREDTH), _SMALLEST)
    return round(INNER * outer, 4), outer


def _sentence(
    found: Sequence[PairRepulsion],
    known: Mapping[tuple[str, str], Nearest],
    crowding: Sequence[Crowding],
) -> str:
    parts = []
    for one in found:
        own, name = known.get(one.elements), "-".join(one.elements)
        data = "never seen so close" if own is None else f"shortest in the data {own.shortest:.2f} Å"
        parts.append(f"{name} below {one.outer:g} Å ({data})")
    more = "; atoms more crowded than in the data are lifted, too" if crowding else ""
    return f"Repulsion of nuclei (ZBL) under the networks: {', '.join(parts)}{more}"
