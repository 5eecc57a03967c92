"""A training that somebody else does is followed without a touch to its folder."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from training_data import TINY

from nnpcore.cli import main
from nnpcore.cli.curves import BARS, curve, curves
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import EpochRecord, TrainControl, Trainer
from nnpcore.training.folder_lock import LOCK_FILE, Writer, one_writer
from nnpcore.training.watching import SILENT_AFTER, Activity, RunWatch


def trainer_in(folder: Path, **changes: object) -> Trainer:
    frames = read_dataset(f"{example_path('npt')}@:6").frames
    return Trainer(TINY.replace(**changes), frames[:4], frames[4:], run_folder=folder)


def test_a_training_is_followed_to_its_end_and_beyond(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    watch = RunWatch(folder)
    assert watch.look().activity is Activity.TROUBLE  # nothing is there yet
    seen: list[tuple[Activity, int]] = []

    def look(record: EpochRecord, trainer: Trainer) -> None:
        sight = watch.look()
        seen.append((sight.activity, len(sight.records)))

    trainer = trainer_in(folder)
    trainer.run(look, TrainControl())
    assert {activity for activity, _ in seen} == {Activity.TRAINING}
    counts = [n for _, n in seen]
    assert counts == sorted(counts) and counts[-1] >= 1
    sight = watch.look()
    assert sight.activity is Activity.ENDED and not sight.writer and sight.goal == 4
    assert [r.epoch for r in sight.records] == [r.epoch for r in trainer.history]
    assert not sight.replaced
    trainer_in(folder, epochs=1, seed=1).run()
    sight = watch.look()
    assert sight.replaced and len(sight.records) == 1
    assert not watch.look().replaced


def test_looking_writes_nothing_and_reads_only_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    trainer_in(folder, epochs=1).run()
    before = {path: path.stat() for path in folder.rglob("*")}
    watch = RunWatch(folder)
    first = watch.look()
    monkeypatch.setattr("nnpcore.training.run_folder.RunFolder.open", lambda path: pytest.fail("read again"))
    assert watch.look().records is first.records
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == {
        path: status.st_mtime_ns for path, status in before.items()
    }


def test_damage_and_silence_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    trainer_in(folder, epochs=1).run()
    watch = RunWatch(folder)
    good = watch.look()
    mark = {"pid": 1234, "started": 1.0, "host": "of somebody else", "since": 1.0}
    (folder / LOCK_FILE).write_text(json.dumps(mark))
    sight = watch.look()
    assert sight.activity is Activity.TRAINING and "1234 on another computer" in sight.writer
    long_ago = time.time() - SILENT_AFTER - 60
    for path in folder.glob("*.*"):
        os.utime(path, (long_ago, long_ago))
    assert watch.look().activity is Activity.SILENT and "may have ended" in watch.look().silence
    with one_writer(folder, Writer.TRAINING):  # a process that is there and writes nothing
        os.utime(folder / LOCK_FILE, (long_ago, long_ago))
        sight = watch.look()
        assert sight.activity is Activity.SILENT and "it is there, but may hang" in sight.silence
    (folder / LOCK_FILE).write_text(json.dumps(mark))
    history = folder / "history.csv"
    history.write_text(history.read_text().replace("kalman", "karman"))
    sight = watch.look()
    assert sight.activity is Activity.TROUBLE and "history.csv" in str(sight.trouble)
    assert len(sight.records) == len(good.records)  # what was seen last stays


def test_a_lost_history_is_no_training_without_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    trainer_in(folder, epochs=2).run()
    (folder / "history.csv").unlink()
    assert main(["watch", str(folder), "--once"]) == 1
    said = capsys.readouterr()
    assert "no epoch yet" not in said.out and "history of this run is missing" in said.err
    assert main(["report", str(folder), "-o", str(tmp_path / "r.html")]) == 1
    assert "history of this run is missing" in capsys.readouterr().err
    Trainer.resume(folder, TINY.replace(epochs=3)).run()  # as the message says
    assert main(["watch", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["last"]["epoch"] == 3


def test_the_command_ends_with_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    trainer = trainer_in(folder, epochs=4)
    begun = threading.Event()
    thread = threading.Thread(target=trainer.run, args=(lambda *_: begun.set(),))
    thread.start()
    assert begun.wait(60)
    assert main(["watch", str(folder), "--every", "0.2", "--json"]) == 0
    thread.join(60)
    said = json.loads(capsys.readouterr().out)
    assert said["activity"] == "ended" and said["last"]["epoch"] == 4 and said["goal"] == 4
    assert main(["watch", str(tmp_path / "none"), "--once"]) == 1
    assert "there is no such folder" in capsys.readouterr().err


def test_training_with_a_crystal_follows_it_and_says_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, crystal = f"{example_path('npt')}@:8", str(example_path("eos"))
    TINY.replace(epochs=1, n_members=1).to_toml(tmp_path / "small.toml")
    options = ["--config", str(tmp_path / "small.toml"), "--eos", crystal, "--json"]
    assert main(["train", data, "-o", str(tmp_path / "run"), *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert main(["map", str(tmp_path / "run"), "--eos", crystal, "-o", str(tmp_path / "map"), "--json"]) == 0
    mapped = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["verdict_level"]) == (mapped["verdict"], mapped["verdict_level"])
    assert set(RunWatch(tmp_path / "run").look().records[0].mapping) == {"EOS rmse in range", "E_at(V0)"}


def test_a_curve_is_logarithmic_and_fits() -> None:
    assert curve([1e3, 1e2, 1e1, 1e0], 10) == BARS[7] + BARS[5] + BARS[2] + BARS[0]
    assert curve([1.0, np.nan, 10.0, 0.0, -1.0], 10) == f"{BARS[0]} {BARS[7]}  "
    assert curve([2.0, 2.0], 10) == BARS[0] * 2
    assert curve(list(np.geomspace(1e4, 1, 800)), 8) == BARS[::-1]
    assert curve([], 8) == curve([np.nan], 8) == ""


def test_curves_fit_into_a_narrow_terminal(tmp_path: Path) -> None:
    trainer = trainer_in(tmp_path / "run")
    trainer.run()
    console = Console(width=70, record=True, file=io.StringIO())
    console.print(curves(trainer.history, 70))
    text = console.export_text()
    assert "energy (validation)" in text and max(map(len, text.splitlines())) <= 70
    assert f"{trainer.history[-1].valid['force']['mean']:#.3g}" in text


def test_a_training_whose_process_was_killed_is_told_from_one_that_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    trainer = trainer_in(folder, epochs=4)
    control = TrainControl()
    trainer.run(lambda *_: control.stop(), control)
    sight = RunWatch(folder).look()
    assert sight.activity is Activity.ENDED and not sight.broken_off
    with one_writer(folder, Writer.TRAINING):
        mark = json.loads((folder / LOCK_FILE).read_text())
    (folder / LOCK_FILE).write_text(json.dumps({**mark, "pid": 2**22 + 7}))
    sight = RunWatch(folder).look()
    assert sight.activity is Activity.ENDED and sight.broken_off
    assert main(["watch", str(folder), "--once"]) == 0
    assert "ended from outside" in " ".join(capsys.readouterr().out.split())
    Trainer.resume(folder, TINY.replace(epochs=4)).run()
    assert not RunWatch(folder).look().broken_off
