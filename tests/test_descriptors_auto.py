"""Symmetry functions made from data: the same for any order and orientation, few, finite, exportable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from builders import build_frame, build_potential
from training_data import silicon_frames

from nnpcore.descriptors import SymmetryFunctions, auto, choose_functions, compute_descriptors
from nnpcore.descriptors.auto import MOST, leading_columns, of_each_kind
from nnpcore.descriptors.functions import G2
from nnpcore.descriptors.pool import Distances, candidates, few_candidates
from nnpcore.errors import Cancelled, DataError, RunFolderError
from nnpcore.exchange import export_as, read_foreign
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.training import DescriptorSettings, RunFolder, Trainer, TrainSettings, choosing
from nnpcore.training.choosing import FEWEST_FRAMES, choice_for

CARBIDE = [build_frame("SiC", rattle=0.1, scale=1 + 0.02 * k, seed=k) for k in range(3)]
SETTINGS = TrainSettings(
    descriptors=DescriptorSettings(preset="auto"),
    hidden=(4,),
    n_members=2,
    epochs=1,
    n_threads=1,
    device="cpu",
)


def turned(frame: Frame, seed: int) -> Frame:
    """Rotate a frame and change the order of its atoms."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(frame.n_atoms)
    return replace(
        frame,
        numbers=frame.numbers[order],
        positions=frame.positions[order] @ rotation,
        cell=frame.cell @ rotation,
    )


@pytest.mark.parametrize("frames", [silicon_frames(3), CARBIDE], ids=["Si", "SiC"])
def test_order_and_orientation_do_not_matter_and_descriptors_are_finite(frames: list[Frame]) -> None:
    chosen = choose_functions(frames, n_threads=1)
    other = choose_functions([turned(frame, k) for k, frame in enumerate(frames)][::-1], n_threads=2)
    assert other.functions == chosen.functions
    for element in chosen.functions.elements:
        own = chosen.functions.functions[element]
        assert 10 < len(own) <= MOST[len(chosen.functions.elements)] < chosen.n_candidates[element]
        assert {e for f in own for e in f.neighbor_elements} == set(chosen.functions.elements)
        assert {type(f).__name__ for f in own} == {"G2", "G4", "G5"}
    found = compute_descriptors(frames, chosen.functions, n_threads=1)
    assert found.derivatives is not None
    assert np.isfinite(found.values).all() and np.isfinite(found.derivatives).all()
    assert f"of {chosen.n_candidates['Si']} candidates for Si" in chosen.sentence


def test_the_cutoff_follows_the_density_and_can_be_given() -> None:
    near, far = (Distances.of([build_frame(scale=s)]).cutoff() for s in (0.9, 1.1))
    assert 3.5 < near < far <= 6.5
    n = 8 / 5.43**3 * np.pi * 4 / 3 * Distances.of([build_frame()]).cutoff() ** 3
    assert 30 < n < 50
    assert choose_functions(CARBIDE, 3.9, most=7, n_threads=1).functions.cutoff == 3.9
    assert choose_functions(CARBIDE, most=9, n_threads=1).functions.n_descriptors <= 11


def test_columns_are_chosen_until_they_tell_all_others() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(200, 3)) * [3.0, 1.0, 0.3]
    matrix = np.concatenate([hidden, hidden @ rng.normal(size=(3, 5))], axis=1)
    taken = leading_columns(matrix.T @ matrix, 8, 1e-9)
    assert len(taken) == 3
    left = matrix - matrix[:, taken] @ np.linalg.lstsq(matrix[:, taken], matrix, rcond=None)[0]
    assert np.abs(left).max() < 1e-9 * np.abs(matrix).max()


