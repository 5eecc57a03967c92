"""Reference data of other programs: the same structures in every format, other names, units and signs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.db import connect
from ase.units import Bohr, GPa, Hartree, bar

from nnpcore.cli import main
from nnpcore.cli.keys import flags
from nnpcore.errors import DataError, SettingsError
from nnpcore.structures import (
    BadFramesError,
    Frame,
    KeyMemory,
    KeyNames,
    StressKind,
    detect_key_names,
    example_path,
    propose_keys,
    read_dataset,
)
from nnpcore.structures.labels.key_names import apply_keys
from nnpcore.structures.labels.stress_kinds import ALL_KINDS, judge_stress
from nnpcore.structures.readers.n2p2 import format_frame, guess_units
from nnpcore.structures.readers.reader import EV_ANGSTROM, HARTREE_BOHR
from nnpcore.training.run_folder import RunFolder
from nnpcore.training.settings import TrainSettings

DATA = Path(__file__).parent / "data"

# What all files in tests/data hold: two steps of Si2, eV, Å, kB (VASP's order xx yy zz xy yz zx).
CELL = np.array([[0, 2.715, 2.715], [2.715, 0, 2.715], [2.715, 2.715, 0]])
POSITIONS = np.array([[[0, 0, 0], [1.4, 1.35, 1.36]], [[0.01, 0, -0.005], [1.39, 1.35, 1.365]]])
FORCES = np.array([[[0.30, -0.05, 0.02], [-0.30, 0.05, -0.02]], [[0.21, -0.03, 0.01], [-0.21, 0.03, -0.01]]])
FREE_ENERGIES, ENERGIES = (-10.79512345, -10.81234567), (-10.79500001, -10.81220001)
PRESSURES = np.array([[12.5, 11.0, 10.5, 1.25, -0.75, 0.5], [9.0, 8.5, 8.0, 1.0, -0.5, 0.25]])


def stress_of(step: int) -> np.ndarray:
    """Return ASE's stress of a step, eV/Å³."""
    xx, yy, zz, xy, yz, zx = PRESSURES[step]
    return -1000 * bar * np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])


@pytest.mark.parametrize(
    ("name", "energies", "tolerance", "stress"),
    [
        ("OUTCAR", ENERGIES, 1e-6, True),
        ("vasprun.xml", ENERGIES, 1e-6, True),
        ("espresso.out", FREE_ENERGIES, 2e-5, True),
        ("cp2k.out", FREE_ENERGIES, 1e-6, True),
        ("si-pos-1.xyz", FREE_ENERGIES, 1e-6, False),
        ("input.data", FREE_ENERGIES, 1e-6, False),
    ],
)
def test_every_program_says_the_same(
    name: str, energies: tuple[float, float], tolerance: float, stress: bool
) -> None:
    dataset = read_dataset(DATA / name)
    assert len(dataset.frames) == 2 and dataset.summary().formula == "Si2"
    for step, frame in enumerate(dataset.frames):
        assert frame.energy == pytest.approx(energies[step], abs=tolerance)
        np.testing.assert_allclose(frame.cell, CELL, atol=5e-6)
        assert frame.pbc.all() and frame.forces is not None
        np.testing.assert_allclose(frame.positions, POSITIONS[step], atol=5e-6)
        np.testing.assert_allclose(frame.forces, FORCES[step], atol=1e-5)
        assert (frame.stress is not None) == stress
        if frame.stress is not None:
            np.testing.assert_allclose(frame.stress, stress_of(step), atol=2e-6)


