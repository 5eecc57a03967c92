"""Frames of a long file keep their numbers when their arrays move into a file."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from builders import build_frame

from nnpcore.structures import read_dataset, spool, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.structures.spool import Spool


def frames_of(n: int) -> list[Frame]:
    rng = np.random.default_rng(0)
    found = []
    for k in range(n):
        frame = build_frame("Si", repeat=(2, 2, 1), rattle=0.1, seed=k)
        frame = replace(frame, energy=float(k), forces=rng.normal(size=frame.positions.shape))
        found.append(replace(frame, arrays={"charges": rng.normal(size=(frame.n_atoms, 3))}))
    return found


def is_mapped(array: np.ndarray) -> bool:
    base: object = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return not isinstance(base, np.ndarray)


def same_numbers(frames: Sequence[Frame], others: Sequence[Frame]) -> None:
    for a, b in zip(frames, others, strict=True):
        for name in ("numbers", "positions", "cell", "pbc", "forces"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_array_equal(a.arrays["charges"], b.arrays["charges"])


def test_frames_of_a_long_file_are_mapped_and_the_same(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.extxyz"
    write_frames(path, frames_of(40))
    plain = read_dataset(path)
    monkeypatch.setattr(spool, "IN_MEMORY", 20_000)
    monkeypatch.setattr(spool, "_BLOCK", 9_000)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    seen: list[Frame] = []
    mapped = read_dataset(path, seen=seen.append)
    assert not is_mapped(mapped.frames[0].positions) and is_mapped(mapped.frames[30].positions)
    assert is_mapped(mapped.frames[30].arrays["charges"])
    assert all(map(lambda a, b: a is b, mapped.frames, seen))
    same_numbers(plain.frames, mapped.frames)
    assert mapped.frames[30].numbers is mapped.frames[31].numbers
    again = pickle.loads(pickle.dumps(mapped.frames[30]))
    np.testing.assert_array_equal(again.forces, plain.frames[30].forces)
    mapped.frames[30].positions[0] = 7.0  # by convention nobody does; if so it is the frame's own
    assert plain.notes == mapped.notes
    if before:
        assert len(os.listdir("/proc/self/fd")) > before
        del mapped, seen
        assert len(os.listdir("/proc/self/fd")) == before


def test_without_room_for_the_file_frames_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(spool, "_BLOCK", 9_000)
    frames, taken = frames_of(20), Spool(in_memory=0)
    expected = [frame.positions.copy() for frame in frames]
    with taken:
        for frame in frames:
            taken.take(frame)
    assert not any(is_mapped(frame.positions) for frame in frames)
    for frame, positions in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.positions, positions)


def test_what_lies_behind_small_numbers_lies_as_the_processor_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "_BLOCK", 1)
    frames = []
    for k in range(3):
        n, rng = 129, np.random.default_rng(k)
        frames.append(
            Frame(
                np.full(n, 14, np.int32), rng.normal(size=(n, 3)), 9 * np.eye(3), np.ones(3, bool),
                arrays={"tags": np.arange(n, dtype=np.int32), "charges": rng.normal(size=(n, 3))},
            )
        )  # fmt: skip
    plain = [replace(frame, arrays=dict(frame.arrays)) for frame in frames]
    with Spool(0) as taken:
        for frame in frames:
            taken.take(frame)
    for frame, other in zip(frames, plain, strict=True):
        assert is_mapped(frame.positions) and frame.positions.flags.aligned
        for name, array in frame.arrays.items():
            assert is_mapped(array) and array.flags.aligned
            np.testing.assert_array_equal(array, other.arrays[name])
        np.testing.assert_array_equal(frame.positions, other.positions)