def test_columns_of_very_many_candidates_are_those_of_a_whole_diagonalisation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(300, 40)) @ rng.normal(size=(40, 90)) * np.geomspace(1, 1e-2, 90)
    whole = leading_columns(matrix.T @ matrix, 25, 1e-9)
    monkeypatch.setattr(auto, "_MOST_AT_ONCE", 50)
    assert leading_columns(matrix.T @ matrix, 25, 1e-9) == whole and len(whole) == 25


def test_candidates_of_eight_elements_are_bounded() -> None:
    symbols = ["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au", "O"]
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.set_chemical_symbols(symbols * 4)
    atoms.rattle(0.1, rng=np.random.default_rng(0))
    distances = Distances.of([Frame.from_atoms(atoms)])
    found = candidates(distances, 4.0)
    assert len(found) == 8 and max(map(len, found.values())) < 800
    assert sum(map(len, few_candidates(distances, 4.0).values())) < 2000  # unknowns of a fit
    seen = {e for f in found["Cu"] for e in f.neighbor_elements}
    assert seen == set(symbols)


def test_elements_that_do_not_meet_are_not_blind_for_each_other_and_rare_ones_are_found() -> None:
    pair = Frame.from_atoms(Atoms("O2", [[0, 0, 0], [1.2, 0, 0]]))
    frames = [build_frame(seed=k) for k in range(80)] + [pair]
    chosen = choose_functions(frames, n_threads=1).functions
    assert chosen.elements == ("O", "Si")
    for element in chosen.elements:
        assert {e for f in chosen.functions[element] for e in f.neighbor_elements} == {"O", "Si"}


def test_equal_atoms_get_functions_and_isolated_ones_the_reason() -> None:
    assert choose_functions([build_frame(rattle=0.0)], n_threads=1).functions.n_descriptors > 3
    lonely = Frame.from_atoms(Atoms("Cu"))
    with pytest.raises(DataError, match="no atom of the training frames has a neighbor within"):
        choose_functions([lonely] * 3)
    with pytest.raises(DataError, match="has a neighbor within 2 Å"):
        choose_functions([build_frame()], 2.0)


@pytest.mark.parametrize("program", ["n2p2", "simple-nn"])
def test_they_leave_to_other_programs_and_come_back(program: str, tmp_path: Path) -> None:
    functions = choose_functions(CARBIDE, most=12, n_threads=1).functions
    potential = build_potential(functions, CARBIDE, n_members=1)
    potential.save(tmp_path / "potential")
    export_as(tmp_path / "potential", tmp_path / "out", program)
    back, _ = read_foreign([tmp_path / "out"])
    wanted, found = (p.predict(CARBIDE, n_threads=1) for p in (potential, back))
    np.testing.assert_allclose(found.energy, wanted.energy, atol=1e-6)
    assert found.forces is not None and wanted.forces is not None
    np.testing.assert_allclose(found.forces, wanted.forces, atol=1e-6)


def test_a_run_says_which_functions_it_has_used_and_goes_on_with_them(tmp_path: Path) -> None:
    frames = silicon_frames(FEWEST_FRAMES)
    trainer = Trainer(SETTINGS, frames[6:], frames[:6], run_folder=tmp_path / "run")
    heard: list[str] = []
    trainer.prepare(Progress(lambda _, text: heard.append(text)))
    assert "trying symmetry functions" in " ".join(heard)
    result = trainer.run()
    assert result.messages[1].startswith("Symmetry functions")
    assert "Short trainings on 20 frames" in result.messages[1]
    kept = RunFolder.open(tmp_path / "run").settings.descriptors
    assert kept.preset == "auto" and kept.functions is not None
    assert SymmetryFunctions.from_dict(kept.functions) == trainer.functions
    assert Potential.load(tmp_path / "run" / "potential").functions == trainer.functions
    on = Trainer.resume(tmp_path / "run", SETTINGS.replace(epochs=2), train=frames[6:], valid=frames[:6])
    assert on.functions == trainer.functions
    assert len(on.run().history) == 2
    with pytest.raises(RunFolderError, match=r"descriptors\.functions is no longer"):
        other = choose_functions(frames, 4.0).functions.to_dict()
        Trainer.resume(
            tmp_path / "run", SETTINGS.replace(**{"descriptors.functions": other}), train=frames[6:]
        )


