"""Whether data sets fit together in one training: elements, zero of energy, method, frames given twice."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from operator import itemgetter
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from nnpcore.structures.frame import Frame

SAME_VOLUME = 0.03
"""Relative difference of the volumes per atom below which two periodic frames are compared directly."""

NEAR_APART, FAR_APART = 0.75, 12.0
"""eV/atom between frames of one composition: at the same volume (hot liquids stay below it), and of any kind
(bulk and free atoms stay below it). What lies further apart has another zero of energy or another method."""

_NEAR = 1e-6  # Å

METHOD_KEYS = ("calculator", "method", "functional", "xc", "level_of_theory")
"""Names under which files tell, frame by frame, what computed them."""


def misfits(known: Mapping[str, Sequence[Frame]], name: str, frames: Sequence[Frame]) -> list[str]:
    """Say why ``frames`` should not be trained on together with the ``known`` sets (by name), if so.

    Looked at: elements the others do not have, energies per atom that lie too far from those of the same
    composition, methods the files name, and frames that are there already.
    """
    others = {key: mine for key, mine in known.items() if mine}
    if not others or not frames:
        return []
    return [
        *foreign_elements(others, frames),
        *_other_energies(others, frames),
        *_other_methods(others, frames),
        *_frames_given_twice(others, name, frames),
    ]


def misfits_of_all(sets: Mapping[str, Sequence[Frame]]) -> list[str]:
    """Say of each set why it does not fit to those before it, as "name: reason"."""
    names = list(sets)
    return [
        f"{name}: {reason}"
        for place, name in enumerate(names)
        for reason in misfits({key: sets[key] for key in names[:place]}, name, sets[name])
    ]


def frames_in_both(training: Sequence[Frame], validation: Sequence[Frame]) -> int:
    """Return how many validation frames are among the training frames."""
    known = _Known(training)
    return sum(frame in known for frame in validation)


def without_frames(
    data: Mapping[str, Sequence[Frame]], training: Sequence[Frame]
) -> tuple[dict[str, list[Frame]], int]:
    """Return frames by name without those that are among the training frames, and how many these were."""
    known = _Known(training)
    kept = {name: [f for f in frames if f not in known] for name, frames in data.items()}
    return kept, sum(map(len, data.values())) - sum(map(len, kept.values()))


def by_source(frames: Iterable[Frame]) -> dict[str, list[Frame]]:
    """Return frames by the file they came from: its name, or its path where two have the same name."""
    found: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        found[frame.source].append(frame)
    names = [Path(source).name for source in found]
    return {
        source if names.count(name) > 1 else name: mine
        for name, (source, mine) in zip(names, found.items(), strict=True)
    }


def _elements(frames: Iterable[Frame]) -> set[int]:
    found: set[int] = set()
    last = None
    for frame in frames:
        if frame.numbers is last:  # frames of a long file share theirs
            continue
        last = frame.numbers
        found.update(np.flatnonzero(np.bincount(frame.numbers)).tolist())
    return found


def foreign_elements(known: Mapping[str, Sequence[Frame]], frames: Sequence[Frame]) -> list[str]:
    """Say which elements of ``frames`` the ``known`` sets (by name) do not have: one reason, or none."""
    there = _elements(frame for mine in known.values() for frame in mine)
    foreign = sorted(_elements(frames) - there)
    if not foreign:
        return []
    symbols = " and ".join(chemical_symbols[number] for number in foreign)
    return [f"it has {symbols}, which {_listed(known)} {_verb(known, 'does', 'do')} not have"]


class _Levels:
    """Energies per atom of the frames of one composition: all of them, and by volume of the periodic ones."""

    def __init__(self) -> None:
        self.energies: list[float] = []
        self.periodic: list[tuple[float, float]] = []

    def add(self, frame: Frame) -> None:
        assert frame.energy is not None
        energy = frame.energy / frame.n_atoms
        self.energies.append(energy)
        if np.all(frame.pbc) and frame.volume > 0:
            self.periodic.append((frame.volume / frame.n_atoms, energy))

    def difference(self, other: _Levels) -> tuple[float, bool]:
        """Return how far the other's median energy lies above (eV/atom), and whether at the same volume."""
        mine, theirs = np.array(self.periodic), np.array(other.periodic)
        if len(mine) and len(theirs):
            near = np.abs(mine[:, None, 0] / theirs[None, :, 0] - 1) < SAME_VOLUME
            if near.any():
                apart = theirs[None, :, 1] - mine[:, None, 1]
                return float(np.median(apart[near])), True
        return float(np.median(other.energies) - np.median(self.energies)), False


