"""Networks: gradients, agreement of numpy and torch, flat order, initial weights."""

from __future__ import annotations

import numpy as np
import pytest
from builders import build_functions

from nnpcore.errors import PotentialError
from nnpcore.potential import ACTIVATIONS, NetworkWeights, get_activation

FUNCTIONS = build_functions(["C", "Si"])


def weights_and_inputs(activation: str, skip: bool = True) -> tuple[NetworkWeights, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    weights = NetworkWeights.initial(FUNCTIONS, (7, 5), 3, 0, activation, skip=skip)
    weights = weights.with_flat(0.5 * rng.standard_normal((3, weights.n_parameters)))
    return weights, rng.standard_normal((300, FUNCTIONS.n_descriptors)), rng.integers(0, 2, 300)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activation_derivatives(name: str) -> None:
    activation, h = get_activation(name), 1e-5
    z = np.linspace(-3, 3, 60)
    slope = (activation.value(z + h) - activation.value(z - h)) / (2 * h)
    curvature = (activation.with_derivative(z + h)[1] - activation.with_derivative(z - h)[1]) / (2 * h)
    np.testing.assert_allclose(activation.with_derivative(z)[1], slope, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(activation.second(z), curvature, rtol=1e-8, atol=1e-9)
    extreme = activation.value(np.array([-700.0, 700.0]))
    assert np.isfinite(extreme).all()


@pytest.mark.parametrize("name", ["tanh", "softplus", "gaussian", "relu"])
def test_network_gradient_and_torch(name: str, device: str) -> None:
    import torch

    weights, x, species = weights_and_inputs(name)
    energies, gradients = weights.energies_and_gradients(x, species)
    direction, h = np.random.default_rng(1).standard_normal(x.shape[1]), 1e-6
    change = weights.energies(x + h * direction, species) - weights.energies(x - h * direction, species)
    np.testing.assert_allclose(gradients @ direction, change / (2 * h), rtol=0, atol=2e-8)
    on_device = torch.as_tensor(x, device=device), torch.as_tensor(species, device=device)
    other, other_gradients = weights.to_torch(device).energies_and_gradients(*on_device)
    np.testing.assert_allclose(other.cpu().numpy(), energies, rtol=0, atol=1e-12)
    np.testing.assert_allclose(other_gradients.cpu().numpy(), gradients, rtol=0, atol=1e-12)
    single = weights.to_torch(device, torch.float32).energies(on_device[0].float(), on_device[1])
    np.testing.assert_allclose(single.cpu().numpy(), energies, rtol=0, atol=1e-4)


def test_energies_by_hand() -> None:
    weights, x, species = weights_and_inputs("tanh")
    energies = weights.energies(x, species)
    assert weights.skip is not None
    for atom in (0, 1, 299):
        element = weights.elements[species[atom]]
        h = x[atom]
        for weight, bias in weights.layers[element][:-1]:
            h = np.tanh(h @ weight[2] + bias[2])
        weight, bias = weights.layers[element][-1]
        expected = (h @ weight[2] + bias[2])[0] + weights.skip[element][2] @ x[atom]
        assert energies[2, atom] == pytest.approx(expected, abs=1e-12)


def test_flat_order_is_element_layer_weight_bias_then_skip() -> None:
    weights, _, _ = weights_and_inputs("tanh")
    flat = weights.flatten()
    assert weights.skip is not None and flat.shape == (3, weights.n_parameters)
    first, bias = weights.layers["C"][0]
    np.testing.assert_array_equal(flat[1, : first[1].size], first[1].reshape(-1))
    np.testing.assert_array_equal(flat[1, first[1].size : first[1].size + bias[1].size], bias[1])
    np.testing.assert_array_equal(flat[1, -FUNCTIONS.n_descriptors :], weights.skip["Si"][1])
    np.testing.assert_array_equal(weights.with_flat(flat).flatten(), flat)
    np.testing.assert_array_equal(weights.members([2, 0]).flatten(), flat[[2, 0]])
    with pytest.raises(ValueError, match="wanted"):
        weights.with_flat(flat[:, 1:])


def test_initial_weights_depend_on_seed_and_member_alone() -> None:
    five = NetworkWeights.initial(FUNCTIONS, (30, 30), 5, 3)
    two = NetworkWeights.initial(FUNCTIONS, (30, 30), 2, 3)
    np.testing.assert_array_equal(five.flatten()[:2], two.flatten())
    assert not np.array_equal(five.flatten()[0], five.flatten()[1])
    assert not np.array_equal(NetworkWeights.initial(FUNCTIONS, (30, 30), 2, 4).flatten(), two.flatten())
    hidden, output = five.layers["Si"][1][0], five.layers["Si"][2][0]
    assert hidden.std() == pytest.approx(np.sqrt(2 / 60), rel=0.1)
    assert output.std() == pytest.approx(0.1 * np.sqrt(2 / 31), rel=0.2)


def test_no_hidden_layer_is_a_linear_model() -> None:
    weights = NetworkWeights.initial(FUNCTIONS, (), 2, 0)
    x = np.random.default_rng(0).standard_normal((5, weights.n_inputs))
    species = np.array([0, 1, 0, 1, 1])
    energies, gradients = weights.energies_and_gradients(x, species)
    np.testing.assert_allclose(np.einsum("mni,ni->mn", gradients, x), energies, atol=1e-12)


def test_unknown_activation_is_named() -> None:
    with pytest.raises(PotentialError, match=r"unknown activation function 'mish'.*tanh"):
        NetworkWeights.initial(FUNCTIONS, (3,), 1, 0, "mish")


def test_check_finds_wrong_shapes_and_numbers() -> None:
    weights, _, _ = weights_and_inputs("tanh")
    weights.check()
    weights.layers["Si"][1][1][0, 0] = np.nan
    with pytest.raises(PotentialError, match="not finite"):
        weights.check()
    weights.layers["Si"][1] = (weights.layers["Si"][1][0][:, :-1], weights.layers["Si"][1][1])
    with pytest.raises(PotentialError, match="layer 1 of the network of Si"):
        weights.check()
