"""Energies of isolated atoms: given, of frames of one atom, or fitted; what is said; no more changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnpcore.errors import RunFolderError, SettingsError
from nnpcore.potential import Potential
from nnpcore.structures import Frame, example_path, read_dataset
from nnpcore.structures.isolated import is_isolated
from nnpcore.structures.splits import Split, split_in_three
from nnpcore.training import RunFolder, Trainer, TrainSettings
from nnpcore.training.atom_energies import atom_energies_of
from nnpcore.training.data import fit_element_energies

SMALL = TrainSettings(
    **{"descriptors": {"preset": "26", "cutoff": 4.0}, "hidden": (4,), "n_members": 2, "epochs": 2,
       "guidance": 0.0, "n_threads": 1}
)  # fmt: skip


def silicon(n: int) -> list[Frame]:
    return list(read_dataset(f"{example_path('nvt')}@:{n}").frames)


def atom(energy: float | None, number: int = 14, box: float = 12.0, pbc: bool = True) -> Frame:
    return Frame(
        np.array([number], np.int32), np.zeros((1, 3)), box * np.eye(3), np.full(3, pbc), energy,
        np.zeros((1, 3)), source="atoms.extxyz", index=number,
    )  # fmt: skip


def test_an_atom_is_isolated_by_its_images() -> None:
    assert is_isolated(atom(0.0)) and is_isolated(atom(0.0, box=2.0, pbc=False))
    assert not is_isolated(atom(0.0, box=5.4)) and not is_isolated(silicon(1)[0])
    skewed = replace(atom(0.0), cell=np.array([[12.0, 0, 0], [11.0, 3.0, 0], [0, 0, 12.0]]))
    assert not is_isolated(skewed), "its second vector less the first is short"


def test_given_energies_change_the_zero_and_nothing_else(tmp_path: Path) -> None:
    frames = silicon(8)
    parts = frames[:6], frames[6:]
    fitted = Trainer(SMALL, *parts).run().potential
    run = Trainer(SMALL.replace(atom_energies="Si=-102.5, O=-1.9"), *parts, run_folder=tmp_path / "run")
    given = run.run().potential
    assert given.element_energies == {"Si": -102.5} and given.info["atom_energies"] == "given"
    assert fitted.info["atom_energies"] == "fitted" and fitted.element_energies["Si"] < -4
    one, other = (p.predict(frames, forces=True) for p in (fitted, given))
    np.testing.assert_allclose(one.energy, other.energy, atol=1e-5)
    np.testing.assert_allclose(one.forces, other.forces, atol=1e-6)
    assert "Si -102.5 eV, as given" in " ".join(message.text for message in run.history[0].messages)
    assert Potential.load(tmp_path / "run").element_energies == {"Si": -102.5}
    assert TrainSettings(**{"atom_energies": {"Si": -102.5}}).atom_energies == "Si=-102.5"
    more = Trainer.resume(tmp_path / "run", RunFolder.open(tmp_path / "run").settings.replace(epochs=3))
    assert more.run().potential.element_energies == {"Si": -102.5}
    with pytest.raises(RunFolderError, match="no longer those"):
        Trainer.resume(tmp_path / "run", SMALL.replace(atom_energies="fitted", epochs=4))


def test_frames_of_one_atom_give_them_and_are_not_trained_on(tmp_path: Path) -> None:
    frames, alone = silicon(8), [atom(-102.0), atom(-102.4)]
    assert set(split_in_three([*alone, *frames], Split(0.5, test_fraction=0.2)).train) > {0, 1}
    run = Trainer(
        SMALL, [*alone, *frames[:6]], frames[6:], counts=(9, 9, 1, 1, 2, 1, 1, 1), run_folder=tmp_path
    )
    assert len(run.train_frames) == 6 and run.counts == (1, 1, 2, 1, 1, 1)
    assert run.settings.atom_energies == "Si=-102.4"
    result = run.run()
    assert result.potential.element_energies == {"Si": -102.4}
    assert result.potential.info["atom_energies"] == "frames"
    assert any("frames 14, 14 of atoms.extxyz" in m and "the lowest counts" in m for m in result.messages)
    again = Trainer.resume(tmp_path, train=frames[:6], valid=frames[6:])
    assert again.run().potential.info["atom_energies"] == "frames"
    as_given = Trainer.resume(tmp_path, train=[*alone, *frames[:6]], valid=frames[6:])
    assert len(as_given.train_frames) == 6 and as_given.counts == run.counts
    assert len(Trainer(SMALL.replace(atom_energies="fitted"), [*alone, *frames], []).train_frames) == 10


def test_another_method_is_noticed_and_the_shift_shown() -> None:
    frames = silicon(4)
    found = atom_energies_of("auto", [atom(-7890.0), *frames])
    (message,) = found.messages
    assert (
        found.values == {} and found.left_out and "+7783" in message.text and "fitted -106.9" in message.text
    )
    with pytest.raises(
        SettingsError, match=r"do not belong to these data: the data lie .7783.*another method"
    ):
        atom_energies_of("Si=-7890", frames)
    found = atom_energies_of("Si=-80", frames)
    assert found.values == {"Si": -80.0} and "look wrong" in found.messages[-1].text


def test_energies_of_elements_that_are_not_there_are_told() -> None:
    found = atom_energies_of("Si=-102.5, O=-2000, C=-150", silicon(2))
    assert found.values == {"Si": -102.5}
    assert "O and C are in no training frame" in " ".join(message.text for message in found.messages)
    (only,) = atom_energies_of("Si=-102.5", silicon(2)).messages
    assert "no training frame" not in only.text


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ("O=-1.9", "Si has no energy of the atom"),
        ("frames", "no frame is an isolated atom of Si"),
        ("Si=low", "'Si=low' is no energy"),
        ("Si=nan", "is no energy"),
        ("Xx=1", "'Xx' is no element"),
        ("Si=1,Si=2", "there twice"),
    ],
)
def test_what_cannot_be_used_is_refused(asked: str, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        atom_energies_of(asked, silicon(2))


def test_what_is_not_given_is_read_from_isolated_atoms() -> None:
    oxide = [replace(f, numbers=np.where(np.arange(64) < 1, 8, f.numbers)) for f in silicon(4)]
    found = atom_energies_of("Si=-102.4", [atom(-30.0, 8), atom(-90.0), *oxide])
    assert found.values == {"Si": -102.4, "O": -30.0} and found.origin == "given"
    assert found.kept([atom(-30.0, 8), *oxide]) == [1, 2, 3, 4]
    assert "as given, O read from frame 8 of atoms.extxyz;" in found.messages[0].text
    with pytest.raises(SettingsError, match="O has no energy of the atom"):
        atom_energies_of("Si=-102.4", [atom(-90.0), *oxide])


def test_one_stoichiometry_is_divided_about_the_atoms() -> None:
    numbers = np.array([14, 8, 8], np.int32)
    frame = Frame(numbers, np.eye(3), 9 * np.eye(3), np.ones(3, bool), energy=-7890.0 - 2 * 2040.0 - 18.0)
    fitted = fit_element_energies([frame], ["Si", "O"], {"Si": -7890.0, "O": -2040.0})
    assert abs(fitted["Si"] + 7890.0) < 10 and abs(fitted["O"] + 2040.0) < 10
    assert abs(fit_element_energies([frame], ["Si", "O"])["O"] + 2040.0) > 1000