@pytest.mark.parametrize(
    ("name", "last_line", "pattern", "n_good"),
    [
        ("OUTCAR", 30, "frame 0: ionic step 1 begins in line 17, but the file ends in line 30", 0),
        ("OUTCAR", 75, "frame 1: ionic step 2 begins in line 52, but the file ends in line 75", 1),
        ("vasprun.xml", 100, "frame 1: ionic step 2 begins in line 85, but the file ends in line 100", 1),
        ("vasprun.xml", 80, "frame 0: ionic step 1 begins in line 47, but the file ends in line 80", 0),
        ("vasprun.xml", 20, "damaged .*the file ends in line 20", -1),
        ("espresso.out", 36, "frame 0: .*line 33 is not complete: the file ends in line 36", 0),
        ("espresso.out", 53, "frame 1: the structure of line 51 has no energy: the file ends in line 53", 1),
        ("espresso.out", 61, "frame 1: .*the file ends in line 61", 1),
        ("cp2k.out", 27, "frame 0: line 21 on: it has the forces of 1 of 2 atoms before line 27", 0),
        ("cp2k.out", 45, "frame 1: the output breaks off in line 45, before the energy", 1),
        ("cp2k.out", 65, "frame 1: line 55 on: its stress tensor is cut off", 1),
        ("input.data", 8, "frame 0: the file ends in line 8, before this frame's 'end'", 0),
        ("input.data", 16, "frame 1: the file ends in line 16, before this frame's 'end'", 1),
    ],
)
def test_broken_off_files_say_where(
    name: str, last_line: int, pattern: str, n_good: int, tmp_path: Path
) -> None:
    lines = (DATA / name).read_text().splitlines(keepends=True)
    (tmp_path / name).write_text("".join(lines[:last_line]))
    with pytest.raises(DataError, match=pattern) as caught:
        read_dataset(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and caught.value.fix
    if n_good >= 0:
        assert isinstance(caught.value, BadFramesError) and caught.value.n_good == n_good
    if n_good > 0:
        assert len(read_dataset(tmp_path / name, on_bad="skip").frames) == n_good


def edited(name: str, folder: Path, edit: Callable[[str], str]) -> Path:
    """Copy a file with its neighbors and change its text."""
    for file in filter(Path.is_file, DATA.iterdir()):
        shutil.copy(file, folder)
    path = folder / name
    path.write_text(edit(path.read_text()))
    return path


@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        ("  Si   0.000000", "  Xx   0.000000", "line 6: 'Xx' is not a chemical element"),
        ("  Si   0.000000", "  Si", "line 6 has 8 values behind 'atom' where 9 are expected"),
        ("energy  ", "energy minus ", "line 8: 'energy' is followed by 'minus -0.3967.*expected 1 numbers"),
        ("charge", "entropy", "line 9 starts with 'entropy', which is no word"),
        ("lattice", "comment", "it has 2 'lattice' lines, expected three or none"),
        ("end\n", "", "it has no 'end' before the next 'begin' in line 10"),
        ("end\n", "end\nnoise\n", "line 11 stands outside of begin and end: 'noise'"),
    ],
)
def test_mistakes_in_input_data_name_their_line(old: str, new: str, pattern: str, tmp_path: Path) -> None:
    path = edited("input.data", tmp_path, lambda text: text.replace(old, new, 1))
    with pytest.raises(BadFramesError, match=pattern):
        read_dataset(path)


def test_cp2k_neighbors(tmp_path: Path) -> None:
    path = edited("si-pos-1.xyz", tmp_path, lambda text: text)
    (tmp_path / "si-1.cell").unlink()
    with pytest.raises(DataError, match=r"nothing beside .* tells its cell.*si-1\.cell, si-1\.restart or si"):
        read_dataset(path)
    (tmp_path / "si.inp").write_text("&SUBSYS\n &CELL\n  ABC [angstrom] 3.8 3.8 3.9\n &END CELL\n&END\n")
    np.testing.assert_allclose(read_dataset(path).frames[1].cell, np.diag([3.8, 3.8, 3.9]), atol=1e-12)
    (tmp_path / "si-frc-1.xyz").unlink()
    assert read_dataset(path).frames[0].forces is None
    (tmp_path / "si-1.stress").write_text(
        "#   Step   Time [fs]  xx [bar] xy xz yx yy yz zx zy zz\n"
        "       0   0.000  12500 1250 500 1250 11000 -750 500 -750 10500\n"
        "       1   0.500  9000 1000 250 1000 8500 -500 250 -500 8000\n"
    )
    assert read_dataset(path).frames[0].stress is None  # with the kinetic part of the dynamics
    path.write_text(re.sub(r", time = +[\d.]+", "", path.read_text()))  # a relaxation has none
    for step, frame in enumerate(read_dataset(path).frames):
        assert frame.stress is not None
        np.testing.assert_allclose(frame.stress, stress_of(step))
    with pytest.raises(DataError, match=r"these are forces of CP2K.*Open si-pos-1\.xyz"):
        read_dataset(DATA / "si-frc-1.xyz")


