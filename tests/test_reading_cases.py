"""Inputs that people stumbled over, each with its right value: comment lines, units, tensors, splits."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.units import Bohr, GPa, Hartree, bar

from nnpcore.cli import main
from nnpcore.cli.keys import flags, notes
from nnpcore.errors import DataError
from nnpcore.structures import BadFramesError, Frame, KeyNames, propose_keys, read_dataset, split_frames
from nnpcore.structures.readers.ase_formats import with_dispersion
from nnpcore.structures.readers.xyz_comment import FrameSyntaxError, parse_comment, parse_pbc

DATA = Path(__file__).parent / "data"
LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
ROWS = "Cu 0.0 0.0 0.0 0.1 0.2 0.3\nCu 0.0 2.0 2.0 -0.1 -0.2 -0.3\n"
PROPERTIES = "Properties=species:S:1:pos:R:3:forces:R:3"


def xyz(tmp_path: Path, *comments: str, rows: str = ROWS, name: str = "a.xyz") -> Path:
    """Write a frame for each comment line."""
    path = tmp_path / name
    path.write_text("".join(f"2\n{comment} {PROPERTIES}\n{rows}" for comment in comments))
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        *(
            ("p p f", "TTF"),
            ("f f f", "FFF"),
            ("none", "FFF"),
            (".true. .true. .false.", "TTF"),
            ("T", "TTT"),
        ),
        *(("[True, False, True]", "TFT"), ("1 1 0", "TTF"), ("TTF", "TTF"), ("pp pp ff", "TTF")),
        *(("false", "FFF"), ("s s p", "FFT")),
    ],
)
def test_words_for_periodicity(words: str, expected: str, tmp_path: Path) -> None:
    assert "".join("FT"[int(p)] for p in parse_pbc(words)) == expected
    (frame,) = read_dataset(xyz(tmp_path, f'{LATTICE} pbc="{words}"')).frames
    assert frame.pbc.tolist() == [c == "T" for c in expected]


@pytest.mark.parametrize("words", ["banana", "T F", "", "T T F F", "2 1 0", "p p q"])
def test_other_words_for_periodicity_are_that_frames_problem(words: str, tmp_path: Path) -> None:
    path = xyz(tmp_path, LATTICE, LATTICE, f'{LATTICE} pbc="{words}"', LATTICE, LATTICE)
    with pytest.raises(BadFramesError, match=r"frame 2: pbc is .*three of T and F .*\(line 9 on\)"):
        read_dataset(path)
    assert [f.index for f in read_dataset(path, on_bad="skip").frames] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("odd", "pattern"),
    [
        ("Lattice", "Lattice is missing"),
        ('Lattice="1 2 3"', "nine numbers are expected"),
        (f"{LATTICE} energy=abc", "energy is 'abc'"),
        (f'{LATTICE} label="open', "a quotation mark is not closed"),
        (f"{LATTICE} energy=1 energy=2", "energy is given twice, and differs"),
        (f'{LATTICE} stress="1 2 3"', "nine numbers or six are expected"),
        (f"{LATTICE} energy-unit=furlong", "the unit of energy-unit=furlong is unknown"),
    ],
)
def test_one_odd_comment_costs_one_frame(odd: str, pattern: str, tmp_path: Path) -> None:
    path = xyz(tmp_path, LATTICE, odd, LATTICE)
    with pytest.raises(BadFramesError, match=rf"frame 1: .*{pattern}.*line 5"):
        read_dataset(path)
    assert [f.index for f in read_dataset(path, on_bad="skip").frames] == [0, 2]


@pytest.mark.parametrize(
    ("properties", "row", "pattern"),
    [
        ("species:S:1:pos:S:3", "Cu 0 0 0", "positions are not numbers by their type"),
        ("Z:I:1:pos:R:3", f"{2**32 + 14} 0 0 0", "atomic number 4294967310"),
        ("Z:R:1:pos:R:3", "14.7 0 0 0", r"atomic number 14\.7"),
        ("Z:I:1:pos:R:3", "119 0 0 0", "atomic number 119"),
        ("Z:I:1:pos:R:3", f"{10**25} 0 0 0", "no valid 'Z'"),
        ("species:S:1:pos:R:3", "Cu 0 0", "3 columns where 4"),
    ],
)
def test_odd_columns_cost_one_frame(properties: str, row: str, pattern: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    good = "1\nProperties=species:S:1:pos:R:3\nCu 0 0 0\n"
    path.write_text(f"{good}1\nProperties={properties}\n{row}\n{good}")
    with pytest.raises(BadFramesError, match=f"frame 1: .*{pattern}"):
        read_dataset(path)
    assert [f.index for f in read_dataset(path, on_bad="skip").frames] == [0, 2]


def test_an_empty_value_takes_no_other_key() -> None:
    found = parse_comment(f'config_type= {LATTICE} label= pbc="F F F" energy= step = 5 virial_= x=1')
    assert (found["config_type"], found["label"], found["energy"], found["virial_"]) == ("", "", "", "")
    assert found["Lattice"].tolist() == np.diag([4.0, 4.0, 4.0]).tolist() and not found["pbc"].any()
    assert (found["step"], found["x"]) == (5, 1)
    found = parse_comment("user=O'Neil pbc=T T F note='two words' url=a=b list=[1,2,3] energy=-1")
    assert found["pbc"].tolist() == [True, True, False] and found["user"] == "O'Neil"
    assert (found["note"], found["url"], found["energy"]) == ("two words", "a=b", -1)
    assert found["list"].tolist() == [1, 2, 3]
    found = parse_comment('v="_JSON [[1.5, 2], [3, 4]]" w="a \\"b\\"" big=12345678901234567890 u=1_0 t=T')
    assert found["v"].tolist() == [[1.5, 2.0], [3.0, 4.0]] and found["w"] == 'a "b"'
    assert found["big"] == pytest.approx(1.2345678901234567e19) and found["u"] == "1_0" and found["t"] is True
    with pytest.raises(FrameSyntaxError, match="pbc has no value"):
        parse_comment("pbc x=1")


def test_lower_case_lattice_of_gpumd_but_not_a_key_of_ones_own(tmp_path: Path) -> None:
    found = parse_comment('lattice="4 0 0 0 4 0 0 0 4" properties=species:S:1')
    assert found["Lattice"].shape == (3, 3) and found["Properties"] == "species:S:1"
    found = parse_comment(f"{LATTICE} lattice=diamond")
    assert found["lattice"] == "diamond" and found["Lattice"].shape == (3, 3)


def test_six_numbers_of_stress_stand_in_ases_order(tmp_path: Path) -> None:
    (frame,) = read_dataset(xyz(tmp_path, f'{LATTICE} stress="1 2 3 4 5 6"')).frames
    assert frame.stress is not None and frame.stress.tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]


def test_a_tensor_that_is_not_symmetric_is_not_taken(tmp_path: Path) -> None:
    for name in ("stress", "virial"):
        dataset = read_dataset(xyz(tmp_path, f'{LATTICE} {name}="1 2 3 4 5 6 7 8 9"'))
        assert dataset.frames[0].stress is None
        assert dataset.notes == (f"frame 0: {name} is not symmetric and is not taken",)
    nearly = f'{LATTICE} stress="1e-5 2e-6 0 -3e-6 1e-5 0 0 0 1e-5" virial="-7e-4 0 0 0 -7e-4 0 0 0 -7e-4"'
    assert read_dataset(xyz(tmp_path, nearly)).frames[0].stress is not None


def test_units_that_a_file_names_are_converted_with_a_note(tmp_path: Path) -> None:
    units = "energy-unit=hartree force_unit=Ha/bohr stress-unit=kbar"
    dataset = read_dataset(xyz(tmp_path, f'{LATTICE} energy=-1.5 REF_energy=2 stress="1 2 3 0 0 0" {units}'))
    (frame,) = dataset.frames
    assert frame.energy == pytest.approx(-1.5 * Hartree) and frame.info["REF_energy"] == pytest.approx(
        2 * Hartree
    )
    np.testing.assert_allclose(frame.forces[0], np.array([0.1, 0.2, 0.3]) * Hartree / Bohr)
    np.testing.assert_allclose(np.diag(frame.stress), np.array([1, 2, 3]) * 1000 * bar)
    assert len(dataset.notes) == 4 and "file says energy-unit=hartree" in dataset.notes[0]
    (frame,) = read_dataset(xyz(tmp_path, f'{LATTICE} energy=-1.5 units="eV, Angstrom"')).frames
    assert frame.energy == -1.5
    (frame,) = read_dataset(xyz(tmp_path, f"{LATTICE} energy=-1.5 units=au")).frames
    assert frame.energy == pytest.approx(-1.5 * Hartree)
    np.testing.assert_allclose(frame.cell, np.diag([4 * Bohr] * 3))
    np.testing.assert_allclose(frame.positions[1], [0, 2 * Bohr, 2 * Bohr])


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = xyz(tmp_path, LATTICE, LATTICE)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_dataset(path).frames) == 2 and len(read_dataset(f"{path}@1").frames) == 1


def test_stress_that_contradicts_the_virial_is_named_and_asked_about(tmp_path: Path) -> None:
    stress, virial = np.diag([0.01, 0.02, 0.03]), np.diag([0.64, 1.28, 1.92])
    comment = f'{LATTICE} stress="{{}}" virial="{{}}"'
    text = [" ".join(map(str, values.ravel())) for values in (stress, virial, -virial)]
    agree = read_dataset(xyz(tmp_path, comment.format(text[0], text[2])))
    np.testing.assert_allclose(agree.frames[0].stress, stress)
    dataset = read_dataset(xyz(tmp_path, comment.format(text[0], text[1])))
    assert dataset.frames[0].stress is None and "stress and virial contradict" in dataset.notes[0]
    proposal = propose_keys(dataset.frames)
    (question,) = proposal.questions
    assert question.text == "What is stress or virial?" and proposal.names.stress is None
    choices = {names.stress for _, names in question.choices}
    assert choices == {"stress", "virial", "none"}
    taken = read_dataset(dataset.path, keys=KeyNames(stress="virial", stress_kind="virial:eV")).frames[0]
    np.testing.assert_allclose(taken.stress, -stress)


@pytest.mark.parametrize("n_atoms", [3, 6, 9])
def test_tensors_of_small_cells_are_told_by_their_names(n_atoms: int, tmp_path: Path) -> None:
    tensor = np.arange(9.0).reshape(3, 3) + np.arange(9.0).reshape(3, 3).T
    atoms = Atoms(f"H{n_atoms}", positions=np.arange(3.0 * n_atoms).reshape(-1, 3), cell=[40] * 3, pbc=True)
    forces = np.full((n_atoms, 3), 0.5)
    with connect(tmp_path / "a.db", use_lock_file=False) as database:
        more = {"f_ref": forces, "total_stresses": tensor, "six": np.arange(6.0)}
        database.write(atoms, data={"dft_stress": tensor, "dft_forces": forces, **more})
    (frame,) = read_dataset(tmp_path / "a.db").frames
    assert all(np.array_equal(frame.info[name], tensor) for name in ("dft_stress", "total_stresses"))
    assert "six" in frame.info
    assert all(np.array_equal(frame.arrays[name], forces) for name in ("dft_forces", "f_ref"))
    atoms.calc = SinglePointCalculator(atoms, dipole=np.ones(3), energies=np.ones(n_atoms), energy=1.0)
    atoms.calc.results["polarizability"] = tensor
    frame = Frame.from_atoms(atoms)
    assert frame.info["dipole"].tolist() == [1, 1, 1] and frame.arrays["energies"].shape == (n_atoms,)
    assert frame.info["polarizability"].shape == (3, 3)


def test_cells_of_several_sizes_tell_stresses_from_virials() -> None:
    """A stress is the same in a cell and in its double, a virial twice as large."""
    frames = []
    for k, scale in enumerate((0.98, 0.99, 1.0, 1.01, 1.02, 1.03)):
        for n in (1, 2):
            atoms = Atoms("SMoS", [[0, 0, 1], [0, 0, 2], [0, 0, 4 - 0.1 * k]], cell=np.eye(3) * 4 * scale)
            atoms = atoms.repeat((n, 1, 1))
            atoms.pbc = True
            tensor = np.eye(3) * (0.4 * (scale - 1.0) + 1e-4 * (-1) ** k)
            frames.append(replace(Frame.from_atoms(atoms), info={"dft_stress": tensor}))
    proposal = propose_keys(frames)
    assert proposal.names == KeyNames(stress="dft_stress", stress_kind="stress:eV/Å³"), proposal
    virials = [replace(f, info={"dft_stress": -f.volume * f.info["dft_stress"]}) for f in frames]
    assert propose_keys(virials).names.stress_kind == "virial:eV"


def test_zeros_of_input_data_are_no_labels(tmp_path: Path) -> None:
    def block(energy: float, force: float, n: int = 2) -> str:
        atoms = "".join(f"atom {2.2 * k} 0 0 Si 0 0 {force} 0 0\n" for k in range(n))
        return f"begin\n{atoms}energy {energy}\ncharge 0\nend\n"

    path = tmp_path / "input.data"
    path.write_text(
        block(0.0, 0.0) + block(-3.5, 0.0) + block(-3.5, 0.1) + block(0.0, 0.1) + block(0.0, 0.0, 1)
    )
    dataset = read_dataset(path)
    labels = [(f.energy, f.forces is not None) for f in dataset.frames]
    assert labels == [(None, False), (-3.5, False), (-3.5, True), (None, True), (0.0, True)]
    assert any("zeros stand for energy and forces" in note for note in dataset.notes)


@pytest.mark.parametrize("name", ["a.json", "a.db"])
@pytest.mark.parametrize("number", [2**32 + 14, 14.7, -1])
def test_numbers_of_no_element_in_databases(name: str, number: float, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write(path, bulk("Si"))
    text = path.read_text()
    kind = "float64" if isinstance(number, float) else "int64"
    assert '"int64", [14, 14]' in text
    path.write_text(text.replace('"int64", [14, 14]', f'"{kind}", [14, {number}]'))
    with pytest.raises(DataError, match=r"has no element|damaged"):
        read_dataset(path)


# The last line


@pytest.mark.parametrize(
    ("end", "good"),
    [
        ("Cu 0.0 2.0 2.0 -0.1 -0.2 -0.3", True),  # as many decimals as the others
        ("Cu 0.0 2.0 2.0 -0.1 -0.2 -0.3 ", True),
        ("Cu 0.0 2.0 2.0 -0.1 -0.2 -0.", False),
        ("Cu 0.0 2.0 2.0 -0.1 -0.2 -0.25", False),
        ("Cu 0.0 2.0 2.0 -0.1 -0.2 -0.3\n", True),
    ],
)
def test_a_last_line_without_its_end(end: str, good: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(f"2\n{LATTICE} {PROPERTIES}\nCu 0.0 0.0 0.0 0.1 0.2 0.3\n{end}")
    if good:
        assert len(read_dataset(path).frames) == 1
    else:
        with pytest.raises(
            BadFramesError, match=r"line 4 ends the file without a line break, and its last value"
        ):
            read_dataset(path)


def test_a_line_longer_than_any_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnpcore.structures.readers.xyz_frames.MAX_LINE", 1000)
    path = xyz(tmp_path, LATTICE)
    path.write_text(path.read_text().replace("forces:R:3\n", f"forces:R:3 note={'x' * 2000}\n"))
    with pytest.raises(DataError, match="a line is longer than 1,000 bytes"):
        read_dataset(path)


# Files as they occur, each read wrongly in silence before


def two(comment: str, rows: tuple[str, str], properties: str) -> str:
    lines = "\n".join(rows)
    return f'2\nLattice="4 0 0 0 4 0 0 0 4" Properties={properties} {comment}\n{lines}\n'


MOVING = [f"Si 0 0 {k / 10} 0 0 0" for k in range(3)]
WITH_FORCES = "species:S:1:pos:R:3:forces:R:3"
ODD_XYZ = [
    (two("energy=-1", ("Si 0 0 0 1 0 0 5 0 0",) * 2, f"{WITH_FORCES}:forces:R:3"), "have 'forces' twice"),
    (
        two("", ("Si 6 0 0 0", "Si 6 2 2 2"), "species:S:1:Z:I:1:pos:R:3"),
        "Si by 'species' and number 6 by 'Z'",
    ),
    (two("energy=-1,5", ("Si 0 0 0", "Si 2 2 2"), "species:S:1:pos:R:3"), "but one number is expected"),
    (
        "".join(two("energy=0", (row, "Si 2 2 2 0 0 0"), WITH_FORCES) for row in MOVING),
        "energies of all frames are exactly 0.*\n.*forces of all frames are exactly 0",
    ),
    (
        "".join(
            two("energy=-1", ("Si 2 2 2 0 0 0", f"{row[:-5]}1 {k} 0"), WITH_FORCES)
            for k, row in enumerate(MOVING)
        ),
        "forces on 1 atom are exactly 0 in all frames: if they were held fixed",
    ),
    (
        two(
            "energy=-1 REF_energy=-2 MACE_energy=-1",
            ("Si 0 0 0 1 0 0 2 0 0", "Si 2 2 2 -1 0 0 -2 0 0"),
            f"{WITH_FORCES}:dft_forces:R:3",
        ),
        "energy and REF_energy differ by up to 0.5 eV/atom: energy is taken.*--energy-key REF_energy\n"
        "forces and dft_forces differ by up to 1 eV/Å.*--forces-key dft_forces$",
    ),
    (two("energy=-1 REF_energy=-1", ("Si 0 0 0", "Si 2 2 2"), "species:S:1:pos:R:3"), "^$"),
]


@pytest.mark.parametrize(("text", "pattern"), ODD_XYZ)
def test_odd_files_are_told(text: str, pattern: str, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(text)
    try:
        said = "\n".join(read_dataset(tmp_path / "a.xyz").notes)
    except BadFramesError as error:
        said = str(error)
    assert re.search(pattern, said), said


def test_a_unit_behind_the_energy_and_zeros_of_a_scaled_crystal(tmp_path: Path) -> None:
    rows = ("Si 0 0 0 0 0 0", "Si 2 2 2 0 0 0")
    (tmp_path / "a.xyz").write_text(
        two("energy=-1.0 Ha", rows, WITH_FORCES) + two("energy=-9", rows, WITH_FORCES)
    )
    dataset = read_dataset(tmp_path / "a.xyz")
    assert [f.energy for f in dataset.frames] == pytest.approx([-Hartree, -9.0])
    assert not any("exactly 0" in note for note in dataset.notes)


def test_comments_of_i_pi_and_cp2k(tmp_path: Path) -> None:
    """i-PI writes Bohr where it names no unit, CP2K an energy in Hartree that is not to be taken for eV."""
    path, rows = tmp_path / "a.xyz", "Si 0 0 0\nSi 2 2 2\n"
    path.write_text(
        f"2\n# CELL(abcABC): 8 8 8 90 90 60 Step: 0 Bead: 0 positions{{angstrom}} cell{{atomic_unit}}\n{rows}"
    )
    (frame,) = read_dataset(path).frames
    np.testing.assert_allclose(
        frame.cell, 8 * Bohr * np.array([[1, 0, 0], [0.5, 0.75**0.5, 0], [0, 0, 1]]), atol=1e-9
    )
    assert frame.pbc.all() and frame.positions[1].tolist() == [2, 2, 2]
    path.write_text(f"2\n# CELL(H): 8 1 0 0 8 0 0 0 8 Step: 0\n{rows}")
    (frame,) = read_dataset(path).frames
    np.testing.assert_allclose(frame.cell, Bohr * np.array([[8, 0, 0], [1, 8, 0], [0, 0, 8]]))
    np.testing.assert_allclose(frame.positions[1], 2 * Bohr)
    path.write_text(f"2\n# CELL(GENH): 8 0 0 0 8 0 0 0 8 forces{{atomic_unit}} cell{{angstrom}}\n{rows}")
    with pytest.raises(BadFramesError, match="these are forces of i-PI, not structures"):
        read_dataset(path)
    path.write_text(f"2\n i = 3, time = 1.500, E = -17.16\n{rows}")
    dataset = read_dataset(path)
    assert "this is CP2K's trajectory" in dataset.notes[0] and not propose_keys(dataset.frames).needed


def test_castep_counts_its_dispersion_correction() -> None:
    """ASE keeps the corrected energies under a name of their own and returns the others."""
    info = {f"{kind}energy_with_dispersion_correlation": e for kind, e in (("", -2.0), ("free_", -2.2))}
    frame = Frame.from_atoms(bulk("Cu"))
    assert with_dispersion(replace(frame, energy=-1.0)).energy == -1.0
    metal = replace(frame, energy=-1.0, info=info | {"energy_zero_with_dispersion_correlation": -2.1})
    assert with_dispersion(metal).energy == -2.1
    info.pop("free_energy_with_dispersion_correlation")
    assert with_dispersion(replace(frame, energy=-1.0, info=info)).energy == -2.0


def dump(columns: str, *rows: str) -> str:
    head = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n0 4\n"
    return head + f"ITEM: ATOMS {columns}\n" + "".join(f"{row}\n" for row in rows)


def test_lammps_writes_carbon_where_it_was_not_told_elements(tmp_path: Path) -> None:
    path = tmp_path / "a.lammpstrj"
    path.write_text(dump("id type element x y z", "1 1 C 0 0 0", "2 2 C 2 2 2"))
    with pytest.raises(
        DataError, match="all types are C, as LAMMPS writes where it was not told the elements"
    ):
        read_dataset(path)
    (told,) = read_dataset(path, keys=KeyNames(types="Cu Au")).frames
    assert told.numbers.tolist() == [29, 79]
    path.write_text(dump("id element mass x y z", "1 C 28.0855 0 0 0", "2 C 28.0855 2 2 2"))
    assert read_dataset(path).frames[0].numbers.tolist() == [14, 14]
    path.write_text(dump("id type element x y z", "1 1 C 0 0 0", "2 1 C 2 2 2"))
    assert read_dataset(path).frames[0].numbers.tolist() == [6, 6]


def test_outcars_put_together_have_each_its_own_atoms(tmp_path: Path) -> None:
    text = (DATA / "OUTCAR").read_text()
    (tmp_path / "OUTCAR").write_text("".join(text.splitlines(keepends=True)[:60]) + text.replace("Si", "Ge"))
    dataset = read_dataset(tmp_path / "OUTCAR", on_bad="skip")
    assert [f.numbers.tolist() for f in dataset.frames] == [[14, 14], [32, 32], [32, 32]]
    assert [p.what for p in dataset.problems] == [
        "ionic step 2 begins in line 52, but in line 61 another run begins"
    ]


def test_units_and_cells_of_cp2k(tmp_path: Path) -> None:
    text, path = (DATA / "cp2k.out").read_text(), tmp_path / "a.out"
    known = read_dataset(DATA / "cp2k.out").frames[1]
    changed = text.replace("energy [hartree]             -0.397346377737531", "energy [eV]  -10.8123")
    changed = changed.replace("forces [hartree/bohr]", "forces [eV/angstrom]").replace("[bar]", "[furlong]")
    path.write_text(changed)
    dataset = read_dataset(path)
    frame = dataset.frames[1]
    assert known.forces is not None and frame.forces is not None and frame.energy == -10.8123
    np.testing.assert_allclose(frame.forces, known.forces * Bohr / Hartree, rtol=1e-9)
    assert frame.stress is None and "its stress stands in [furlong]" in dataset.notes[0]
    path.write_text(text.replace("energy [hartree]", "energy [K_e]"))
    with pytest.raises(BadFramesError, match=r"its energy stand in \[K_e\]"):
        read_dataset(path)
    first, again, last = text.split(" CELL| Volume")
    run = f"{first} MD_PAR| Ensemble type                      NPT_F\n CELL| Volume{again} CELL| Volume{last}"
    path.write_text(run)
    assert len(read_dataset(path).frames) == 2
    path.write_text(run.replace(f" CELL| Volume{last}", last.partition("|c| =   3.839590\n")[2]))
    with pytest.raises(BadFramesError, match=r"the cell changes in this run \(NPT_F\), and its new one"):
        read_dataset(path)


def test_cells_of_two_runs_of_cp2k_are_not_mixed(tmp_path: Path) -> None:
    for name in ("si-pos-1.xyz", "si-frc-1.xyz", "si-1.cell"):
        shutil.copy(DATA / name, tmp_path)
    cells = (tmp_path / "si-1.cell").read_text()
    (tmp_path / "si-1.cell").write_text(cells + cells.replace("2.7150000000", "2.8000000000"))
    with pytest.raises(DataError, match="step 0 stands there with other numbers before"):
        read_dataset(tmp_path / "si-pos-1.xyz")


def dimer(length: float, comment: str = "x") -> str:
    atoms = "".join(f"atom 0 0 {z} H 0 0 0 0 {f}\n" for z, f in ((0, 0.1), (length, -0.1)))
    return f"begin\ncomment {comment}\n{atoms}energy -31\ncharge 0\nend\n"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("".join(map(dimer, (1.3, *[0.74] * 20))), 1.0),
        ("".join(map(dimer, (1.4, 1.3, 1.5))), Hartree),
        (dimer(1.3, "units eV and Angstrom"), 1.0),
        ("".join(map(dimer, (1.3, 0.74, 0.8))), None),
    ],
)
def test_all_first_frames_tell_the_units_of_input_data(text: str, unit: float | None, tmp_path: Path) -> None:
    """A stretched molecule looks like one in Bohr."""
    (tmp_path / "input.data").write_text(text)
    frames = read_dataset(tmp_path / "input.data").frames
    assert frames[-1].energy == pytest.approx(-31.0 * (unit or 1.0))
    assert bool(propose_keys(frames).questions) == (unit is None)


# What a stress is


def strained(kind: str, n: int = 6) -> list[Frame]:
    """Copper of EMT, sheared and stretched a little, with a tensor under the name ``virial_raw``."""
    rng, frames = np.random.default_rng(0), []
    crystal = bulk("Cu", cubic=True).repeat((2, 1, 1))
    crystal.rattle(0.03, seed=1)
    for _ in range(n):
        atoms = crystal.copy()
        strain = np.eye(3) + rng.normal(0, 0.01, (3, 3))
        strain /= np.linalg.det(strain) ** (1 / 3)  # the volume tells nothing
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.rattle(0.01, seed=int(rng.integers(99)))
        atoms.calc = EMT()
        frame = Frame.from_atoms(atoms)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        stress, volume = atoms.get_stress(voigt=False), atoms.get_volume()
        raw = {
            "pressure:kbar": -stress / (1000 * bar),
            "virial:eV": -stress * volume,
            "stress:GPa": stress / GPa,
        }
        frames.append(replace(frame, energy=energy, forces=forces, info={"virial_raw": raw[kind]}))
    return frames


@pytest.mark.parametrize("kind", ["pressure:kbar", "virial:eV", "stress:GPa"])
def test_strained_cells_decide_what_a_tensor_is(kind: str) -> None:
    proposal = propose_keys(strained(kind))
    assert proposal.names == KeyNames(stress="virial_raw", stress_kind=kind) and not proposal.questions
    assert "pairs of strained frames agrees with their energies" in proposal.why[0]


def test_mirrored_cells_are_no_strained_ones() -> None:
    frames = strained("pressure:kbar", n=4)
    frames += [replace(f, cell=f.cell * np.array([[1.0], [1.0], [-1.0]])) for f in frames]
    assert propose_keys(frames).names.stress_kind == "pressure:kbar"


def test_without_them_the_hint_asks_and_does_not_choose() -> None:
    proposal = propose_keys(strained("pressure:kbar", n=1))
    assert flags(proposal) == "" and proposal.names.stress is None
    (question,) = proposal.questions
    assert question.text == "What is virial_raw?"
    told = notes(proposal)[-1]
    assert "--stress-key NAME=KIND:UNIT: virial_raw; virial in eV; stress in eV/A^3, GPa" in told
    assert "--stress-key none" in told and len(told) < 300


# Frames that repeat others


def test_equal_frames_and_single_atoms_are_named(tmp_path: Path) -> None:
    path = xyz(tmp_path, *[f"{LATTICE} energy=-1"] * 6)
    assert read_dataset(path).notes == (
        "5 frames are of the same structure as another (frame 1 is frame 0): they add no data",
    )
    path = xyz(tmp_path, f"{LATTICE} energy=-1", f"{LATTICE} energy=-2")
    assert "1 frame is of the same structure as another" in read_dataset(path).notes[0]
    assert "with another energy: one of them is wrong" in read_dataset(path).notes[0]
    path.write_text("1\nenergy=3.51\nCu 0 0 0\n" * 2)
    assert read_dataset(path).notes[-1] == "all frames are single atoms: they say nothing about bonds"


# Splits, lines to copy


def test_a_lone_element_stays_in_training() -> None:
    copper = Frame.from_atoms(bulk("Cu"))
    frames = [copper, copper, replace(copper, numbers=np.array([28], dtype=np.int32))]
    for seed in range(20):
        train, valid = split_frames(frames, 0.3, seed)
        assert 2 in train and len(valid) == 1 and sorted(train + valid) == [0, 1, 2]
    lone = [replace(copper, numbers=np.array([z], dtype=np.int32)) for z in (28, 29)]
    with pytest.raises(DataError, match="every frame has an element that no other has"):
        split_frames(lone, 0.3, 0)


def test_lines_to_copy_are_quoted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    images = [Frame.from_atoms(bulk("Cu")).to_atoms() for _ in range(2)]
    for atoms in images:
        atoms.info["my energy (eV); rm"] = -3.5
    with connect(tmp_path / "a.db", use_lock_file=False) as database:
        for atoms in images:
            database.write(atoms, data={"the energy; ls": -3.5})
    assert main(["info", str(tmp_path / "a.db"), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["keys"]["options"] == "--energy-key 'the energy; ls'"
