"""Frames that count more or less than once: in losses, filters and files, and not in the errors shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_data import fit_set, mixed_frames, networks, silicon_frames

from nnpcore.errors import RunFolderError, TrainingError
from nnpcore.structures import read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import ControlState, RunFolder, TrainControl, Trainer, TrainSettings
from nnpcore.training.baseline.fitting import make_bases
from nnpcore.training.baseline.normal_equations import NormalEquations
from nnpcore.training.control import Pace
from nnpcore.training.counts import checked_counts, sentence_on, usual_count
from nnpcore.training.data import FitSet, Guide
from nnpcore.training.engines.compiled import CompiledLoss
from nnpcore.training.engines.guide import guide_batch, guide_term
from nnpcore.training.engines.loss import Loss, LossAndGradient
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import EpochOrder, LossWeights, RowScales, make_batch
from nnpcore.training.engines.torch_backend import TorchLoss
from nnpcore.training.optimizers.centering import centered
from nnpcore.training.optimizers.kalman_compiled import CompiledKalman
from nnpcore.training.optimizers.kalman_torch import TorchKalman

ELEMENTS = ("C", "Si")
SETTINGS = TrainSettings(n_members=3, stress_weight=2.0, l2=1e-3)
SMALL = TrainSettings(
    hidden=(6, 5), n_members=2, epochs=3, n_threads=2, device="cpu", batch_frames=3, stress_weight=0.5
)
COUNTS = np.array([1.0, 3.0, 1.0, 2.0, 1.0, 1.0])


def counted(data: FitSet, counts: np.ndarray = COUNTS) -> FitSet:
    return replace(data, targets=replace(data.targets, counts=counts))


def listed() -> FitSet:
    """Return the frames of the mixed set as often as they count, scaled as the set itself is."""
    frames, times = mixed_frames(), COUNTS.astype(int)
    once, whitening = fit_set(frames, ELEMENTS)
    repeated = [frame for frame, n in zip(frames, times, strict=True) for _ in range(n)]
    many, _ = fit_set(repeated, ELEMENTS)
    inputs = whitening.transform(many.descriptors.values, many.descriptors.species).astype(np.float32)
    targets = replace(many.targets, energy=np.repeat(once.targets.energy, times))
    return replace(many, inputs=inputs, matrix=once.matrix, targets=targets)


@pytest.mark.parametrize(
    "make",
    [
        lambda data, packing: CompiledLoss(SETTINGS, data, packing, 1),
        lambda data, packing: TorchLoss(SETTINGS, data, packing, "cpu"),
    ],
    ids=["compiled", "torch"],
)
def test_a_frame_that_counts_three_times_is_one_that_is_listed_three_times(
    make: Callable[[FitSet, Packing], Loss],
) -> None:
    once, many = fit_set(mixed_frames(), ELEMENTS)[0], listed()
    _, packing, flat = networks(ELEMENTS)

    def of(data: FitSet) -> LossAndGradient:
        found = make(data, packing)(np.arange(data.n_frames), flat, lambda: True)
        assert found is not None
        return found

    own, wanted, plain = of(counted(once)), of(many), of(once)
    np.testing.assert_allclose(own.loss, wanted.loss, rtol=1e-5)
    np.testing.assert_allclose(own.gradient, wanted.gradient, rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(own.squares, plain.squares, rtol=1e-6)  # errors shown: every frame once
    assert np.abs(own.loss / plain.loss - 1).max() > 0.01


def test_flat_losses_baselines_and_zeros_follow_the_counts() -> None:
    once, many = counted(fit_set(mixed_frames(), ELEMENTS)[0]), listed()
    weights = [LossWeights.of(SETTINGS, data) for data in (once, many)]
    assert weights[0].flat(once) == pytest.approx(weights[1].flat(many), rel=1e-6)
    scales = [RowScales.of(SETTINGS, data) for data in (once, many)]
    assert scales[0].energy == pytest.approx(scales[1].energy, rel=1e-6)
    assert scales[0].force == pytest.approx(scales[1].force, rel=1e-6)
    bases = make_bases(once, "linear", 0)
    own, wanted = (
        NormalEquations.of(data, one, bases) for data, one in zip((once, many), weights, strict=True)
    )
    np.testing.assert_allclose(own.matrix, wanted.matrix, rtol=1e-4, atol=1e-6)
    assert own.constant == pytest.approx(wanted.constant, rel=1e-5)
    _, packing, flat = networks(ELEMENTS)
    found, expected = (centered(flat, data, packing, "tanh") for data in (once, many))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_epoch_takes_every_frame_as_often_as_it_counts() -> None:
    data = counted(fit_set(mixed_frames(), ELEMENTS)[0], np.array([1.0, 2.6, 0.2, 1.0, 1.0, 5.0]))
    passes = data.targets.passes
    assert passes.tolist() == [1, 3, 1, 1, 1, 5]
    order = EpochOrder.of(3, 1, passes)
    pairs = set(zip(order.frames.tolist(), order.passes.tolist(), strict=True))
    assert len(order.frames) == len(pairs) == passes.sum()
    ones = np.ones(6, dtype=np.int64)
    generator = np.random.default_rng([3, 101, 1])
    assert EpochOrder.of(3, 1, ones).frames.tolist() == generator.permutation(6).tolist()
    scales = RowScales.of(SETTINGS, data)
    twice = np.array([1, 1]), np.array([0, 1])
    batch = make_batch(data, twice[0], scales, 0, 0, 0, twice[1])
    half = len(batch.state) // 2
    assert not np.allclose(batch.state[:half, 1], batch.state[half:, 1])  # other projections
    np.testing.assert_allclose(batch.targets[0, 0], batch.targets[1, 0])
    squares = make_batch(data, order.frames, scales, 0, 0, 0, order.passes).scales[:, 0] ** 2
    sums = np.bincount(order.frames, squares) * (data.targets.n_atoms / scales.energy) ** 2
    np.testing.assert_allclose(sums[data.targets.has_energy], data.targets.counts[data.targets.has_energy])
    assert batch.first is not None and batch.first.tolist() == [True, False]


def test_guidance_counts_as_its_frames_do() -> None:
    data, rng = fit_set(mixed_frames(), ELEMENTS)[0], np.random.default_rng(0)
    n = data.descriptors.n_atoms
    targets = rng.standard_normal((2, n)).astype(np.float32)
    guide = Guide(targets, rng.uniform(1, 2, n).astype(np.float32), 0.1)
    _, packing, flat = networks(ELEMENTS)
    rows = np.repeat(np.arange(6), COUNTS.astype(int))
    atoms = data.atoms_of(rows)
    many = replace(listed(), guide=None)
    repeated = Guide(targets[:, atoms], guide.precision[atoms], guide.loss)
    own = guide_term(counted(data), guide, np.arange(6), flat, packing, "tanh")
    wanted = guide_term(many, repeated, np.arange(len(rows)), flat, packing, "tanh")
    np.testing.assert_allclose(own[0], wanted[0], rtol=1e-5)
    np.testing.assert_allclose(own[1], wanted[1], rtol=1e-3, atol=1e-6)
    thin = counted(data, np.full(6, 0.25))
    part = EpochOrder(np.array([3]), np.zeros(1, dtype=np.int64))
    ratio = guide_batch(thin, guide, part, 0, 0).scales / guide_batch(data, guide, part, 0, 0).scales
    np.testing.assert_allclose(ratio, 0.5)


def test_filters_agree_and_show_every_frame_once() -> None:
    data = counted(fit_set(silicon_frames(6))[0])
    _, packing, flat = networks()
    fast = CompiledKalman(SETTINGS, data, packing, flat, 30)
    plain = TorchKalman(SETTINGS, data, packing, flat, 30, "cpu", torch.float64)
    for epoch in range(2):
        one, other = fast.run_epoch(epoch, Pace()), plain.run_epoch(epoch, Pace())
        assert one is not None and other is not None
        assert one.counts.tolist() == other.counts.tolist() == [6, 3 * 8 * 6, 9 * 6]
        np.testing.assert_allclose(one.squares, other.squares, rtol=0.02)
    assert fast.n_batches == 1 and fast._n_passes == 9


class Stops(TrainControl):
    """Stops when it was asked some times."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    @property
    def state(self) -> ControlState:
        self._left -= 1
        return ControlState.RUNNING if self._left > 0 else ControlState.STOPPING