def test_cp2k_forces_of_other_steps_are_refused(tmp_path: Path) -> None:
    path = edited("si-frc-1.xyz", tmp_path, lambda text: text.replace("i =        1", "i =        5"))
    with pytest.raises(BadFramesError, match=r"frame 1: its forces are missing: si-frc-1\.xyz, .*no step 1"):
        read_dataset(path.with_name("si-pos-1.xyz"))


def test_cp2k_trajectory_that_breaks_off(tmp_path: Path) -> None:
    path = edited("si-pos-1.xyz", tmp_path, lambda text: "".join(text.splitlines(keepends=True)[:-1]))
    with pytest.raises(BadFramesError, match=r"promises 2 atoms, but only 1 atom lines follow") as caught:
        read_dataset(path)
    good = read_dataset(path, on_bad="skip").frames
    assert len(good) == caught.value.n_good > 0 and good[0].forces is not None
    path = edited("si-frc-1.xyz", tmp_path, lambda text: text.rstrip()[:-30])
    with pytest.raises(
        BadFramesError, match=r"forces are missing: si-frc-1\.xyz, the file breaks off in line 8"
    ):
        read_dataset(path.with_name("si-pos-1.xyz"))


def test_cp2k_kinds_are_taken_by_their_element(tmp_path: Path) -> None:
    plain = read_dataset(DATA / "si-pos-1.xyz").frames
    path = edited("si-pos-1.xyz", tmp_path, lambda text: text.replace(" Si ", " Si1 "))
    (tmp_path / "si-frc-1.xyz").write_text((DATA / "si-frc-1.xyz").read_text().replace(" Si ", " Si1 "))
    named = read_dataset(path).frames
    assert [f.numbers.tolist() for f in named] == [f.numbers.tolist() for f in plain]
    np.testing.assert_array_equal(named[-1].positions, plain[-1].positions)


def test_cp2k_energies_without_coordinates_are_told(tmp_path: Path) -> None:
    path = edited("cp2k.out", tmp_path, lambda text: text + " ENERGY| Total FORCE_EVAL ( QS ) energy: -1.0\n")
    with pytest.raises(BadFramesError, match=r"1 more energies .* without coordinates\. Mend"):
        read_dataset(path)


# input.data, both ways


def labeled(atoms: Atoms, seed: int = 0) -> Frame:
    """Return rattled atoms with random labels."""
    rng = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.rattle(0.02, seed=seed)
    n = len(atoms)
    frame = Frame.from_atoms(atoms)
    forces, energies = rng.normal(size=(n, 3)), rng.normal(size=n)
    return replace(frame, energy=float(energies.sum()), forces=forces, arrays={"atomic_energies": energies})


