"""Splitting frames into training and validation parts: at random, or so that neighbors stay together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.errors import DataError, SettingsError
from nnpcore.structures.frame import Frame
from nnpcore.structures.groups import FIRST_FOUND, GROUP_KEYS, check_group_key, groups_of

N_BLOCKS = 10
"""Blocks of time that the frames of a file are cut into, as long as each has a frame; with folds at least so
many, and as many in each fold."""


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
    """

    valid_fraction: float
    seed: int = 0
    by: str = "frames"
    folds: int = 0
    fold: int = 1
    group_key: str = FIRST_FOUND

    def __post_init__(self) -> None:
        if not 0.0 <= self.valid_fraction < 1.0:
            raise SettingsError(
                f"{self.valid_fraction} is no share of the frames",
                where="valid_fraction",
                fix="Use 0 or more and less than 1",
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
    split = Split(valid_fraction, seed, by, folds, fold, group_key)
    n_frames, held_out = len(frames), valid_fraction > 0.0 or folds > 0
    if n_frames < (2 if held_out else 1):
        have = "there are no frames" if n_frames == 0 else "there is only one frame"
        fix = (
            "Add frames" if n_frames == 0 else "Add frames, give a validation file, or set the fraction to 0"
        )
        raise DataError(f"{have} to split into training and validation", fix=fix)
    if not held_out:
        return list(range(n_frames)), []
    units = _UNITS[by](frames, split)
    _check_units(split, len(units))
    chosen = _fold(units, split) if folds else _share(units, split, n_frames)
    train, valid = _with_all_elements(frames, units, *chosen, exchanging=not folds)
    return sorted(k for unit in train for k in units[unit]), sorted(k for unit in valid for k in units[unit])


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


_UNITS = {"frames": _frames, "blocks": _blocks, "groups": _groups, "files": _files}


def _check_units(split: Split, n_units: int) -> None:
    """Raise DataError where there are too few units to be split."""
    needed = max(2, split.folds)
    if n_units >= needed:
        return
    have = f"{n_units} {split.by if n_units != 1 else split.by.removesuffix('s')}"
    wanted = f"split into {split.folds} folds" if split.folds else "split into training and validation"
    fix = {
        "groups": f"Give frames a {' or '.join(GROUP_KEYS)}, or split by blocks",
        "files": "Give more files, or split by blocks",
    }.get(split.by, "Add frames, or take fewer folds")
    raise DataError(f"there {'is' if n_units == 1 else 'are'} only {have} to {wanted}", fix=fix)


# choosing ---------------------------------------------------------------------------------------------
def _share(units: Units, split: Split, n_frames: int) -> tuple[list[int], list[int]]:
    """Draw units until the share is reached as nearly as they allow; return those of training, validation."""
    order = np.random.default_rng(split.seed).permutation(len(units)).tolist()
    wanted = min(max(round(n_frames * split.valid_fraction), 1), n_frames - 1)
    train: list[int] = []
    valid: list[int] = []
    taken = 0
    for position, unit in enumerate(order):
        size, last = len(units[unit]), position == len(order) - 1
        nearer = abs(taken + size - wanted) < abs(taken - wanted)
        if (nearer and not (last and not train)) or (last and not valid):
            valid.append(unit)
            taken += size
        else:
            train.append(unit)
    return train, valid


def _fold(units: Units, split: Split) -> tuple[list[int], list[int]]:
    """Deal units out to the folds, large ones first; return all others and the one fold."""
    order = np.random.default_rng(split.seed).permutation(len(units))
    largest_first = sorted(order.tolist(), key=lambda unit: -len(units[unit]))
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
