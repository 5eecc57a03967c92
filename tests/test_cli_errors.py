"""The command line on bad input: one line says what, where and what to do; nothing is lost."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnpcore.cli import main
from nnpcore.structures import example_path

EOS = str(example_path("eos"))
SMALL = ["--members", "1", "--hidden", "4", "--cutoff", "4", "--epochs", "1", "--threads", "1"]


def frame_text(energy: str = "-10.0", cell: str = "6 0 0 0 6 0 0 0 6", atoms: list[str] | None = None) -> str:
    """Return one small extxyz frame with forces."""
    rows = atoms or ["Si 0 0 0 0.1 0.1 0.1", "Si 2.35 0 0 0.1 0.1 0.1"]
    label = f"energy={energy} " if energy else ""
    head = f'Lattice="{cell}" Properties=species:S:1:pos:R:3:forces:R:3 {label}pbc="T T T"'
    return "\n".join([str(len(rows)), head, *rows]) + "\n"


GOOD = frame_text()
NAN_POSITION = frame_text(atoms=["Si nan 0 0 0 0 0", "Si 2.35 0 0 0 0 0"])
INFINITE_FORCE = frame_text(atoms=["Si 0 0 0 inf 0 0", "Si 2.35 0 0 0 0 0"])
ONE_SPOT = frame_text(atoms=["Si 0 0 0 0 0 0", "Si 0.001 0 0 0 0 0"])
TWO_FORCE_COLUMNS = GOOD.replace("forces:R:3", "forces:R:2").replace("0.1 0.1 0.1", "0.1 0.1")
FLAT = frame_text(cell="6 0 0 0 6 0 6 6 0")
NO_CELL = re.sub('Lattice="[^"]*" ', "", GOOD)


def fail(capfd: pytest.CaptureFixture[str], *arguments: str, status: int = 1) -> str:
    """Run a command that must fail; return its message, which is one line without a traceback."""
    assert main(list(arguments)) == status
    said = capfd.readouterr()
    lines = said.err.strip().splitlines()
    assert lines[-1].startswith("Error: "), said.err
    assert len([line for line in lines if line.startswith("Error: ")]) == 1
    assert "Traceback" not in said.err + said.out
    return lines[-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (bytes(range(256)) * 40, "structure file that Eatlas knows"),
        (
            b"Dear diary,\ntoday I trained a network.\n" * 20,
            "this is not an XYZ file: line 1 is 'Dear diary,'",
        ),
        (GOOD.encode()[:-30], "frame 0.*(promises 2 atoms|columns|valid)"),
        (frame_text(energy="nan").encode(), "frame 0: its energy is NaN or infinite"),
        (NAN_POSITION.encode(), "frame 0: the position of atom 0 is NaN or infinite"),
        (INFINITE_FORCE.encode(), "frame 0: the force on atom 0 is NaN or infinite"),
        (TWO_FORCE_COLUMNS.encode(), r"frame 0.*forces have the shape \(2, 2\), expected \(2, 3\)"),
        (FLAT.encode(), "frame 0: the periodic cell has no volume"),
        (NO_CELL.encode(), "frame 0.*(no cell vector|cell missing)"),
        (ONE_SPOT.encode(), "frame 0: atoms 0 and 1 sit on one spot"),
        (
            frame_text(energy="").replace(":forces:R:3", "").encode(),
            "no training frame has an energy or forces|.",
        ),
    ],
)
def test_bad_file_is_named_with_what_is_wrong(
    content: bytes, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.xyz"
    file.write_bytes(content)
    message = fail(capfd, "train", str(file), "-o", str(tmp_path / "run"), *SMALL)
    assert str(file) in message
    assert re.search(said, message), message
    assert not (tmp_path / "run").exists()


def test_file_without_energies(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plain.xyz"
    file.write_text('2\nLattice="6 0 0 0 6 0 0 0 6" pbc="T T T"\nSi 0 0 0\nSi 2.35 0 0\n')
    message = fail(capfd, "train", str(file), "-o", str(tmp_path / "run"), *SMALL)
    assert f"{file}: no training frame has an energy or forces" in message
    assert "Give a file with reference energies" in message


def test_bad_frame_is_named_and_can_be_skipped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mixed.xyz"
    file.write_text(GOOD + ONE_SPOT + frame_text("-10.1") + frame_text("-10.2"))
    message = fail(capfd, "train", str(file), "-o", str(tmp_path / "run"), *SMALL)
    assert "frame 1: atoms 0 and 1 sit on one spot" in message
    assert "go on with the 3 good frames by --skip-bad" in message
    assert main(["train", str(file), "-o", str(tmp_path / "run"), "--skip-bad", *SMALL]) == 0
    assert "frame 1: atoms 0 and 1 sit on one spot" in capfd.readouterr().err


def test_info_lists_bad_frames_with_their_index(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mixed.xyz"
    file.write_text(GOOD + frame_text("nan") + GOOD)
    assert main(["info", str(file), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["n_frames"] == 2
    assert [(p["index"], p["what"]) for p in found["problems"]] == [(1, "its energy is NaN or infinite")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--members", "5000"], "n_members: 5000 is not sensible for the number of networks"),
        (["--members", "0"], "n_members: 0 is not sensible"),
        (["--epochs", "99999999"], "epochs: .* is not sensible for the number of passes"),
        (["--valid-fraction", "1.5"], "valid_fraction: 1.5 is not sensible"),
        (["--optimizer", "magic"], "optimizer: 'magic' is not a choice here. Choose .*kalman"),
        (["--hidden", "wide"], "--hidden: 'wide' does not name layers"),
        (["--device", "toaster"], "device: 'toaster' is not a device"),
        (["--cutoff", "0"], "cutoff: 0 is not sensible for the cutoff radius"),
        (["--energy-weight", "0", "--force-weight", "0"], "all weights of the loss are zero"),
    ],
)
def test_settings_out_of_range(
    options: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = fail(capfd, "train", EOS, "-o", str(tmp_path / "run"), *options)
    assert re.search(said, message), message
    assert not (tmp_path / "run").exists()


def test_no_training_frames(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    assert "there are no training frames. Name at least one file" in fail(capfd, "train", "-o", run)
    message = fail(capfd, "train", f"{EOS}@:1", "-o", run, *SMALL)
    assert "there is only one frame to split into training and validation" in message
    assert "the slice selects none of its 15 frames" in fail(capfd, "train", f"{EOS}@90:", "-o", run)


def test_damaged_configuration(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "run.toml"
    config.write_text("epochs = = 3\n")
    assert f"{config}: this is not a TOML file" in fail(
        capfd, "train", EOS, "-o", str(tmp_path / "run"), "--config", str(config)
    )
    config.write_text("epoch = 3\n")
    assert "epoch: there is no setting of this name" in fail(
        capfd, "train", EOS, "-o", str(tmp_path / "run"), "--config", str(config)
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a very small training."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", EOS, "-o", str(folder), *SMALL]) == 0
    return folder


def test_element_the_potential_does_not_know(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "oxide.xyz"
    file.write_text(GOOD + frame_text(atoms=["Si 0 0 0 0 0 0", "O 1.6 0 0 0 0 0"]))
    message = fail(capfd, "evaluate", str(run), str(file))
    assert str(file) in message
    assert "frame 1" in message
    assert re.search(r"\bO\b", message)


def test_evaluate_without_references(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plain.xyz"
    file.write_text('2\nLattice="6 0 0 0 6 0 0 0 6" pbc="T T T"\nSi 0 0 0\nSi 2.35 0 0\n')
    assert "no energies, forces or stresses to compare with" in fail(capfd, "evaluate", str(run), str(file))


def test_map_of_too_few_volumes_says_so(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "map"
    assert main(["map", str(run), "--eos", f"{EOS}@:3", "-o", str(target), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["reference"] == {"v0": None, "b0_gpa": None, "b0_prime": None, "doubt": ""}
    assert found["slope_error_gpa"] is None
    assert "an equation of state needs at least 5 different volumes, there are 3" in found["verdict"]


def test_map_refuses_frames_whose_atoms_differ(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    thermal = str(example_path("nvt"))
    message = fail(capfd, "map", str(run), "--eos", f"{thermal}@:2", "-o", str(tmp_path / "map"))
    assert f"{thermal}, frame" in message
    assert "its atoms are not equivalent" in message
    assert not (tmp_path / "map").exists()


def spoil_potential(run: Path) -> Path:
    file = run / "potential" / "potential.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    return file


def spoil_json(run: Path) -> Path:
    file = run / "potential" / "potential.json"
    file.write_text("{")
    return file


def remove_potential(run: Path) -> Path:
    shutil.rmtree(run / "potential")
    return run


@pytest.mark.parametrize("spoil", [spoil_potential, spoil_json, remove_potential])
def test_damaged_run_folder(
    spoil: Callable[[Path], Path], run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    spoiled = spoil(copy)
    assert str(spoiled) in fail(capfd, "evaluate", str(copy), EOS)


def test_foreign_run_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.txt").write_text("sun")
    for arguments in (["evaluate", str(tmp_path), EOS], ["train", "-o", str(tmp_path), "--resume"]):
        message = fail(capfd, *arguments)
        assert str(tmp_path) in message
        assert re.search("not the folder of a training|no potential|neither", message), message
    assert "no such" in fail(capfd, "evaluate", str(tmp_path / "nowhere"), EOS)


def test_damaged_checkpoint_is_named_at_resume(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "checkpoint.safetensors").write_bytes(b"\x00" * 50)
    message = fail(capfd, "train", "-o", str(copy), "--resume", "--epochs", "3")
    assert f"{copy / 'checkpoint.safetensors'}: the file is damaged" in message


def test_nothing_is_overwritten_silently(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (run / "potential" / "potential.safetensors").read_bytes()
    message = fail(capfd, "train", EOS, "-o", str(run), *SMALL)
    assert "holds a training already. Go on with it by --resume, start it anew by --overwrite" in message
    assert (run / "potential" / "potential.safetensors").read_bytes() == before
    (tmp_path / "notes.txt").write_text("mine")
    for command in (["train", EOS, *SMALL], ["map", str(run), "--eos", EOS], ["export", str(run)]):
        assert "holds files already" in fail(capfd, *command, "-o", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("command", ["train", "map", "export"])
def test_unwritable_target(
    command: str, run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    target = tmp_path / "file" / "out"
    first = {"train": [EOS, *SMALL], "map": [str(run), "--eos", EOS], "export": [str(run)]}[command]
    message = fail(capfd, command, *first, "-o", str(target))
    assert str(tmp_path / "file") in message
    assert "a part of this path is a file, not a folder. Choose another folder" in message


def test_full_disk_leaves_no_half_files(run: Path, tmp_path: Path) -> None:
    def limit() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    code = "import sys; from nnpcore.cli import main; sys.exit(main())"
    target = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(run), "-o", str(target)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"Error: .*out.*: (the disk is full|files of this size)", done.stderr), done.stderr
    assert not [p for p in target.rglob("*") if p.name.endswith(".part")]


def test_json_failures_are_one_object(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "nowhere.xyz"), "--json"]) == 1
    said = capfd.readouterr()
    error = json.loads(said.out)["error"]
    assert error["kind"] == "DataError"
    assert error["what"] == "there is no such file"
    assert str(tmp_path) in error["where"]
    assert said.err.startswith("Error: ")


def test_wrong_arguments_are_told_apart_from_failures(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--json"]) == 2
    said = capfd.readouterr()
    assert "error" in json.loads(said.out)
    assert "--output" in said.err


def test_numbers_that_are_not_finite_become_null() -> None:
    from nnpcore.files import json_value

    values = {"a": np.array([1.0, np.nan]), "b": float("inf"), "c": (np.float64(2.0), np.int64(3), True)}
    assert json_value(values) == {"a": [1.0, None], "b": None, "c": [2.0, 3, True]}
