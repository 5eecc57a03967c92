"""Stresses count where the data confirm sign, unit, order and pressure; elsewhere they wait for a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from builders import build_frame
from training_data import labelled

from nnpcore.analyses import Missing, required
from nnpcore.analyses.calibrating import _held_out
from nnpcore.analyses.errors import RUN_FRAMES
from nnpcore.analyses.parity import COMPARED_FRAMES
from nnpcore.cli import main
from nnpcore.cli.keys import stress_advice
from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, compute_descriptors
from nnpcore.errors import Cancelled, SettingsError
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.report import mapping_folder
from nnpcore.report.facts import evaluation_of_run
from nnpcore.structures import write_frames
from nnpcore.structures.frame import Frame
from nnpcore.structures.labels.foretold_stress import (
    AS_GIVEN,
    ORDERS,
    ForetoldStresses,
    ToldStresses,
    judge_foretold,
    reordered,
    together,
)
from nnpcore.structures.labels.trust import FEWEST_FRAMES, trust_in_stress
from nnpcore.training import PRESET_26, RunFolder, Trainer, TrainSettings
from nnpcore.training.evaluate import rmse_report
from nnpcore.training.guidance_posterior import fitted_posterior, with_their_stresses
from nnpcore.training.stress import USUAL_STRESS_WEIGHT, SettledStress, settled_stress
from nnpcore.units import GPA_PER_EV_PER_ANG3

SETTINGS = TrainSettings(
    descriptors=PRESET_26, hidden=(4,), n_members=1, epochs=1, n_threads=1, device="cpu", guidance=0.0
)
FUNCTIONS = SymmetryFunctions.preset("26", ["Cu"], 4.5)
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
KBAR = -10.0 * GPA_PER_EV_PER_ANG3


# by energies of strained cells ----------------------------------------------------------------------------
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
    """Return the weight of the stress in a training that is made ready, and what is said before."""
    trainer = Trainer(SETTINGS.replace(**changes), frames, [])
    trainer.prepare()
    return trainer.settings.stress_weight, " ".join(message.text for message in trainer._opening)


def test_right_stresses_count_with_a_word(strained: list[Frame]) -> None:
    weight, text = told(strained)
    assert weight == USUAL_STRESS_WEIGHT
    assert "The stresses count, with the weight" in text and "pairs of strained frames" in text


@pytest.mark.parametrize(("factor", "words"), [(-KBAR, "in kbar"), (-1.0, "under compression")])
def test_wrong_sign_or_unit_is_told_and_not_used(strained: list[Frame], factor: float, words: str) -> None:
    wrong = [replace(f, stress=factor * f.stress) for f in strained if f.stress is not None]
    weight, text = told(wrong)
    assert weight == 0.0
    assert "not used: they look like a stress" in text and words in text
    weight, text = told(wrong, stress_weight=0.7)
    assert weight == 0.7 and "have a weight, but they look like a stress" in text and words in text


def test_few_frames_and_no_stress(strained: list[Frame]) -> None:
    weight, text = told(strained[:-1])
    assert weight == 0.0 and "nothing in these frames tells" in text
    none = [replace(f, stress=None) for f in strained]
    assert trust_in_stress(none) is None
    weight, text = told(none)
    assert weight == 0.0 and "stress" not in text


def test_a_stress_under_another_name_is_advised_where_numbers_tell_what_it_is(strained: list[Frame]) -> None:
    named = [
        replace(f, stress=None, info={"virial_raw": KBAR * f.stress})
        for f in strained
        if f.stress is not None
    ]
    assert stress_advice(named) == "--stress-key virial_raw=pressure:kbar"
    assert stress_advice([replace(f, read_with="stress=none") for f in named]) == ""
    alike = [replace(named[0], info={"virial_raw": f.info["virial_raw"]}) for f in named]
    assert stress_advice(strained) == stress_advice(alike) == ""


# by what energies and forces foretell ---------------------------------------------------------------------
def foretold(n: int = 40, groups: tuple[str, ...] = ("a",), seed: int = 0) -> ForetoldStresses:
    """Return stresses of some GPa that are foretold to a tenth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 6)) * [0.02, 0.02, 0.02, 0.01, 0.01, 0.01]
    return ForetoldStresses(
        truth,
        truth + 0.001 * rng.normal(size=truth.shape),
        np.full(n, 0.002),
        rng.uniform(150, 170, n),
        tuple(groups[k % len(groups)] for k in range(n)),
    )


def judged(
    stresses: ForetoldStresses,
    given: np.ndarray | None = None,
    known: bool = False,
    more: tuple[str, ...] = (),
) -> ToldStresses:
    changed = stresses if given is None else replace(stresses, given=given)
    return judge_foretold(changed, {*stresses.groups, *more}, known)


