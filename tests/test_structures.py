"""Frames, reading by content, slices, summaries, splits and writing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st

from nnpcore.errors import Cancelled, DataError, EatlasError, SettingsError
from nnpcore.progress import Progress
from nnpcore.structures import (
    EXAMPLES,
    Frame,
    FrameProblem,
    example_path,
    iter_frames,
    parse_path,
    read_dataset,
    split_frames,
    summarize,
    write_frames,
)
from nnpcore.structures.readers.extxyz import parse_comment


def labeled(atoms: Atoms, seed: int = 0, **more: object) -> Atoms:
    """Return the atoms, moved a little, with random energy, forces and stress."""
    rng = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    results = {
        "energy": rng.normal(),
        "forces": rng.normal(size=(len(atoms), 3)),
        "stress": rng.normal(size=6),
    }
    atoms.calc = SinglePointCalculator(atoms, **(results | more))
    return atoms


def assert_same_frame(frame: Frame, atoms: Atoms, tolerance: float = 1e-7) -> None:
    """The frame holds what ASE knows about the atoms."""
    np.testing.assert_array_equal(frame.numbers, atoms.numbers)
    np.testing.assert_allclose(frame.positions, atoms.positions, atol=tolerance)
    np.testing.assert_allclose(frame.cell, atoms.cell.array, atol=tolerance)
    np.testing.assert_array_equal(frame.pbc, atoms.pbc)
    results = atoms.calc.results if atoms.calc else {}
    if "energy" in results:
        assert frame.energy == pytest.approx(results["energy"], abs=tolerance)
    else:
        assert frame.energy is None
    if "forces" in results:
        assert frame.forces is not None
        np.testing.assert_allclose(frame.forces, results["forces"], atol=tolerance)
    if "stress" in results:
        assert frame.stress is not None
        np.testing.assert_allclose(frame.stress, atoms.get_stress(voigt=False), atol=tolerance)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_read_as_ase_reads_them(name: str) -> None:
    dataset = read_dataset(example_path(name))
    expected = ase.io.read(example_path(name), ":")
    assert len(dataset.frames) == len(expected) > 0
    assert [f.index for f in dataset.frames] == list(range(len(expected)))
    for frame, atoms in zip(dataset.frames, expected, strict=True):
        assert_same_frame(frame, atoms, 1e-12)
        assert frame.info["config_type"] == atoms.info["config_type"]


def test_example_must_exist() -> None:
    with pytest.raises(DataError, match=r"no bundled example 'md'\. Choose one of nvt, npt, eos"):
        example_path("md")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.traj", "traj"),
        ("b.extxyz", "extxyz"),
        ("c.json", "json"),
        ("d.db", "db"),
        ("e.xyz.gz", "extxyz"),
        ("renamed.xyz", "traj"),
        ("no_suffix", "extxyz"),
        ("trajectory.dat", "extxyz"),
    ],
)
def test_labeled_files_are_told_by_content(name: str, form: str, tmp_path: Path) -> None:
    images = [labeled(bulk("Cu", cubic=True), seed=s) for s in range(4)]
    plain = tmp_path / f"plain.{'xyz.gz' if name.endswith('gz') else form}"
    ase.io.write(plain, images, format=form)
    file = plain.rename(tmp_path / name)
    frames = read_dataset(file).frames
    assert len(frames) == 4
    for frame, atoms in zip(frames, images, strict=True):
        assert_same_frame(frame, atoms)
    for part, indices in {"1:3": [1, 2], "::2": [0, 2], "1::2": [1, 3], "-1": [3], "::-3": [3, 0]}.items():
        chosen = read_dataset(f"{file}@{part}").frames
        assert [f.index for f in chosen] == indices
        assert [f.energy for f in chosen] == [frames[i].energy for i in indices]
    with pytest.raises(DataError, match="selects none of its 4 frames"):
        read_dataset(f"{file}@4")


@pytest.mark.parametrize(
    ("name", "form"),
    [("POSCAR", "vasp"), ("structure.txt", "cif"), ("XDATCAR", "vasp-xdatcar"), ("x.dat", "lammps-data")],
)
def test_structure_files_without_labels(name: str, form: str, tmp_path: Path) -> None:
    atoms = bulk("Cu", cubic=True)
    ase.io.write(tmp_path / name, atoms, format=form, **({"masses": True} if form == "lammps-data" else {}))
    (frame,) = read_dataset(tmp_path / name).frames
    assert sorted(frame.numbers) == [29] * 4
    assert frame.volume == pytest.approx(atoms.get_volume(), rel=1e-5)
    assert frame.energy is None


OUTCAR = """ vasp.6.3.0 20Jan22 (build) complex

 executed on             LinuxGNU date 2023.01.01  00:00:00
 POTCAR:    PAW_PBE Si 05Jan2001
   ISPIN  =      1    spin polarized calculation?
   ions per type =               2