def test_input_data_comes_back(tmp_path: Path) -> None:
    frames = [labeled(bulk("NaCl", "rocksalt", a=5.6)), labeled(molecule("C6H6"), 1), labeled(bulk("Si"), 2)]
    (tmp_path / "input.data").write_text("".join(format_frame(frame) for frame in frames))
    back = read_dataset(tmp_path / "input.data").frames
    by_ase = ase.io.read(tmp_path / "input.data", ":", format="n2p2-data")
    ase.io.write(tmp_path / "again", [f.to_atoms() for f in back], format="n2p2-data")
    for frame, found, atoms, again in zip(
        frames, back, by_ase, read_dataset(tmp_path / "again").frames, strict=True
    ):
        for other in (found, again, Frame.from_atoms(atoms)):
            assert frame.energy is not None and frame.forces is not None and other.forces is not None
            assert other.energy == pytest.approx(frame.energy, abs=1e-9)
            np.testing.assert_array_equal(other.numbers, frame.numbers)
            np.testing.assert_allclose(other.positions, frame.positions, atol=1e-9)
            np.testing.assert_allclose(other.cell, frame.cell, atol=1e-9)
            np.testing.assert_allclose(other.forces, frame.forces, atol=1e-9)
        np.testing.assert_allclose(
            found.arrays["atomic_energies"], frame.arrays["atomic_energies"], atol=1e-9
        )


@pytest.mark.parametrize("atoms", [bulk("Si"), bulk("Cu"), bulk("W"), bulk("NaCl", "rocksalt", a=5.64)])
def test_units_are_told_by_distances(atoms: Atoms) -> None:
    assert guess_units(Frame.from_atoms(atoms)) == EV_ANGSTROM
    atoms.set_cell(atoms.cell / Bohr, scale_atoms=True)
    assert guess_units(Frame.from_atoms(atoms)) == HARTREE_BOHR


def test_units_that_nothing_tells_are_asked(tmp_path: Path) -> None:
    path = tmp_path / "input.data"
    lines = [f"atom {10 * k}.0 0 0 Si 0 0 0 0 0" for k in range(2)]
    path.write_text("\n".join(["begin", *lines, "energy -1.0", "charge 0", "end", ""]))
    proposal = detect_key_names(path)
    (question,) = proposal.questions
    assert [names.units for _, names in question.choices] == [EV_ANGSTROM, HARTREE_BOHR]
    (frame,) = read_dataset(path, keys=question.choices[1][1]).frames
    assert frame.energy == pytest.approx(-Hartree)
    np.testing.assert_allclose(frame.positions[1, 0], 10 * Bohr)
    assert read_dataset(path).frames[0].energy == -1.0


# Other key names


def scan(kind: StressKind | None = None, key: str = "REF_stress", n: int = 9, repeat: int = 1) -> list[Atoms]:
    """Return copper along its volume with labels of EMT under other names."""
    images = []
    for a in np.linspace(3.45, 3.8, n):
        atoms = bulk("Cu", a=a, cubic=True) * (repeat, 1, 1)
        atoms.calc = EMT()
        energy, forces, stress = (
            atoms.get_potential_energy(),
            atoms.get_forces(),
            atoms.get_stress(voigt=False),
        )
        atoms.calc = None
        atoms.info["REF_energy"] = energy
        atoms.arrays["dft_forces"] = forces
        if kind is not None:
            scale = kind.to_ase(np.ones((1, 3, 3)), atoms.get_volume())[0, 0, 0]
            atoms.info[key] = stress / scale
        images.append(atoms)
    return images


def written(images: list[Atoms], path: Path) -> Path:
    """Write with ASE; return the path."""
    ase.io.write(path, images)
    return path


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.text)
def test_stress_is_told_by_the_energies_of_a_scan(kind: StressKind, tmp_path: Path) -> None:
    path = written(scan(kind, "my_stress"), tmp_path / "a.extxyz")
    proposal = detect_key_names(path)
    assert (proposal.names.energy, proposal.names.forces) == ("REF_energy", "dft_forces")
    assert proposal.names.stress == "my_stress" and proposal.names.stress_kind == kind.text
    assert not proposal.questions and any("pairs of strained frames agrees" in line for line in proposal.why)
    assert read_dataset(path).summary().n_energies == 0  # nothing is taken unasked
    frames = read_dataset(path, keys=proposal.names).frames
    for frame, atoms in zip(frames, scan(), strict=True):
        atoms.calc = EMT()
        assert frame.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        assert frame.forces is not None and frame.stress is not None
        np.testing.assert_allclose(frame.forces, atoms.get_forces(), atol=1e-8)
        np.testing.assert_allclose(frame.stress, atoms.get_stress(voigt=False), atol=1e-8)
        assert "REF_energy" not in frame.info and frame.read_with == proposal.names.text