def on_disk(folder: Path) -> list[Frame]:
    write_frames(folder / "data.extxyz", silicon_frames(9))
    return list(read_dataset(folder / "data.extxyz").frames)


@pytest.mark.parametrize("optimizer", ["kalman", "adam", "lbfgs"])
def test_runs_keep_counts_and_go_on_exactly(optimizer: str, tmp_path: Path) -> None:
    frames, counts = on_disk(tmp_path), [1.0] * 5 + [4.0, 2.5]
    settings = SMALL.replace(optimizer=optimizer, guidance=0.0)

    def new(folder: Path) -> Trainer:
        return Trainer(settings, frames[:7], frames[7:], run_folder=folder, counts=counts)

    whole = new(tmp_path / "whole")
    result = whole.run()
    text = "In this training count 1 frame 2.5 times and 1 frame 4 times, the others once"
    assert text in [m.text for m in result.history[0].messages]
    stops, trainer = 0, new(tmp_path / "parts")
    while trainer.run(control=Stops(after=9)).reason == "stopped":
        stops += 1
        train, valid = (frames[:7], frames[7:]) if stops % 2 else (None, None)
        trainer = Trainer.resume(tmp_path / "parts", train=train, valid=valid)
        assert trainer.counts == tuple(counts)
    assert stops > 0
    np.testing.assert_array_equal(trainer._best.last, whole._best.last)
    for own, other in zip(trainer.history, whole.history, strict=True):
        assert own.train["energy"]["mean"] == other.train["energy"]["mean"]
    kept = RunFolder.open(tmp_path / "parts")
    assert kept.counts == tuple(counts) and len(kept.sources) == 4
    assert [f.index for f in kept.find_frames()["training"]] == list(range(7))


