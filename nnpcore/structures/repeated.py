"""Frames of a file that repeat or contradict each other, or say nothing about bonds: words for the user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnpcore.structures.frame import Frame

_SAME_ENERGY = 1e-6  # eV/atom


def repeated_frames(frames: Sequence[Frame]) -> list[str]:
    """Say which frames repeat others, with the same energy or another, and whether all are single atoms."""
    first: dict[bytes, Frame] = {}
    same: list[tuple[Frame, Frame]] = []
    other: list[tuple[Frame, Frame]] = []
    for frame in frames:
        known = first.setdefault(_structure(frame), frame)
        if known is not frame:
            (same if _same_energy(frame, known) else other).append((frame, known))
    notes = []
    if same:
        notes.append(f"{_count(same)} of the same structure as another ({_pair(same)}): they add no data")
    if other:
        what = "but with another energy: one of them is wrong, or their settings differ"
        notes.append(f"{_count(other)} of the same structure as another ({_pair(other)}), {what}")
    if frames and all(frame.n_atoms == 1 and not frame.pbc.any() for frame in frames):
        notes.append("all frames are single atoms: they say nothing about bonds")
    return notes


def _structure(frame: Frame) -> bytes:
    parts = (frame.numbers, frame.positions, frame.cell, frame.pbc)
    return b"|".join(np.ascontiguousarray(part).tobytes() for part in parts)


def _same_energy(a: Frame, b: Frame) -> bool:
    if a.energy is None or b.energy is None:
        return True
    return abs(a.energy - b.energy) <= _SAME_ENERGY * a.n_atoms


def _count(pairs: Sequence[tuple[Frame, Frame]]) -> str:
    return "1 frame is" if len(pairs) == 1 else f"{len(pairs)} frames are"


def _pair(pairs: Sequence[tuple[Frame, Frame]]) -> str:
    again, before = pairs[0]
    return f"frame {again.index} is frame {before.index}"