MOST_COMPARED = 400
"""Frames of a set whose energies are compared, spread over it."""


def _levels(frames: Sequence[Frame]) -> dict[tuple[tuple[int, float], ...], _Levels]:
    """Return the energies by composition (shares of the elements)."""
    found: dict[tuple[tuple[int, float], ...], _Levels] = defaultdict(_Levels)
    energetic = [frame for frame in frames if frame.energy is not None and frame.n_atoms]
    for frame in energetic[:: max(len(energetic) // MOST_COMPARED, 1)]:
        numbers, counts = np.unique(frame.numbers, return_counts=True)
        shares = np.round(counts / frame.n_atoms, 4)
        found[tuple(zip(numbers.tolist(), shares.tolist(), strict=True))].add(frame)
    return found


def _other_energies(known: Mapping[str, Sequence[Frame]], frames: Sequence[Frame]) -> list[str]:
    mine = _levels(frames)
    for name, others in known.items():
        for composition, levels in _levels(others).items():
            if composition not in mine:
                continue
            apart, near = levels.difference(mine[composition])
            if abs(apart) > (NEAR_APART if near else FAR_APART):
                where = " at the same volume" if near else ""
                side = "above" if apart > 0 else "below"
                return [
                    f"its energies lie {abs(apart):.3g} eV/atom {side} those of {name}{where}: "
                    "another zero of energy or another method"
                ]
    return []


def _methods(frames: Sequence[Frame]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for frame in frames:
        for key in METHOD_KEYS:
            value = frame.info.get(key)
            if isinstance(value, str) and value:
                found[key].add(value)
    return found


def _other_methods(known: Mapping[str, Sequence[Frame]], frames: Sequence[Frame]) -> list[str]:
    mine = _methods(frames)
    for name, others in known.items():
        for key, values in _methods(others).items():
            if mine.get(key) and not mine[key] & values:
                here, there = (", ".join(sorted(names)) for names in (mine[key], values))
                return [f"its {key} is {here}, that of {name} {there}"]
    return []


def _key(frame: Frame) -> tuple[int, float | None]:
    return frame.n_atoms, None if frame.energy is None else round(frame.energy, 6)


class _Known:
    """Frames among which others are looked for: by atoms and energy, and by a sum of their positions.

    Without the sum frames without energies would each be compared with all.
    """

    def __init__(self, frames: Iterable[Frame]) -> None:
        found: dict[tuple[int, float | None], list[tuple[float, Frame]]] = defaultdict(list)
        for frame in frames:
            found[_key(frame)].append((_sum(frame), frame))
        self._found = {key: sorted(mine, key=itemgetter(0)) for key, mine in found.items()}

    def __contains__(self, frame: Frame) -> bool:
        mine, place = self._found.get(_key(frame), ()), _sum(frame)
        apart = 3 * frame.n_atoms * _NEAR + 1e-9 * abs(place)
        start = bisect_left(mine, place - apart, key=itemgetter(0))
        near = takewhile(lambda one: one[0] <= place + apart, map(mine.__getitem__, range(start, len(mine))))
        return any(_same(frame, other) for _, other in near)


def _sum(frame: Frame) -> float:
    """Return a sum of the positions in which each has a weight of its own, at most one."""
    return float(_weights(frame.n_atoms) @ frame.positions.ravel())


@lru_cache(maxsize=8)
def _weights(n_atoms: int) -> np.ndarray:
    return np.cos(np.arange(1, 3 * n_atoms + 1))


def _same(one: Frame, other: Frame) -> bool:
    return (
        (one.numbers is other.numbers or np.array_equal(one.numbers, other.numbers))
        and bool(np.abs(one.cell - other.cell).max() <= _NEAR)
        and bool(np.abs(one.positions - other.positions).max() <= _NEAR)
    )


def _frames_given_twice(
    known: Mapping[str, Sequence[Frame]], name: str, frames: Sequence[Frame]
) -> list[str]:
    for other, theirs in known.items():
        count = frames_in_both(theirs, frames)
        if count:
            all_of = f"all its {count} frames are" if count == len(frames) else f"{count} of its frames are"
            one = "its only frame is" if len(frames) == 1 else "one of its frames is"
            return [f"{one if count == 1 else all_of} in {other} as well"]
    return []


def _listed(names: Iterable[str]) -> str:
    parts = list(names)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _verb(names: Mapping[str, object], one: str, many: str) -> str:
    return one if len(names) == 1 else many