def moved(given: np.ndarray, order: str) -> np.ndarray:
    """Return stresses (n, 6) as a file has them whose places of the shears hold others."""
    return np.concatenate([given[:, :3], given[:, 3:][:, list(ORDERS[order])]], axis=1)


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_is_found_and_put_right(order: str) -> None:
    stresses = foretold()
    wrong = moved(stresses.given, order)
    found = judged(stresses, wrong)
    assert found.trusted and found.orders == ({} if order == AS_GIVEN else {"a": order})
    tensor = wrong[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(-1, 3, 3)
    right = np.array([reordered(own, order) for own in tensor])
    np.testing.assert_array_equal(right[:, *VOIGT], stresses.given)
    np.testing.assert_array_equal(right, right.transpose(0, 2, 1))


def test_orders_that_are_put_right_one_after_the_other_are_one() -> None:
    stress = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    for first in ORDERS:
        for then in ORDERS:
            wanted = reordered(reordered(stress, first), then)
            np.testing.assert_array_equal(reordered(stress, together(first, then)), wanted)
        assert together(first, "none") == together("none", first) == "none"


def test_each_group_has_its_own_order_and_the_silent_ones_follow_where_all_agree() -> None:
    stresses = foretold(60, ("a", "b", "still"))
    names, swap = np.array(stresses.groups), "xz yz xy"
    quiet = stresses.foretold.copy()
    quiet[names == "still", 3:] = 0.0
    stresses = replace(stresses, foretold=quiet, given=np.where(quiet == 0.0, 0.0, stresses.given))
    mixed = np.where((names == "b")[:, None], moved(stresses.given, swap), stresses.given)
    found = judged(stresses, mixed, more=("unseen",))
    assert found.trusted and found.orders == {"b": swap, "still": "none", "unseen": "none"}
    assert "order" in found.reasons["still"]
    both = judged(stresses, moved(stresses.given, swap), more=("unseen",))
    assert both.orders == dict.fromkeys(("a", "b", "still", "unseen"), swap)
    assert judged(stresses, more=("unseen",)).orders == {}


def test_a_group_that_agrees_with_nothing_is_left_out() -> None:
    stresses = foretold(60, ("a", "b"))
    rng, names = np.random.default_rng(5), np.array(stresses.groups)
    noise = rng.normal(size=stresses.given.shape) * 0.02
    found = judged(stresses, np.where((names == "b")[:, None], noise, stresses.given))
    assert found.trusted and found.orders == {"b": "none"} and "do not agree" in found.reasons["b"]


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (-1.0, "eV/Å³, positive under compression"),
        (GPA_PER_EV_PER_ANG3, "GPa, positive under tension"),
        (KBAR, "kbar, positive under compression"),
        ("virial", "virial in eV: minus stress times volume"),
        (2.5, "2.5 times as large"),
    ],
)
def test_sign_and_unit_are_told(factor: float | str, words: str) -> None:
    stresses = foretold()
    times = -stresses.volumes[:, None] if isinstance(factor, str) else factor
    found = judged(stresses, times * stresses.given)
    assert not found.trusted and found.contradicted and words in found.why


def test_large_pressures_do_not_speak_for_a_diagonal_in_another_order() -> None:
    rng, stresses = np.random.default_rng(3), foretold()
    pressure = np.repeat([1.0, 0.0], 3) * 0.1 * rng.normal(size=(40, 1))
    stresses = replace(stresses, given=stresses.given + pressure, foretold=stresses.foretold + pressure)
    assert judged(stresses).trusted
    turned = stresses.given[:, [1, 2, 0, 3, 4, 5]]
    correlation = np.corrcoef(turned[:, :3].ravel(), stresses.foretold[:, :3].ravel())[0, 1]
    assert correlation > 0.9, "as a whole they agree"
    found = judged(stresses, turned)
    assert not found.trusted and "do not agree with what energies and forces foretell" in found.why
    tiny = stresses.foretold + 0.005 * rng.normal(size=(40, 6)) * np.repeat([1.0, 0.0], 3)
    assert judged(replace(stresses, given=tiny)).trusted, "what is off is small beside the rest"


