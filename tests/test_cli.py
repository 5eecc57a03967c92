"""The command line on good input: every command, its JSON, its files, Ctrl+C and --resume."""

from __future__ import annotations

import csv
import json
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interrupted import interrupted
from safetensors.numpy import load_file

from nnpcore.cli import main
from nnpcore.cli.window import has_display
from nnpcore.structures import example_path

KEYS = ("rmse_energy_mev_per_atom", "rmse_force_ev_per_ang", "rmse_stress_gpa")
SMALL = ["--members", "2", "--hidden", "6-6", "--cutoff", "4", "--threads", "1", "--device", "cpu"]
NPT = f"{example_path('npt')}@:12"
EOS = str(example_path("eos"))


def ask(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json; return its exit status and the object on standard output."""
    status = main([*arguments, "--json"])
    return status, json.loads(capfd.readouterr().out)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small training."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", NPT, "-o", str(folder), "--epochs", "2", "--stress-weight", "1", *SMALL]) == 0
    return folder


def test_info_counts_what_a_slice_holds(capfd: pytest.CaptureFixture[str]) -> None:
    status, found = ask(capfd, "info", f"{example_path('nvt')}@:5")
    assert status == 0
    assert (found["n_frames"], found["n_energies"], found["n_forces"], found["n_stresses"]) == (5, 5, 5, 5)
    assert (found["formula"], found["elements"], found["n_atoms"]) == ("Si64", ["Si"], [64, 64])
    assert found["problems"] == []


def test_a_folder_has_one_sweep_at_a_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from nnpcore.training.folder_lock import Writer, one_writer

    command = [
        "sweep",
        NPT,
        "-o",
        str(tmp_path / "s"),
        "--setting",
        "l2",
        "--values",
        "0,1",
        "--resume",
        *SMALL,
    ]
    with one_writer(tmp_path / "s", Writer.SWEEP):
        status, found = ask(capfd, *command)
        assert status == 1 and "another sweep writes into this folder" in found["error"]["what"]
    assert not (tmp_path / "s").exists()


def test_info_says_what_a_run_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    split = ["--split", "blocks", "--test-fraction", "0.2", "--seed", "3", "--atom-energies", "Si=-103.5"]
    run = tmp_path / "run"
    assert ask(capfd, "train", NPT, "-o", str(run), "--epochs", "1", *SMALL, *split)[0] == 0
    status, found = ask(capfd, "info", str(run))
    assert status == 0 and found["kind"] == "trained" and found["n_members"] == 2
    assert found["atom_energies"] == {"origin": "given", "ev": {"Si": -103.5}}
    assert found["split"]["text"] == "at random with seed 3 by blocks of time"
    assert sum(part["n_frames"] for part in found["data"]) == 12
    evaluated = ask(capfd, "evaluate", str(run))[1]["data_sets"]["test"]
    assert found["test"]["rmse_energy_mev_per_atom"]["mean"] == pytest.approx(
        evaluated["rmse_energy_mev_per_atom"]["mean"], rel=1e-6
    )
    assert main(["info", str(run)]) == 0
    shown = capfd.readouterr().out
    assert "Si -103.5000 eV (of isolated atoms, given)" in shown and "RMSE, test" in shown
    whole = " ".join(shown.split())
    assert "as met during epoch 1, while the weights changed" in whole
    assert "of the networks as they are kept" in whole
    status, found = ask(capfd, "info", str(run / "potential"))
    assert status == 0 and found["kind"] == "potential" and found["atom_energies"]["origin"] == "given"
    status, found = ask(capfd, "info", str(tmp_path))
    assert status == 1 and "neither a potential" in found["error"]["what"]


def test_parts_that_were_not_drawn_are_not_said_to_be(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, run = example_path("npt"), tmp_path / "run"
    given = [f"{file}@:12", "--valid", f"{file}@12:18"]
    assert ask(capfd, "train", *given, "-o", str(run), "--epochs", "1", *SMALL)[0] == 0
    assert ask(capfd, "info", str(run))[1]["split"]["text"] == "into one piece of the file each"
    assert "split into one piece of the file each." in ask(capfd, "methods", str(run))[1]["text"]


def test_train_reports_rmses_by_data_set(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, found = ask(capfd, "train", NPT, "-o", str(tmp_path / "run"), "--epochs", "1", *SMALL)
    assert status == 0
    assert set(found["data_sets"]) == {"training", "validation"}
    for data_set in found["data_sets"].values():
        for key in KEYS:
            assert set(data_set[key]) >= {"mean", "members"}
            assert len(data_set[key]["members"]) == 2
            assert 0 < data_set[key]["mean"] < 10 * max(data_set[key]["members"])


def test_run_folder_holds_settings_potential_history_and_checkpoint(run: Path) -> None:
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {
        "settings.toml",
        "data.json",
        "history.csv",
        "checkpoint.safetensors",
        "potential/potential.json",
        "potential/potential.safetensors",
    } <= names
    with (run / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]


def test_evaluate_agrees_with_the_calculator(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from nnpcore import Potential
    from nnpcore.structures import read_dataset

    data = f"{example_path('npt')}@40:43"
    status, found = ask(capfd, "evaluate", str(run), data, "--threads", "1")
    assert status == 0
    (report,) = found["data_sets"].values()
    calculator = Potential.load(run).calculator()
    errors = []
    for frame in read_dataset(data).frames:
        atoms = frame.to_atoms()
        atoms.calc = calculator
        assert frame.energy is not None
        errors.append((atoms.get_potential_energy() - frame.energy) / len(atoms) * 1000)
    assert report[KEYS[0]]["mean"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)


def test_evaluate_names_two_files_of_one_name_apart(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from nnpcore.structures import read_dataset, write_frames

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_frames(tmp_path / folder / "md.xyz", read_dataset(f"{example_path('npt')}@:1").frames)
    status, found = ask(capfd, "evaluate", str(run), str(tmp_path / "a/md.xyz"), str(tmp_path / "b/md.xyz"))
    assert status == 0
    assert len(found["data_sets"]) == 2
    alone = ask(capfd, "evaluate", str(run / "potential"), str(tmp_path / "a/md.xyz"))[1]["data_sets"]
    assert alone["md.xyz"] == found["data_sets"][str(tmp_path / "a/md.xyz")]


def test_map_writes_figures_and_numbers(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, found = ask(capfd, "map", str(run), "--eos", EOS, "-o", str(tmp_path / "m"))
    assert status == 0
    assert found["reference"]["v0"] == pytest.approx(20.58, abs=0.05)
    assert found["reference"]["b0_gpa"] == pytest.approx(87.4, abs=2)
    assert len(found["bracket_volume"]) == 2
    assert found["verdict"]
    for name in ("eos.png", "eos.svg", "eos.pdf", "eos.csv", "pca.png", "connectivity.csv", "report.json"):
        assert (tmp_path / "m" / name).stat().st_size > 0, name
    with (tmp_path / "m" / "eos.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 15


def test_export_leaves_a_potential_that_works_alone(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from ase.build import bulk

    from nnpcore import Potential

    status, found = ask(capfd, "export", str(run), "-o", str(tmp_path / "plain"))
    assert status == 0
    atoms = bulk("Si", "diamond", 5.48)
    energies = []
    for folder in (run, tmp_path / "plain"):
        atoms.calc = Potential.load(folder).calculator()
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[1]
    assert {"README.md", "history.csv", "training.png"} <= {Path(name).name for name in found["files"]}


def test_resume_goes_on_where_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    assert main(["train", NPT, "-o", whole, "--epochs", "3", *SMALL]) == 0
    assert main(["train", NPT, "-o", parts, "--epochs", "1", *SMALL]) == 0
    capfd.readouterr()
    status, found = ask(capfd, "train", "-o", parts, "--resume", "--epochs", "3")
    assert (status, found["epochs"]) == (0, 3)
    one, other = (load_file(Path(folder, "potential/potential.safetensors")) for folder in (whole, parts))
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_config_file_and_options_together(tmp_path: Path) -> None:
    from nnpcore.training import TrainSettings

    config = tmp_path / "run.toml"
    TrainSettings(n_members=3, hidden=(5,), epochs=1, seed=4).to_toml(config)
    folder = tmp_path / "run"
    options = ["--config", str(config), "--members", "2", "--cutoff", "4", "--threads", "1"]
    assert main(["train", NPT, "-o", str(folder), *options]) == 0
    kept = TrainSettings.from_toml(folder / "settings.toml")
    assert (kept.n_members, kept.hidden, kept.seed, kept.descriptors.cutoff) == (2, (5,), 4, 4.0)


def test_interrupt_keeps_the_training(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    status, rest = interrupted([NPT, "-o", str(folder), "--epochs", "5000", *SMALL], signal.SIGINT)
    assert status == 130
    assert f"eatlas train -o {folder} --resume" in rest.replace("\n", "")
    assert "Traceback" not in rest
    assert (folder / "checkpoint.safetensors").is_file()
    with (folder / "history.csv").open() as file:
        reached = len(list(csv.DictReader(file)))
    assert main(["train", "-o", str(folder), "--resume", "--epochs", str(reached + 1)]) == 0


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, True),
        ({"QT_QPA_PLATFORM": "xcb"}, False),
    ],
)
def test_display_is_known_from_the_environment(environment: dict[str, str], shown: bool) -> None:
    assert has_display(environment, "linux") is shown


def test_without_display_one_line_names_the_headless_twin(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["eatlas"])
    assert main(["--example", "--train"]) == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "eatlas demo --headless -o DIR" in said


def test_a_display_that_does_not_answer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Qt would end the process with a memory image."""
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":60977")
    assert main([]) == 1
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "The display :60977 for the window does not answer" in said
