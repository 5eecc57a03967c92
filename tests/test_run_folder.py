"""Run folders: what they keep, and how they refuse what is damaged, foreign or out of reach."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import build_functions
from training_data import silicon_frames

from nnpcore.errors import RunFolderError
from nnpcore.potential import Potential
from nnpcore.structures import read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import EpochRecord, Rmse, RunFolder, Trainer, TrainSettings
from nnpcore.training.history import Message, Severity, history_csv, messages_of, parse_history_csv

ENERGY_0_2 = -12.299260716352148
"""Of the first frame of ``data/run-0.2``, as version 0.2 predicted it with its potential, eV."""

SETTINGS = TrainSettings(
    descriptors={"functions": build_functions(["Si"]).to_dict()},
    stress_weight=0.0,
    hidden=(4,),
    n_members=2,
    epochs=2,
    n_threads=1,
    device="cpu",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "silicon.extxyz"
    path.parent.mkdir()
    write_frames(path, silicon_frames(6))
    return path


def run(data: Path, folder: Path) -> Trainer:
    frames = read_dataset(str(data)).frames
    trainer = Trainer(SETTINGS, frames[:4], frames[4:], run_folder=folder)
    trainer.run()
    return trainer


def test_a_run_folder_holds_everything(data: Path, tmp_path: Path) -> None:
    trainer = run(data, tmp_path / "run")
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {
        "settings.toml",
        "data.json",
        "potential",
        "history.csv",
        "checkpoint.safetensors",
        "training_set.safetensors",
    }
    folder = RunFolder.open(tmp_path / "run")
    assert folder.settings == SETTINGS
    assert [(s.role, s.path, s.indices) for s in folder.sources] == [
        ("training", str(data), (0, 1, 2, 3)),
        ("validation", str(data), (4, 5)),
    ]
    assert [r.epoch for r in folder.read_history()] == [1, 2]
    values = folder.training_values()
    np.testing.assert_array_equal(values.values[values.is_training], trainer.data.train.descriptors.values)
    assert values.frame.tolist() == np.repeat([0, 1, 2, 3, 0, 1], 8).tolist()
    found = folder.find_frames()
    assert [f.index for f in found["training"]] == [0, 1, 2, 3]
    assert found["validation"][1].energy == trainer.valid_frames[1].energy


def test_data_that_moved_with_the_run_are_found(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run")
    data.rename(tmp_path / data.name)
    assert len(RunFolder.open(tmp_path / "run").find_frames()["training"]) == 4


def test_changed_or_missing_data_are_named(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run")
    frames = list(read_dataset(str(data)).frames)
    write_frames(data, [*frames[:5], frames[0]])
    with pytest.raises(RunFolderError, match=r"silicon\.extxyz: the validation data have changed"):
        Trainer.resume(tmp_path / "run")
    write_frames(data, frames[:5])
    with pytest.raises(RunFolderError, match=r"silicon\.extxyz: frame 5 of the validation data is missing"):
        Trainer.resume(tmp_path / "run")
    data.unlink()
    with pytest.raises(RunFolderError, match=r"silicon\.extxyz: the training data of this run are gone"):
        Trainer.resume(tmp_path / "run")
    with pytest.raises(RunFolderError, match="not those this run was trained on"):
        Trainer.resume(tmp_path / "run", train=frames[1:5], valid=frames[5:])
    assert Trainer.resume(tmp_path / "run", train=frames[:4], valid=frames[4:]).run().reason == "finished"


def test_frames_from_no_file_must_be_given_again(tmp_path: Path) -> None:
    frames = silicon_frames(3)
    Trainer(SETTINGS, frames, [], run_folder=tmp_path / "run").run()
    with pytest.raises(RunFolderError, match="came from no file"):
        Trainer.resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.json", b"{"),
        ("data.json", b'{"format": "something else"}'),
        ("settings.toml", b"epochs = -1"),
        ("settings.toml", None),
        ("checkpoint.safetensors", b"\x00garbage"),
        ("checkpoint.safetensors", None),
    ],
)
def test_damaged_files_are_named(name: str, content: bytes | None, data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run")
    file = tmp_path / "run" / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(RunFolderError, match=name.replace(".", r"\.")):
        Trainer.resume(tmp_path / "run")


def test_truncated_checkpoint_and_training_set_are_refused(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run")
    for name in ("checkpoint.safetensors", "training_set.safetensors"):
        file = tmp_path / "run" / name
        file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(RunFolderError, match=r"checkpoint\.safetensors: the file is damaged"):
        Trainer.resume(tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"training_set\.safetensors: the file is damaged"):
        RunFolder.open(tmp_path / "run").training_values()


def test_links_and_files_are_no_run(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(data, folder)
    real = (folder / "data.json").rename(tmp_path / "real.json")
    (folder / "data.json").symlink_to(real)
    with pytest.raises(RunFolderError, match=r"data\.json: this is a link"):
        RunFolder.open(folder)
    with pytest.raises(RunFolderError, match=r"real\.json: this is a file"):
        RunFolder.open(real)


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match=r"holds other things already \(thesis\.tex"):
        RunFolder.create(tmp_path, SETTINGS, {})
    with pytest.raises(RunFolderError, match=r"not the folder of a training: it has no data\.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunFolderError, match="there is no such folder"):
        RunFolder.open(tmp_path / "nothing")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "data.json").write_text(
        json.dumps({"format": "eatlas run", "format_version": 99, "sources": []})
    )
    with pytest.raises(RunFolderError, match="made by a newer Eatlas"):
        RunFolder.open(newer)


def test_other_settings_do_not_fit_a_checkpoint(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run")
    for name, value in {"hidden": (5,), "kalman.block_size": 100, "seed": 3}.items():
        with pytest.raises(RunFolderError, match=f"{name} is no longer what the run was started with"):
            Trainer.resume(tmp_path / "run", SETTINGS.replace(**{name: value}))
    text = (tmp_path / "run" / "settings.toml").read_text()
    (tmp_path / "run" / "settings.toml").write_text(text.replace("seed = 0", "seed = 5"))
    with pytest.raises(RunFolderError, match=r"settings\.toml: seed is no longer what the"):
        RunFolder.open(tmp_path / "run")


def test_unwritable_target_is_said_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    trainer = Trainer(SETTINGS, silicon_frames(3), [], run_folder=tmp_path / "file" / "run")
    with pytest.raises(RunFolderError, match="a part of this path is a file, not a folder"):
        trainer.prepare()


def test_full_disk_while_training_loses_nothing_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = silicon_frames(4)
    trainer = Trainer(SETTINGS.replace(epochs=4), frames, [], run_folder=tmp_path / "run")
    trainer.prepare()

    def full(record: EpochRecord, _: Trainer) -> None:
        if record.epoch == 3:
            monkeypatch.setattr(os, "fsync", _no_space)

    with pytest.raises(RunFolderError, match=r"the disk is full\. Free some space"):
        trainer.run(full)
    monkeypatch.undo()
    assert len(trainer.history) == 4
    assert np.isfinite(trainer.potential().weights.flatten()).all()
    assert not [p for p in (tmp_path / "run").rglob("*") if p.suffix == ".part"]
    assert Trainer.resume(tmp_path / "run", train=frames, valid=[]).n_epochs == 4


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_history_survives_csv_and_json() -> None:
    def rmse(*values: float) -> Rmse:
        return Rmse(members=np.array(values), mean=float(np.mean(values)))

    records = [
        EpochRecord(
            epoch=k,
            seconds=1.5 * k,
            optimizer="kalman",
            train={"energy": rmse(1 / 3, 2.0), "force": rmse(0.1, 0.2)},
            valid={"energy": rmse(1 / 7, float("nan"))} if k == 2 else {},
            alive=np.array([True, k < 2]),
            messages=(Message('Member 2 diverged, "badly"; it\'s gone'),) if k == 2 else (),
            best=k == 1,
        )
        for k in (1, 2)
    ]
    for found in (parse_history_csv(history_csv(records)), [_through_json(r) for r in records]):
        for a, b in zip(found, records, strict=True):
            assert (a.epoch, a.seconds, a.messages, a.best) == (b.epoch, b.seconds, b.messages, b.best)
            assert (a.alive == b.alive).all()
            for part, expected in ((a.train, b.train), (a.valid, b.valid)):
                assert set(part) == set(expected)
                for name in part:
                    np.testing.assert_array_equal(part[name]["members"], expected[name]["members"])
    assert messages_of(records) == ['Epoch 2: Member 2 diverged, "badly"; it\'s gone']


def _through_json(record: EpochRecord) -> EpochRecord:
    return EpochRecord.from_dict(json.loads(json.dumps(record.to_dict())))


def test_fingerprints_see_every_change() -> None:
    from dataclasses import replace

    from nnpcore.training.data_sources import fingerprint

    frame: Frame = silicon_frames(1)[0]
    changed = [
        replace(frame, energy=0.0),
        replace(frame, forces=None),
        replace(frame, stress=None),
        replace(frame, positions=frame.positions + 1e-12),
        replace(frame, cell=frame.cell * 1.1),
        replace(frame, pbc=np.array([True, True, False])),
    ]
    prints = {fingerprint([f]) for f in [frame, *changed]} | {fingerprint([frame, frame])}
    assert len(prints) == 8
    assert fingerprint([replace(frame, source="elsewhere", index=3)]) == fingerprint([frame])


def test_messages_say_how_severe_they_are_and_those_of_older_files_are_told_apart() -> None:
    texts = [Message("An optimizer was chosen", Severity.NOTE), Message("Member 1 diverged")]
    record = EpochRecord(1, 1.0, "adam", {}, {}, np.ones(1, dtype=bool), tuple(texts))
    assert list(parse_history_csv(history_csv([record]))[0].messages) == texts
    old = record.to_dict() | {"messages": ["Smooth part under the networks: linear", "Member 1 diverged"]}
    del old["severities"]
    found = EpochRecord.from_dict(old)
    assert [message.is_note for message in found.messages] == [True, False]
    table = history_csv([found]).replace(",severities", "").replace(',"[""note"", ""warning""]"', "")
    assert parse_history_csv(table)[0].messages == found.messages


def test_a_run_of_version_0_2_is_read_and_goes_on(tmp_path: Path) -> None:
    old = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "data" / "run-0.2", old)
    folder = RunFolder.open(old)
    assert (folder.settings.baseline, folder.settings.baseline_ridge) == ("kernel", 1e-3)
    assert [m.is_note for r in folder.read_history() for m in r.messages] == [True, True]
    frames = folder.find_frames()["training"]
    potential = Potential.load(old)
    assert potential.nonlinear_baseline is not None and potential.nonlinear_baseline.kind == "kernel"
    found = potential.predict(frames[:1])
    assert found.energy[0] == pytest.approx(ENERGY_0_2, abs=1e-7)
    trainer = Trainer.resume(old, folder.settings.replace(epochs=5))
    assert trainer.run().reason == "finished"
    assert [record.epoch for record in trainer.history] == [1, 2, 3, 4, 5]
    assert trainer.history[-1].train["energy"]["mean"] < trainer.history[0].train["energy"]["mean"]
