"""Guidance: atomic energies that data leave open follow a posterior, by rows and by a term of the loss."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from training_data import fit_set, mixed_frames, networks, silicon_frames

from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.posterior import Posterior
from nnpcore.training import KalmanSettings, TrainControl, Trainer, TrainSettings, guidance
from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet, Guide
from nnpcore.training.engines.compiled import CompiledLoss
from nnpcore.training.engines.guide import ROWS_OF_DATA, ROWS_PER_FRAME, guide_batch, guide_term
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import EpochOrder
from nnpcore.training.engines.torch_backend import TorchLoss
from nnpcore.training.guidance import GuidancePlan, guide_of, missed_by
from nnpcore.training.guidance_posterior import representative_frames
from nnpcore.training.optimizers.centering import networks_of
from nnpcore.training.optimizers.kalman_compiled import CompiledKalman
from nnpcore.training.optimizers.kalman_torch import TorchKalman
from nnpcore.training.optimizers.lbfgs import LbfgsOptimizer

ELEMENTS = ("C", "Si")
SETTINGS = TrainSettings(batch_frames=2, n_members=2, kalman=KalmanSettings(rows_per_frame=3, block_size=30))


def guided(precision: float = 1e4) -> FitSet:
    """Return frames of two elements with atomic energies drawn at random as a guide."""
    data, _ = fit_set(mixed_frames(), ELEMENTS)
    rng = np.random.default_rng(2)
    n = data.descriptors.n_atoms
    targets = rng.normal(0.0, 0.1, (2, n)).astype(np.float32)
    return replace(
        data, guide=Guide(targets, np.full(n, precision, np.float32) * rng.uniform(0.5, 2, n), 0.01)
    )


def misfit(data: FitSet, weights: np.ndarray, packing: Packing) -> np.ndarray:
    """Return the mean square of what members' atomic energies lack of the guide's, (n_members,)."""
    assert data.guide is not None
    found = networks_of(weights, packing, "tanh").energies(data.inputs, data.descriptors.species)
    return ((found - data.guide.targets) ** 2).mean(axis=1)


def test_the_term_of_the_loss_is_what_it_says_and_its_gradient_is_its_derivative() -> None:
    data = guided()
    guide = data.guide
    assert guide is not None
    _, packing, flat = networks(ELEMENTS)
    frames = np.array([0, 3, 4])
    atoms = data.atoms_of(frames)
    energies = networks_of(flat, packing, "tanh").energies(
        data.inputs[atoms], data.descriptors.species[atoms]
    )
    wanted = (guide.precision[atoms] * (energies - guide.targets[:, atoms]) ** 2).mean(axis=1)
    loss, gradient = guide_term(data, guide, frames, flat, packing, "tanh")
    np.testing.assert_allclose(loss, wanted * guide.loss * ROWS_PER_FRAME / ROWS_OF_DATA, rtol=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(3):
        move = rng.standard_normal(flat.shape)
        up, down = (
            guide_term(data, guide, frames, flat + h * move, packing, "tanh")[0] for h in (1e-5, -1e-5)
        )
        np.testing.assert_allclose((gradient * move).sum(axis=1), (up - down) / 2e-5, rtol=1e-6, atol=1e-6)


def test_both_losses_have_the_term() -> None:
    data = guided()
    bare = replace(data, guide=None)
    _, packing, flat = networks(ELEMENTS)
    frames, go_on = np.arange(data.n_frames), lambda: True
    assert data.guide is not None
    wanted = guide_term(data, data.guide, frames, flat, packing, "tanh")
    for make in (
        lambda d: CompiledLoss(SETTINGS, d, packing, 1),
        lambda d: TorchLoss(SETTINGS, d, packing, "cpu"),
    ):
        one, other = make(data)(frames, flat, go_on), make(bare)(frames, flat, go_on)
        assert one is not None and other is not None
        np.testing.assert_allclose(one.loss - other.loss, wanted[0], rtol=1e-6)
        np.testing.assert_allclose(one.gradient - other.gradient, wanted[1], rtol=1e-5, atol=1e-9)


def test_rows_are_energies_of_single_atoms_with_each_member_s_target() -> None:
    data = guided()
    _, packing, flat = networks(ELEMENTS)
    assert data.guide is not None
    batch = guide_batch(data, data.guide, EpochOrder(np.array([1, 4]), np.zeros(2, dtype=np.int64)), 0, 0)
    assert len(batch.frames) == 2 * ROWS_PER_FRAME == len(set(batch.frames.tolist()))
    optimizer = CompiledKalman(SETTINGS, data, packing, flat, 30)
    for member, weights in enumerate(flat):
        values = optimizer._filter.rows(weights, batch)[1][:, 0]
        own = networks_of(weights[None], packing, "tanh")
        expected = own.energies(data.inputs[batch.frames], data.descriptors.species[batch.frames])[0]
        np.testing.assert_allclose(values, expected, atol=1e-5)
        targets = batch.of_member(member).targets[:, 0]
        np.testing.assert_allclose(targets, data.guide.targets[member, batch.frames], atol=1e-7)


@pytest.mark.parametrize("noise", [1.0, 0.0])
def test_compiled_filter_follows_as_the_plain_one_does(noise: float) -> None:
    data = guided(1e3)
    _, packing, flat = networks(ELEMENTS)
    settings = SETTINGS.replace(**{"kalman.noise": noise})
    fast = CompiledKalman(settings, data, packing, flat, 30)
    plain = TorchKalman(settings, data, packing, flat, 30, "cpu", torch.float64)
    for epoch in range(2):
        fast.run_epoch(epoch, Pace())
        plain.run_epoch(epoch, Pace())
    np.testing.assert_allclose(fast.weights(), plain.weights(), atol=5e-3)
    alone = CompiledKalman(settings, replace(data, guide=None), packing, flat, 30)
    for epoch in range(2):
        alone.run_epoch(epoch, Pace())
    assert (misfit(data, fast.weights(), packing) < 0.7 * misfit(data, alone.weights(), packing)).all()


def test_members_follow_draws_of_the_posterior_under_a_prior_of_physical_size() -> None:
    frames = silicon_frames(8)
    data, _ = fit_set(frames)
    posterior = Posterior.fit(frames, data.descriptors.functions, n_threads=1)
    d = data.descriptors
    assert posterior.scatter.any()
    guide = guide_of(posterior, frames, data, [-1.0], TrainSettings(guidance=2.0, n_members=3), 0.1)
    mean = posterior.energies_of(d.values, d.species) + 1.0
    np.testing.assert_allclose(guide.targets.mean(axis=0), mean, atol=1e-5)
    variance = posterior.spreads_of(d.values, d.species) ** 2
    np.testing.assert_allclose(2.0 / guide.precision, variance + 4e-6, rtol=1e-4)
    assert 0.3 < guide.targets.var(axis=0).mean() / variance.mean() < 1.2
    single = guide_of(posterior, frames, data, [-1.0], TrainSettings(guidance=2.0, n_members=1), 0.1)
    np.testing.assert_allclose(single.targets[0], mean, atol=1e-5)


@pytest.mark.parametrize(("optimizer", "epochs"), [("kalman", 5), ("adam", 23), ("lbfgs", 53)])
def test_a_training_begins_to_follow_and_goes_on_exactly(optimizer: str, epochs: int, tmp_path: Path) -> None:
    frames = silicon_frames(10)
    settings = TrainSettings(
        optimizer=optimizer, epochs=epochs, n_members=2, hidden=(6,), n_threads=1, guidance=0.3
    )
    whole = Trainer(settings, frames[:7], frames[7:])
    result = whole.run()
    assert any("Guidance by a posterior of 7 frames" in message for message in result.messages)
    control = TrainControl()
    folder = tmp_path / "run"
    Trainer(settings, frames[:7], frames[7:], run_folder=folder).run(
        lambda record, _: control.stop() if record.epoch == epochs - 1 else None, control
    )
    again = Trainer.resume(folder, train=frames[:7], valid=frames[7:])
    assert (again.run().potential.weights.flatten() == result.potential.weights.flatten()).all()
    assert int(result.best_epoch.min()) > GuidancePlan(settings, optimizer).epochs  # type: ignore[operator]


def test_a_stop_while_the_posterior_is_made_ends_the_training() -> None:
    frames, control = silicon_frames(8), TrainControl()
    trainer = Trainer(
        TrainSettings(epochs=6, n_members=1, hidden=(4,), n_threads=1, guidance=0.3), frames[:6], frames[6:]
    )
    assert (
        trainer.run(lambda record, _: control.stop() if record.epoch == 2 else None, control).reason
        == "stopped"
    )
    assert len(trainer.history) == 2 and trainer._guide is None
    assert trainer.run().reason == "finished" and trainer._guide is not None


def test_no_guidance_under_a_baseline_or_at_weight_zero() -> None:
    assert GuidancePlan(TrainSettings(guidance=0.0), "kalman").epochs is None
    assert GuidancePlan(TrainSettings(guidance=0.3, baseline="linear"), "kalman").epochs is None
    assert GuidancePlan(TrainSettings(guidance=0.3), "kalman").epochs == 2


def test_frames_without_a_posterior_train_on() -> None:
    frames = silicon_frames(6)
    trainer = Trainer(
        TrainSettings(epochs=4, n_members=1, hidden=(4,), n_threads=1, guidance=0.3),
        [frames[0]] * 4,
        frames[4:],
    )
    assert trainer.run().reason == "finished"
    assert len(trainer.history) == 4
    assert isinstance(trainer.functions, SymmetryFunctions)


def test_a_posterior_that_misses_the_energies_does_not_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = silicon_frames(8)
    data, _ = fit_set(frames)
    d, posterior = data.descriptors, Posterior.fit(frames, data.descriptors.functions, n_threads=1)
    shifted = replace(
        data, targets=replace(data.targets, energy=data.targets.energy + 0.03 * data.targets.n_atoms)
    )
    said = posterior.energies_of(d.values, d.species) + 1.0
    sums = np.array([said[a:b].sum() for a, b in pairwise(d.frame_start)])
    wanted = 1e3 * np.sqrt(np.mean(((sums - shifted.targets.energy) / shifted.targets.n_atoms) ** 2))
    assert missed_by(posterior, shifted, [-1.0]) == pytest.approx(wanted) and wanted > 20
    settings = TrainSettings(epochs=5, n_members=2, hidden=(6,), n_threads=1, guidance=0.3)
    without = Trainer(settings.replace(guidance=0.0), frames[:6], frames[6:]).run()
    for missed, guided in ((30.0, True), (1e6, False)):
        monkeypatch.setattr(guidance, "missed_by", lambda *_, missed=missed: missed)
        monkeypatch.setattr(guidance, "_energy_rmse", lambda _: 7.0)
        result = Trainer(settings, frames[:6], frames[6:]).run()
        assert any(guidance.NO_GUIDANCE in message for message in result.messages) != guided
        same = (result.potential.weights.flatten() == without.potential.weights.flatten()).all()
        assert same != guided


def test_few_frames_of_another_kind_guide_too() -> None:
    """Compressed and stretched crystals at the end of many thermal frames are not thinned out."""
    usual = silicon_frames(40)
    others = [replace(f, positions=f.positions * s, cell=f.cell * s) for f in usual[:1] for s in (0.93, 1.06)]
    found = compute_descriptors(
        [*usual, *others], SymmetryFunctions.preset("26", ["Si"], 4.0), derivatives=False
    )
    chosen = representative_frames(found, 10)
    assert len(set(chosen)) == len(chosen) == 10 and chosen == sorted(chosen)
    assert {40, 41} <= set(chosen)
    assert representative_frames(found, 42) == list(range(42))


def test_lbfgs_goes_on_with_what_it_knows_of_the_curvature() -> None:
    """Given the same targets again it takes the steps it would have taken, one evaluation later."""
    data = replace(guided(), guide=None)
    _, packing, flat = networks(ELEMENTS)
    losses = []
    for again in (False, True):
        optimizer = LbfgsOptimizer(CompiledLoss(SETTINGS, data, packing, 1), flat)
        for epoch in range(40):
            optimizer.run_epoch(epoch, Pace())
        if again:
            optimizer.retarget(data)
            optimizer.run_epoch(40, Pace())
        for epoch in range(40 + again, 60 + again):
            optimizer.run_epoch(epoch, Pace())
        found = CompiledLoss(SETTINGS, data, packing, 1)(
            np.arange(data.n_frames), optimizer.weights(), lambda: True
        )
        assert found is not None
        losses.append(found.loss)
    assert (losses[1] < 1.05 * losses[0]).all()