def test_noise_an_open_pressure_and_a_shifted_one_are_not_trusted() -> None:
    stresses, rng = foretold(), np.random.default_rng(3)
    found = judged(stresses, 0.01 * rng.normal(size=(40, 6)))
    assert not found.trusted and "in any sign, unit or order" in found.why
    unsure = replace(stresses, spread=np.full(40, 0.05))
    found = judged(unsure)
    assert not found.trusted and not found.contradicted and "leave open by 8 GPa" in found.why
    assert judged(unsure, known=True).trusted  # strained cells have told
    shifted = stresses.given - 0.01 * np.repeat([1.0, 0.0], 3)
    found = judged(stresses, shifted)
    assert not found.trusted and found.contradicted and "pressures are off by +1.6 GPa" in found.why
    assert judged(stresses, stresses.given - 0.003 * np.repeat([1.0, 0.0], 3)).trusted
    assert not judged(foretold(7)).trusted


# the whole of it ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def copper() -> list[Frame]:
    """Return shaken copper at changing volume; the second half calls itself another group."""
    rng, frames = np.random.default_rng(1), []
    for k in range(30):
        atoms = bulk("Cu", cubic=True, a=3.6 * (1 + 0.015 * rng.normal())) * (2, 1, 1)
        atoms.positions += 0.15 * rng.normal(size=(len(atoms), 3))
        atoms.calc = EMT()
        atoms.get_forces()
        atoms.get_stress()
        atoms.info["group"] = "hot" if k % 2 else "cold"
        frames.append(Frame.from_atoms(atoms))
    return frames


@pytest.fixture(scope="module")
def described(copper: list[Frame]) -> DescriptorSet:
    return compute_descriptors(copper, FUNCTIONS, derivatives=False)


def settled(frames: list[Frame], described: DescriptorSet, threads: int = 1) -> SettledStress:
    return settled_stress(TrainSettings(n_threads=threads), frames, described, threads, Progress())


def exchanged(frames: list[Frame]) -> list[Frame]:
    """Return frames of which the hot ones have yz and xz exchanged."""
    return [
        replace(f, stress=reordered(f.stress, "xz yz xy"))
        if f.stress is not None and f.info["group"] == "hot"
        else f
        for f in frames
    ]


def test_frames_without_strained_pairs_tell_by_their_energies_and_forces(
    copper: list[Frame], described: DescriptorSet
) -> None:
    energies = trust_in_stress(copper)
    assert energies is not None and not energies.trusted
    found = settled(copper, described)
    assert found.settings.stress_weight == USUAL_STRESS_WEIGHT and found.settings.stress_order == {}
    assert "agree with what energies and forces alone foretell" in found.messages[0].text
    for factor, words in ((-1.0, "under compression"), (-KBAR, "kbar"), (2.5, "2.5 times")):
        wrong = [replace(f, stress=factor * f.stress) for f in copper if f.stress is not None]
        left = settled(wrong, described)
        assert left.settings.stress_weight == 0.0 and words in left.messages[0].text


def test_an_exchange_is_said_with_its_frames_and_other_threads_say_the_same(
    copper: list[Frame], described: DescriptorSet
) -> None:
    wrong = exchanged(copper)
    found, again = settled(wrong, described), settled(wrong, described, 2)
    assert found.settings.stress_order == {"hot": "xz yz xy"}
    texts = [message.text for message in found.messages]
    assert texts == [message.text for message in again.messages]
    assert any("15 frames of hot yz and xz are exchanged" in text for text in texts)
    assert found.learned and again.learned
    one, two = (own.posterior.solution.coefficients for own in (found.learned, again.learned))
    np.testing.assert_array_equal(one, two)


def test_the_process_that_told_guides_as_one_made_anew_would(
    copper: list[Frame], described: DescriptorSet
) -> None:
    wrong = exchanged(copper)
    found = settled(wrong, described)
    assert found.learned
    kept = with_their_stresses(found.learned, wrong, found.settings, 1)
    anew = fitted_posterior(wrong, described, found.settings, 1, Progress())
    assert kept.kinds == anew.kinds == ("energy", "forces", "stress")
    np.testing.assert_array_equal(kept.solution.coefficients, anew.solution.coefficients)
    right = fitted_posterior(copper, described, found.settings.replace(stress_order={}), 1, Progress())
    np.testing.assert_allclose(kept.solution.coefficients, right.solution.coefficients)


def test_asking_can_be_cancelled(copper: list[Frame], described: DescriptorSet) -> None:
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        settled_stress(TrainSettings(n_threads=1), copper, described, 1, progress)


