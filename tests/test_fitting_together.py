"""Which data sets may be trained on together, and why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ase.build import bulk, molecule

from nnpcore.structures import example_path, fitting_together, read_dataset
from nnpcore.structures.fitting_together import by_source, frames_in_both, misfits, misfits_of_all
from nnpcore.structures.frame import Frame


def frames_of(atoms, per_atom=-5.0, n=3, seed=0, source="a", **info):
    made = []
    for k in range(n):
        moved = atoms.copy()
        moved.rattle(0.05, seed=seed + k)
        moved.info.update(info)
        frame = Frame.from_atoms(moved, source=source, index=k)
        made.append(replace(frame, energy=(per_atom + 0.01 * k) * frame.n_atoms))
    return made


SILICON = bulk("Si", cubic=True)


def test_elements_that_the_others_lack_do_not_fit():
    alloy = bulk("Cu", "fcc", a=3.6, cubic=True)
    alloy.symbols[0] = "Ni"
    (reason,) = misfits({"si": frames_of(SILICON)}, "cuni", frames_of(alloy, seed=9))
    assert reason == "it has Ni and Cu, which si does not have"
    assert misfits({"cuni": frames_of(alloy)}, "cu", frames_of(bulk("Cu", cubic=True), seed=9)) == []


@pytest.mark.parametrize(
    ("per_atom", "strain", "fits"),
    [(-5.0, 1.0, True), (-4.4, 1.0, True), (-3.9, 1.0, False), (-3.9, 1.2, True), (-107.0, 1.2, False)],
)
def test_another_zero_of_energy_does_not_fit(per_atom, strain, fits):
    other = SILICON.copy()
    other.set_cell(other.cell * strain, scale_atoms=True)
    found = misfits({"a": frames_of(SILICON)}, "b", frames_of(other, per_atom, seed=9))
    assert (found == []) is fits
    if not fits and strain == 1.0:
        assert found == [
            "its energies lie 1.1 eV/atom above those of a at the same volume: "
            "another zero of energy or another method"
        ]


def test_a_slab_or_molecule_fits_to_its_bulk():
    slab = SILICON.copy()
    slab.center(vacuum=6.0, axis=2)
    assert misfits({"bulk": frames_of(SILICON)}, "slab", frames_of(slab, -4.2, seed=9)) == []
    water, methane = molecule("H2O"), molecule("CH4")
    found = misfits({"water": frames_of(water, -5)}, "methane", frames_of(methane, -60, seed=9))
    assert found == ["it has C, which water does not have"]


def test_methods_the_files_name_are_compared():
    known = {"a": frames_of(SILICON, calculator="emt")}
    assert misfits(known, "b", frames_of(SILICON, seed=9, calculator="emt")) == []
    (reason,) = misfits(known, "b", frames_of(SILICON, seed=9, calculator="tersoff"))
    assert reason == "its calculator is tersoff, that of a emt"


def test_frames_given_twice_are_counted():
    mine = frames_of(SILICON)
    assert misfits({"a": mine}, "b", mine) == ["all its 3 frames are in a as well"]
    other = frames_of(SILICON, seed=9)
    assert misfits({"a": mine}, "b", [*other, mine[1]]) == ["one of its frames is in a as well"]
    assert frames_in_both(mine, [mine[0], other[0]]) == 1
    assert misfits_of_all({"a": mine, "b": other, "c": [mine[0]]}) == ["c: its only frame is in a as well"]
    assert list(by_source([*mine, *other])) == ["a"]


def test_frames_without_energies_are_not_all_compared_with_all(monkeypatch):
    frames = [replace(frame, energy=None) for frame in frames_of(SILICON, n=60)]
    nudged = [replace(frame, positions=frame.positions + 5e-7 * (-1) ** k) for k, frame in enumerate(frames)]
    compared, same = [], fitting_together._same
    monkeypatch.setattr(fitting_together, "_same", lambda *both: compared.append(1) or same(*both))
    others = [replace(frame, energy=None) for frame in frames_of(SILICON, n=60, seed=100)]
    assert frames_in_both(frames, [*nudged, *others]) == 60
    kept, left = fitting_together.without_frames({"pool": [*others, *nudged]}, frames)
    assert (kept, left) == ({"pool": others}, 60)
    assert len(compared) < 200  # of 14400 pairs


def test_the_bundled_silicon_fits_together():
    sets = {name: read_dataset(example_path(name)).frames for name in ("nvt", "npt", "eos")}
    assert misfits_of_all(sets) == []
    shifted = [replace(f, energy=f.energy + 2.0 * f.n_atoms) for f in sets["npt"]]
    assert len(misfits({"nvt": sets["nvt"]}, "npt", shifted)) == 1


def test_the_command_line_says_it_before_the_training(tmp_path, capfd):
    from nnpcore.cli import main
    from nnpcore.structures import write_frames

    mine = frames_of(SILICON)
    write_frames(tmp_path / "a.extxyz", mine)
    write_frames(tmp_path / "b.extxyz", frames_of(SILICON, -3.0, seed=9))
    paths = [str(tmp_path / name) for name in ("a.extxyz", "b.extxyz")]
    small = ["--members", "1", "--hidden", "4", "--cutoff", "4", "--epochs", "1", "--threads", "1"]
    assert main(["train", *paths, "--valid", paths[0], *small, "-o", str(tmp_path / "run")]) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "b.extxyz: its energies lie 2 eV/atom above those of a.extxyz at the same volume" in said
    assert "3 of the 3 validation frames are trained on as well" in said
