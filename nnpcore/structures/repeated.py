"""Frames of a file that repeat or contradict each other, or say nothing about bonds: words for the user."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from nnpcore.structures.frame import Frame

_SAME_ENERGY = 1e-6  # eV/atom


class Repeated:
    """Looks at the frames of a file one after the other, and remembers a few bytes of each."""

    def __init__(self) -> None:
        self._first: dict[bytes, Frame] = {}
        self._same: list[tuple[Frame, Frame]] = []
        self._other: list[tuple[Frame, Frame]] = []
        self._single = True

    def look(self, frame: Frame) -> None:
        """Compare a frame with those before it."""
        known = self._first.setdefault(_structure(frame), frame)
        if known is not frame:
            (self._same if _same_energy(frame, known) else self._other).append((frame, known))
        self._single &= frame.n_atoms == 1 and not frame.pbc.any()

    def notes(self) -> list[str]:
        """Say which frames repeat others, with the same energy or not, and whether all are single atoms."""
        same, other, notes = self._same, self._other, []
        if same:
            notes.append(f"{_count(same)} of the same structure as another ({_pair(same)}): they add no data")
        if other:
            what = "but with another energy: one of them is wrong, or their settings differ"
            notes.append(f"{_count(other)} of the same structure as another ({_pair(other)}), {what}")
        if self._first and self._single:
            notes.append("all frames are single atoms: they say nothing about bonds")
        return notes


def _structure(frame: Frame) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in (frame.numbers, frame.positions, frame.cell, frame.pbc):
        digest.update(np.ascontiguousarray(part).tobytes())
        digest.update(b"|")
    return digest.digest()


def _same_energy(a: Frame, b: Frame) -> bool:
    if a.energy is None or b.energy is None:
        return True
    return abs(a.energy - b.energy) <= _SAME_ENERGY * a.n_atoms


def _count(pairs: Sequence[tuple[Frame, Frame]]) -> str:
    return "1 frame is" if len(pairs) == 1 else f"{len(pairs)} frames are"


def _pair(pairs: Sequence[tuple[Frame, Frame]]) -> str:
    again, before = pairs[0]
    return f"frame {again.index} is frame {before.index}"
