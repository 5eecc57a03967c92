"""Training sets that hold next to nothing: what is said, what is refused, and members that diverge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from training_data import silicon_frames

from nnpcore.errors import DataError
from nnpcore.structures.frame import Frame
from nnpcore.training import DescriptorSettings, EpochRecord, Trainer, TrainSettings
from nnpcore.training.data import Targets
from nnpcore.training.divergence import diverged_members, jumped_members, own_rms
from nnpcore.training.doubts import n_different, notes_on, why_diverged

SETTINGS = TrainSettings(
    descriptors=DescriptorSettings(preset="26", cutoff=4.0),
    hidden=(4,),
    n_members=2,
    epochs=3,
    n_threads=1,
    device="cpu",
    guidance=0.0,
)
FRAMES = silicon_frames(4)
NO_STRESS = [replace(frame, stress=None) for frame in FRAMES]


@pytest.mark.parametrize("preset", ["auto", "26"])
def test_isolated_atoms_are_refused_with_the_reason_and_leave_no_folder(preset: str, tmp_path: Path) -> None:
    atom = replace(Frame.from_atoms(Atoms("Cu")), energy=3.51, forces=np.zeros((1, 3)))
    settings = SETTINGS.replace(**{"descriptors.preset": preset})
    with pytest.raises(DataError, match="no atom of the training frames has a neighbor within"):
        Trainer(settings, [atom] * 4, [atom], run_folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([FRAMES[0]] * 5, "All 5 training frames are equal to 0.001 Å"),
        ([FRAMES[0], replace(FRAMES[0], positions=FRAMES[0].positions + 1e-9)], "All 2 training frames are"),
        ([FRAMES[0], *FRAMES[:2]], "Of the 3 training frames only 2 differ"),
        (FRAMES[:1], "There is only one training frame"),
    ],
)
def test_equal_frames_are_said_and_fitted(frames: list[Frame], words: str) -> None:
    result = Trainer(SETTINGS, frames, []).run()
    assert any(words in message for message in result.messages)
    assert np.isfinite(result.history[-1].train["force"]["members"]).all()


def test_a_stress_that_is_asked_for_and_not_there_is_said() -> None:
    wanted = SETTINGS.replace(stress_weight=1.0)
    assert "counts for nothing" in notes_on(NO_STRESS, wanted)[0].text
    open_cell = [replace(frame, pbc=np.array([True, True, False])) for frame in FRAMES]
    assert "counts for nothing" in notes_on(open_cell, wanted)[0].text
    assert "4 of 5 training frames have a stress" in notes_on([*FRAMES, NO_STRESS[0]], wanted)[-1].text
    assert notes_on(FRAMES, wanted) == [] == notes_on(NO_STRESS, SETTINGS)


def records(*forces: tuple[float, float]) -> list[EpochRecord]:
    """Return epochs with these training RMSEs of the forces of two members."""
    return [
        EpochRecord(
            epoch=k + 1,
            seconds=0.0,
            optimizer="kalman",
            train={"force": {"members": np.array(values), "mean": 0.0}},
            valid={},
            alive=np.ones(2, dtype=bool),
            messages=(),
            best=False,
        )
        for k, values in enumerate(forces)
    ]


def test_a_member_worse_than_no_network_or_ever_worse_has_diverged() -> None:
    both = np.ones(2, dtype=bool)
    own = {"force": 1.0}
    early = [(9.0, 9.0), (9.0, 0.5), (9.0, 0.4)]
    assert diverged_members(records(*early), own, both) == {}
    worse = [*early, (7.0, 0.3), (8.0, 0.3), (9.0, 0.3)]
    found = diverged_members(records(*worse), own, both)
    assert list(found) == [0]
    assert "force 9, the data's own 1 eV/Å" in found[0].text
    assert diverged_members(records(*worse), own, np.array([False, True])) == {}
    improving = [*early, (9.0, 0.3), (8.0, 0.3), (7.0, 0.3)]
    assert diverged_members(records(*improving), own, both) == {}
    growing = [(0.5, 0.05), (0.3, 0.02), (0.2, 0.01), (0.2, 0.2), (0.2, 0.3), (0.2, 0.4)]
    assert list(diverged_members(records(*growing), own, both)) == [1]
    tiny = [(0.5, 1e-9), (0.3, 1e-9), (0.2, 1e-9), (0.2, 1e-8), (0.2, 2e-8), (0.2, 3e-8)]
    assert diverged_members(records(*tiny), own, both) == {}


def test_a_jump_of_one_member_is_told_in_the_epoch_it_happens() -> None:
    both, own = np.ones(2, dtype=bool), {"force": 1.0}
    steps = [(0.5, 0.5), (0.1, 0.1), (0.002, 0.003), (0.53, 0.003), (0.5, 0.003)]
    found = jumped_members(records(*steps[:4]), own, both)
    assert list(found) == [0] and "force from 0.002 to 0.53 eV/Å" in found[0].text
    assert not found[0].is_note
    assert jumped_members(records(*steps[:3]), own, both) == {} == jumped_members(records(*steps), own, both)
    assert jumped_members(records(*steps[:4]), own, np.array([False, True])) == {}
    unseen = [*steps[:2], (1e-6, 1e-6), (1e-3, 1e-6)]
    assert jumped_members(records(*unseen), own, both) == {}


def test_what_a_network_of_zero_leaves_is_the_scale() -> None:
    targets = Targets.of(FRAMES, ["Si"], {"Si": FRAMES[0].energy / 8 if FRAMES[0].energy else 0.0})
    own = own_rms(targets, (1.0, 1.0, 0.0))
    forces = np.concatenate([f.forces for f in FRAMES if f.forces is not None])
    assert own["force"] == pytest.approx(np.sqrt((forces**2).mean()), rel=1e-5)
    assert list(own) == ["energy", "force"]


def test_a_training_that_diverged_names_the_likely_reason() -> None:
    assert FRAMES[0].forces is not None
    wild = replace(FRAMES[1], forces=FRAMES[0].forces * 1e4)
    assert "has a force of" in why_diverged([*FRAMES, wild])
    assert "only 1 differ" in why_diverged([FRAMES[0]] * 3)
    assert n_different([*FRAMES, *FRAMES]) == 4
