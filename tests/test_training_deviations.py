"""Members that differ as the posterior says: axes, what they cost, data moved for each, and trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from training_data import fit_set, networks, silicon_frames

from nnpcore.posterior import Posterior
from nnpcore.posterior.moments import MANDEL
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainControl, Trainer, TrainSettings
from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet, Guide, MemberValues
from nnpcore.training.deviations import STRAINS, OpenAxes, affordable, moved_by, open_energies
from nnpcore.training.engines.compiled import CompiledLoss
from nnpcore.training.engines.loss import Loss, LossAndGradient
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import RowScales, make_batch
from nnpcore.training.engines.torch_backend import TorchLoss
from nnpcore.training.optimizers.kalman_compiled import CompiledKalman
from nnpcore.training.optimizers.kalman_torch import TorchKalman

SETTINGS = TrainSettings(n_members=2, stress_weight=2.0, guidance=0.3, spread_cost=0.1)
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


@pytest.fixture(scope="module")
def known() -> tuple[list[Frame], FitSet, Posterior]:
    frames = silicon_frames(7)
    data, _ = fit_set(frames)
    return frames, data, Posterior.fit(frames, data.descriptors.functions, n_threads=1)


def moved_set(data: FitSet, member: int, moved: MemberValues) -> FitSet:
    """Return the set as one member sees it, with no guide."""
    t = data.targets
    stress = t.stress + moved.virials[:, member] / t.volume[:, None, None]
    energy, forces = t.energy + moved.energies[:, member], t.forces + moved.forces[:, member]
    return replace(data, guide=None, targets=replace(t, energy=energy, forces=forces, stress=stress))


def guided(data: FitSet, moved: MemberValues) -> FitSet:
    n = data.descriptors.n_atoms
    return replace(data, guide=Guide(np.zeros((2, n), np.float32), np.zeros(n, np.float32), 0.1, moved))


@pytest.fixture(scope="module")
def moved(known: tuple[list[Frame], FitSet, Posterior]) -> MemberValues:
    _, data, posterior = known
    rng = np.random.default_rng(2)
    return moved_by(posterior, 0.05 * rng.standard_normal((2, posterior.size)), data)


def test_moved_data_are_rows_of_the_posterior_s_functions(
    known: tuple[list[Frame], FitSet, Posterior],
) -> None:
    frames, data, posterior = known
    deviations = 0.05 * np.random.default_rng(2).standard_normal((2, posterior.size))
    found, start = moved_by(posterior, deviations, data), data.descriptors.frame_start
    for k, frame in enumerate(frames):
        rows = posterior.basis.rows(data.descriptors.select(k, k + 1), frame.volume)
        np.testing.assert_allclose(found.energies[k], frame.n_atoms * deviations @ rows.energy, rtol=1e-9)
        forces = (rows.forces @ deviations.T).reshape(-1, 3, 2).swapaxes(1, 2)
        np.testing.assert_allclose(found.forces[start[k] : start[k + 1]], forces, atol=2e-6)
        assert rows.stress is not None
        virials = 0.5 * (found.virials[k] + found.virials[k].swapaxes(1, 2))
        stress = (rows.stress @ deviations.T).T / MANDEL
        np.testing.assert_allclose(virials[:, *VOIGT] / frame.volume, stress, atol=1e-7)


def test_the_largest_variance_that_a_budget_affords() -> None:
    rng = np.random.default_rng(0)
    variances, costs = rng.uniform(0, 1, 12), rng.uniform(0, 1, 12)
    for budget in (0.0, 0.7, 2.0, 100.0):
        shares = affordable(variances, costs, budget)
        best = linprog(-variances, A_ub=costs[None], b_ub=[budget], bounds=[(0, 1)] * 12)
        assert shares**2 @ variances == pytest.approx(-best.fun, abs=1e-9)
        assert shares**2 @ costs <= budget + 1e-12


def test_axes_are_those_of_what_is_open_of_atoms_near_the_training_ones(
    known: tuple[list[Frame], FitSet, Posterior],
) -> None:
    frames, data, posterior = known
    left = 1e-4
    axes = OpenAxes.of(posterior, frames, SETTINGS, left)
    precision = posterior.solution.precision
    unit = axes.coefficients.T @ precision @ axes.coefficients
    np.testing.assert_allclose(unit, np.eye(posterior.size), atol=1e-6)
    drawn = axes.draws(3, [0, 1])
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(drawn.var(axis=0), 1.0)
    assert not axes.draws(1, [0, 1]).any()
    assert axes.shares.max() == 1.0 and axes.shares.min() == 0.0
    metric = open_energies(posterior, frames, 1)
    strained = [replace(f, positions=s * f.positions, cell=s * f.cell) for s in STRAINS for f in frames]
    spreads = posterior.spreads_of(*_described(strained, posterior))
    assert np.trace(metric) < 1.01 * 3 * (spreads**2).mean()  # less: counted from the mean over the frames
    moved = moved_by(posterior, (axes.shares * drawn) @ axes.coefficients.T, data)
    energies = ((moved.energies / data.targets.n_atoms[:, None]) ** 2).mean()
    forces = 3 * (moved.forces**2).mean()
    virials = 0.5 * (moved.virials + moved.virials.swapaxes(2, 3)) / data.targets.volume[:, None, None, None]
    s = SETTINGS
    cost = s.energy_weight * energies + s.force_weight * forces + s.stress_weight * 9 * (virials**2).mean()
    assert 0.2 < cost / (s.spread_cost * left) < 2.0  # draws of few axes are not quite independent


def _described(frames: list[Frame], posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    from nnpcore.descriptors import compute_descriptors

    d = compute_descriptors(frames, posterior.functions, derivatives=False, n_threads=1)
    return d.values, d.species


def test_rows_of_a_member_are_those_of_its_data(
    known: tuple[list[Frame], FitSet, Posterior], moved: MemberValues
) -> None:
    data = known[1]
    scales = RowScales.of(SETTINGS, data)
    batch = make_batch(guided(data, moved), np.array([4, 1]), scales, 0, 3)
    for member in range(2):
        own = make_batch(moved_set(data, member, moved), np.array([4, 1]), scales, 0, 3)
        np.testing.assert_allclose(batch.of_member(member).targets, own.targets, atol=1e-6)
        np.testing.assert_array_equal(batch.whole(member, batch.targets), batch.targets)


@pytest.mark.parametrize(
    "make",
    [
        lambda data, packing: CompiledLoss(SETTINGS, data, packing, 1),
        lambda data, packing: TorchLoss(SETTINGS, data, packing, "cpu"),
    ],
    ids=["compiled", "torch"],
)
def test_losses_are_those_of_each_member_s_data_and_errors_those_of_the_data(
    make: Callable[[FitSet, Packing], Loss],
    known: tuple[list[Frame], FitSet, Posterior],
    moved: MemberValues,
) -> None:
    data = known[1]
    _, packing, flat = networks()

    def of(data: FitSet, members: np.ndarray | None = None) -> LossAndGradient:
        weights = flat if members is None else flat[members]
        found = make(data, packing)(np.arange(data.n_frames), weights, lambda: True, members)
        assert found is not None
        return found

    seen, plain = of(guided(data, moved)), of(data)
    np.testing.assert_allclose(seen.squares, plain.squares, rtol=1e-5)
    for member in range(2):
        own = of(moved_set(data, member, moved))
        np.testing.assert_allclose(seen.loss[member], own.loss[member], rtol=1e-4)
        np.testing.assert_allclose(seen.gradient[member], own.gradient[member], rtol=1e-3, atol=1e-4)
    assert np.abs(seen.loss / plain.loss - 1).min() > 1e-4
    alone = of(guided(data, moved), np.array([1]))
    np.testing.assert_allclose(alone.loss, seen.loss[1:], rtol=1e-6)


def test_filters_agree_on_moved_data_that_count(
    known: tuple[list[Frame], FitSet, Posterior], moved: MemberValues
) -> None:
    data, rng = guided(known[1], moved), np.random.default_rng(1)
    _, packing, flat = networks()
    n, counts = data.descriptors.n_atoms, np.array([1.0, 2.0, 1.0, 3.0, 1.0, 0.5, 1.0])
    guide = Guide(rng.standard_normal((2, n)).astype(np.float32), np.full(n, 2, np.float32), 0.1, moved)
    data = replace(data, guide=guide, targets=replace(data.targets, counts=counts))

    def weights(data: FitSet, kind: type[CompiledKalman | TorchKalman], *more: Any) -> np.ndarray:
        filter_ = kind(SETTINGS, data, packing, flat[:2], 30, *more)
        for epoch in range(2):
            filter_.run_epoch(epoch, Pace())
        return filter_.weights()

    fast = weights(data, CompiledKalman)
    np.testing.assert_allclose(fast, weights(data, TorchKalman, "cpu", torch.float64), atol=0.02)
    same = weights(replace(data, guide=replace(guide, moved=None)), CompiledKalman)
    assert np.abs(fast - same).max() > 0.2


@pytest.mark.parametrize(("optimizer", "epochs"), [("kalman", 5), ("adam", 23), ("lbfgs", 53)])
def test_a_training_goes_on_exactly(optimizer: str, epochs: int, tmp_path: Path) -> None:
    frames, control = silicon_frames(10), TrainControl()
    settings = SETTINGS.replace(optimizer=optimizer, epochs=epochs, hidden=(6,), n_threads=1, device="cpu")
    whole = Trainer(settings, frames[:7], frames[7:])
    whole.run()
    folder = tmp_path / "run"
    Trainer(settings, frames[:7], frames[7:], run_folder=folder).run(
        lambda record, _: control.stop() if record.epoch == epochs - 1 else None, control
    )
    again = Trainer.resume(folder, train=frames[:7], valid=frames[7:])
    again.run()
    assert again._guide is not None and again._guide.moved is not None
    np.testing.assert_array_equal(again._best.last, whole._best.last)
    nowhere = Trainer(settings.replace(derivatives="recompute"), frames[:7], frames[7:])
    nowhere.run()
    np.testing.assert_array_equal(nowhere._best.last, whole._best.last)


def test_members_differ_as_their_data_do() -> None:
    frames = silicon_frames(14)
    settings = TrainSettings(
        n_members=3, hidden=(8, 8), epochs=20, spread_cost=1.0, n_threads=1, device="cpu"
    )
    trainer = Trainer(settings, frames[:10], frames[10:])
    trainer.run()
    assert trainer._guide is not None and trainer._guide.moved is not None
    wanted = trainer._guide.moved.forces
    found = trainer.current_potential().predict(frames[:10]).forces_members
    assert found is not None
    differences = (found - found.mean(axis=0)).swapaxes(0, 1)
    assert np.corrcoef(differences.ravel(), wanted.ravel())[0, 1] > 0.6