def test_silicon_whose_volume_makes_gpa_and_virial_alike() -> None:
    frames = [f for f in read_dataset(example_path("eos")).frames if f.stress is not None]
    raw = [replace(f, stress=None, info={"tensor": f.stress / GPa}) for f in frames]  # 160 Å³: 1 eV is 1 GPa
    proposal = propose_keys(raw)
    assert proposal.names == KeyNames()  # 'tensor' is no name of a stress
    named = [replace(f, info={"stress_tensor": f.info["tensor"]}) for f in raw]
    assert propose_keys(named).names.stress_kind == "stress:GPa"  # the work between strained cells tells
    virials = [replace(f, stress=None, info={"stress_tensor": f.stress * f.volume}) for f in frames]
    (question,) = propose_keys(virials).questions
    offered = [names.stress_kind for _, names in question.choices]
    assert {"stress:GPa", "negative-virial:eV"} <= set(offered) and "pressure:GPa" not in offered
    assert question.choices[-1][1].stress == "none"


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "stress"), (-1.0, "pressure")])
def test_dynamics_at_changing_volume_tell_the_sign(factor: float, expected: str) -> None:
    frames = read_dataset(example_path("npt")).frames
    raw = [replace(f, stress=None, info={"stress_dft": factor * f.stress}) for f in frames]
    (question,) = propose_keys(raw).questions
    kinds = [names.stress_kind for _, names in question.choices[:-1]]
    offered = {kind for kind in kinds if kind != "stress:eV/Å³" or factor > 0}
    assert all(kind.startswith(expected) for kind in offered) and f"{expected}:eV/Å³" in offered


def test_constant_volume_tells_nothing_and_asks() -> None:
    frames = read_dataset(example_path("nvt")).frames
    raw = [replace(f, stress=None, info={"virials": f.stress}) for f in frames]
    proposal = propose_keys(raw)
    (question,) = proposal.questions
    assert proposal.names.stress is None  # asked, not chosen
    assert question.choices[0][1] == KeyNames(stress="virials", stress_kind="virial:eV")  # by its name
    assert len(question.choices) == len(ALL_KINDS) + 1
    assert any("too few different volumes" in line for line in proposal.why)


