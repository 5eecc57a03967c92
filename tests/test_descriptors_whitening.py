"""Whitening: identity covariance, constant functions, clamping, storage."""

from __future__ import annotations

import numpy as np
import pytest

from nnpcore.descriptors import G2, SymmetryFunctions, Whitening
from nnpcore.descriptors.whitening import FLOOR
from nnpcore.errors import DataError
from nnpcore.training import TrainSettings

FUNCTIONS = SymmetryFunctions(
    {
        "Si": tuple(G2("Si", 0.1 * (k + 1), 0.0, 6.0) for k in range(5)),
        "O": tuple(G2("Si", 0.1 * (k + 1), 0.0, 6.0) for k in range(3)),
        "H": (G2("Si", 1.0, 0.0, 6.0),),
    }
)


def sample(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Correlated values of silicon (5 functions) and oxygen (3 functions, padded), no hydrogen."""
    rng = np.random.default_rng(0)
    species = rng.integers(1, 3, n)
    values = rng.normal(size=(n, 5)) @ rng.normal(size=(5, 5)) * [1, 10, 0.1, 1e-6, 1] + [3, -2, 0, 1, 5]
    values[species == 1, 3:] = 0.0
    return values, species


def test_covariance_becomes_the_identity() -> None:
    values, species = sample()
    x = Whitening.fit(values, species, FUNCTIONS, 1e-6).transform(values, species)
    for index, count in ((1, 3), (2, 5)):
        rows = x[species == index]
        np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-9)
        np.testing.assert_allclose(rows[:, :count].T @ rows[:, :count] / len(rows), np.eye(count), atol=1e-8)
        assert not rows[:, count:].any()


def test_constant_functions_and_absent_elements_contribute_nothing() -> None:
    values, species = sample()
    values[species == 2, 1] = 7.25
    fitted = Whitening.fit(values, species, FUNCTIONS)
    other = values.copy()
    other[species == 2, 1] += 100.0
    assert np.array_equal(fitted.transform(values, species), fitted.transform(other, species))
    assert not fitted.transform(np.ones((2, 5)), np.array([0, 0])).any()
    single = Whitening.fit(values[:1], species[:1], FUNCTIONS)
    assert not single.transform(values, np.full(len(values), species[0])).any()


@pytest.mark.parametrize("floor", [0.01, 0.3])
def test_small_singular_values_are_raised_to_a_part_of_the_largest(floor: float) -> None:
    rng = np.random.default_rng(1)
    values = np.zeros((300, 5))
    common = rng.normal(size=300)
    values[:, :3] = common[:, None] + 1e-5 * rng.normal(size=(300, 3))
    species = np.full(300, 1)
    x = Whitening.fit(values, species, FUNCTIONS, floor).transform(values, species)
    standard = (values[:, :3] - values[:, :3].mean(axis=0)) / values[:, :3].std(axis=0)
    singular = np.linalg.svd(standard / np.sqrt(300), compute_uv=False)
    assert singular[1] < 0.01 * singular[0]
    np.testing.assert_allclose(x[:, 0].std(), 1.0)
    np.testing.assert_allclose(x[:, 1].std(), singular[1] / (floor * singular[0]), rtol=1e-6)


def test_at_a_floor_of_one_distances_are_those_of_standardised_functions() -> None:
    values, species = sample()
    x = Whitening.fit(values, species, FUNCTIONS, 1.0).transform(values, species)[species == 2]
    own = values[species == 2]
    standard = (own - own.mean(axis=0)) / own.std(axis=0)
    largest = np.linalg.svd(standard / np.sqrt(len(own)), compute_uv=False)[0]
    np.testing.assert_allclose(x @ x.T, standard @ standard.T / largest**2, atol=1e-8)


def test_the_usual_floor_is_that_of_trainings() -> None:
    assert TrainSettings().input_floor == FLOOR


def test_storage_round_trip_and_damage() -> None:
    values, species = sample()
    fitted = Whitening.fit(values, species, FUNCTIONS)
    again = Whitening.from_arrays(fitted.to_arrays())
    assert np.array_equal(again.transform(values, species), fitted.transform(values, species))
    with pytest.raises(DataError, match="lacks matrix"):
        Whitening.from_arrays({"mean": fitted.mean})
    with pytest.raises(DataError, match="do not fit together"):
        Whitening.from_arrays({"mean": fitted.mean, "matrix": fitted.matrix[:, :2]})
    with pytest.raises(DataError, match="not finite"):
        Whitening.fit(values * np.nan, species, FUNCTIONS)
    with pytest.raises(DataError, match="expected"):
        Whitening.fit(values[:, :4], species, FUNCTIONS)
