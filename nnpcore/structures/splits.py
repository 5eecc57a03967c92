"""Splitting frames into training and validation parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from nnpcore.errors import DataError, SettingsError
from nnpcore.structures.frame import Frame


def split_frames(frames: Sequence[Frame], valid_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split frames at random into training and validation, the same way for the same seed.

    An element that only validation frames would have is kept in training: such a frame changes places with
    one that training does not need for its elements.

    Parameters
    ----------
    frames : the frames to split.
    valid_fraction : share of validation frames, 0 <= valid_fraction < 1; 0 keeps all for training.
    seed : seed of the random order, >= 0.

    Returns
    -------
    Sorted indices of the training and of the validation frames; at least one each unless the fraction is 0.

    Raises
    ------
    SettingsError
        When the fraction or seed is out of range.
    DataError
        When there are too few frames.
    """
    n_frames = len(frames)
    if not 0.0 <= valid_fraction < 1.0:
        raise SettingsError(
            f"{valid_fraction} is no share of the frames",
            where="valid_fraction",
            fix="Use 0 or more and less than 1",
        )
    if seed < 0:
        raise SettingsError(f"{seed} is negative", where="seed", fix="Use 0 or a positive integer")
    needed = 2 if valid_fraction > 0.0 else 1
    if n_frames < needed:
        have = "there are no frames" if n_frames == 0 else "there is only one frame"
        fix = (
            "Add frames" if n_frames == 0 else "Add frames, give a validation file, or set the fraction to 0"
        )
        raise DataError(f"{have} to split into training and validation", fix=fix)
    if valid_fraction == 0.0:
        return list(range(n_frames)), []
    n_valid = min(max(round(n_frames * valid_fraction), 1), n_frames - 1)
    order = np.random.default_rng(seed).permutation(n_frames).tolist()
    train, valid = _with_all_elements(frames, order[n_valid:], order[:n_valid])
    return sorted(train), sorted(valid)


def _with_all_elements(
    frames: Sequence[Frame], train: list[int], valid: list[int]
) -> tuple[list[int], list[int]]:
    """Exchange frames until every element of validation is in training, too, where that is possible."""
    elements = [frozenset(np.unique(frame.numbers).tolist()) for frame in frames]
    counts = Counter(element for k in train for element in elements[k])
    for k in list(valid):
        if all(counts[element] for element in elements[k]):
            continue
        counts.update(elements[k])
        spare = (j for j in train if all(counts[element] > 1 for element in elements[j]))
        other = next(spare, None)
        if other is None and len(valid) == 1:
            raise DataError(
                "every frame has an element that no other has, so that none can be kept for validation",
                fix="Add frames, give a validation file, or set the fraction to 0",
            )
        train, valid = [*train, k], [j for j in valid if j != k]
        if other is not None:
            train, valid = [j for j in train if j != other], [*valid, other]
            counts.subtract(elements[other])
    return train, valid
