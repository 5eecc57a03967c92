"""Splitting frames into training, validation and test: at random, or so that neighbors stay together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nnpcore.errors import DataError, SettingsError
from nnpcore.structures.frame import Frame
from nnpcore.structures.groups import FIRST_FOUND, GROUP_KEYS, check_group_key, groups_of
from nnpcore.structures.isolated import isolated_of
from nnpcore.structures.overlap import equal_frames

N_BLOCKS = 10
"""Blocks of time that the frames of a file are cut into, as long as each has a frame; with folds at least so
many, and as many in each fold."""

_TEST_STREAM = 201


class Parts(NamedTuple):
    """Sorted indices of training, validation and test frames; together they have every frame once."""

    train: list[int]
    valid: list[int]
    test: list[int]


@dataclass(frozen=True)
class Split:
    """How frames are split.

    Attributes
    ----------
    valid_fraction : share of validation frames, 0 <= valid_fraction < 1; 0 keeps all for training.
    seed : of the random order, >= 0.
    by : what stays together: "frames" (each for itself), "blocks" (of time: neighbors in a file), "groups"
        (see :func:`~nnpcore.structures.groups.group_of`) or "files".
    folds : of a cross-validation, at least 2; the share then is one of so many, and 0 stands for none.
    fold : which of the folds is for validation, from 1.
    group_key : by what groups are told.
    test_fraction : share of all frames that is put aside first, for a test that no choice sees; the same in
        every fold.
    """

    valid_fraction: float
    seed: int = 0
    by: str = "frames"
    folds: int = 0
    fold: int = 1
    group_key: str = FIRST_FOUND
    test_fraction: float = 0.0

    def __post_init__(self) -> None:
        for name in ("valid_fraction", "test_fraction"):
            share = getattr(self, name)
            if not 0.0 <= share < 1.0:
                raise SettingsError(
                    f"{share} is no share of the frames", where=name, fix="Use 0 or more and less than 1"
                )
        if self.test_fraction and self.test_fraction + (0 if self.folds else self.valid_fraction) >= 1.0:
            raise SettingsError(
                f"with {self.valid_fraction:g} for validation and {self.test_fraction:g} for the test "
                "nothing is left for training",
                where="valid_fraction, test_fraction",
                fix="Use shares whose sum is less than 1",
            )
        if self.seed < 0:
            raise SettingsError(f"{self.seed} is negative", where="seed", fix="Use 0 or a positive integer")
        if self.by not in _UNITS:
            choices = ", ".join(_UNITS)
            raise SettingsError(
                f"frames are not split by {self.by!r}", where="split", fix=f"Choose of {choices}"
            )
        if self.folds and not 1 <= self.fold <= self.folds:
            raise SettingsError(
                f"there is no fold {self.fold} of {self.folds}",
                where="fold",
                fix=f"Choose one from 1 to {self.folds}",
            )


def split_frames(
    frames: Sequence[Frame],
    valid_fraction: float,
    seed: int,
    by: str = "frames",
    *,
    folds: int = 0,
    fold: int = 1,
    group_key: str = FIRST_FOUND,
) -> tuple[list[int], list[int]]:
    """Split frames into training and validation, the same way for the same arguments; see :class:`Split`.

    Frames of a trajectory resemble their neighbors in time, so that a split frame by frame tells how well a
    potential repeats what it has seen; blocks, groups or files tell how well it does on what it has not. All
    folds together have every frame once, and in each about as many.

    An element that only validation frames would have is kept in training: such a frame (block, group, file)
    changes places with one that training does not need for its elements, or leaves its fold.

    Returns
    -------
    Sorted indices of the training and of the validation frames; at least one each unless the fraction is 0.

    Raises
    ------
    SettingsError
        When an argument is out of range.
    DataError
        When there are too few frames, or they cannot be told apart so.
    """
    train, valid, _ = split_in_three(frames, Split(valid_fraction, seed, by, folds, fold, group_key))
    return train, valid


def split_in_three(frames: Sequence[Frame], split: Split) -> Parts:
    """Split frames into training, validation and test, the same way for the same arguments.

    The test is drawn first, from a stream of its own, and frames that are equal stay together, so that none
    of it is among the others. Isolated atoms, which fix the zero of energy, are for training.

    Raises
    ------
    DataError
        When there are too few frames, or they cannot be told apart so that no part is empty.
    """
    isolated = isolated_of(frames)
    kept = sorted(set(range(len(frames))) - set(isolated))
    own = [frames[k] for k in kept]
    train, valid, test = _split(own, split)
    return Parts(
        sorted([*isolated, *(kept[k] for k in train)]), [kept[k] for k in valid], [kept[k] for k in test]
    )


def _split(frames: Sequence[Frame], split: Split) -> Parts:
    n_frames, held_out = len(frames), split.valid_fraction > 0.0 or split.folds > 0
    n_parts = 1 + held_out + (split.test_fraction > 0)
    if n_frames < n_parts:
        have = {0: "there are no frames", 1: "there is only one frame"}.get(
            n_frames, f"there are only {n_frames} frames"
        )
        fix = "Add frames" if n_frames == 0 else f"Add frames, {_OTHERWISE}"
        raise DataError(f"{have} to {_aim(split)}", fix=fix)
    if n_parts == 1:
        return Parts(list(range(n_frames)), [], [])
    units = _UNITS[split.by](frames, split)
    rest, test = list(range(len(units))), []
    if split.test_fraction:
        units = _equal_together(frames, units)
        _check_units(split, len(units))
        rng = np.random.default_rng([split.seed, _TEST_STREAM])
        rest, test = _share(units, list(range(len(units))), split.test_fraction, n_frames, rng, n_parts - 1)
        rest, test = _with_all_elements(frames, units, sorted(rest), test, exchanging=True)
    _check_units(split, len(rest), after_test=bool(test))
    train, valid = sorted(rest), []
    if split.folds:
        train, valid = _fold(units, train, split)
    elif split.valid_fraction:
        rng = np.random.default_rng(split.seed)
        train, valid = _share(units, train, split.valid_fraction, n_frames, rng)
    if valid:
        train, valid = _with_all_elements(frames, units, train, valid, exchanging=not split.folds)
    return Parts(*(sorted(k for unit in part for k in units[unit]) for part in (train, valid, test)))


# what stays together ----------------------------------------------------------------------------------
Units = list[list[int]]
"""Indices of frames that stay together."""


def _frames(frames: Sequence[Frame], split: Split) -> Units:
    return [[k] for k in range(len(frames))]


def _blocks(frames: Sequence[Frame], split: Split) -> Units:
    wanted = N_BLOCKS if not split.folds else split.folds * -(-N_BLOCKS // split.folds)
    return blocks_of(frames, wanted)


def blocks_of(frames: Sequence[Frame], wanted: int = N_BLOCKS) -> Units:
    """Return runs of neighbors in a file, in the order they stand in it: so many a file, or one a frame."""
    parts = []
    for unit in _together([frame.source for frame in frames]):
        ordered = np.array(sorted(unit, key=lambda k: frames[k].index))
        parts += [part.tolist() for part in np.array_split(ordered, min(wanted, len(ordered)))]
    return parts


def _groups(frames: Sequence[Frame], split: Split) -> Units:
    check_group_key(frames, split.group_key)
    return _together(groups_of(frames, split.group_key))


def _files(frames: Sequence[Frame], split: Split) -> Units:
    return _together([frame.source for frame in frames])


def _together(names: Sequence[str]) -> Units:
    found: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        found.setdefault(name, []).append(k)
    return list(found.values())


def _equal_together(frames: Sequence[Frame], units: Units) -> Units:
    """Return units of which none has a frame that another one has, too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unit_of = {k: number for number, unit in enumerate(units) for k in unit}
    pairs = [(unit_of[first], unit_of[again]) for first, again in equal_frames(frames, frames)]
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    shape = (len(units), len(units))
    _, joined = connected_components(coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape))
    merged: dict[int, list[int]] = {}
    for number, unit in zip(joined.tolist(), units, strict=True):
        merged.setdefault(number, []).extend(unit)
    return list(merged.values())


