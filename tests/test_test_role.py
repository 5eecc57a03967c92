"""The test: frames that no choice sees, drawn or given, refused where training has seen them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnpcore.cli import main
from nnpcore.errors import DataError, EatlasError, SettingsError
from nnpcore.potential import Potential
from nnpcore.report.run_info import how_split
from nnpcore.structures import Frame, example_path, overlap, read_dataset, write_frames
from nnpcore.structures.overlap import equal_frames
from nnpcore.structures.splits import Split, split_in_three
from nnpcore.training import RunFolder, Trainer, TrainSettings, rmse_report
from nnpcore.training.doubts import notes_on_split
from nnpcore.training.run_folder import RunFolder as Folder

SMALL = TrainSettings(
    **{"descriptors": {"preset": "26", "cutoff": 4.0}, "hidden": (4,), "n_members": 2, "epochs": 2,
       "guidance": 0.0, "n_threads": 1}
)  # fmt: skip
OPTIONS = [
    *[
        "--epochs",
        "2",
        "--members",
        "1",
        "--hidden",
        "4",
        "--guidance",
        "0",
        "--cutoff",
        "4",
        "--preset",
        "26",
        "--threads",
        "1",
    ]
]


def frames_from(name: str, n: int) -> list[Frame]:
    return list(read_dataset(f"{example_path(name)}@:{n}").frames)


def lone(n: int, *, file: str = "f", **info: object) -> list[Frame]:
    """Frames of two atoms, each another."""
    rng = np.random.default_rng([n, len(file), *map(ord, file)])
    return [
        Frame(
            np.full(2, 14, np.int32), rng.normal(size=(2, 3)), 3 * np.eye(3), np.ones(3, bool),
            energy=-1.0, info=dict(info), source=file, index=k,
        )
        for k in range(n)
    ]  # fmt: skip


@given(
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=8),
    seed=st.integers(0, 20),
    shares=st.tuples(st.floats(0.0, 0.45), st.floats(0.01, 0.45)),
    by=st.sampled_from(["frames", "groups", "files", "blocks"]),
)
@settings(max_examples=60, deadline=None)
def test_three_parts_are_a_partition_and_none_is_empty(
    sizes: list[int], seed: int, shares: tuple[float, float], by: str
) -> None:
    frames = [f for k, size in enumerate(sizes) for f in lone(size, file=f"f{'x' * k}", tag=f"g{k}")]
    split = Split(shares[0], seed, by, test_fraction=shares[1])
    parts = split_in_three(frames, split)
    assert sorted(k for part in parts for k in part) == list(range(len(frames)))
    assert parts.train and parts.test and bool(parts.valid) == (shares[0] > 0)
    assert split_in_three(frames, split) == parts
    if by in ("groups", "files"):
        names = [{frames[k].source for k in part} for part in parts]
        assert sum(map(len, names)) == len(set().union(*names))


def test_every_fold_has_the_same_test_and_equal_frames_stay_together() -> None:
    frames = lone(30)
    frames = [*frames, *(replace(f, index=30 + k, energy=None) for k, f in enumerate(frames))]
    folds = [split_in_three(frames, Split(0.3, 4, folds=3, fold=k, test_fraction=0.2)) for k in (1, 2, 3)]
    assert len({tuple(part.test) for part in folds}) == 1 and len(folds[0].test) == 12
    assert sorted({k for part in folds for k in part.valid} | set(folds[0].test)) == list(range(60))
    test = set(folds[0].test)
    assert all((k + 30 in test) == (k in test) for k in range(30))


@pytest.mark.parametrize(
    ("frames", "split", "what"),
    [
        (lone(2), {}, "only 2 frames to split into training, validation and test"),
        (lone(9), {"by": "files"}, "only 1 file to split into training, validation and test"),
        (
            [f for k in "ab" for f in lone(5, file=k)],
            {"by": "files"},
            "only 2 files to split into training, v",
        ),
        (
            [f for k in "abc" for f in lone(3, file=k)],
            {"by": "files", "folds": 3},
            "only 2 files to .* 3 folds",
        ),
        ([f for f in lone(1) for _ in range(6)], {}, "only 1 frame to split"),
    ],
)
def test_an_empty_part_is_refused(frames: list[Frame], split: dict[str, object], what: str) -> None:
    with pytest.raises(DataError, match=what):
        split_in_three(frames, Split(0.3, test_fraction=0.3, **split))  # pyright: ignore[reportArgumentType]


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(SettingsError, match="nothing is left for training"):
        Split(0.5, test_fraction=0.5)
    with pytest.raises(SettingsError, match="leave nothing for training"):
        TrainSettings(valid_fraction=0.6, test_fraction=0.4)


def test_equal_structures_are_found_whatever_their_labels_and_names(tmp_path: Path) -> None:
    frames = frames_from("npt", 8)
    write_frames(tmp_path / "again.extxyz", [replace(frames[k], energy=1.0, forces=None) for k in (6, 2)])
    again = list(read_dataset(str(tmp_path / "again.extxyz")).frames)
    near = replace(frames[3], positions=frames[3].positions + 2e-3)
    assert equal_frames(frames, [near, *again]) == [(6, 1), (2, 2)]


def test_many_frames_above_fixed_atoms_are_looked_up_and_what_is_not_finite_equals_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, (first,) = np.random.default_rng(0), frames_from("npt", 1)
    moves = 0.1 * rng.normal(size=(40, 64, 3)) * (np.arange(64) >= 32)[:, None]
    slabs = [replace(first, positions=first.positions + move) for move in moves]
    compared: list[int] = []
    same = overlap._same
    monkeypatch.setattr(overlap, "_same", lambda *two: compared.append(1) or same(*two))
    assert equal_frames(slabs, [*slabs[20:], *slabs]) == [(20 + k, k) for k in range(20)] + [
        (k, 20 + k) for k in range(40)
    ]
    assert len(compared) == 60
    lost = replace(first, positions=np.full((64, 3), np.nan))
    assert equal_frames([first, lost], [lost, first]) == [(0, 1)]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"numbers": np.full(64, 8, np.int32)}, r"1 test frame contains O, .*: frame 4 of .*nvt"),
        ({"energy": None, "forces": None, "stress": None}, "nothing to compare with"),
        ({"positions": np.zeros((64, 3))}, "on one spot"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_the_training(changes: dict[str, object], what: str) -> None:
    frames = frames_from("nvt", 5)
    with pytest.raises(EatlasError, match=what):
        Trainer(SMALL, frames[:3], frames[3:4], test=[replace(frames[4], **changes)]).prepare()


def test_a_training_is_kept_whatever_happens_to_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("nnpcore.training.trainer.rmse_report", killed)
    frames = frames_from("nvt", 5)
    with pytest.raises(MemoryError):
        Trainer(SMALL, frames[:3], frames[3:4], test=frames[4:], run_folder=tmp_path / "run").run()
    assert len(RunFolder.open(tmp_path / "run").read_history()) == 2


def test_the_test_changes_nothing_and_is_looked_at_once_at_the_end(tmp_path: Path) -> None:
    frames, test = frames_from("nvt", 10), frames_from("npt", 4)
    parts = frames[:7], frames[7:]
    alone = Trainer(SMALL, *parts).run()
    run = Trainer(SMALL, *parts, test=test, run_folder=tmp_path / "run")
    seen: list[object] = []
    result = run.run(
        lambda record, trainer: seen.append((trainer.test_errors, trainer.potential().info.get("test")))
    )
    assert seen == [(None, None)] * 2
    np.testing.assert_array_equal(result.potential.weights.flatten(), alone.potential.weights.flatten())
    expected = rmse_report(result.potential, {"test": test})["test"]
    kept = Potential.load(tmp_path / "run").info["test"]
    assert kept == {"n_frames": 4} | expected and result.test == expected
    folder = RunFolder.open(tmp_path / "run")
    assert [f.index for f in folder.find_frames()["test"]] == [0, 1, 2, 3]
    more = Trainer.resume(tmp_path / "run", SMALL.replace(epochs=3))
    assert len(more.test_frames) == 4
    more.run()
    assert Potential.load(tmp_path / "run").info["test"] != kept


def test_what_training_has_seen_is_no_test() -> None:
    frames = frames_from("nvt", 10)
    with pytest.raises(
        DataError, match=r"2 of the 3 test frames are trained on as well: frames 0, 6 of .*nvt"
    ):
        Trainer(SMALL, frames[:7], [], test=[frames[0], frames[6], frames[8]])
    with pytest.raises(
        DataError, match=r"1 test frame is validated on as well, and validation chooses.*frame 8"
    ):
        Trainer(SMALL, frames[:7], frames[7:], test=[frames[8]])


def test_command_line_trains_with_a_share_or_a_file_and_evaluates_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"{example_path('nvt')}@:12"
    share = [
        "train",
        data,
        *OPTIONS,
        "--test-fraction",
        "0.25",
        "--split",
        "blocks",
        "-o",
        str(tmp_path / "a"),
    ]
    assert main([*share, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data_sets"]
    sources = Folder.open(tmp_path / "a").sources
    assert {s.role: len(s.indices) for s in sources} == {"training": 5, "validation": 4, "test": 3}
    assert main(["evaluate", str(tmp_path / "a"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["data_sets"]
    assert set(again) == {"training", "validation", "test"}
    assert again["test"]["rmse_energy_mev_per_atom"]["mean"] == pytest.approx(
        found["test"]["rmse_energy_mev_per_atom"]["mean"], rel=1e-3
    )
    assert main(["train", data, *OPTIONS, "--test", data, "-o", str(tmp_path / "b")]) == 1
    assert "trained on as well" in capsys.readouterr().err and not (tmp_path / "b").exists()


def test_a_random_split_of_a_trajectory_is_said() -> None:
    frames, rng = frames_from("nvt", 30), np.random.default_rng(0)
    steps = np.cumsum(0.05 * rng.normal(size=(30, 64, 3)), axis=0)
    walk = [replace(f, positions=frames[0].positions + step) for f, step in zip(frames, steps, strict=True)]
    parts = TrainSettings().split_of(walk)
    train, valid = ([walk[k] for k in part] for part in parts[:2])
    (message,) = notes_on_split(train, valid, "frames")
    assert "lie among the training frames of a trajectory" in message.text and message.is_note
    assert notes_on_split(train, valid, "blocks") == []
    far_apart = ([frames[k] for k in part] for part in parts[:2])
    assert notes_on_split(*far_apart, "frames") == []


def test_a_run_keeps_whether_its_validation_frames_were_drawn(tmp_path: Path) -> None:
    frames = frames_from("npt", 16)
    texts = {}
    for drawn in (True, False, None):
        folder = tmp_path / str(drawn)
        Trainer(SMALL.replace(epochs=1), frames[:11], frames[11:], run_folder=folder, drawn=drawn).run()
        run = RunFolder.open(folder)
        assert run.drawn is drawn
        texts[drawn] = how_split(run.sources, run.settings, run.drawn)
        again = Trainer.resume(folder, SMALL.replace(epochs=2))
        assert again.keeper.drawn is drawn
    assert (
        texts[True].startswith("at random")
        and texts[False] == texts[None] == "into one piece of the file each"
    )
    mixed = [*frames[:4], *frames[8:]], frames[4:8]
    Trainer(SMALL.replace(epochs=1), *mixed, run_folder=tmp_path / "given", drawn=False).run()
    run = RunFolder.open(tmp_path / "given")
    assert how_split(run.sources, run.settings, run.drawn) == "as they were given"
    write_frames(tmp_path / "data.extxyz", frames)
    for name, more in (("one", []), ("two", ["--valid", f"{tmp_path / 'data.extxyz'}@:3"])):
        assert (
            main(["train", str(tmp_path / "data.extxyz"), *more, "-o", str(tmp_path / name), *OPTIONS]) == 0
        )
        assert RunFolder.open(tmp_path / name).drawn is (name == "one")
