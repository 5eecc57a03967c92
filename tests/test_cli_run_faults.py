"""``eatlas train`` while its folder and disk change, and what a resume goes on with."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders import build_frame

from nnpcore.analyses import MappingMonitor
from nnpcore.cli import main
from nnpcore.errors import RunFolderError
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import RunFolder, TrainControl, Trainer, TrainSettings
from nnpcore.training.run_folder import RunFolder as Folder

NPT = f"{example_path('npt')}@::12"
SMALL = ["--hidden", "4", "--members", "2", "--cutoff", "4", "--threads", "1"]


def monitored(folder: Path) -> None:
    scan = [
        replace(build_frame("Si", rattle=0.0, scale=1 + 0.01 * k), energy=-40.0 + k * k) for k in range(-2, 3)
    ]
    settings = TrainSettings(
        hidden=(4,), n_members=2, descriptors={"cutoff": 4.0}, n_threads=1, epochs=1  # type: ignore[arg-type]
    )  # fmt: skip
    frames = read_dataset(NPT).frames
    Trainer(settings, frames[:5], frames[5:], run_folder=folder, monitor=MappingMonitor(scan)).run()


def test_a_resume_goes_on_monitoring(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    monitored(tmp_path / "run")
    assert main(["train", "-o", str(tmp_path / "run"), "--resume", "--epochs", "3"]) == 0
    history = RunFolder.open(tmp_path / "run").read_history()
    assert [set(record.mapping) for record in history] == [{"EOS rmse in range", "E_at(V0)"}] * 3
    (tmp_path / "run" / "monitor.json").write_text("{")
    capfd.readouterr()
    assert main(["train", "-o", str(tmp_path / "run"), "--resume", "--epochs", "4"]) == 0
    assert "mapping errors are no longer monitored" in capfd.readouterr().err


def test_what_cannot_be_written_at_the_end_is_kept_elsewhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, write = tmp_path / "run", Folder.write_potential

    def full(folder: Folder, potential: object) -> None:
        if folder.path == output:
            raise RunFolderError("the disk is full", where=str(folder.path), fix="Free some space")
        write(folder, potential)  # type: ignore[arg-type]

    monkeypatch.setattr(Folder, "write_potential", full)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert main(["train", NPT, "-o", str(output), "--epochs", "2", *SMALL]) == 1
    told = capfd.readouterr().err.replace("\n", "")
    assert "the disk is full" in told and "The training goes on in memory" in told
    (kept,) = tmp_path.glob("eatlas-*/run")
    assert f"The training is in {kept}" in told
    assert [record.epoch for record in RunFolder.open(kept).read_history()] == [1, 2]
    assert RunFolder.open(kept).read_checkpoint().state["history"]


def test_a_training_over_one_that_trains_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert main(["train", NPT, "-o", str(output), "--epochs", "1", *SMALL]) == 0
    before = (output / "data.json").read_bytes()
    holder = RunFolder.open(output)
    holder.lock()
    for how in (["--resume", "--epochs", "2"], [NPT, "--overwrite", "--epochs", "2", *SMALL]):
        capfd.readouterr()
        assert main(["train", "-o", str(output), *how]) == 1
        told = capfd.readouterr().err.replace("\n", " ")
        assert re.search(r"Error: .*another training writes into this folder", told)
    assert (output / "data.json").read_bytes() == before
    holder.release()


def test_settings_edited_by_hand_are_refused_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert main(["train", NPT, "-o", str(output), "--epochs", "1", *SMALL]) == 0
    settings = output / "settings.toml"
    settings.write_text(settings.read_text().replace("cutoff = 4.0", "cutoff = 5.0"))
    assert main(["train", "-o", str(output), "--resume", "--epochs", "2"]) == 1
    said = capfd.readouterr().err
    assert "descriptors.cutoff" in said and "no longer what the run was started with" in said


def test_a_disk_that_is_full_from_the_start_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["train", NPT, "-o", str(tmp_path / "run"), "--epochs", "1", *SMALL]) == 1
    assert "the disk is full. Free some space" in capfd.readouterr().err
    monkeypatch.undo()
    assert main(["train", NPT, "-o", str(tmp_path / "run"), "--epochs", "1", *SMALL]) == 0


def test_a_training_that_was_stopped_in_its_first_epoch_is_no_broken_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frames, run = read_dataset(NPT).frames, tmp_path / "run"
    settings = TrainSettings(hidden=(4,), n_members=2, descriptors={"cutoff": 4.0}, n_threads=1, epochs=2)  # type: ignore[arg-type]
    control = TrainControl()
    control.stop()
    Trainer(settings, frames[:5], frames[5:], run_folder=run).run(control=control)
    assert main(["info", str(run)]) == 0
    assert "0 of 2, none has ended yet" in " ".join(capfd.readouterr().out.split())
    for command in (["outliers"], ["methods"], ["report", "-o", str(tmp_path / "report.html")]):
        assert main([command[0], str(run), *command[1:]]) == 1
        said = " ".join(capfd.readouterr().err.split())
        assert "no epoch of this training has ended yet" in said and "--resume" in said, command
    assert main(["compare", str(run), str(run)]) == 0
    assert "no epoch of this training has ended yet" in " ".join("".join(capfd.readouterr()).split())
    assert main(["train", "-o", str(run), "--resume"]) == 0
    (run / "history.csv").unlink()
    with pytest.raises(RunFolderError, match="history of this run is missing"):
        RunFolder.open(run).read_history()
