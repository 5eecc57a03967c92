"""Predictions written with the structures, and Eatlas inside ASE: calculator by name, viewer, file format."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from builders import build_frame

from nnpcore.cli import main
from nnpcore.errors import EatlasError, PotentialError, SettingsError
from nnpcore.exchange.structures_out import predict_frames, with_prediction, write_structures
from nnpcore.potential import Potential
from nnpcore.potential.external.model import CalculatorModel
from nnpcore.structures import Frame, read_dataset, write_frames

ROOT = Path(__file__).resolve().parents[1]


def labeled_frames() -> list[Frame]:
    """Return silicon cells of two sizes, the first with reference values and an array of its own."""
    atoms = build_frame("Si", seed=5).to_atoms()
    forces = np.random.default_rng(0).normal(size=(8, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-40.0, forces=forces, stress=np.arange(6.0) / 100)
    atoms.arrays["site"] = np.arange(8.0)
    return [Frame.from_atoms(atoms), build_frame("Si", repeat=(2, 1, 1), seed=6)]


@pytest.mark.parametrize("name", ["out.extxyz", "out.xyz", "out.traj"])
def test_what_is_written_comes_back(name: str, silicon_potential: Potential, tmp_path: Path) -> None:
    frames = labeled_frames()
    write_structures(tmp_path / name, predict_frames(silicon_potential, frames, n_threads=1))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    found = silicon_potential.predict(frames)
    by_ase = ase.io.read(tmp_path / name, ":")
    for k, back in enumerate(read_dataset(tmp_path / name).frames):
        own = found.atoms_of(k)
        assert found.forces is not None and found.forces_std is not None and found.stress is not None
        for key, values in (
            ("atomic_energies", found.atomic_energies[own]),
            ("atomic_energies_std", found.atomic_energies_std[own]),
            ("predicted_forces", found.forces[own]),
            ("predicted_forces_std", found.forces_std[own]),
        ):
            np.testing.assert_allclose(back.arrays[key], values, rtol=1e-9, atol=1e-9)
            store = by_ase[k].info if name.endswith("traj") else by_ase[k].arrays
            np.testing.assert_allclose(store[key], values, rtol=1e-9, atol=1e-9)
        assert back.info["predicted_energy"] == pytest.approx(found.energy[k], abs=1e-12)
        assert back.info["predicted_energy_std"] == pytest.approx(found.energy_std[k], abs=1e-12)
        np.testing.assert_allclose(
            np.reshape(back.info["predicted_stress"], (3, 3)), found.stress[k], atol=1e-14
        )
        assert back.info["predicted_by"] == silicon_potential.name
        frame = frames[k]
        assert back.energy == frame.energy and (back.forces is None) == (frame.forces is None)
        if frame.forces is not None and frame.stress is not None:
            assert back.forces is not None and back.stress is not None
            np.testing.assert_allclose(back.forces, frame.forces, atol=1e-9)
            np.testing.assert_allclose(back.stress, frame.stress, atol=1e-12)
            np.testing.assert_allclose(back.arrays["site"], frame.arrays["site"])


def test_one_member_has_no_spread_and_a_cluster_no_stress(silicon_potential: Potential) -> None:
    frame = replace(build_frame("Si"), pbc=np.zeros(3, dtype=bool))
    single = silicon_potential.member(0)
    (found,) = with_prediction([frame], single.predict([frame]), "x")
    assert set(found.arrays) == {"atomic_energies", "predicted_forces"}
    assert set(found.info) == {"predicted_by", "predicted_energy"}
    (found,) = with_prediction([frame], single.predict([frame], forces=False, stress=False), "x")
    assert set(found.arrays) == {"atomic_energies"}
    assert not frame.arrays and not frame.info


def test_wrong_names_and_failures_leave_old_files(silicon_potential: Potential, tmp_path: Path) -> None:
    frames = labeled_frames()
    with pytest.raises(SettingsError, match=r"\.json says no format.*End the name in \.extxyz"):
        write_structures(tmp_path / "a.json", frames)
    target = tmp_path / "a.traj"
    target.write_text("old")
    broken = Frame(np.array([500]), np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3, bool))
    with pytest.raises((IndexError, KeyError, ValueError)):
        write_structures(tmp_path / "a.extxyz", [*frames, broken])
    with pytest.raises(EatlasError, match="Choose another folder"):
        write_structures(target / "below.extxyz", frames)
    assert target.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.traj"]
    with pytest.raises(PotentialError, match="Cu"):
        predict_frames(silicon_potential, [Frame.from_atoms(bulk("Cu"))])


def test_predict_command(
    silicon_potential: Potential, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data.extxyz", tmp_path / "out.extxyz"
    write_frames(data, labeled_frames())
    silicon_potential.save(tmp_path / "run")
    command = ["predict", str(tmp_path / "run"), str(data), "-o", str(out), "--threads", "1"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["model"], found["n_frames"], found["atomic_energies"]) == ("run", 2, True)
    back = read_dataset(out).frames
    np.testing.assert_allclose(
        back[1].arrays["atomic_energies"],
        silicon_potential.predict(labeled_frames()).atomic_energies[8:],
        atol=1e-8,
    )
    assert main(command) == 1
    assert "there is such a file already" in capfd.readouterr().err
    assert main([*command, "--overwrite", "--calculator", "ase.calculators.emt:EMT"]) == 1
    assert "Give one run or one calculator" in capfd.readouterr().err
    assert main(["predict", str(tmp_path / "run"), "-o", str(out)]) == 1
    assert "there is no file to predict" in capfd.readouterr().err
    assert main(["predict", str(data), "-o", str(tmp_path / "b.traj")]) == 1
    assert "not the folder of a training" in capfd.readouterr().err


def test_predict_by_a_calculator(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.extxyz", tmp_path / "out.traj"
    frames = [Frame.from_atoms(bulk("Cu", cubic=True)), Frame.from_atoms(molecule("N2"))]
    write_frames(data, frames)
    arguments = ["predict", str(data), "--calculator", "ase.calculators.emt:EMT", "-o", str(out), "--json"]
    assert main(arguments) == 0
    assert json.loads(capfd.readouterr().out)["model"] == "EMT"
    expected = CalculatorModel(EMT()).predict(frames)
    for k, back in enumerate(read_dataset(out).frames):
        np.testing.assert_allclose(
            back.arrays["atomic_energies"], expected.atomic_energies[expected.atoms_of(k)]
        )


# Inside ASE


def test_entry_points_name_what_is_there() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared["ase.visualize"] == {"eatlas": "nnpcore.ase_plugins:VIEWER"}
    assert declared["ase.ioformats"] == {"n2p2-data": "nnpcore.ase_plugins:N2P2_DATA"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a search path on which Eatlas counts as installed with the entry points of pyproject.toml."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "eatlas-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: eatlas\nVersion: 0\n")
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{g}]\n" + "".join(f"{k} = {v}\n" for k, v in named.items()) for g, named in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return f"{folder}:{ROOT}"


def python(code: str, path: str, *arguments: str) -> str:
    """Run code in a fresh interpreter, warnings as errors; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ase_knows_the_calculator_by_name(
    installed: str, silicon_potential: Potential, tmp_path: Path
) -> None:
    silicon_potential.save(tmp_path / "run")
    frame = build_frame("Si", seed=3)
    write_frames(tmp_path / "a.extxyz", [frame])
    code = (
        "import sys, ase.io\n"
        "from ase.calculators.calculator import get_calculator_class\n"
        "heavy = [m for m in ('torch', 'numba', 'sklearn') if m in sys.modules]\n"
        "atoms = ase.io.read(sys.argv[2])\n"
        "atoms.calc = get_calculator_class('eatlas')(sys.argv[1], n_threads=1)\n"
        "print(heavy, repr(float(atoms.get_potential_energy())))\n"
    )
    heavy, energy = python(code, installed, str(tmp_path / "run"), str(tmp_path / "a.extxyz")).rsplit(" ", 1)
    assert heavy == "[]"
    assert float(energy) == pytest.approx(silicon_potential.predict([frame]).energy[0], abs=1e-7)
    from nnpcore.ase_plugins import eatlas_calculator

    with pytest.raises(PotentialError, match="the calculator needs a potential"):
        eatlas_calculator()


