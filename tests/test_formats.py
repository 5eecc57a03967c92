"""Every format that is read: the right values, nothing from a number that is cut, one bad frame at a time."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.units import bar, kcal, mol
from format_samples import BY_ASE, CELL, ENERGIES, FORCES, POSITIONS, SAMPLES, VOLUME, stress_of
from fuzz_readers import fuzz, table

from nnpcore.errors import DataError, EatlasError
from nnpcore.structures import BadFramesError, Frame, KeyNames, propose_keys, read_dataset
from nnpcore.structures.readers import vaspout_h5

FREE = ("pwscf", "cp2k-output", "cp2k-trajectory", "input.data")  # their numbers are free energies
WITHOUT = {  # what a format, or its sample, has not
    "energy": ("xyz", "lammps-dump", "chgnet-json"),
    "forces": ("xyz", "res"),
    "stress": (
        *("xyz", "lammps-dump", "cp2k-trajectory", "input.data", "mlearn-json", "chgnet-json", "res"),
        *("aims", "gpaw", "orca"),
    ),
}
TEXTS = (
    *("extxyz", "nep", "outcar", "vasprun", "pwscf", "cp2k-output", "cp2k-trajectory", "input.data"),
    *("lammps-dump", "ml-ab", "mtp-cfg", "res"),
)


def keys_of(name: str) -> KeyNames | None:
    """What has to be said about a format."""
    return KeyNames(types="Si") if name == "mtp-cfg" else None


def same_values(found: Frame, frame: Frame) -> bool:
    """Whether two frames hold the same numbers, and the same kinds of them."""
    pairs = [(getattr(found, n), getattr(frame, n)) for n in ("energy", "forces", "stress")]
    pairs += [(getattr(found, n), getattr(frame, n)) for n in ("positions", "cell", "numbers", "pbc")]
    return all((a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in pairs)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_gives_the_same_values(name: str, tmp_path: Path) -> None:
    dataset = read_dataset(SAMPLES[name](tmp_path), keys=keys_of(name))
    assert len(dataset.frames) == (1 if name in ("aims", "orca") else 2)
    for step, frame in enumerate(dataset.frames):
        assert frame.numbers.tolist() == [14, 14]
        if name != "res":  # its cell stands another way
            np.testing.assert_allclose(frame.positions, POSITIONS[step], atol=5e-6)
        if name not in ("lammps-dump", "res", "xyz", "orca"):
            np.testing.assert_allclose(frame.cell, CELL, atol=5e-6)
            assert frame.pbc.all()
        assert (frame.energy is None) == (name in WITHOUT["energy"])
        if frame.energy is not None:
            tolerance = 2e-4 if name in FREE else 1e-6
            assert frame.energy == pytest.approx(ENERGIES[step], abs=tolerance)
        assert (frame.forces is None) == (name in WITHOUT["forces"])
        if frame.forces is not None:
            np.testing.assert_allclose(frame.forces, FORCES[step], atol=1e-5)
        assert (frame.stress is None) == (name in WITHOUT["stress"])
        if frame.stress is not None:
            np.testing.assert_allclose(frame.stress, stress_of(step), atol=2e-6)


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_comes_from_a_file_that_is_cut_at_any_byte(name: str, tmp_path: Path) -> None:
    path = SAMPLES[name](tmp_path)
    whole, text = read_dataset(path, keys=keys_of(name)).frames, path.read_bytes()
    step = max(1, len(text) // 150)
    for size in {*range(1, len(text), step), *range(len(text) - 60, len(text))}:
        path.write_bytes(text[:size])
        try:
            frames = read_dataset(path, on_bad="skip", keys=keys_of(name)).frames
        except DataError as error:
            assert str(path) in str(error)
            continue
        for frame in frames:
            assert same_values(frame, whole[frame.index]), (size, text[max(0, size - 40) : size])


@pytest.mark.parametrize("name", ["outcar", "pwscf", "cp2k-output", "extxyz", "lammps-dump", "aims"])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_packed_files_are_read(name: str, suffix: str, tmp_path: Path) -> None:
    path = SAMPLES[name](tmp_path)
    whole = read_dataset(path).frames
    packed = path.with_name(path.name + suffix)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
    packed.write_bytes(pack(path.read_bytes()))
    found = read_dataset(packed).frames
    assert len(found) == len(whole) and all(map(same_values, found, whole))
    content = packed.read_bytes()
    packed.write_bytes(content[: len(content) // 2])
    try:
        cut = read_dataset(packed, on_bad="skip").frames
    except DataError:
        return
    assert all(same_values(frame, whole[frame.index]) for frame in cut)


@pytest.mark.parametrize("name", ["aims", "gpaw"])
def test_an_output_whose_program_did_not_end_loses_its_last_structure(name: str, tmp_path: Path) -> None:
    path = SAMPLES[name](tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    whole = read_dataset(path).frames
    path.write_text("".join(lines[:-1]))
    with pytest.raises(BadFramesError, match=r"ends in line .* before its program came to its end") as caught:
        read_dataset(path)
    assert caught.value.n_good == len(whole) - 1


# VASP


def outcar(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    path = SAMPLES["outcar"](tmp_path)
    text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


ABORT = "------------------------ aborting loop because EDIFF was not reached (unconverged) -----------\n"
FIRST = (
    "  free  energy    TOTEN  =        -10.79512345 eV\n"[:0]
    + "  free energy    TOTEN  =        -10.79512345 eV\n"
)


def test_unconverged_steps_of_vasp_are_named_and_left_out_unless_asked_for(tmp_path: Path) -> None:
    path = outcar(tmp_path, (FIRST, FIRST + ABORT))
    with pytest.raises(BadFramesError, match="frame 0: its electrons did not converge: ionic step 1"):
        read_dataset(path)
    (good,) = read_dataset(path, on_bad="skip").frames
    assert good.index == 1 and good.energy == pytest.approx(ENERGIES[1])
    both = read_dataset(path, keys=KeyNames(unconverged=True)).frames
    assert [f.energy for f in both] == pytest.approx(ENERGIES) and both[0].read_with == "unconverged=True"
    silent = "   NELM   =     60;\n   ISPIN  "
    last = "Iteration      1(   1)", "Iteration      1(  60)"
    path = outcar(tmp_path, ("   ISPIN  ", silent), last)  # version 5 does not say it
    assert [f.index for f in read_dataset(path, on_bad="skip").frames] == [1]
    reached = "------------------------ aborting loop because EDIFF is reached -----------\n"
    path = outcar(tmp_path, ("   ISPIN  ", silent), last, (FIRST, FIRST + reached))
    assert len(read_dataset(path).frames) == 2


def test_vasprun_under_pressure_gives_energies_not_enthalpies(tmp_path: Path) -> None:
    """With PSTRESS VASP writes E + PV behind the forces of a step, and E in its iterations."""
    path = SAMPLES["vasprun"](tmp_path)
    wanted = [frame.energy for frame in read_dataset(path).frames]
    parts = re.split(
        r"(</structure>)", path.read_text().replace("<parameters>", '<parameters><i name="PSTRESS"> 50 </i>')
    )
    for k in range(len(parts)):
        if "forces" in parts[k]:
            free = re.search(r'name="e_fr_energy"> *(\S+)', parts[k])
            assert free is not None
            enthalpy = float(free[1]) + 50 * 1000 * bar * VOLUME
            parts[k] = parts[k].replace(free[1], f"{enthalpy:.8f}", 1)
    path.write_text("".join(parts))
    assert [frame.energy for frame in read_dataset(path).frames] == pytest.approx(wanted, abs=2e-8)


def test_vaspout_under_pressure_says_that_its_energies_may_be_enthalpies(tmp_path: Path) -> None:
    path = SAMPLES["vaspout-h5"](tmp_path)
    for pressure, noted in ((0.0, False), (50.0, True)):
        with h5py.File(path, "a") as file:
            file.pop("input/incar/PSTRESS", None)
            file["input/incar/PSTRESS"] = pressure
        assert any("may be enthalpies" in note for note in read_dataset(path).notes) == noted


def test_vasprun_with_all_iterations_used_up(tmp_path: Path) -> None:
    path = SAMPLES["vasprun"](tmp_path)
    steps = "<scstep><energy></energy></scstep>\n"
    nelm = '<i type="int" name="NELM">     3</i>\n </parameters>'
    text = path.read_text().replace(" </parameters>", nelm, 1)
    path.write_text(text.replace(" <calculation>\n", f" <calculation>\n{steps * 2}", 1))
    with pytest.raises(
        BadFramesError, match=r"frame 0: .*ionic step 1, line \d+ on, used up all 3 iterations"
    ):
        read_dataset(path)


ML_STEP = """----------------------------------- Ionic step        {n}  -----------------------------------
  ML FORCE on cell =-STRESS in cart. coord. units (eV/cell)
  in kB       99.00000    99.00000    99.00000     0.00000     0.00000     0.00000
  POSITION                                       TOTAL-FORCE (eV/Angst) (ML)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000      9.000000      9.000000      9.000000
      1.40000      1.35000      1.36000     -9.000000     -9.000000     -9.000000
 -----------------------------------------------------------------------------------
  ML FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  free  energy ML TOTEN  =      -99.00000000 eV

  ML energy  without entropy=      -99.00000000  ML energy(sigma->0) =      -99.00000000