def test_a_run_without_counts_says_nothing_of_them(tmp_path: Path) -> None:
    frames = on_disk(tmp_path)
    trainer = Trainer(SMALL, frames[:7], frames[7:], run_folder=tmp_path / "run", counts=[1.0] * 7)
    assert trainer.counts == ()
    trainer.run()
    content = (tmp_path / "run/data.json").read_text()
    assert '"count"' not in content and RunFolder.open(tmp_path / "run").counts == ()
    document = json.loads(content)
    document["sources"][0]["count"] = -1
    for name in ("sha256", "run"):
        document.pop(name)
    (tmp_path / "run/data.json").write_text(json.dumps(document))
    with pytest.raises(RunFolderError):
        RunFolder.open(tmp_path / "run")


def test_few_added_frames_are_not_outvoted() -> None:
    """Energies of one frame contradict those of the others: the more it counts, the more it is believed."""
    frames = silicon_frames(12)
    assert frames[0].energy is not None
    odd = replace(frames[0], energy=frames[0].energy + 0.8, forces=None, stress=None)
    left = []
    for count in (1.0, 6.0):
        settings = SMALL.replace(epochs=12, batch_frames=None, guidance=0.0)
        trainer = Trainer(settings, [*frames[1:], odd], frames[:2], counts=[1.0] * 11 + [count])
        trainer.run()
        left.append(abs(float(trainer.current_potential().predict([odd]).energy[0]) - (odd.energy or 0.0)))
    assert left[1] < 0.8 * left[0]


def test_rule_and_refusals() -> None:
    assert [usual_count(60, 2), usual_count(100, 1), usual_count(5, 9), usual_count(0, 3)] == [5, 10, 1, 1]
    assert checked_counts([1, 1], 2) == () == checked_counts((), 3)
    assert sentence_on((2.0, 2.0)) == "In this training count 2 frames 2 times"
    for counts in ([1.0], [1.0, 0.0], [1.0, float("nan")], [1.0, float("inf")]):
        with pytest.raises(TrainingError):
            checked_counts(counts, 2)
