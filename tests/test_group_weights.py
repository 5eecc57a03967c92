"""Weights of groups: what they make of losses, filters and baselines, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_data import fit_set, mixed_frames, networks, silicon_frames

from nnpcore.cli import main
from nnpcore.errors import DataError, SettingsError, TrainingError
from nnpcore.progress import Progress
from nnpcore.structures import group_of, read_dataset, split_frames, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer, TrainSettings
from nnpcore.training.baseline.fitting import make_bases
from nnpcore.training.baseline.normal_equations import NormalEquations
from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet
from nnpcore.training.engines.compiled import CompiledLoss
from nnpcore.training.engines.loss import Loss
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import LossWeights, RowScales, make_batch
from nnpcore.training.engines.torch_backend import TorchLoss
from nnpcore.training.evaluate import prediction_errors
from nnpcore.training.group_weights import check_group_weights, counted_labels, read_weights, weights_of
from nnpcore.training.guidance import fitted_posterior
from nnpcore.training.optimizers.centering import centered
from nnpcore.training.optimizers.kalman_compiled import CompiledKalman
from nnpcore.training.optimizers.kalman_torch import TorchKalman

ELEMENTS = ("C", "Si")
SETTINGS = TrainSettings(n_members=2, stress_weight=2.0, l2=1e-3)
SMALL = TrainSettings(
    hidden=(6, 5), n_members=2, epochs=3, n_threads=1, device="cpu", stress_weight=0.5, guidance=0.0
)
WEIGHTS = np.array([[1, 2, 1], [0, 1, 3], [1, 1, 1], [0, 0, 0], [2.5, 0, 1], [1, 1, 0]], dtype=float)


def weighted(data: FitSet, weights: np.ndarray = WEIGHTS) -> FitSet:
    return replace(data, targets=replace(data.targets, group_weights=weights))


def only(data: FitSet, energy: float, forces: float, stress: float) -> FitSet:
    """Return a set in which only some kinds of labels count, by the same factor for all frames."""
    return weighted(data, np.tile([energy, forces, stress], (data.n_frames, 1)))


LOSSES = {
    "compiled": lambda data, packing: CompiledLoss(SETTINGS, data, packing, 1),
    "torch": lambda data, packing: TorchLoss(SETTINGS, data, packing, "cpu"),
}


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
def test_the_loss_is_the_weighted_mean_of_each_quantity(make: Callable[[FitSet, Packing], Loss]) -> None:
    """Worked out from the predictions alone, frame by frame."""
    data = fit_set(mixed_frames(), ELEMENTS)[0]
    _, packing, flat = networks(ELEMENTS)
    found = make(weighted(data), packing)(np.arange(6), flat, lambda: True)
    plain = make(data, packing)(np.arange(6), flat, lambda: True)
    assert found is not None and plain is not None
    own, t, sums, n = LossOf(data, packing, flat), data.targets, np.zeros((3, 2)), np.zeros(3)
    for frame, (energy, force, stress) in enumerate(WEIGHTS):
        e, f, s = own.errors(frame)
        sums += np.array([energy * e, force * f, stress * s])
        n += [
            energy * t.has_energy[frame],
            force * t.has_forces[frame] * t.n_atoms[frame],
            stress * t.has_stress[frame],
        ]
    parts = [w * part / count for w, part, count in zip(SETTINGS.loss_weights, sums, n, strict=True)]
    l2 = SETTINGS.l2 * (flat**2).sum(axis=1)
    np.testing.assert_allclose(found.loss, sum(parts) + l2, rtol=1e-4)
    np.testing.assert_allclose(found.squares, plain.squares, rtol=1e-6)  # what is shown: every frame once
    step = 1e-3 * np.random.default_rng(0).standard_normal(flat.shape)
    ends = [make(weighted(data), packing)(np.arange(6), flat + k * step, lambda: True) for k in (-1, 1)]
    assert ends[0] is not None and ends[1] is not None
    slope = (ends[1].loss - ends[0].loss) / 2
    np.testing.assert_allclose((found.gradient * step).sum(axis=1), slope, rtol=0.02, atol=1e-5)


class LossOf:
    """Squared errors of one frame, by one loss that sees that frame alone."""

    def __init__(self, data: FitSet, packing: Packing, flat: np.ndarray) -> None:
        self._loss, self._flat = CompiledLoss(SETTINGS, data, packing, 1), flat

    def errors(self, frame: int) -> np.ndarray:
        found = self._loss(np.array([frame]), self._flat, lambda: True)
        assert found is not None
        return found.squares[:, :-1]


def test_a_weight_for_all_is_no_weight() -> None:
    data = fit_set(mixed_frames(), ELEMENTS)[0]
    _, packing, flat = networks(ELEMENTS)
    losses = [CompiledLoss(SETTINGS, d, packing, 1) for d in (data, only(data, 2, 5, 0.1))]
    one, other = (loss(np.arange(6), flat, lambda: True) for loss in losses)
    assert one is not None and other is not None
    np.testing.assert_allclose(one.gradient, other.gradient, rtol=1e-5, atol=1e-9)


def test_weight_two_counts_twice_and_weight_zero_leaves_rows_out_of_the_baseline() -> None:
    data, rng = fit_set(mixed_frames(), ELEMENTS)[0], np.random.default_rng(2)
    bases, times = make_bases(data, "linear", 0), rng.integers(0, 3, 6)
    own = weighted(data, np.repeat(times[:, None], 3, axis=1).astype(float))
    counted = replace(data, targets=replace(data.targets, counts=times.astype(float)))
    found, wanted = (NormalEquations.of(d, LossWeights.of(SETTINGS, d), bases) for d in (own, counted))
    np.testing.assert_allclose(found.matrix, wanted.matrix, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.right, wanted.right, rtol=1e-6, atol=1e-12)
    assert found.n_frames == np.count_nonzero(times)


def kalman_step(data: FitSet, frames: list[int], passes: list[int], flat: np.ndarray, packing: Packing):
    """Return the weights of a filter after one batch, one energy row a frame, with noise of one."""
    settings = SETTINGS.replace(force_weight=0.0, stress_weight=0.0, l2=0.0, **{"kalman.noise": 0.0})
    batch = make_batch(
        data, np.array(frames), replace(RowScales.of(settings, data), energy=1.0), 0, 0, 0, np.array(passes)
    )
    filters = CompiledKalman(settings, data, packing, flat, 1000)
    for member in filters._members:
        filters._filter.step(member, batch, 1.0)
    return filters.weights(), batch


def test_a_filter_takes_a_row_of_weight_two_as_two_rows_and_of_weight_zero_as_none() -> None:
    data = fit_set(silicon_frames(4))[0]
    _, packing, flat = networks()
    weights = np.ones((4, 3))
    weights[1], weights[2] = 2.0, 0.0
    own, batch = kalman_step(weighted(data, weights), [0, 1, 2, 3], [0, 0, 0, 0], flat, packing)
    wanted, _ = kalman_step(data, [0, 1, 1, 3], [0, 0, 0, 0], flat, packing)
    np.testing.assert_allclose(own, wanted, rtol=1e-4, atol=1e-5)
    assert np.abs(own - flat).max() > 1e-3
    assert batch.scales[2, 0] == 0 and batch.times is not None
    ones = np.ones(batch.scales.size) * batch.scales.ravel()
    assert batch.mean_square(ones) == pytest.approx(4 / 4 * (batch.scales[0, 0] ** 2))


def test_filters_agree_about_weights_and_nothing_is_learned_of_weight_zero() -> None:
    data = fit_set(silicon_frames(6))[0]
    weights = np.array([[1, 1, 1], [0, 0, 0], [3, 0, 1], [0, 2, 0], [1, 1, 1], [0, 0, 0]], dtype=float)
    own = weighted(data, weights)
    _, packing, flat = networks()
    settings = SETTINGS.replace(batch_frames=1)
    fast = CompiledKalman(settings, own, packing, flat, 30)
    plain = TorchKalman(settings, own, packing, flat, 30, "cpu", torch.float64)
    for epoch in range(2):
        one, other = fast.run_epoch(epoch, Pace()), plain.run_epoch(epoch, Pace())
        assert one is not None and other is not None
        np.testing.assert_allclose(one.squares, other.squares, rtol=0.03)
        assert one.counts.tolist() == [6, 3 * 8 * 6, 9 * 6]  # errors shown: of all frames
    spoiled = replace(own.targets, energy=own.targets.energy + 50.0 * (weights[:, 0] == 0))
    other = CompiledKalman(settings, replace(own, targets=spoiled), packing, flat, 30)
    again = CompiledKalman(settings, own, packing, flat, 30)
    for filters in (other, again):
        filters.run_epoch(0, Pace())
    np.testing.assert_array_equal(other.weights(), again.weights())
    np.testing.assert_array_equal(
        centered(flat, own, packing, "tanh"), centered(flat, replace(own, targets=spoiled), packing, "tanh")
    )


def test_scores_of_validation_frames_are_weighted_and_errors_shown_are_not() -> None:
    from nnpcore.training.engines.compiled import predict

    data = fit_set(mixed_frames(), ELEMENTS)[0]
    _, packing, flat = networks(ELEMENTS)
    found = prediction_errors(weighted(data), predict(data, flat, packing, "tanh"))
    plain = prediction_errors(data, predict(data, flat, packing, "tanh"))
    assert plain.weighted is None and found.weighted is not None
    np.testing.assert_allclose(found.squares, plain.squares)
    loss = CompiledLoss(SETTINGS, weighted(data), packing, 1)
    sums = [loss._part(np.arange(6), flat, np.ones(3), None)[0][1]]
    np.testing.assert_allclose(found.weighted.squares, sums[0], rtol=1e-4)
    t = data.targets
    n = [
        WEIGHTS[t.has_energy, 0].sum(),
        3 * (WEIGHTS[:, 1] * t.n_atoms)[t.has_forces].sum(),
        9 * WEIGHTS[t.has_stress, 2].sum(),
    ]
    np.testing.assert_allclose(found.weighted.counts, n)


def grouped(n: int = 12) -> list[Frame]:
    """Return frames of two groups: bulk, and one whose energies are wrong by 3 eV."""
    found = []
    for k, frame in enumerate(silicon_frames(n)):
        wrong = k % 3 == 0
        energy = (frame.energy or 0.0) + 3.0 * wrong
        found.append(replace(frame, energy=energy, info={"config_type": "wrong" if wrong else "bulk"}))
    return found


@pytest.mark.parametrize("optimizer", ["kalman", "adam", "lbfgs"])
def test_a_group_without_weight_teaches_nothing(optimizer: str, tmp_path: Path) -> None:
    frames = grouped()
    write_frames(tmp_path / "data.extxyz", frames)
    frames = list(read_dataset(tmp_path / "data.extxyz").frames)
    settings = SMALL.replace(
        optimizer=optimizer, epochs=4, guidance=0.1, group_weights={"wrong": {"energy": 0.0}}
    )
    spoiled = [
        replace(f, energy=(f.energy or 0.0) + 7.0) if f.info["config_type"] == "wrong" else f for f in frames
    ]
    trainers = [
        Trainer(settings, own[:9], own[9:], run_folder=folder)
        for own, folder in ((frames, tmp_path / "run"), (spoiled, None))
    ]
    results = [trainer.run() for trainer in trainers]
    for one, other in zip(*(t._best.weights for t in trainers), strict=True):
        np.testing.assert_array_equal(one, other)
    texts = [m.text for m in results[0].history[0].messages]
    assert "Weights of groups: wrong energies 0, forces 1, stresses 1" in texts
    kept = RunFolder.open(tmp_path / "run").settings
    assert kept.group_weights == settings.group_weights
    assert kept.changed(kept.replace(group_weights={})) == ["group_weights"]
    resumed = Trainer.resume(tmp_path / "run", kept.replace(epochs=5))
    assert resumed.run().history[-1].epoch == 5


def test_groups_are_told_by_the_value_that_is_asked_for() -> None:
    frame = replace(silicon_frames(1)[0], info={"tag": "a b", "config_type": "liquid", "T": 300})
    assert group_of(frame) == "liquid" and group_of(frame, "tag") == "a b" and group_of(frame, "T") == "300"
    from_file = replace(frame, info={"tag": " "}, source="/data/here/md.xyz")
    assert group_of(from_file) == "md.xyz" == group_of(from_file, "group")
    assert group_of(replace(frame, info={})) == "without group"
    frames = [replace(frame, info={"T": k // 2}, source="one") for k in range(8)]
    train, valid = split_frames(frames, 0.25, 0, "groups", group_key="T")
    assert {k // 2 for k in train}.isdisjoint({k // 2 for k in valid})
    with pytest.raises(DataError, match=r"no frame has a value 'phase'.*they have 'T'"):
        split_frames(frames, 0.25, 0, "groups", group_key="phase")
    told = Trainer(SMALL.replace(group_key="phase"), grouped(6), [])._opening
    assert any("The files count as groups: no frame has a value 'phase'" in m.text for m in told)


def test_what_is_refused_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    frames = grouped(6)
    with pytest.raises(DataError, match=r"group_weights: no frame is of the group 'bulkk'.*'wrong', 'bulk'"):
        check_group_weights(frames, [], SMALL.replace(group_weights={"bulkk": 2}))
    told = Trainer(SMALL.replace(group_weights={"bulkk": 2}), frames, [])._opening
    assert any("'bulkk': its weight does nothing" in m.text for m in told)
    told = Trainer(SMALL.replace(group_weights={"wrong": 0}), grouped(6)[1:3], grouped(6)[3:4])._opening
    assert not any("does nothing" in m.text for m in told), "it is validated on"
    nothing = {"wrong": 0, "bulk": 0}
    with pytest.raises(TrainingError, match="leave nothing to learn"):
        Trainer(SMALL.replace(group_weights=nothing), frames, [])
    only_forces = SMALL.replace(
        energy_weight=0.0, stress_weight=0.0, group_weights={"wrong": {"forces": 0}, "bulk": {"forces": 0}}
    )
    with pytest.raises(TrainingError, match="leave nothing to learn"):
        Trainer(only_forces, frames, [])
    assert Trainer(SMALL.replace(group_weights={"wrong": 0}), frames, []).train_frames == tuple(frames)
    for value, where in (
        (-1, "group_weights.bulk"),
        ({"force": 2}, "group_weights.bulk.force"),
        ("x", "bulk"),
    ):
        with pytest.raises(SettingsError) as caught:
            TrainSettings.model_validate({"group_weights": {"bulk": value}})
        assert where in caught.value.where
    path = tmp_path / "weights.toml"
    path.write_text('"Ground state" = 5\n[Surface]\nenergy = 2\nforces = 0.5\n')
    found = read_weights(path)
    assert found["Ground state"].numbers == (5, 5, 5) and found["Surface"].numbers == (2, 0.5, 1)
    settings = TrainSettings(group_weights=found)
    settings.to_toml(tmp_path / "run.toml")
    assert TrainSettings.from_toml(tmp_path / "run.toml") == settings
    assert read_weights(tmp_path / "run.toml") == found
    for text in ("Surface = ", "[Surface]\nenergie = 2\n", "Surface = -2\n"):
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"weights\.toml"):
            read_weights(path)
    with pytest.raises(SettingsError, match=r"weights\.toml, Surface\.energy: "):
        read_weights(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_weights(tmp_path / "none.toml")
    for text, what in (
        ("Surface = true", "true is no weight"),
        ('Surface = "a"', '"a" is no weight'),
        ("Surface = [2]", "is no weight"),
        ("[Surface]\nforces = true", r"Surface\.forces: true is no weight"),
        ("", "there are no weights"),
        ("# Surface = 2", "there are no weights"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=what) as caught:
            read_weights(path)
        assert "dictionary" not in str(caught.value) and caught.value.fix.startswith("Write a ")


@pytest.mark.parametrize(
    ("text", "what"),
    [("bulkk = 2", "no frame is of the group 'bulkk'"), ("bulk = 0\nwrong = 0", "nothing to learn")],
)
def test_weights_that_do_not_fit_are_refused_by_the_name_of_their_file(
    text: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, weights = tmp_path / "data.extxyz", tmp_path / "weights.toml"
    write_frames(data, grouped(6))
    weights.write_text(text)
    assert main(["train", str(data), "-o", str(tmp_path / "run"), "--weights", str(weights)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{weights}: " in said and what in said and "group_weights" not in said
    assert not (tmp_path / "run").exists()


def test_labels_of_weight_zero_are_left_out_of_what_is_learned_from() -> None:
    frames = grouped(6)
    settings = TrainSettings().replace(group_weights={"wrong": {"energy": 0, "stress": 0.5}})
    assert weights_of(frames, settings)[:2].tolist() == [[0, 1, 0.5], [1, 1, 1]]
    found = counted_labels(frames, settings)
    assert found[0].energy is None and found[0].forces is not None and found[0].stress is not None
    assert found[0].label_weights == (0.0, 1.0, 0.5)
    assert found[1] is frames[1]


def test_a_posterior_of_a_training_weighs_labels_as_its_loss() -> None:
    """Energies of one group are wrong: with a small weight they do not raise the noise of the others."""
    frames = grouped(16)
    data = fit_set(frames, ("Si",))[0]
    noises = []
    for weight in (1.0, 1e-4):
        settings = SMALL.replace(group_weights={"wrong": {"energy": weight}})
        found = fitted_posterior(frames, data.descriptors, settings, 1, Progress())
        noises.append(found.hyper.noise["energy"])
    assert noises[1] < 0.3 * noises[0]


@pytest.mark.parametrize(
    "command", [["train"], ["learning-curve"], ["sweep", "--setting", "seed", "--values", "1,2"]]
)
def test_commands_that_train_refuse_groups_that_are_not_there(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, config = tmp_path / "data.extxyz", tmp_path / "settings.toml"
    write_frames(data, grouped(24))
    config.write_text("[group_weights]\nbulkk = 2\n")
    options = ["--config", str(config), "-o", str(tmp_path / "out")]
    assert main([*command, str(data), *options]) == 1
    assert "no frame is of the group 'bulkk'" in " ".join(capsys.readouterr().err.split())
    assert main([*command, str(data), "-o", str(tmp_path / "out"), "--group-key", "phase"]) == 1
    assert "no frame has a value 'phase' to tell its group by" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
