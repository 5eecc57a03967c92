"""Frames that are there twice, by what they hold: structures, whatever file, name or label they have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame

SAME = 1e-3
"""Å: frames of the same atoms in the same order are one where no atom and no cell vector differs by more."""

_LOOKED_UP = 4
_MOST_NAMED = 8
_USED = {
    "training": "trained on as well",
    "validation": "validated on as well, and validation chooses the weights",
}


def equal_frames(known: Sequence[Frame], frames: Sequence[Frame]) -> list[tuple[int, int]]:
    """Return pairs (index in ``known``, index in ``frames``) of equal structures, by the latter.

    Of several equal ones in ``known`` the first is named. Positions and cells that are not finite equal none.
    """
    from scipy.spatial import KDTree

    there, found = _alike(known), []
    for key, mine in _alike(frames).items():
        others = there.get(key, [])
        if not others:
            continue
        atoms = _moving([known[i] for i in others])
        tree = KDTree([_place(known[i], atoms) for i in others])
        near = tree.query_ball_point([_place(frames[j], atoms) for j in mine], SAME, p=np.inf)
        for j, candidates in zip(mine, near, strict=True):
            same = (others[c] for c in sorted(candidates) if _same(known[others[c]], frames[j]))
            first = next(same, None)
            if first is not None:
                found.append((first, j))
    return sorted(found, key=lambda pair: pair[1])


def refuse_overlap(test: Sequence[Frame], others: Mapping[str, Sequence[Frame]]) -> None:
    """Raise DataError, with their numbers, where test frames are among the training or validation frames.

    ``others`` : these frames by role.
    """
    for role, frames in others.items() if test else ():
        pairs = equal_frames(frames, test)
        if pairs:
            of = "test frame is" if len(pairs) == 1 else f"of the {len(test)} test frames are"
            mine, theirs = named(test, [j for _, j in pairs]), named(frames, [i for i, _ in pairs])
            same = "" if mine == theirs else f", in the {role} data {theirs}"
            raise DataError(
                f"{len(pairs)} {of} {_USED.get(role, role)}: {mine}{same}",
                fix="Leave them out of one of the two: a test tells nothing about what a training has seen",
            )


def named(frames: Sequence[Frame], indices: Sequence[int]) -> str:
    """Return what to call some frames: "frames 3, 7 and 9 of a.extxyz", files one after the other."""
    by_file: dict[str, list[int]] = defaultdict(list)
    for k in indices:
        by_file[frames[k].source].append(frames[k].index if frames[k].source else k)
    parts = []
    for source, numbers in by_file.items():
        shown = [str(number) for number in numbers[:_MOST_NAMED]]
        more = len(numbers) - len(shown)
        text = ", ".join(shown) + (f" and {more} more" if more else "")
        parts.append(f"frame{'s' if len(numbers) > 1 else ''} {text}{f' of {source}' if source else ''}")
    return "; ".join(parts)


def _alike(frames: Sequence[Frame]) -> dict[tuple[bytes, bytes], list[int]]:
    """Return indices of frames that have the same atoms in the same order and are periodic alike."""
    found: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for k, frame in enumerate(frames):
        if np.isfinite(frame.positions).all() and np.isfinite(frame.cell).all():
            found[frame.numbers.astype("<i4").tobytes(), frame.pbc.tobytes()].append(k)
    return found


def _moving(frames: Sequence[Frame]) -> np.ndarray:
    """Return the atoms that differ most in some frames: others may be held fixed, as those below a slab."""
    low = high = frames[0].positions
    for frame in frames[1:]:
        low, high = np.minimum(low, frame.positions), np.maximum(high, frame.positions)
    return np.argsort(-(high - low).sum(axis=1), kind="stable")[:_LOOKED_UP]


def _place(frame: Frame, atoms: np.ndarray) -> np.ndarray:
    """Return the numbers that equal frames are looked up by: those of some atoms and of the cell."""
    return np.concatenate([frame.positions[atoms].ravel(), frame.cell.ravel()])


def _same(one: Frame, other: Frame) -> bool:
    parts = (one.positions, other.positions), (one.cell, other.cell)
    return all(np.abs(mine - theirs).max(initial=0.0) <= SAME for mine, theirs in parts)