"""


def test_predictions_of_vasps_force_field_are_no_reference(tmp_path: Path) -> None:
    second = "--------------------------------------- Iteration      2(   1)"
    first = "--------------------------------------- Iteration      1(   1)"
    before = (first, ML_STEP.format(n=1) + first)  # the prediction of a step that was calculated as well
    path = outcar(tmp_path, before, (second, ML_STEP.format(n=9) * 2 + second))
    dataset = read_dataset(path)
    assert [f.energy for f in dataset.frames] == pytest.approx(ENERGIES)
    np.testing.assert_allclose(dataset.frames[0].stress, stress_of(0), atol=1e-9)
    assert any("predicted by VASP's machine-learned force field are left out" in n for n in dataset.notes)
    text = path.read_text()
    path.write_text(text[: text.index(first)].split(" -----------------------------------  ")[0])
    with pytest.raises(DataError, match=r"all 1 steps were predicted .*Open ML_AB"):
        read_dataset(path)


def test_more_than_ten_species_and_lines_without_positions(tmp_path: Path) -> None:
    kinds = ["H", "Li", "Be", "B", "C", "N", "O", "F", "Na", "Mg", "Al", "Si"]
    text = SAMPLES["outcar"](tmp_path).read_text()
    text = re.sub(
        r" POTCAR:.*\n POTCAR:.*\n   VRHFIN.*\n", "".join(f"   VRHFIN ={k}: s\n" for k in kinds), text
    )
    text = text.replace("NIONS =      2", "NIONS =     12")
    text = text.replace("ions per type =               2\n", f"ions per type = {'  1' * 10}\n{'  1' * 2}\n")
    rows = [f"{x:13.5f}{0:13.5f}{0:13.5f}{0:14.6f}{0:14.6f}{0:14.6f}\n" for x in np.arange(12) * 0.2]
    text = re.sub(r"(POSITION.*\n -+\n)(.*\n){2}", lambda m: m.group(1) + "".join(rows), text)
    text = text.replace("  FREE ENERGIE OF", "  Edisp (eV)    -0.12345\n  FREE ENERGIE OF")
    path = tmp_path / "OUTCAR"
    path.write_text(text)
    frames = read_dataset(path).frames
    assert len(frames) == 2 and frames[0].numbers.tolist() == [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]
    path.write_text(re.sub(r" POSITION.*\n -+\n(.*\n){12}", "", text, count=1))
    with pytest.raises(BadFramesError, match="1 steps are printed without positions and forces"):
        read_dataset(path)
    path.write_text(text.replace("\n  1  1\n", "\n\n"))
    with pytest.raises(DataError, match=r"has 12 ions \(NIONS\), but 10 by type.*vasprun\.xml"):
        read_dataset(path)


def test_numbers_that_touch_and_stars(tmp_path: Path) -> None:
    glued = ("  0.000000000  2.715000000  2.715000000 -0.18", "  0.000000000  2.715000000  2.715000000-10.18")
    path = outcar(tmp_path, glued, ("      0.300000     -0.050000", "      0.300000-999.050000"))
    assert read_dataset(path).frames[0].forces[0, 1] == -999.05
    path = outcar(tmp_path, ("      0.300000", "**************"))
    with pytest.raises(BadFramesError, match=r"frame 0: line .*6 numbers are expected"):
        read_dataset(path)
    assert len(read_dataset(path, on_bad="skip").frames) == 1


POSCAR = """Si2 of a test
 1.0
   0.0 2.715 2.715
   2.715 0.0 2.715
   2.715 2.715 0.0
   Si C_s
   1 1
{selective}Direct
  0.0 0.0 0.0{flags}
  0.25 0.25 0.25{flags}