def test_a_virial_under_the_name_stress_is_asked_about_and_not_chosen() -> None:
    """Of dynamics at changing volume only the sign is known: the hint must not pick a unit."""
    frames = [replace(f, stress=-f.volume * f.stress) for f in read_dataset(example_path("npt")).frames]
    proposal = propose_keys(frames)
    (question,) = proposal.questions
    kinds = {names.stress_kind.partition(":")[0] for _, names in question.choices[:-1]}
    assert kinds == {"stress", "pressure", "virial"} and flags(proposal) == ""
    assert "as each of pressure:GPa, pressure:kbar, virial:eV" in proposal.why[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_usual_names_are_only_doubted_where_the_numbers_contradict(sign: float) -> None:
    frames = [replace(f, stress=sign * f.stress) for f in read_dataset(example_path("eos")).frames]
    proposal = propose_keys(frames)
    assert proposal.needed == (sign < 0)
    if sign < 0:
        assert "not stress in eV/Å³, positive under tension" in proposal.why[0]
        kind = proposal.questions[0].choices[0][1]
        mended = apply_keys(frames[0], kind).stress
        np.testing.assert_allclose(mended, -frames[0].stress)
    for name in ("nvt", "npt", "eos"):
        assert not propose_keys(read_dataset(example_path(name)).frames).needed


def test_names_of_predictions_and_other_energies_are_not_taken() -> None:
    frame = Frame.from_atoms(bulk("Cu"))
    info = {
        "kinetic_energy": 1.0,
        "energy_per_atom": -3.0,
        "mace_energy": -3.1,
        "dft_energy": -3.2,
        "free_energy_dft": -3.25,
        "formation_energy": 0.1,
        "step": 4,
    }
    proposal = propose_keys([replace(frame, info=info)])
    assert [c.name for c in proposal.candidates["energy"]] == ["dft_energy", "free_energy_dft", "mace_energy"]
    assert proposal.names.energy == "dft_energy"
    assert propose_keys([replace(frame, info={"mace_energy": -3.1})]).names == KeyNames()
    (question,) = propose_keys([replace(frame, info={"pbe_energy": -3.0, "scan_energy": -4.0})]).questions
    assert [text for text, _ in question.choices] == ["pbe_energy", "scan_energy"]


def test_gradients_are_turned() -> None:
    frame = replace(Frame.from_atoms(bulk("Cu")), arrays={"dft_gradient": np.array([[1.0, 2.0, 3.0]])})
    names = propose_keys([frame]).names
    assert names.negative_forces
    np.testing.assert_array_equal(apply_keys(frame, names).forces, [[-1.0, -2.0, -3.0]])


def test_database_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    with connect(path) as database:
        for atoms in scan():
            values = {"dft_energy": atoms.info["REF_energy"]}
            forces = atoms.arrays.pop("dft_forces")
            database.write(atoms, key_value_pairs=values, data={"dft_forces": forces})
    proposal = detect_key_names(path)
    assert (proposal.names.energy, proposal.names.forces) == ("dft_energy", "dft_forces")
    frames = read_dataset(path, keys=proposal.names).frames
    assert [f.energy for f in frames] == pytest.approx([a.info["REF_energy"] for a in scan()])
    assert all(f.forces is not None for f in frames)


def test_judge_needs_volumes_and_order_of_six_numbers_is_ases() -> None:
    values = np.array([np.eye(3)] * 6)
    verdict = judge_stress(values, np.full(6, 40.0), np.full(6, 2), np.arange(6.0))
    assert not verdict.decided and verdict.kinds == ALL_KINDS
    volumes = np.linspace(36.0, 44.0, 6)
    rising = np.eye(3) * (0.5 * (volumes - 40.0) / 40.0)[:, None, None]  # 80 GPa in eV/Å³
    several = judge_stress(rising * 20, volumes, np.full(6, 2))
    assert not several.decided and len(several.kinds) > 1
    assert "only" not in several.why and all(kind.text in several.why for kind in several.kinds)
    loose = judge_stress(rising, volumes, np.full(6, 2), 0.25 * (volumes - 40.0) ** 2 / 40.0)
    assert loose.decided and "agrees with the slope" in loose.why
    volumes = np.linspace(154.0, 166.0, 6)  # stress in GPa and stress times volume are about the same numbers
    stresses = np.eye(3) * (1.04 * 80.0 * (volumes - 160.0) / 160.0)[:, None, None]
    alike = judge_stress(stresses, volumes, np.full(6, 8), 0.25 * (volumes - 160.0) ** 2 / 160.0)
    assert {kind.text for kind in alike.kinds} == {"stress:GPa", "negative-virial:eV"} and not alike.decided
    assert alike.why.startswith("more than one kind agrees with") and "stress:GPa to 4 %" in alike.why
    frame = Frame.from_atoms(bulk("Cu"))
    six = replace(frame, info={"sigma": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])})
    stress = apply_keys(six, KeyNames(stress="sigma", stress_kind="stress:GPa")).stress
    np.testing.assert_allclose(stress, GPa * np.array([[1, 6, 5], [6, 2, 4], [5, 4, 3]]))