_UNITS = {"frames": _frames, "blocks": _blocks, "groups": _groups, "files": _files}


_OTHERWISE = "give a validation file, or set the fraction to 0"


def _aim(split: Split) -> str:
    """Return what frames are to be split into, in words."""
    into = "training and validation"
    if split.test_fraction:
        into = "training, validation and test" if split.valid_fraction or split.folds else "training and test"
    return f"split into {into}"


def _check_units(split: Split, n_units: int, *, after_test: bool = False) -> None:
    """Raise DataError where there are too few units to be split; ``after_test``: beside those of the test."""
    held_out = split.valid_fraction > 0.0 or split.folds > 0
    needed = max(1 + held_out + (split.test_fraction > 0 and not after_test), split.folds)
    if n_units >= needed:
        return
    have = f"{n_units} {split.by if n_units != 1 else split.by.removesuffix('s')}"
    wanted = f"split into {split.folds} folds" if split.folds else _aim(split)
    if after_test:
        wanted = f"{wanted.replace(', validation and test', ' and validation')} beside the test"
    fix = {
        "groups": f"Give frames a {' or '.join(GROUP_KEYS)}, or split by blocks",
        "files": "Give more files, or split by blocks",
    }.get(split.by, "Add frames, or take fewer folds")
    raise DataError(f"there {'is' if n_units == 1 else 'are'} only {have} to {wanted}", fix=fix)


