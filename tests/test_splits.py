"""Splits that do not leak: what belongs together stays together, folds are a partition, seeds decide."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold

from nnpcore.cli import main
from nnpcore.errors import DataError, SettingsError
from nnpcore.structures import Frame, example_path, read_dataset, split_frames
from nnpcore.structures.splits import N_BLOCKS
from nnpcore.training import TrainSettings


def made(n: int, *, file: str = "a", symbols: tuple[int, ...] = (14,), **info: str) -> list[Frame]:
    """Return n frames of a file."""
    count = len(symbols)
    return [
        Frame(
            np.array(symbols, dtype=np.int32),
            np.zeros((count, 3)),
            np.eye(3),
            np.ones(3, bool),
            info=dict(info),
            source=file,
            index=k,
        )
        for k in range(n)
    ]


@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=8),
    seed=st.integers(0, 20),
    fraction=st.floats(0.05, 0.9),
    by=st.sampled_from(["groups", "files", "blocks"]),
)
@settings(max_examples=60, deadline=None)
def test_what_belongs_together_stays_together(sizes: list[int], seed: int, fraction: float, by: str) -> None:
    frames = [f for k, size in enumerate(sizes) for f in made(size, file=f"f{k}", config_type=f"g{k}")]
    train, valid = split_frames(frames, fraction, seed, by)
    assert sorted(train + valid) == list(range(len(frames))) and train and valid
    assert split_frames(frames, fraction, seed, by) == (train, valid)
    if by == "blocks":
        for name in {f.source for f in frames}:
            mine = [k in valid for k, f in enumerate(frames) if f.source == name]
            changes = sum(a != b for a, b in pairwise(mine))
            assert len(mine) <= N_BLOCKS or changes <= N_BLOCKS
    else:
        names = [
            {(f.info["config_type"], f.source) for f in map(frames.__getitem__, p)} for p in (train, valid)
        ]
        assert not names[0] & names[1]


def test_blocks_are_neighbors_in_the_file_whatever_the_order_given() -> None:
    frames = made(50)
    shuffled = [frames[k] for k in np.random.default_rng(3).permutation(50)]
    _, valid = split_frames(shuffled, 0.3, 0, "blocks")
    kept = sorted(shuffled[k].index for k in valid)
    assert len(kept) == 15
    blocks = {index // 5 for index in kept}
    assert kept == [index for block in sorted(blocks) for index in range(5 * block, 5 * block + 5)]


@pytest.mark.parametrize("by", ["frames", "blocks", "groups"])
def test_folds_are_a_partition_as_even_as_scikit_learns(by: str) -> None:
    sizes = (30, 9, 8, 7, 6, 3, 3, 2, 1)
    frames = [f for k, size in enumerate(sizes) for f in made(size, group=f"g{k}", file="one")]
    frames = [replace(frame, index=k) for k, frame in enumerate(frames)]
    parts = [split_frames(frames, 0.3, 5, by, folds=3, fold=k)[1] for k in (1, 2, 3)]
    assert sorted(k for part in parts for k in part) == list(range(len(frames)))
    found = sorted(len(part) for part in parts)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    of_sklearn = sorted(len(test) for _, test in GroupKFold(3).split(groups, groups=groups))
    expected = {"frames": [23, 23, 23], "groups": of_sklearn}.get(by, found)
    assert found == expected and found[-1] - found[0] <= (6 if by == "blocks" else 30)


def test_an_element_of_one_group_stays_in_training() -> None:
    frames = [*made(6, group="si"), *made(6, group="sic", symbols=(14, 6)), *made(6, group="more")]
    for seed in range(12):
        train, valid = split_frames(frames, 0.3, seed, "groups")
        assert {f.info["group"] for f in map(frames.__getitem__, train)} >= {"sic"} and valid


@pytest.mark.parametrize(
    ("frames", "options", "error", "what"),
    [
        (made(6), {"by": "files"}, DataError, "only 1 file to split.*Give more files, or split by blocks"),
        (made(6, tag="x"), {"by": "groups"}, DataError, "only 1 group to split.*config_type or group or tag"),
        (made(3), {"folds": 4}, DataError, "only 3 frames to split into 4 folds"),
        (made(6), {"folds": 4, "fold": 5}, SettingsError, "no fold 5 of 4"),
        (made(6), {"by": "years"}, SettingsError, "not split by 'years'"),
    ],
)
def test_the_impossible_is_refused(
    frames: list[Frame], options: dict[str, object], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        split_frames(frames, 0.3, 0, **options)  # pyright: ignore[reportArgumentType]


def test_settings_split_and_say_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = read_dataset(str(example_path("npt"))).frames
    chosen = TrainSettings(split="blocks", folds=5, fold=2, seed=3)
    assert chosen.split_of(frames)[:2] == split_frames(frames, 0.3, 3, "blocks", folds=5, fold=2)
    assert TrainSettings().split_of(frames) == (*split_frames(frames, 0.3, 0), [])
    with pytest.raises(SettingsError, match="fold: there is no fold 3 of 2"):
        TrainSettings(folds=2, fold=3)
    run = tmp_path_factory.mktemp("split") / "run"
    small = "--epochs 1 --members 1 --hidden 4-4 --guidance 0 --threads 1 --cutoff 4"
    options = ["--split", "blocks", "--folds", "4", "--fold", "1", *small.split()]
    assert main(["train", f"{example_path('npt')}@:12", "-o", str(run), *options, "--json"]) == 0
    capsys.readouterr()
    found = json.loads((run / "data.json").read_text())["sources"]
    (valid,) = [part["indices"] for part in found if part["role"] == "validation"]
    assert valid == split_frames(frames[:12], 0.3, 0, "blocks", folds=4, fold=1)[1] and len(valid) == 3


def test_a_fold_that_is_not_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--epochs", "1", "--members", "1", "--hidden", "4", "--guidance", "0", "--cutoff", "4"]
    command = ["train", f"{example_path('npt')}@:6", *small, "--threads", "1", "-o"]
    assert main([*command, str(tmp_path / "one"), "--fold", "2"]) == 1
    assert "no folds to take number 2 of" in capsys.readouterr().err and not (tmp_path / "one").exists()
    valid = ["--folds", "3", "--split", "blocks", "--valid", f"{example_path('npt')}@6:8"]
    assert main([*command, str(tmp_path / "two"), *valid]) == 0
    assert "nothing is split: --split and --folds not used" in " ".join(capsys.readouterr().err.split())