def test_the_choice_hangs_neither_on_the_order_nor_on_an_element_of_one_frame_and_can_be_cancelled() -> None:
    frames = silicon_frames(FEWEST_FRAMES)
    lonely = replace(frames[0], numbers=np.full(frames[0].n_atoms, 6))
    settings = SETTINGS.replace(**{"descriptors.cutoff": 3.6})
    first, second = (choice_for([*own, lonely], settings) for own in (frames, frames[::-1]))
    assert first.functions == second.functions
    assert first.functions.elements == ("C", "Si")
    progress = Progress(lambda _, text: progress.cancel() if text.startswith("trying") else None)
    with pytest.raises(Cancelled):
        choice_for(frames, SETTINGS, progress)


@pytest.mark.parametrize("labelled", [True, False])
def test_frames_of_one_volume_and_energy_are_taken_alike_in_any_order(labelled: bool) -> None:
    frames = [build_frame("Si", rattle=0.1, seed=k) for k in range(40)]
    if labelled:
        frames = [replace(f, energy=1e-5 * k, forces=np.zeros((8, 3))) for k, f in enumerate(frames)]
    found = of_each_kind(frames, 12, 10_000)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(40)
        again = of_each_kind([frames[k] for k in order], 12, 10_000)
        assert [id(frame) for frame in again] == [id(frame) for frame in found]


def test_where_only_stress_is_learned_the_usual_weights_choose_and_what_fails_is_the_worst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = silicon_frames(FEWEST_FRAMES)
    only = SETTINGS.replace(energy_weight=0.0, force_weight=0.0, stress_weight=1.0)
    assert choice_for(frames, only).sentence == choice_for(frames, SETTINGS).sentence
    monkeypatch.setattr(choosing, "monitored_score", lambda *_: np.array([np.nan]))
    failed = choice_for(frames, SETTINGS)
    assert "nan" not in failed.sentence and failed.functions == choose_functions(frames).functions


def test_few_frames_get_preset_26() -> None:
    few = choice_for(silicon_frames(FEWEST_FRAMES - 1), SETTINGS.replace(**{"descriptors.cutoff": 4.5}))
    assert few.functions == SymmetryFunctions.preset("26", ["Si"], 4.5)
    assert "too few" in few.sentence


@pytest.mark.parametrize(
    ("scores", "cutoff", "radial"),
    [((1.0, 0.97, 0.98), "usual", False), ((1.0, 0.6, 0.8), "near", False), ((1.0, 1.2, 0.9), "6", True)],
)
def test_another_set_is_taken_where_short_trainings_find_it_clearly_better(
    scores: tuple[float, ...], cutoff: str, radial: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(scores)
    monkeypatch.setattr(choosing, "_score", lambda *_: next(left))
    frames = silicon_frames(FEWEST_FRAMES)
    usual = choose_functions(frames).functions.cutoff
    found = choice_for(frames, SETTINGS)
    wanted = {"usual": usual, "near": round(0.75 * usual, 1), "6": 6.0}[cutoff]
    assert found.functions.cutoff == wanted
    assert (found.functions == SymmetryFunctions.preset("26", ["Si"], 6.0)) == radial
    assert "1.00, " in found.sentence


def test_the_better_functions_win_a_short_training() -> None:
    frames = silicon_frames(FEWEST_FRAMES)
    poor = SymmetryFunctions({"Si": (G2("Si", 0.01, 0.0, 6.0),)})
    good = SymmetryFunctions.preset("26", ["Si"], 6.0)
    scores = [choosing._score(f, frames[6:], frames[:6], SETTINGS, Progress()) for f in (poor, good)]
    assert scores[1] < scores[0] - 0.1