"""


@pytest.mark.parametrize(("selective", "flags"), [("", ""), ("Selective dynamics\n", " T T F")])
def test_a_poscar_is_known_by_its_content(selective: str, flags: str, tmp_path: Path) -> None:
    path = tmp_path / "anything.txt"
    path.write_text(POSCAR.format(selective=selective, flags=flags).replace("C_s", "C"))
    (frame,) = read_dataset(path).frames
    assert frame.numbers.tolist() == [14, 6] and frame.positions[1].tolist() == [1.3575] * 3


def test_other_files_of_hdf5_and_folders_around_systems_are_told_apart(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["data"] = [1.0]
    with pytest.raises(DataError, match=r"this HDF5 file is not VASP's vaspout\.h5"):
        read_dataset(tmp_path / "other.hdf5")
    (tmp_path / "all").mkdir()
    system = SAMPLES["deepmd"](tmp_path / "all")
    with pytest.raises(DataError, match=f"Choose one of the folders inside it, such as {system}"):
        read_dataset(tmp_path / "all")
    for part in system.glob("set.*"):
        part.rename(part.with_name("raw"))
    with pytest.raises(DataError, match="Write the sets of DeePMD-kit"):
        read_dataset(system)


@pytest.mark.parametrize(("section", "unit"), [("TRAJECTORY", "bohr"), ("FORCES", "eV*angstrom^-1")])
def test_cp2k_printed_in_other_units_is_refused(section: str, unit: str, tmp_path: Path) -> None:
    path = SAMPLES["cp2k-trajectory"](tmp_path)
    lines = f"&MOTION\n &PRINT\n  &{section}\n   UNIT {{}}\n  &END {section}\n &END PRINT\n&END MOTION\n"
    (tmp_path / "si.inp").write_text(
        lines.format("Angstrom" if section == "TRAJECTORY" else "Hartree*Bohr^-1")
    )
    assert len(read_dataset(path).frames) == 2
    (tmp_path / "si.inp").write_text(lines.format(unit))
    with pytest.raises(DataError, match=rf"si\.inp has it printed with UNIT {re.escape(unit)} \({section}\)"):
        read_dataset(path)


def test_vaspout_without_h5py_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SAMPLES["vaspout-h5"](tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match=r"needs the package h5py.*pip install h5py"):
        read_dataset(path)
    assert vaspout_h5.VASPOUT.recognizes(path, path.read_bytes()[:100])


# CP2K and pw.x


def test_cells_that_change_are_not_taken_for_constant(tmp_path: Path) -> None:
    path = SAMPLES["cp2k-trajectory"](tmp_path)
    (tmp_path / "si-1.cell").unlink()
    cell = "&SUBSYS\n&CELL\nA 0 2.715 2.715\nB 2.715 0 2.715\nC 2.715 2.715 0\n{}\n&END CELL\n&END SUBSYS\n"
    run = "&GLOBAL\nRUN_TYPE {}\n&END GLOBAL\n&MOTION\n&MD\nENSEMBLE {}\n&END MD\n&END MOTION\n"
    for kind, ensemble in (("MD", "NPT_F"), ("MD", "NPT_I"), ("CELL_OPT", "NVE")):
        (tmp_path / "si.inp").write_text(run.format(kind, ensemble) + cell.format(""))
        with pytest.raises(DataError, match=r"the cell changes in this run .* si-1\.cell is not there"):
            read_dataset(path)
    (tmp_path / "si.inp").write_text(run.format("GEO_OPT", "NPT_F") + cell.format(""))
    assert read_dataset(path).frames[0].pbc.all()
    words = {"XY": [1, 1, 0], "XYZ": [1, 1, 1], "Z": [0, 0, 1], "NONE": [0, 0, 0]}
    for word, pbc in words.items():
        (tmp_path / "si.inp").write_text(cell.format(f"PERIODIC {word}"))
        assert read_dataset(path).frames[0].pbc.tolist() == [bool(p) for p in pbc]
    for line, why in (("PERIODIC ALL", "PERIODIC ALL cannot"), ("MULTIPLE_UNIT_CELL 2 2 2", "MULTIPLE_UNIT")):
        (tmp_path / "si.inp").write_text(cell.format(line))
        with pytest.raises(DataError, match=why):
            read_dataset(path)


def test_unconverged_steps_of_cp2k_and_pwscf(tmp_path: Path) -> None:
    path = SAMPLES["cp2k-output"](tmp_path)
    text = path.read_text().replace(
        "*** SCF run converged in    11 steps ***", "*** SCF run NOT converged ***", 1
    )
    path.write_text(text)
    with pytest.raises(BadFramesError, match="frame 0: its electrons did not converge"):
        read_dataset(path)
    assert len(read_dataset(path, keys=KeyNames(unconverged=True)).frames) == 2
    path = SAMPLES["pwscf"](tmp_path)
    text, ok = path.read_text(), "     convergence has been achieved in   9 iterations\n\n!"
    path.write_text(text.replace(ok, "     convergence NOT achieved after 100 iterations: stopping\n\n ", 1))
    with pytest.raises(BadFramesError, match="frame 0: its electrons did not converge"):
        read_dataset(path)
    assert len(read_dataset(path, keys=KeyNames(unconverged=True)).frames) == 2


def test_one_bad_step_of_a_trajectory_is_its_own_problem(tmp_path: Path) -> None:
    path = SAMPLES["cp2k-trajectory"](tmp_path)
    path.write_text(path.read_text().replace(" Si ", " Qq ", 1))
    with pytest.raises(BadFramesError, match=r"frame 0: .*'Qq' is not a chemical element|same atoms"):
        read_dataset(path)
    assert [f.index for f in read_dataset(path, on_bad="skip").frames] == [1]


# LAMMPS, MTP, DeePMD, JSON


def test_dumps_have_no_energy_and_need_elements(tmp_path: Path) -> None:
    path = SAMPLES["lammps-dump"](tmp_path)
    frame = read_dataset(path).frames[0]
    assert frame.energy is None and frame.pbc.tolist() == [True, True, False]
    np.testing.assert_allclose(frame.cell, [[3.8, 0, 0], [0.5, 3.9, 0], [0.2, 0.1, 4.0]], atol=1e-12)
    assert frame.arrays["c_pe"].tolist() == [-5.0, -6.0]  # sorted by id
    text = path.read_text()
    path.write_text(text.replace("metal", "real"))
    np.testing.assert_allclose(read_dataset(path).frames[0].forces, FORCES[0] * kcal / mol, atol=1e-9)
    path.write_text(text.replace("metal", "lj"))
    with pytest.raises(BadFramesError, match="its units, LAMMPS lj"):
        read_dataset(path)
    path.write_text(text.replace("ITEM: UNITS\nmetal\n", ""))
    assert "forces are taken for eV/Å" in read_dataset(path).notes[0]
    typed = text.replace("id element", "id type").replace(" Si ", " 2 ")
    path.write_text(typed)
    with pytest.raises(DataError, match=r"types but no elements.*--types 'Cu Au'"):
        read_dataset(path)
    assert read_dataset(path, keys=KeyNames(types="Cu Si")).frames[0].numbers.tolist() == [14, 14]
    with pytest.raises(BadFramesError, match="types beyond the 1 that were given"):
        read_dataset(path, keys=KeyNames(types="Cu"))
    path.write_text(text.replace("id element", "id mass").replace(" Si ", " 28.0855 "))
    assert read_dataset(path).frames[0].numbers.tolist() == [14, 14]


def test_lammps_data_without_masses_is_asked_about(tmp_path: Path) -> None:
    head = "LAMMPS data\n\n1 atoms\n1 atom types\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\n\n"
    path = tmp_path / "lammps.data"
    path.write_text(f"{head}Atoms # atomic\n\n1 1 0.0 0.0 0.0\n")
    with pytest.raises(DataError, match="types but no elements"):
        read_dataset(path)
    assert read_dataset(path, keys=KeyNames(types="Cu")).frames[0].numbers.tolist() == [29]
    path.write_text(f"{head}Masses\n\n1 63.546\n\nAtoms # atomic\n\n1 1 0.0 0.0 0.0\n")
    assert read_dataset(path).frames[0].numbers.tolist() == [29]
    path.write_text(f"{head}Masses\n\n1 1.5\n\nAtoms # atomic\n\n1 1 0.0 0.0 0.0\n")
    with pytest.raises(DataError, match="masses are not those of elements"):
        read_dataset(path)


def test_mtp_needs_elements_and_deepmd_folders_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="types, counted from 0, but no elements"):
        read_dataset(SAMPLES["mtp-cfg"](tmp_path))
    system = SAMPLES["deepmd"](tmp_path)
    assert len(read_dataset(system / "type.raw").frames) == 2
    np.save(system / "set.000" / "force.npy", np.zeros((2, 5)))
    with pytest.raises(DataError, match=r"force\.npy: the array cannot be used \(its shape 2 × 5"):
        read_dataset(system)
    np.save(system / "set.000" / "force.npy", np.array([{"a": 1}, 2], dtype=object))  # a pickle
    with pytest.raises(DataError, match=r"force\.npy: the array cannot be used"):
        read_dataset(system)
    (system / "set.000" / "force.npy").unlink()
    (system / "type_map.raw").unlink()
    with pytest.raises(DataError, match="its types have no elements"):
        read_dataset(system)
    (system / "nopbc").touch()
    (frame, _) = read_dataset(system, keys=KeyNames(types="Si")).frames
    assert frame.forces is None and not frame.pbc.any() and frame.stress is None


def test_json_of_pymatgen_is_asked_about_stress_and_names_bad_entries(tmp_path: Path) -> None:
    path = SAMPLES["mlearn-json"](tmp_path)
    (question,) = propose_keys(read_dataset(path).frames).questions
    assert question.quantity == "stress"
    frame = read_dataset(path, keys=KeyNames(stress="virial_stress", stress_kind="pressure:kbar")).frames[0]
    np.testing.assert_allclose(frame.stress, stress_of(0), atol=1e-9)
    entries = json.loads(path.read_text())
    entries[0]["structure"]["sites"][0]["species"][0]["element"] = "Qq"
    path.write_text(json.dumps(entries))
    with pytest.raises(BadFramesError, match=r"frame 0: 'Qq' is not a chemical element \(entry /0\)"):
        read_dataset(path)
    chgnet = SAMPLES["chgnet-json"](tmp_path)
    proposal = propose_keys(read_dataset(chgnet).frames)
    assert proposal.names.energy == "energy_total"
    assert read_dataset(chgnet, keys=proposal.names).frames[0].energy == pytest.approx(ENERGIES[0])
    (tmp_path / "deep.json").write_text('{"structure":' * 5000 + "1" + "}" * 5000)
    with pytest.raises(EatlasError, match="nested too deep"):
        read_dataset(tmp_path / "deep.json")


def test_enthalpies_of_airss_are_no_energies(tmp_path: Path) -> None:
    path = SAMPLES["res"](tmp_path)
    path.write_text(path.read_text().replace(" 0.00 ", " 10.00 ", 1))
    dataset = read_dataset(path)
    assert dataset.frames[0].energy is None and dataset.frames[1].energy == pytest.approx(ENERGIES[1])
    assert "enthalpy under pressure" in dataset.notes[0]
    path.write_text(path.read_text().replace("\nSi 1 ", f"\n{'Si ' * 4000}", 1))  # one odd line
    assert [p.index for p in read_dataset(path, on_bad="skip").problems] == [0]


def test_what_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnpcore.structures.readers.reader._LEAST_UNPACKED", 100_000)
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(b"1\n\nSi 0 0 0\n" * 100_000))
    with pytest.raises(DataError, match=r"unpacked it is larger than .* 300 times its size"):
        read_dataset(tmp_path / "a.xyz.gz")


def test_mutants_of_every_format_are_frames_or_errors_in_plain_words() -> None:
    tallies = fuzz(3 * len(SAMPLES | BY_ASE), seed=0)
    assert not [fault for tally in tallies.values() for fault in tally.faults], table(tallies)
