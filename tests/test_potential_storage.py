"""The file format: exact round trip, and a message for everything that can be wrong with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import build_frame, build_functions, build_potential
from safetensors.numpy import load_file, save_file

from nnpcore.errors import EatlasError, PotentialError, RunFolderError
from nnpcore.potential import Potential


@pytest.fixture
def folder(silicon_potential: Potential, tmp_path: Path) -> Path:
    return silicon_potential.save(tmp_path / "saved")


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "potential.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def edit_tensors(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Change the tensors and make the checksum fit again."""
    path = folder / "potential.safetensors"
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(folder, lambda d: d["tensors"].update(sha256=digest))


@pytest.mark.parametrize(
    "options", [{}, {"skip": True, "activation": "softplus", "hidden": (5,)}, {"n_members": 1}]
)
def test_round_trip_is_exact(tmp_path: Path, options: dict) -> None:
    frames = [build_frame("SiC", rattle=0.2, seed=seed) for seed in range(3)]
    potential = build_potential(build_functions(["C", "Si"]), frames, **options)
    potential.info["settings"] = {"epochs": 3, "weights": [1.0, 0.1]}
    loaded = Potential.load(potential.save(tmp_path / "p"))
    one, other = potential.predict(frames), loaded.predict(frames)
    np.testing.assert_array_equal(one.forces_members, other.forces_members)
    np.testing.assert_array_equal(one.atomic_energies_members, other.atomic_energies_members)
    assert loaded.info == potential.info and loaded.element_energies == potential.element_energies
    assert (
        loaded.functions == potential.functions and loaded.weights.activation == potential.weights.activation
    )


def test_the_description_explains_itself(folder: Path, silicon_potential: Potential) -> None:
    description = json.loads((folder / "potential.json").read_text())
    assert description["units"]["energy"] == "eV" and description["units"]["length"] == "angstrom"
    assert description["elements"] == ["Si"] and description["cutoff"] == silicon_potential.cutoff
    assert description["network"]["layer_sizes"]["Si"] == [silicon_potential.functions.n_descriptors, 8, 8, 1]
    assert len(description["symmetry_functions"]["Si"]) == silicon_potential.functions.count("Si")
    assert (
        description["tensors"]["sha256"]
        == hashlib.sha256((folder / "potential.safetensors").read_bytes()).hexdigest()
    )


def test_loading_from_a_run_folder(folder: Path) -> None:
    run = folder.parent / "run"
    run.mkdir()
    (run / "settings.toml").write_text("epochs = 1\n")
    with pytest.raises(RunFolderError, match=r"run: this run has no potential yet\. Train it"):
        Potential.load(run)
    folder.rename(run / "potential")
    for path in (run, run / "potential", run / "potential" / "potential.json", str(run)):
        assert Potential.load(path).n_members == 3


def test_neither_potential_nor_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"neither a potential .* nor a run folder"):
        Potential.load(tmp_path)
    with pytest.raises(RunFolderError, match="nowhere: no such file or folder"):
        Potential.load(tmp_path / "nowhere")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda f: (f / "potential.json").write_bytes(b"\x00\xff\x13"), "not readable as JSON"),
    "empty": (lambda f: (f / "potential.json").write_text(""), "not readable as JSON"),
    "list": (lambda f: (f / "potential.json").write_text("[]"), "not an Eatlas potential"),
    "foreign": (lambda f: edit(f, lambda d: d.update(format="lammps")), "not an Eatlas potential"),
    "newer": (lambda f: edit(f, lambda d: d.update(format_version=99)), "format version 99.*Update Eatlas"),
    "version": (lambda f: edit(f, lambda d: d.update(format_version="1")), "unknown format version '1'"),
    "no network": (lambda f: edit(f, lambda d: d.pop("network")), "the entry 'network' is missing"),
    "no energies": (lambda f: edit(f, lambda d: d["element_energies"].clear()), "the entry 'Si' is missing"),
    "no tensors": (lambda f: edit(f, lambda d: d.pop("tensors")), "entry 'tensors' is missing"),
    "null": (lambda f: edit(f, lambda d: d.update(network=None)), "unexpected form"),
    "activation": (
        lambda f: edit(f, lambda d: d["network"].update(activation="x")),
        "activation function 'x'",
    ),
    "function": (
        lambda f: edit(f, lambda d: d["symmetry_functions"]["Si"][0].pop("eta")),
        "G2 needs exactly",
    ),
    "fewer functions": (lambda f: edit(f, lambda d: d["symmetry_functions"]["Si"].pop()), "wanted 3 and 6"),
    "members": (lambda f: edit(f, lambda d: d.update(n_members=4)), "3 members"),
    "infinite": (
        lambda f: edit(f, lambda d: d["element_energies"].update(Si=float("inf"))),
        "not a finite number",
    ),
    "no file": (lambda f: (f / "potential.safetensors").unlink(), "cannot be read"),
    "truncated": (lambda f: os.truncate(f / "potential.safetensors", 500), "truncated or changed"),
    "lost tensor": (
        lambda f: edit_tensors(f, lambda a: a.pop("network.Si.1.bias")),
        "'network.Si.1.bias' is missing",
    ),
    "nan": (lambda f: edit_tensors(f, lambda a: a["network.Si.0.weight"].fill(np.nan)), "not finite numbers"),
    "shape": (
        lambda f: edit_tensors(f, lambda a: a.update({"whitening.mean": a["whitening.mean"][:, 1:].copy()})),
        r"'whitening.mean' is float64 \(1, 6\), wanted float64 \(1, 7\)",
    ),
    "dtype": (
        lambda f: edit_tensors(
            f, lambda a: a.update({"whitening.mean": a["whitening.mean"].astype(np.float32)})
        ),
        "float32",
    ),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damage_is_named(folder: Path, damage: str) -> None:
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(PotentialError, match=message) as caught:
        Potential.load(folder)
    assert str(folder) in caught.value.where and caught.value.fix


def test_a_truncated_file_with_a_fitting_checksum(folder: Path) -> None:
    path = folder / "potential.safetensors"
    os.truncate(path, 500)
    edit(folder, lambda d: d["tensors"].update(sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(PotentialError, match="not a valid safetensors file"):
        Potential.load(folder)


def test_saving_where_a_file_is_in_the_way(silicon_potential: Potential, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="a file, not a folder"):
        silicon_potential.save(tmp_path / "file")


def test_saving_leaves_the_old_potential_when_the_disk_is_full(
    folder: Path, silicon_potential: Potential, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="the disk is full"):
        silicon_potential.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_weights_that_are_not_finite_are_not_saved(silicon_potential: Potential, tmp_path: Path) -> None:
    flat = silicon_potential.weights.flatten()
    flat[0, 0] = np.nan
    broken = Potential(
        silicon_potential.functions,
        silicon_potential.whitening,
        silicon_potential.weights.with_flat(flat),
        silicon_potential.element_energies,
    )
    with pytest.raises(EatlasError, match="not finite"):
        broken.save(tmp_path / "broken")
    assert not (tmp_path / "broken").exists()
