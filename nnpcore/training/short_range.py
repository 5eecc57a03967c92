"""Where the repulsion of nuclei begins under the networks of a training: below the distances of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.neighbors import neighbor_pairs
from nnpcore.errors import SettingsError
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

_HUNDREDTH = 100.0
_SMALLEST = 0.1


@dataclass(frozen=True)
class Nearest:
    """How close atoms of two elements come, Å: at the shortest, and usually to the nearest neighbor."""

    shortest: float
    usual: float


def nearest_distances(
    frames: Sequence[Frame], reach: float, n_threads: int | None = None, progress: Progress | None = None
) -> dict[tuple[str, str], Nearest]:
    """Return how close atoms come in frames, by elements in the order of their numbers.

    Elements that never come closer than ``reach``, Å, are absent.

    Raises
    ------
    DataError : a frame that cannot be used. Cancelled : by ``progress``.
    """
    from ase.data import chemical_symbols

    found: dict[tuple[int, int], list[np.ndarray]] = {}
    jobs = [(frame, frame.label(k), reach) for k, frame in enumerate(frames)]
    for k, own in enumerate(in_order(lambda job: _nearest(*job), jobs, n_threads)):
        for pair, distances in own.items():
            found.setdefault(pair, []).append(distances)
        if progress is not None:
            progress.report((k + 1) / len(frames), "distances")
    nearest = {pair: np.concatenate(parts) for pair, parts in found.items()}
    return {
        (chemical_symbols[a], chemical_symbols[b]): Nearest(float(r.min()), float(np.median(r)))
        for (a, b), r in sorted(nearest.items())
    }


def _nearest(frame: Frame, where: str, reach: float) -> dict[tuple[int, int], np.ndarray]:
    """Return by two atomic numbers the distances of atoms to the nearest neighbor of the other, Å."""
    pairs = neighbor_pairs(frame, reach, where=where)
    r = np.linalg.norm(pairs.vector, axis=1)
    center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
    first, second = frame.numbers[center], frame.numbers[pairs.neighbor]
    found: dict[tuple[int, int], np.ndarray] = {}
    for a, b in combinations_with_replacement(np.unique(frame.numbers).tolist(), 2):
        chosen = (first == a) & (second == b)
        if chosen.any():
            nearest = np.full(frame.n_atoms, np.inf)
            np.minimum.at(nearest, center[chosen], r[chosen])
            found[a, b] = nearest[np.isfinite(nearest)]
    return found


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
    known = nearest_distances(frames, reach, settings.n_threads, progress)
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
    return ShortRange(tuple(found)), _sentence(found, known)


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
    if own is None:
        outer = radii
    else:
        outer = BELOW * own.shortest
        outer = min(outer, OF_NEAREST * own.usual) if mode == "auto" else outer
    outer = max(float(np.floor(_HUNDREDTH * min(outer, cutoff)) / _HUNDREDTH), _SMALLEST)
    return round(INNER * outer, 4), outer


def _sentence(found: Sequence[PairRepulsion], known: Mapping[tuple[str, str], Nearest]) -> str:
    parts = []
    for one in found:
        own, name = known.get(one.elements), "-".join(one.elements)
        data = "never seen so close" if own is None else f"shortest in the data {own.shortest:.2f} Å"
        parts.append(f"{name} below {one.outer:g} Å ({data})")
    return f"Repulsion of nuclei (ZBL) under the networks: {', '.join(parts)}"
