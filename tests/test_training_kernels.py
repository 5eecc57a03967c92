"""Predictions, rows and gradients of the compiled passes, against independent ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import build_functions
from training_data import fit_set, mixed_frames, networks, silicon_frames

from nnpcore.potential import Potential
from nnpcore.training.control import Pace
from nnpcore.training.data import STRESS_BASIS, fit_element_energies
from nnpcore.training.engines.compiled import CompiledLoss, predict
from nnpcore.training.engines.engine import Engine
from nnpcore.training.engines.kernels import ACTIVATION_CODES
from nnpcore.training.engines.rows import RowScales, make_batch
from nnpcore.training.engines.torch_backend import TorchLoss, TorchSet
from nnpcore.training.engines.torch_backend import predict as torch_predict
from nnpcore.training.optimizers.choice import choose_optimizer
from nnpcore.training.optimizers.kalman_compiled import KalmanFilter
from nnpcore.training.settings import KalmanSettings, TrainSettings

ELEMENTS = ("C", "Si")
ALL = TrainSettings(
    energy_weight=1.0, force_weight=0.3, stress_weight=50.0, kalman=KalmanSettings(rows_per_frame=3)
)


def always() -> bool:
    return True


def test_fused_predictions_are_those_of_the_potential() -> None:
    frames = mixed_frames()
    data, whitening = fit_set(frames, ELEMENTS)
    weights, packing, flat = networks(ELEMENTS)
    potential = Potential(
        build_functions(ELEMENTS), whitening, packing.to_weights(flat, weights), {"C": 0.0, "Si": 0.0}
    )
    expected = potential.predict(frames, n_threads=1)
    assert expected.forces_members is not None and expected.stress_members is not None
    for n_threads in (1, 3):
        found = predict(data, flat, packing, "tanh", n_threads=n_threads)
        np.testing.assert_allclose(found.energies.T, expected.energy_members, atol=2e-5)
        np.testing.assert_allclose(found.forces.swapaxes(0, 1), expected.forces_members, atol=2e-5)
        periodic = data.targets.has_stress
        stress = found.virials.swapaxes(0, 1)[:, periodic] / data.targets.volume[periodic, None, None]
        stress = 0.5 * (stress + stress.swapaxes(2, 3))
        np.testing.assert_allclose(stress, expected.stress_members[:, periodic], atol=2e-6)


@pytest.mark.parametrize("activation", list(ACTIVATION_CODES))
def test_rows_are_the_derivatives_of_energies_projected_forces_and_stresses(activation: str) -> None:
    data, _ = fit_set(mixed_frames(), ELEMENTS)
    _, packing, flat = networks(ELEMENTS, n_members=1, activation=activation)
    scales = RowScales.of(ALL, data)
    batch = make_batch(data, np.array([3, 5, 0]), scales, seed=0, epoch=2)
    filter_ = KalmanFilter(packing, ACTIVATION_CODES[activation], 10_000, 1.0)
    rows, values = filter_.rows(flat[0], batch)
    found = rows.reshape(*batch.scales.shape, -1)
    for k, frame in enumerate(batch.frames):
        expected, expected_values = _rows_by_autograd(data, int(frame), scales, packing, flat, activation)
        np.testing.assert_allclose(values[k], expected_values, atol=2e-5)
        tolerance = 2e-5 * max(1.0, np.abs(expected).max()) * batch.scales[k].max()
        np.testing.assert_allclose(found[k], expected * batch.scales[k][:, None], atol=tolerance)


def _rows_by_autograd(data, frame, scales, packing, flat, activation):  # type: ignore[no-untyped-def]
    """Rows (n_slots, n_parameters) and values (n_slots,) from double precision forces and stresses."""
    rng = np.random.default_rng([0, 102, 2, frame])
    n = int(data.targets.n_atoms[frame])
    directions = rng.standard_normal((n, scales.n_force_rows, 3), dtype=np.float32)
    directions /= np.sqrt((directions**2).sum(axis=(0, 2)))[:, None]
    frames = TorchSet(data, "cpu", torch.float64).take(np.array([frame]))
    parameters = torch.tensor(flat, requires_grad=True)
    found = torch_predict(frames, parameters, packing, activation)
    projections = -torch.einsum("iqc,ic->q", torch.tensor(directions, dtype=torch.float64), found.forces[0])
    stress = found.virials[0, 0] / data.targets.volume[frame]
    stresses = torch.einsum("qab,ab->q", torch.tensor(STRESS_BASIS[: scales.n_stress_rows]), stress)
    values = torch.cat([found.energies[0], projections, stresses])
    rows = [torch.autograd.grad(v, parameters, retain_graph=True)[0][0].numpy() for v in values]
    return np.array(rows), values.detach().numpy()


def test_loss_and_gradient_agree_with_automatic_differentiation() -> None:
    data, _ = fit_set(mixed_frames(), ELEMENTS)
    _, packing, flat = networks(ELEMENTS)
    settings = ALL.replace(l2=1e-3)
    frames = np.array([4, 1, 0, 2, 5, 3])
    expected = TorchLoss(settings, data, packing, "cpu", torch.float64)(frames, flat, always)
    found = CompiledLoss(settings, data, packing, n_threads=2)(frames, flat, always)
    assert found is not None and expected is not None
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-5 * np.abs(expected.gradient).max())
    np.testing.assert_allclose(found.squares, expected.squares, rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["kalman", "adam", "lbfgs"])
def test_torch_engine_does_what_the_compiled_one_does(optimizer: str, device: str) -> None:
    data, _ = fit_set(mixed_frames(), ELEMENTS)
    _, packing, flat = networks(ELEMENTS)
    settings = ALL.replace(optimizer=optimizer, batch_frames=4)
    choice = choose_optimizer(settings, packing)
    compiled = Engine(settings, choice, packing, flat, data, data)
    plain = Engine(settings, choice, packing, flat, data, data, device=f"torch-{device}")
    for epoch in range(3):
        errors = [engine.optimizer.run_epoch(epoch, Pace()) for engine in (compiled, plain)]
        assert errors[0] is not None and errors[1] is not None
        np.testing.assert_array_equal(errors[0].counts, errors[1].counts)
        np.testing.assert_allclose(errors[0].squares, errors[1].squares, rtol=0.02)
    weights = compiled.optimizer.weights()
    np.testing.assert_allclose(weights, plain.optimizer.weights(), atol=5e-3)
    expected, found = compiled.validate(weights), plain.validate(weights)
    assert expected is not None and found is not None
    np.testing.assert_allclose(found.squares, expected.squares, rtol=1e-3)
    again = Engine(settings, choice, packing, flat, data, None, device=f"torch-{device}")
    again.optimizer.restore({k: v.copy() for k, v in plain.optimizer.state().items()})
    assert (again.optimizer.weights() == plain.optimizer.weights()).all()
    assert again.validate(weights) is None


def test_gradient_is_the_slope_of_the_loss() -> None:
    data, _ = fit_set(mixed_frames(), ELEMENTS, np.float64)
    _, packing, flat = networks(ELEMENTS)
    loss = TorchLoss(ALL.replace(l2=1e-2), data, packing, "cpu", torch.float64)
    frames, step = np.arange(6), 1e-5
    direction = np.random.default_rng(0).standard_normal(flat.shape)
    center, up, down = (loss(frames, flat + s * step * direction, always) for s in (0, 1, -1))
    assert center is not None and up is not None and down is not None
    slope = (center.gradient * direction).sum(axis=1)
    np.testing.assert_allclose(slope, (up.loss - down.loss) / (2 * step), rtol=1e-5)


def test_loss_is_the_documented_sum() -> None:
    """Means over what there is: energies per atom, force vectors, stress tensors."""
    frames = mixed_frames()
    data, whitening = fit_set(frames, ELEMENTS)
    weights, packing, flat = networks(ELEMENTS)
    energies = fit_element_energies(frames, ELEMENTS)
    potential = Potential(build_functions(ELEMENTS), whitening, packing.to_weights(flat, weights), energies)
    p = potential.predict(frames, n_threads=1)
    assert p.forces_members is not None and p.stress_members is not None
    de, df, ds = [], [], []
    for k, frame in enumerate(frames):
        if frame.energy is not None:
            de.append(((p.energy_members[:, k] - frame.energy) / frame.n_atoms) ** 2)
        if frame.forces is not None:
            df.append(((p.forces_members[:, p.atoms_of(k)] - frame.forces) ** 2).sum(axis=2))
        if frame.stress is not None and frame.pbc.all():
            ds.append(((p.stress_members[:, k] - frame.stress) ** 2).sum(axis=(1, 2)))
    expected = np.mean(de, axis=0) + 0.3 * np.concatenate(df, axis=1).mean(axis=1) + 50 * np.mean(ds, axis=0)
    found = CompiledLoss(ALL, data, packing, n_threads=1)(np.arange(6), flat, always)
    assert found is not None
    np.testing.assert_allclose(found.loss, expected, rtol=1e-4)


def test_scaled_rows_estimate_the_loss() -> None:
    """Averaged over many random directions, the rows' squares are the loss in units of a flat network's."""
    data, _ = fit_set(silicon_frames(4))
    _, packing, flat = networks(n_members=1)
    settings = ALL.replace(kalman=KalmanSettings(rows_per_frame=24))
    scales = RowScales.of(settings, data)
    filter_ = KalmanFilter(packing, 0, 10_000, 1.0)
    squares = []
    for epoch in range(40):
        batch = make_batch(data, np.arange(4), scales, 0, epoch)
        _, values = filter_.rows(flat[0], batch)
        squares.append((((values - batch.targets) * batch.scales) ** 2).sum() / 4)
    loss = CompiledLoss(settings, data, packing, n_threads=1)
    found = loss(np.arange(4), flat, always)
    assert found is not None
    assert np.mean(squares) == pytest.approx(scales.unit * found.loss[0], rel=0.05)
    assert scales.unit * loss.flat == pytest.approx(scales.n_slots)


def test_element_energies_are_least_squares_of_least_norm() -> None:
    frames = [f for f in mixed_frames() if f.energy is not None]
    energies = fit_element_energies(frames, ELEMENTS)
    counts = np.array([[np.sum(f.numbers == 6), np.sum(f.numbers == 14)] for f in frames]) * 1.0
    n = counts.sum(axis=1)
    left = np.array([energies["C"], energies["Si"]]) @ counts.T / n - [f.energy / f.n_atoms for f in frames]
    assert np.abs(counts.T / n @ left).max() < 1e-8
    same = [f for f in frames if np.sum(f.numbers == 6) == np.sum(f.numbers == 14)]
    stuck = fit_element_energies(same, ELEMENTS)
    assert stuck["C"] == pytest.approx(stuck["Si"])
    assert stuck["C"] == pytest.approx(np.mean([f.energy / f.n_atoms for f in same]))
