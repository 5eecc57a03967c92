"""The Kalman filter against the textbook, closed-form solutions and its own plain version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from training_data import fit_set, mixed_frames, networks, silicon_frames

from nnpcore.training.control import Pace, TrainControl
from nnpcore.training.data import FitSet
from nnpcore.training.engines.compiled import predict
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import RowScales, make_batch
from nnpcore.training.optimizers.centering import centered
from nnpcore.training.optimizers.choice import choose_optimizer, covariance_bytes
from nnpcore.training.optimizers.kalman import mended
from nnpcore.training.optimizers.kalman_compiled import CompiledKalman, KalmanFilter
from nnpcore.training.optimizers.kalman_torch import TorchKalman
from nnpcore.training.settings import KalmanSettings, TrainSettings

SETTINGS = TrainSettings(
    stress_weight=1.0, batch_frames=2, kalman=KalmanSettings(rows_per_frame=3, block_size=30)
)


@pytest.fixture(scope="module")
def silicon() -> FitSet:
    return fit_set(silicon_frames(6))[0]


@pytest.mark.parametrize("block_size", [10_000, 30])
def test_steps_are_those_of_the_textbook(silicon: FitSet, block_size: int) -> None:
    """K = P Hᵀ (H P Hᵀ + λ)⁻¹, w += K ξ, P ← (P - K S Kᵀ) / λ, with P cut to its blocks."""
    _, packing, flat = networks(n_members=1)
    filter_ = KalmanFilter(packing, 0, block_size, 3.0)
    member = filter_.start(flat[0])
    weights, covariance = flat[0].copy(), 3.0 * np.eye(packing.n_parameters)
    scales = RowScales.of(SETTINGS, silicon)
    for k, forgetting in enumerate((0.9, 0.95, 1.0)):
        batch = make_batch(silicon, np.array([2 * k, 2 * k + 1]), scales, 0, 0)
        rows, values = filter_.rows(member.weights, batch)
        h = rows.astype(float)
        s = h @ covariance @ h.T + forgetting * np.eye(len(h))
        gain = covariance @ h.T @ np.linalg.inv(s)
        weights = weights + gain @ ((batch.targets - values) * batch.scales).ravel()
        full = (covariance - gain @ s @ gain.T) / forgetting
        covariance = np.zeros_like(full)
        for part in packing.blocks(block_size):
            covariance[part, part] = full[part, part]
        filter_.step(member, batch, forgetting)
        np.testing.assert_allclose(member.weights, weights, atol=2e-4)
        for part, found in zip(packing.blocks(block_size), member.covariance, strict=True):
            upper = np.triu_indices(len(found))
            np.testing.assert_allclose(member.scale * found[upper], covariance[part, part][upper], atol=2e-3)


def test_one_pass_over_a_linear_model_is_ridge_regression(silicon: FitSet) -> None:
    """Without hidden layers and forgetting the filter is recursive least squares with prior variance P0."""
    packing = Packing((silicon.n_inputs, 1), 1)
    start = np.random.default_rng(0).standard_normal(packing.n_parameters)
    filter_ = KalmanFilter(packing, 0, 10_000, 2.0)
    member = filter_.start(start)
    scales = RowScales.of(SETTINGS, silicon)
    normal, right = np.eye(len(start)) / 2.0, start / 2.0
    for k in range(3):
        batch = make_batch(silicon, np.array([k, k + 3]), scales, 0, 0)
        rows, _ = filter_.rows(start, batch)
        h = rows.reshape(batch.scales.size, -1).astype(float)
        normal += h.T @ h
        right += h.T @ (batch.targets * batch.scales).ravel()
        filter_.step(member, batch, 1.0)
    np.testing.assert_allclose(member.weights, np.linalg.solve(normal, right), atol=1e-3)


def test_noise_follows_what_rows_leave(silicon: FitSet) -> None:
    """A row of variance R counts as one of variance 1 whose factor is smaller by the root of R."""
    _, packing, flat = networks(n_members=1)
    scales = RowScales.of(SETTINGS, silicon)
    following, fixed = (KalmanFilter(packing, 0, 10_000, 3.0, noise) for noise in (2.0, 0.0))
    ours, theirs, left = following.start(flat[0]), fixed.start(flat[0]), None
    for k in range(3):
        batch = make_batch(silicon, np.array([2 * k, 2 * k + 1]), scales, 0, 0)
        values = fixed.rows(theirs.weights, batch)[1]
        now = float(np.mean(((batch.targets - values) * batch.scales) ** 2))
        left = now if left is None else 0.9 * left + 0.1 * now
        following.step(ours, batch, 1.0)
        fixed.step(theirs, replace(batch, scales=batch.scales / np.sqrt(2.0 * max(left, now))), 1.0)
        np.testing.assert_allclose(ours.weights, theirs.weights, atol=2e-3)


def test_after_an_epoch_energies_are_right_on_average() -> None:
    data, _ = fit_set(mixed_frames(), ("C", "Si"))
    _, packing, flat = networks(("C", "Si"), n_members=2)
    optimizer = CompiledKalman(SETTINGS, data, packing, flat, 30)
    optimizer.run_epoch(0, Pace())
    weights = optimizer.weights()
    energies = predict(data, weights, packing, "tanh").energies
    known = data.targets.has_energy
    parts = (np.diff(data.element_start, axis=1) / data.targets.n_atoms[:, None])[known]
    left = ((data.targets.energy[:, None] - energies) / data.targets.n_atoms[:, None])[known]
    np.testing.assert_allclose(parts.T @ left, 0.0, atol=1e-5)
    np.testing.assert_allclose(centered(weights, data, packing, "tanh"), weights, atol=1e-5)
    spoiled = np.concatenate([weights, weights * np.nan])
    assert (centered(spoiled, data, packing, "tanh")[:2] == centered(weights, data, packing, "tanh")).all()


@pytest.mark.parametrize("deviations", [0.0, 0.1], ids=["alike", "with-parts-of-their-own"])
def test_compiled_filter_is_the_plain_one(device: str, deviations: float) -> None:
    data, _ = fit_set(mixed_frames(), ("C", "Si"))
    _, packing, flat = networks(("C", "Si"))
    if deviations:
        linear = np.random.default_rng(1).normal(0.0, deviations, (2, len(flat), data.n_inputs))
        data = replace(data, deviations=linear)
    settings = SETTINGS.replace(l2=1e-4)
    fast = CompiledKalman(settings, data, packing, flat, 30)
    exact = TorchKalman(settings, data, packing, flat, 30, device, torch.float64)
    single = TorchKalman(settings, data, packing, flat, 30, device, torch.float32)
    for epoch in range(2):
        errors = [o.run_epoch(epoch, Pace()) for o in (fast, exact, single)]
        assert all(e is not None for e in errors)
    for other in (fast, single):
        np.testing.assert_allclose(other.weights(), exact.weights(), atol=5e-3)
    np.testing.assert_allclose(errors[0].squares, errors[1].squares, rtol=0.02)  # type: ignore[union-attr]
    assert (errors[0].counts == [5, 3 * (8 + 8 + 16 + 3 + 1), 9 * 4]).all()  # type: ignore[union-attr]


def test_threads_and_interruptions_change_no_bit(silicon: FitSet) -> None:
    _, packing, flat = networks(n_members=3)
    expected = CompiledKalman(SETTINGS, silicon, packing, flat, 30, n_threads=1)
    threaded = CompiledKalman(SETTINGS, silicon, packing, flat, 30, n_threads=3)
    halting = CompiledKalman(SETTINGS, silicon, packing, flat, 30, n_threads=1)
    for epoch in range(2):
        expected.run_epoch(epoch, Pace())
        threaded.run_epoch(epoch, Pace())
        n_calls = 0
        while (errors := halting.run_epoch(epoch, _StopsAfter(2))) is None:
            n_calls += 1
            again = CompiledKalman(SETTINGS, silicon, packing, flat, 30, n_threads=1)
            again.restore({k: v.copy() for k, v in halting.state().items()})
            halting = again
        assert n_calls >= 3
        assert errors.counts[0] == 6
    assert (threaded.weights() == expected.weights()).all()
    assert (halting.weights() == expected.weights()).all()


class _StopsAfter(Pace):
    """Lets a few batches pass and then stops."""

    def __init__(self, n_batches: int) -> None:
        super().__init__(TrainControl())
        self._left = n_batches

    def go_on(self) -> bool:
        self._left -= 1
        return self._left >= 0


def test_forgetting_fades_over_all_epochs(silicon: FitSet) -> None:
    _, packing, flat = networks(n_members=1)
    settings = SETTINGS.replace(kalman=KalmanSettings(forgetting=0.9, forgetting_decay=0.5))
    optimizer = CompiledKalman(settings, silicon, packing, flat, 30)
    found = [optimizer._forgetting(epoch, index) for epoch, index in ((0, 0), (0, 1), (1, 0), (1, 2))]
    np.testing.assert_allclose(found, [1 - 0.1 * 0.5**n for n in (0, 2, 6, 10)])


@pytest.mark.parametrize("kind", [CompiledKalman, partial(TorchKalman, device="cpu")])
def test_spoiled_covariance_is_mended_and_what_it_knows_stays(
    kind: Callable[..., CompiledKalman | TorchKalman], silicon: FitSet
) -> None:
    _, packing, flat = networks(n_members=1)
    optimizer = kind(SETTINGS, silicon, packing, flat, 30)
    for epoch in range(3):
        optimizer.run_epoch(epoch, Pace())
    state = optimizer.state()
    blocks = [name for name in state if name.startswith("covariance.")]
    spoiled = {name: state[name] - np.float32(0.2) * _diagonal(state[name]) for name in blocks}
    optimizer.restore(state | spoiled)
    assert optimizer.run_epoch(3, Pace()) is not None
    assert "mended" in optimizer.take_messages()[0].text
    assert optimizer.alive.all() and np.isfinite(optimizer.weights()).all()
    initial = SETTINGS.kalman.initial_covariance
    assert all(
        (_diagonal(optimizer.state()[name]) * optimizer.state()[name]).max() < initial for name in blocks
    )


def _diagonal(covariances: np.ndarray) -> np.ndarray:
    """Return 1 on the diagonals of full matrices or upper triangles kept row by row, 0 beside them."""
    if covariances.ndim == 3:
        return np.broadcast_to(np.eye(covariances.shape[1], dtype=np.float32), covariances.shape)
    n = int((np.sqrt(8 * covariances.shape[1] + 1) - 1) / 2)
    found = np.zeros_like(covariances)
    found[:, np.cumsum([0, *range(n, 1, -1)])] = 1.0
    return found


def test_a_mended_covariance_keeps_all_but_what_is_not_positive() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    variances = np.array([-0.3, -1e-7, 1e-4, 0.02, 0.5, 1.0, 3.0, 7.0])
    found = mended(np.triu((axes * variances) @ axes.T).astype(np.float32), 10.0)
    np.testing.assert_allclose(found @ axes[:, 2:], axes[:, 2:] * variances[2:], atol=1e-5)
    np.testing.assert_allclose(np.diag(axes[:, :2].T @ found @ axes[:, :2]), 7e-6, atol=3e-6)
    for hopeless in (-np.eye(3), np.full((3, 3), np.nan)):
        np.testing.assert_array_equal(mended(hopeless, 10.0), 10.0 * np.eye(3))


def test_l2_makes_weights_smaller(silicon: FitSet) -> None:
    _, packing, flat = networks(n_members=1)
    norms = []
    for l2 in (0.0, 1e-3, 1e-1):
        optimizer = CompiledKalman(SETTINGS.replace(l2=l2), silicon, packing, flat, 30)
        for epoch in range(40):
            optimizer.run_epoch(epoch, Pace())
        norms.append(float(np.linalg.norm(optimizer.weights())))
    assert 0.95 * norms[0] > norms[1] and 0.95 * norms[1] > norms[2] > 0, norms


def test_blocks_cover_every_weight_once_and_follow_neurons() -> None:
    packing = Packing((26, 30, 30, 1), 2)
    for largest in (1, 100, 480, 10**6):
        blocks = packing.blocks(largest)
        assert [b.start for b in blocks] == [0, *(b.stop for b in blocks[:-1])]
        assert blocks[-1].stop == packing.n_parameters
        assert max(b.stop - b.start for b in blocks) <= max(largest, 31)
    flat = np.random.default_rng(0).standard_normal((2, 97))
    weights, small, _ = networks(hidden=(5, 4))
    flat = np.random.default_rng(0).standard_normal((2, small.n_parameters))
    assert (small.to_weights(small.to_internal(weights.with_flat(flat)), weights).flatten() == flat).all()


def test_optimizer_is_chosen_by_memory() -> None:
    packing = Packing((26, 30, 30, 1), 1)
    chosen = choose_optimizer(TrainSettings(), packing)
    assert (chosen.optimizer, chosen.block_size) == ("kalman", 480)
    assert "1,771 weights" in chosen.sentence
    wide = Packing((60, 200, 200, 1), 3)
    smaller = choose_optimizer(TrainSettings(), wide)
    assert smaller.optimizer == "kalman" and smaller.block_size < 480
    assert covariance_bytes(wide, 5, smaller.block_size) <= 1e9
    assert "smaller blocks than 480" in smaller.sentence
    adam = choose_optimizer(TrainSettings(memory_gb=0.5), wide)
    assert adam.optimizer == "adam" and "more than the 0.5 GB" in adam.sentence