# choosing ---------------------------------------------------------------------------------------------
def _share(
    units: Units,
    from_: Sequence[int],
    fraction: float,
    n_frames: int,
    rng: np.random.Generator,
    least_left: int = 1,
) -> tuple[list[int], list[int]]:
    """Draw units until a share of all frames is reached as nearly as they allow; return the others and them.

    At least ``least_left`` units are left, and one is drawn.
    """
    order = [from_[k] for k in rng.permutation(len(from_)).tolist()]
    available = sum(len(units[unit]) for unit in order)
    wanted = min(max(round(n_frames * fraction), 1), available - 1)
    others: list[int] = []
    drawn: list[int] = []
    taken = 0
    for position, unit in enumerate(order):
        size, still = len(units[unit]), len(order) - position
        nearer = abs(taken + size - wanted) < abs(taken - wanted)
        if (nearer and len(others) + still > least_left) or (still == 1 and not drawn):
            drawn.append(unit)
            taken += size
        else:
            others.append(unit)
    return others, drawn


def _fold(units: Units, from_: Sequence[int], split: Split) -> tuple[list[int], list[int]]:
    """Deal units out to the folds, large ones first; return all others and the one fold."""
    order = np.random.default_rng(split.seed).permutation(len(from_))
    largest_first = sorted((from_[k] for k in order.tolist()), key=lambda unit: -len(units[unit]))
    folds: list[list[int]] = [[] for _ in range(split.folds)]
    sizes = [0] * split.folds
    for unit in largest_first:
        smallest = sizes.index(min(sizes))
        folds[smallest].append(unit)
        sizes[smallest] += len(units[unit])
    valid = folds.pop(split.fold - 1)
    return [unit for part in folds for unit in part], valid


def _with_all_elements(
    frames: Sequence[Frame], units: Units, train: list[int], valid: list[int], *, exchanging: bool
) -> tuple[list[int], list[int]]:
    """Move units until every element of validation is in training, too, where that is possible."""
    elements = [frozenset(e for k in unit for e in np.unique(frames[k].numbers).tolist()) for unit in units]
    counts = Counter(element for unit in train for element in elements[unit])
    for unit in list(valid):
        if all(counts[element] for element in elements[unit]):
            continue
        counts.update(elements[unit])
        spare = (j for j in train if all(counts[element] > 1 for element in elements[j]))
        other = next(spare, None) if exchanging else None
        if other is None and len(valid) == 1:
            what = "all that is put aside has an element that no other frame has"
            if exchanging:
                what = "every frame has an element that no other has, so that none can be kept for validation"
            fix = "Add frames, give a validation file, or set the fraction to 0"
            raise DataError(what, fix=fix if exchanging else "Choose fewer folds, or give a validation file")
        train, valid = [*train, unit], [j for j in valid if j != unit]
        if other is not None:
            train, valid = [j for j in train if j != other], [*valid, other]
            counts.subtract(elements[other])
    return train, valid