----- Iteration    1(   1)  -----
      direct lattice vectors                 reciprocal lattice vectors
     5.000000000  0.000000000  0.000000000     0.200000000  0.000000000  0.000000000
     0.000000000  5.000000000  0.000000000     0.000000000  0.200000000  0.000000000
     0.000000000  0.000000000  5.000000000     0.000000000  0.000000000  0.200000000

  in kB       1.00000     2.00000     3.00000     4.00000     5.00000     6.00000
 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         0.100000      0.000000      0.000000
      2.35000      0.00000      0.00000        -0.100000      0.000000      0.000000
 -----------------------------------------------------------------------------------
  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =       -10.50000000 eV

  energy  without entropy=      -10.25000000  energy(sigma->0) =      -10.40000000
"""


def test_energy_is_preferred_to_free_energy(tmp_path: Path) -> None:
    (tmp_path / "renamed.log").write_text(OUTCAR)
    (frame,) = read_dataset(tmp_path / "renamed.log").frames
    assert frame.energy == pytest.approx(-10.4)
    assert frame.stress is not None and frame.stress[0, 0] < 0.0
    only_free = labeled(bulk("Cu"))
    del only_free.calc.results["energy"]
    only_free.calc.results["free_energy"] = -3.0
    assert Frame.from_atoms(only_free).energy == -3.0


def test_regular_and_rare_extxyz_agree_with_ase(tmp_path: Path) -> None:
    slab = labeled(bulk("NaCl", "rocksalt", a=5.6).repeat((2, 1, 1)))
    slab.pbc = (True, True, False)
    slab.arrays["layer"] = np.arange(len(slab))
    slab.arrays["frozen"] = np.array([True, False, True, False])
    slab.arrays["site"] = np.array(["top", "hcp", "fcc", "bridge"])
    slab.info |= {"step": 7, "label": "two words", "list": np.array([1.5, 2.5]), "done": True}
    rare = slab.copy()
    rare.calc = slab.calc
    rare.info = {"quoted": 'a "b" {c}', "nested": {"a": 1}}
    ase.io.write(tmp_path / "a.xyz", [slab, rare, molecule("H2O")], format="extxyz")
    frames = read_dataset(tmp_path / "a.xyz").frames
    for frame, atoms in zip(frames, ase.io.read(tmp_path / "a.xyz", ":"), strict=True):
        assert_same_frame(frame, atoms, 1e-12)
        for name in ("layer", "frozen", "site"):
            if name in atoms.arrays:
                np.testing.assert_array_equal(frame.arrays[name], atoms.arrays[name])
    assert (
        frames[0].info["label"] == "two words"
        and frames[0].info["step"] == 7
        and frames[0].info["done"] is True
    )
    assert frames[1].info["nested"] == {"a": 1}
    assert not frames[2].pbc.any() and frames[2].volume == 0.0


def test_plain_xyz_with_free_text_and_extra_columns(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(
        "2\ni = 5, W = -1.5\nH 0 0 0 0.1\nO 0 0 1 0.2\n\n1\nhello there\nC 0 0 0\n"
    )
    first, second = read_dataset(tmp_path / "a.xyz").frames
    assert first.positions.tolist() == [[0, 0, 0], [0, 0, 1]]
    assert first.info == {"i": 5, "W": -1.5}
    assert first.energy is None
    assert second.info == {"comment": "hello there"}
    assert "no energies (the file has i, W)" in read_dataset(tmp_path / "a.xyz").summary().text


@pytest.mark.parametrize("extra", ["", " nested='x'"])
def test_virial_becomes_stress(extra: str, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(
        f'1\nLattice="2 0 0 0 2 0 0 0 2" virial="8 1 0 1 16 0 0 0 24" energy=-1{extra}\nSi 0 0 0\n'
    )
    (frame,) = read_dataset(tmp_path / "a.xyz").frames
    assert frame.stress is not None
    np.testing.assert_allclose(frame.stress, [[-1, -0.125, 0], [-0.125, -2, 0], [0, 0, -3]])


def test_comment_values() -> None:
    found = parse_comment(
        'a=1 b="1 2.5" c=T d="T F" e=hello f="" flag g=1e-3 stress="1 2 3 4 5 6 7 8 9" h=-3'
    )
    assert found["a"] == 1 and isinstance(found["a"], int)
    np.testing.assert_array_equal(found["b"], [1.0, 2.5])
    assert found["c"] is True and found["d"] == [True, False]
    assert found["e"] == "hello" and found["f"] == "" and found["flag"] is True
    assert found["g"] == 0.001 and found["h"] == -3
    np.testing.assert_array_equal(found["stress"], np.arange(1.0, 10.0).reshape(3, 3))


def test_slices(tmp_path: Path) -> None:
    file = tmp_path / "a@b.xyz"
    shutil.copy(example_path("eos"), file)
    n = len(read_dataset(file).frames)
    for text, part in [("::4", slice(None, None, 4)), ("-3:", slice(-3, None)), ("8:2:-2", slice(8, 2, -2))]:
        dataset = read_dataset(f"{file}@{text}")
        assert [f.index for f in dataset.frames] == list(range(n))[part]
        assert dataset.name == f"a@b.xyz@{text}"
        again = read_dataset(dataset.path)
        assert [f.index for f in again.frames] == [f.index for f in dataset.frames]
    assert parse_path(file).path == file and parse_path(file).part == slice(None)
    with pytest.raises(
        DataError, match=rf"selects none of its {n} frames. Frames are numbered from 0 to {n - 1}"
    ):
        read_dataset(f"{file}@{n}")
    with pytest.raises(DataError, match=r"'first' is no frame number or slice\. Write FILE@5"):
        read_dataset(f"{file}@first")
    with pytest.raises(DataError, match="step 0"):
        read_dataset(f"{file}@::0")


def test_reading_reports_and_can_be_cancelled() -> None:
    seen: list[float | None] = []
    read_dataset(example_path("eos"), progress=Progress(lambda fraction, text: seen.append(fraction)))
    assert seen
    progress = Progress(lambda fraction, text: progress.cancel())
    with pytest.raises(Cancelled):
        read_dataset(example_path("nvt"), progress=progress)


def test_summary_text() -> None:
    dataset = read_dataset(example_path("npt"))
    n = len(dataset.frames)
    summary = dataset.summary()
    assert (summary.elements, summary.n_atoms, summary.formula) == (("Si",), (64, 64), "Si64")
    assert summary.n_energies == summary.n_forces == summary.n_stresses == n
    assert summary.volume_per_atom is not None
    low, high = summary.volume_per_atom
    volumes = f"{low:.2f} to {high:.2f} Å³/atom"
    assert summary.text == f"{n} frames · Si64 · energies, forces, stress · {volumes} · units eV, Å, eV/Å³"
    mixed = [Frame.from_atoms(a) for a in (molecule("CH4"), labeled(molecule("H2O")), molecule("SiO"))]
    assert summarize(mixed).formula == "CH4, H2O, SiO"
    assert summarize(mixed).elements == ("H", "C", "O", "Si")
    assert "energies of 1 frames" in summarize(mixed).text and summarize(mixed).volume_per_atom is None


@given(n=st.integers(2, 40), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_split_is_a_partition_of_the_right_size(n: int, fraction: float, seed: int) -> None:
    frames = [Frame(np.ones(1), np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3))] * n
    train, valid = split_frames(frames, fraction, seed)
    assert sorted(train + valid) == list(range(n))
    assert len(valid) == min(max(round(n * fraction), 1), n - 1)
    assert split_frames(frames, fraction, seed) == (train, valid)


def test_split_is_random_and_refuses_the_impossible() -> None:
    frames = read_dataset(example_path("nvt")).frames
    assert split_frames(frames, 0.3, 0) != split_frames(frames, 0.3, 1)
    assert split_frames(frames[:1], 0.0, 0) == ([0], [])
    with pytest.raises(DataError, match="only one frame to split"):
        split_frames(frames[:1], 0.3, 0)
    with pytest.raises(DataError, match="there are no frames"):
        split_frames([], 0.0, 0)
    with pytest.raises(SettingsError, match=r"valid_fraction: 1.0 is no share"):
        split_frames(frames, 1.0, 0)
    with pytest.raises(SettingsError, match="seed: -1 is negative"):
        split_frames(frames, 0.5, -1)


def test_written_frames_come_back_by_us_and_by_ase(tmp_path: Path) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6).repeat((1, 1, 2))
    atoms.pbc = (True, False, True)
    atoms = labeled(atoms, energies=np.array([1e-9, -2.5, 3.0, 4.0]))
    atoms.info |= {
        "name": 'some "quoted" text',
        "step": 3,
        "vector": np.array([1.0, 2.0]),
        "object": object(),
    }
    frame = Frame.from_atoms(atoms)
    frame.arrays["energies_std"] = np.array([1e-12, 1e-3, 0.0, 123.456])
    frame.arrays["site"] = np.array(["a b", "", "c", "d"])
    write_frames(tmp_path / "out.extxyz", [frame, Frame.from_atoms(molecule("CH4"))])
    back, methane = read_dataset(tmp_path / "out.extxyz").frames
    assert_same_frame(back, atoms, 1e-9)
    for name in ("energies", "energies_std"):
        np.testing.assert_allclose(back.arrays[name], frame.arrays[name], rtol=1e-9)
    assert back.arrays["site"].tolist() == ["a_b", "_", "c", "d"]
    assert back.info["name"] == "some 'quoted' text" and back.info["step"] == 3 and "object" not in back.info
    assert methane.n_atoms == 5 and methane.energy is None and not methane.cell.any()
    by_ase = ase.io.read(tmp_path / "out.extxyz", 0)
    assert_same_frame(frame, by_ase, 1e-9)
    assert [p.name for p in tmp_path.iterdir()] == ["out.extxyz"]


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.extxyz"
    target.write_text("old")
    broken = Frame(np.array([500]), np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3, bool))
    with pytest.raises(IndexError):
        write_frames(target, [broken])
    assert target.read_text() == "old"
    with pytest.raises(EatlasError, match="Choose another folder"):
        write_frames(target / "below" / "x.xyz", [])


def test_reading_the_example_needs_no_heavy_import() -> None:
    code = (
        "import sys; from nnpcore.structures import *\n"
        "read_dataset(example_path('eos')).summary()\n"
        "print([m for m in ('scipy', 'torch', 'numba', 'sklearn', 'ase.io') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_frames_come_one_after_the_other_without_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    good, bad = "1\nenergy=-1.0\nSi 0 0 0\n", "1\nenergy=nan\nSi 0 0 0\n"
    path.write_text(good + bad + good + "not a count of atoms\n")
    found = iter_frames(path)
    assert next(found).index == 0
    assert isinstance(next(found), FrameProblem) and next(found).index == 2
    shares: list[float | None] = []
    path.write_text(good * 500)
    progress = Progress(lambda share, text: shares.append(share))
    assert [f.index for f in iter_frames(f"{path}@::100", progress=progress)] == [0, 100, 200, 300, 400]
    assert shares and all(share is not None and 0 < share <= 1 for share in shares)