def test_wrong_names_and_kinds_say_so(tmp_path: Path) -> None:
    path = written(scan(n=3), tmp_path / "a.extxyz")
    with pytest.raises(DataError, match=r"no frame has energy under the name 'E'.*has REF_energy, dft"):
        read_dataset(path, keys=KeyNames(energy="E"))
    with pytest.raises(BadFramesError, match=r"frame 0: REF_energy is .*nine or six numbers"):
        read_dataset(path, keys=KeyNames(stress="REF_energy"))
    with pytest.raises(SettingsError, match=r"'stress:mmHg' is no kind of stress\. Choose one of stress:eV"):
        StressKind.from_text("stress:mmHg")
    with pytest.raises(SettingsError, match="is no kind of stress"):
        KeyNames(stress="a", stress_kind="virial:GPa")
    with pytest.raises(SettingsError, match="are no units"):
        KeyNames(units="furlong")


def test_answers_are_remembered_by_the_files_names(tmp_path: Path) -> None:
    first = detect_key_names(written(scan(StressKind("pressure", "kbar"), "sigma"), tmp_path / "a.extxyz"))
    memory = KeyMemory(max_answers=2).remember(first.signature, first.names)
    kept = KeyMemory(json.loads(json.dumps(memory.answers)))
    other = scan(StressKind("pressure", "kbar"), "sigma", n=5, repeat=2)
    assert kept.recall(propose_keys([Frame.from_atoms(a) for a in other]).signature) == first.names
    assert kept.recall("something else") is None
    for k in range(3):
        memory = memory.remember(f"other {k}", KeyNames(energy=f"e{k}"))
    assert list(memory.answers) == ["other 1", "other 2"]
    assert all(KeyMemory({"x": {"no": 1}, "y": 3}).recall(signature) is None for signature in "xyz")
    assert KeyNames.from_text(first.names.text) == first.names and KeyNames().text == ""


def test_a_training_finds_its_frames_again_under_their_names(tmp_path: Path) -> None:
    path = written(scan(StressKind("virial", "eV"), "virials"), tmp_path / "a.extxyz")
    names = detect_key_names(path).names
    frames = read_dataset(path, keys=names).frames
    RunFolder.create(tmp_path / "run", TrainSettings(), {"training": frames[:6], "validation": frames[6:]})
    found = RunFolder.open(tmp_path / "run").find_frames()
    assert [f.energy for f in found["training"] + found["validation"]] == [f.energy for f in frames]


def test_commands_take_the_names(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(written(scan(StressKind("virial", "eV"), "virials"), tmp_path / "a.extxyz"))
    assert main(["info", path, "--json"]) == 0
    options = json.loads(capfd.readouterr().out)["keys"]["options"]
    assert options == "--energy-key REF_energy --forces-key dft_forces --stress-key virials=virial:eV"
    assert main(["info", path, *options.split(), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["n_energies"], found["n_forces"], found["n_stresses"]) == (9, 9, 9) and "keys" not in found
    assert main(["train", path, "-o", str(tmp_path / "run")]) == 1
    assert f"Say where they are: {options}" in capfd.readouterr().err
    assert main(["info", path, "--stress-key", "virials=virial:GPa"]) == 1
    assert "no kind of stress" in capfd.readouterr().err
    assert main(["info", str(DATA / "input.data"), "--units", "Ry"]) == 1
    assert "Use eV or Ha" in capfd.readouterr().err


def test_reading_structures_stays_light() -> None:
    code = (
        "import sys; from nnpcore.structures import *\n"
        f"propose_keys(read_dataset({str(DATA / 'input.data')!r}).frames)\n"
        "print([m for m in ('scipy', 'torch', 'numba', 'sklearn', 'ase.io') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