def test_a_training_learns_stresses_put_right_and_goes_on_so(copper: list[Frame], tmp_path: Path) -> None:
    wrong, folder = exchanged(copper), tmp_path / "run"
    trainer = Trainer(SETTINGS, wrong[:24], wrong[24:], run_folder=folder)
    trainer.prepare()
    assert trainer.settings.stress_order == {"hot": "xz yz xy"} and trainer.asked.stress_order == {}
    valid = trainer.data.valid
    assert valid is not None
    for data, frames in ((trainer.data.train, copper[:24]), (valid, copper[24:])):
        np.testing.assert_array_equal(data.targets.stress, np.array([f.stress for f in frames]))
    trainer.run()
    going_on = Trainer.resume(folder, SETTINGS.replace(epochs=2), train=wrong[:24], valid=wrong[24:])
    going_on.prepare()
    assert going_on.settings.stress_order == trainer.settings.stress_order
    np.testing.assert_array_equal(going_on.data.train.targets.stress, trainer.data.train.targets.stress)


def stresses(frames: Sequence[Frame]) -> np.ndarray:
    return np.array([f.stress for f in frames])


def test_an_order_that_is_given_stays_where_the_weight_is_left_to_the_data(copper: list[Frame]) -> None:
    wrong, turned = exchanged(copper), "yz xy xz"
    for order, frames in (("xz yz xy", wrong), (turned, wrong), (turned, copper)):
        trainer = Trainer(SETTINGS.replace(stress_order={"hot": order}), frames, [])
        trainer.prepare()
        assert trainer.settings.stress_order == ({} if frames is copper else {"hot": "xz yz xy"})
        np.testing.assert_array_equal(trainer.data.train.targets.stress, stresses(copper))


def test_groups_of_validation_and_test_follow_those_that_tell(copper: list[Frame]) -> None:
    named = [
        replace(f, stress=reordered(f.stress, "xz yz xy"), info={"group": "late" if k > 23 else "early"})
        for k, f in enumerate(copper)
        if f.stress is not None
    ]
    trainer = Trainer(SETTINGS, named[:24], named[24:27], test=named[27:])
    trainer.prepare()
    assert trainer.settings.stress_order == dict.fromkeys(("early", "late"), "xz yz xy")
    assert trainer.data.valid is not None
    np.testing.assert_array_equal(trainer.data.valid.targets.stress, stresses(copper[24:27]))
    tested = trainer.run().test
    assert tested is not None
    found = rmse_report(trainer.potential(), {"test": copper[27:]}, n_threads=1)["test"]
    assert tested["rmse_stress_gpa"]["mean"] == pytest.approx(found["rmse_stress_gpa"]["mean"])


def test_what_is_shown_of_a_run_compares_with_stresses_put_right(
    copper: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, run = exchanged(copper), tmp_path / "run"
    files = [str(tmp_path / name) for name in ("train.extxyz", "valid.extxyz")]
    write_frames(files[0], wrong[:24])
    write_frames(files[1], wrong[24:])
    settings = "--members=1 --hidden=4 --epochs=1 --guidance=0 --threads=1 --device=cpu --preset=26"
    assert main(["train", files[0], "--valid", files[1], "-o", str(run), *settings.split(), "--json"]) == 0
    trained = json.loads(capfd.readouterr().out)["data_sets"]
    assert main(["evaluate", str(run), "--json"]) == 0
    evaluated = json.loads(capfd.readouterr().out)["data_sets"]
    right = rmse_report(Potential.load(run), {"valid": copper[24:]}, n_threads=1)["valid"]
    for shown in (trained, evaluated):
        stress = shown["validation"]["rmse_stress_gpa"]["mean"]
        assert stress == pytest.approx(right["rmse_stress_gpa"]["mean"], rel=1e-4)
    evaluation = evaluation_of_run(run)
    compared, of_run = (
        required(evaluation.known(node) or Missing("")) for node in (COMPARED_FRAMES, RUN_FRAMES)
    )
    training, held_out, _ = _held_out(RunFolder.open(run), None)
    monkeypatch.setattr(mapping_folder, "study", lambda *_, **given: given["training_frames"])
    mapped = cast(Sequence[Frame], mapping_folder.map_run(run, copper))
    shown = (compared[0].frames, of_run[1].frames, held_out["validation"])
    for found, wanted in (
        *((one, copper[24:]) for one in shown),
        (training, copper[:24]),
        (mapped, copper[:24]),
    ):
        np.testing.assert_allclose(stresses(found), stresses(wanted), atol=1e-7)


def test_what_the_user_says_stands(copper: list[Frame]) -> None:
    assert told(copper, stress_weight=0.0)[0] == 0.0
    weight, text = told(exchanged(copper), stress_weight=2.5)
    assert weight == 2.5 and "count as they are, but in those of hot yz and xz are exchanged" in text
    begun = SETTINGS.replace(stress_weight=0.3, stress_order={"hot": "none"})
    assert SETTINGS.filled_from(begun).stress_order == {"hot": "none"}
    with pytest.raises(SettingsError, match="no order of shears"):
        SETTINGS.replace(stress_order={"hot": "xy yx zz"})
