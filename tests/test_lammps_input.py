"""Inputs for LAMMPS beside an exported potential."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from builders import build_frame
from exchange_cases import potential_of, structures

from nnpcore.cli import main
from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.lammps_input import INPUTS, write_lammps_input
from nnpcore.exchange.programs import program_named


@pytest.mark.parametrize("format", ["n2p2", "simple-nn"])
def test_inputs_name_files_that_are_there(tmp_path: Path, format: str) -> None:
    potential, frame = potential_of("binary"), structures("binary")[1]
    files = write_lammps_input(potential, format, tmp_path, frame)
    assert {file.name for file in files} == {"structure.data", "potential.lmp", *INPUTS}
    for name in INPUTS:
        text = (tmp_path / name).read_bytes().decode("ascii")
        used = re.findall(r"^\s*(?:include|read_data)\s+(\S+)", text, re.MULTILINE)
        assert sorted(set(used)) == ["potential.lmp", "structure.data"]
        assert "{{" not in text and "{%" not in text
    lines = (tmp_path / "potential.lmp").read_text().splitlines()[1:]
    program = program_named(format)
    places = [f"member-{m}" if program.member_file == "." else f"member-{m}/potential_saved" for m in (1, 2)]
    assert lines == program.lammps_lines(potential, places)
    assert "replicate       ${repeat} ${repeat} ${repeat}" in (tmp_path / "in.nvt").read_text()


def test_the_structure_is_the_one_given(tmp_path: Path) -> None:
    frame = build_frame("SiC", rattle=0.2, seed=3)
    write_lammps_input(potential_of("binary"), "n2p2", tmp_path, frame)
    found = read(tmp_path / "structure.data", format="lammps-data", atom_style="atomic", units="metal")
    assert not isinstance(found, list)
    atoms = frame.to_atoms()
    np.testing.assert_array_equal(found.numbers, atoms.numbers)
    np.testing.assert_allclose(
        found.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-9
    )


def test_what_cannot_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    potential = potential_of("unary")
    with pytest.raises(SettingsError, match="a format that LAMMPS reads"):
        write_lammps_input(potential, "torch", tmp_path, structures("unary")[0])
    with pytest.raises(SettingsError, match="periodic in all directions"):
        write_lammps_input(potential, "n2p2", tmp_path, structures("unary")[2])
    with pytest.raises(PotentialError, match="C"):
        write_lammps_input(potential, "n2p2", tmp_path, structures("binary")[0])
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "out"), "--lammps-input"]) == 1
    assert "Add --format n2p2 or simple-nn" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_starts_with_the_structure_given(tmp_path: Path) -> None:
    from ase.io import write

    potential_of("unary").save(tmp_path / "potential")
    write(tmp_path / "si.xyz", structures("unary")[0].to_atoms())
    given = ["export", str(tmp_path / "potential"), "-o", str(tmp_path / "out"), "--format", "n2p2"]
    assert main([*given, "--lammps-input"]) == 1  # a potential alone has no structure
    assert not (tmp_path / "out").exists()
    assert main([*given, "--lammps-input", "--structure", str(tmp_path / "si.xyz")]) == 0
    assert (tmp_path / "out" / "in.eos").is_file() and (tmp_path / "out" / "member-2" / "input.nn").is_file()
    assert "narrower than the cutoff" in (tmp_path / "out" / "README.md").read_text()
