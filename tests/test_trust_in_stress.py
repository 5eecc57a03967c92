"""Stresses count where strained cells say that they are such; elsewhere they wait for the user's word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import build_frame
from training_data import labelled

from nnpcore.structures.frame import Frame
from nnpcore.structures.labels.trust import FEWEST_FRAMES, trust_in_stress
from nnpcore.training import PRESET_26, Trainer, TrainSettings
from nnpcore.training.stress import USUAL_STRESS_WEIGHT
from nnpcore.units import GPA_PER_EV_PER_ANG3

SETTINGS = TrainSettings(
    descriptors=PRESET_26, hidden=(4,), n_members=1, epochs=1, n_threads=1, device="cpu", guidance=0.0
)


@pytest.fixture(scope="module")
def strained() -> list[Frame]:
    """Return one rattled cell, strained in any direction, labelled by a potential."""
    rng, cell = np.random.default_rng(2), build_frame("Si", rattle=0.05)
    frames = []
    for _ in range(FEWEST_FRAMES):
        strain = np.eye(3) + 0.003 * rng.normal(size=(3, 3))
        frames.append(replace(cell, cell=cell.cell @ strain, positions=cell.positions @ strain))
    return labelled(frames)


def told(frames: list[Frame], **changes: float) -> tuple[float | None, str]:
    trainer = Trainer(SETTINGS.replace(**changes), frames, [])
    return trainer.settings.stress_weight, " ".join(message.text for message in trainer._opening)


def test_right_stresses_count_with_a_word(strained: list[Frame]) -> None:
    weight, text = told(strained)
    assert weight == USUAL_STRESS_WEIGHT
    assert "The stresses count, with the weight" in text and "pairs of strained frames" in text


@pytest.mark.parametrize(
    ("factor", "words"), [(10.0 * GPA_PER_EV_PER_ANG3, "in kbar"), (-1.0, "under compression")]
)
def test_wrong_sign_or_unit_is_told_and_not_used(strained: list[Frame], factor: float, words: str) -> None:
    wrong = [replace(f, stress=factor * f.stress) for f in strained if f.stress is not None]
    weight, text = told(wrong)
    assert weight == 0.0
    assert "not used: they look like a stress" in text and words in text


def test_without_strained_cells_nothing_is_taken_for_granted(strained: list[Frame]) -> None:
    alike = labelled([build_frame("Si", rattle=0.1, seed=k) for k in range(FEWEST_FRAMES)])
    weight, text = told(alike)
    assert weight == 0.0 and "nothing in these frames tells" in text
    assert trust_in_stress([replace(f, stress=None) for f in strained]) is None
    weight, text = told([replace(f, stress=None) for f in strained])
    assert weight == 0.0 and "stress" not in text


def test_what_the_user_says_stands(strained: list[Frame]) -> None:
    assert told(strained, stress_weight=0.0)[0] == 0.0
    assert told(strained, stress_weight=2.5)[0] == 2.5
    assert SETTINGS.filled_from(SETTINGS.replace(stress_weight=0.0)).stress_weight == 0.0