def test_ase_reads_and_writes_input_data(installed: str, tmp_path: Path) -> None:
    code = (
        "import sys, os, ase.io\nos.chdir(sys.argv[1])\n"
        "from ase.build import bulk\n"
        "ase.io.write('x.txt', [bulk('Cu'), bulk('Si')], format='n2p2-data')\n"
        "os.rename('x.txt', 'input.data')\n"
        "print(*[a.get_chemical_formula() for a in ase.io.read('input.data', ':')])\n"
    )
    assert python(code, installed, str(tmp_path)) == "Cu Si2"


def test_ase_opens_the_window(installed: str, tmp_path: Path) -> None:
    code = (
        "import sys, os, subprocess, json\n"
        "from ase.build import bulk\nfrom ase.visualize import view\n"
        "real = subprocess.Popen\n"
        "class Popen(real):\n"
        "    def __init__(self, command, *a, **k):\n"
        "        print(json.dumps(command)); print(open(command[-1]).read())\n"
        "        super().__init__([sys.executable, '-c', 'pass'])\n"
        "subprocess.Popen = Popen\n"
        "handle = view([bulk('Cu'), bulk('Si')], viewer='eatlas', data=[0.25])\n"
        "print(handle.wait())\n"
    )
    command, *text, status = python(code, installed).splitlines()
    assert json.loads(command)[1:3] == ["-m", "nnpcore.ase_plugins"]
    assert "data:R:1" in text[1] and text[2].startswith("Cu 0 0 0 0.25") and status == "0"


def test_viewer_shows_the_file_and_clears_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nnpcore import ase_plugins, cli

    folder = tmp_path / "view"
    folder.mkdir()
    file = folder / "atoms.extxyz"
    write_frames(file, [build_frame("Si")])
    seen = []

    def opened(arguments: list[str]) -> int:
        seen.append((arguments, Path(arguments[0]).is_file()))
        return 0

    monkeypatch.setattr(cli, "main", opened)
    assert ase_plugins.main([str(file)]) == 0
    assert seen == [([str(file)], True)] and not folder.exists()
