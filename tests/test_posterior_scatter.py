"""A prior of physical size: what atomic energies may scatter by, and draws that have the foretold spread."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from sklearn.linear_model import Ridge

from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, compute_descriptors
from nnpcore.posterior import Posterior, PosteriorSettings, mean_targets
from nnpcore.posterior.scatter import (
    BINDING_ENERGY,
    SMALL_CHANGE,
    balanced_draws,
    plausible_scatter,
    relative_covariance,
    with_scatter,
)
from nnpcore.reference import StillingerWeber, label, slab
from nnpcore.structures.frame import Frame

FUNCTIONS = SymmetryFunctions.preset("26", ["Si"])
SMALL = PosteriorSettings(n_centers=100, lengths=(3.0,), n_sample=8)


def shaken(n: int, start: Frame, amplitude: float = 0.12) -> list[Frame]:
    rng, found = np.random.default_rng(4), []
    for _ in range(n):
        atoms = start.to_atoms()
        atoms.positions += amplitude * rng.standard_normal((len(atoms), 3))
        found.append(label(Frame.from_atoms(atoms), StillingerWeber()))
    return found


def crystal() -> Frame:
    return Frame.from_atoms(bulk("Si", "diamond", a=5.431, cubic=True) * (2, 2, 1))


@pytest.fixture(scope="module")
def at_one_volume() -> tuple[list[Frame], DescriptorSet, Posterior]:
    frames = shaken(24, crystal())
    found = compute_descriptors(frames, FUNCTIONS, derivatives=False)
    known = ["energy", "forces"]
    posterior = Posterior.fit(frames, FUNCTIONS, kinds=known, settings=SMALL, n_threads=1)
    return frames, found, posterior


def test_scatter_follows_the_change_of_the_neighbors_only() -> None:
    crystals = compute_descriptors(shaken(3, crystal()), FUNCTIONS, derivatives=False)
    slabs = compute_descriptors(shaken(2, Frame.from_atoms(slab("100"))), FUNCTIONS, derivatives=False)
    inside, open_ = (float(plausible_scatter(d.values, d.species, FUNCTIONS)[0]) for d in (crystals, slabs))
    assert 8 * inside < open_ and 0.01 < inside < 0.08 and 0.2 < open_ < 0.6
    around = crystals.values[:, :8].sum(axis=1)
    change = around.std() / around.mean()
    np.testing.assert_allclose(inside, BINDING_ENERGY * change**2 / (change + SMALL_CHANGE))
    same = np.ones_like(crystals.values)
    assert plausible_scatter(same, crystals.species, FUNCTIONS)[0] == pytest.approx(1e-3)


def test_it_is_a_ridge_on_the_energies_of_the_training_atoms(
    at_one_volume: tuple[list[Frame], DescriptorSet, Posterior],
) -> None:
    """The same by scikit-learn: rows of energies, and rows that want every atom's energy at the mean."""
    frames, found, _ = at_one_volume
    settings = PosteriorSettings(n_centers=12, lengths=(1.0,), n_sample=8)
    posterior = Posterior.fit(frames, FUNCTIONS, kinds=["energy"], settings=settings, n_threads=1)
    sized = with_scatter(posterior, relative_covariance(posterior, found.values, found.species))
    features = posterior.basis.features(found.values, found.species)
    rows = features.reshape(len(frames), -1, posterior.size).mean(axis=1)
    energies = np.array([f.energy / f.n_atoms for f in frames if f.energy is not None]) - posterior.zeros[0]
    scatter = plausible_scatter(found.values, found.species, FUNCTIONS)[0]
    wish = (features - features.mean(axis=0)) / (scatter * np.sqrt(len(features)))
    noise = posterior.hyper.noise["energy"]
    ridge = Ridge(alpha=posterior.hyper.signal**-2, fit_intercept=False, solver="svd")
    ridge.fit(np.concatenate([rows / noise, wish]), np.concatenate([energies / noise, np.zeros(len(wish))]))
    np.testing.assert_allclose(features @ sized.solution.coefficients, features @ ridge.coef_, atol=1e-6)
    free = features @ posterior.solution.coefficients
    assert (features @ sized.solution.coefficients).std() < free.std()


def test_what_one_volume_leaves_open_is_of_physical_size_and_still_covers_the_truth(
    at_one_volume: tuple[list[Frame], DescriptorSet, Posterior],
) -> None:
    frames, found, posterior = at_one_volume
    sized = with_scatter(posterior, relative_covariance(posterior, found.values, found.species))
    scan = [crystal().to_atoms() for _ in range(2)]
    for atoms, scale in zip(scan, (0.987, 1.013), strict=True):
        atoms.set_cell(scale * np.asarray(atoms.cell), scale_atoms=True)
    wanted = [label(Frame.from_atoms(atoms), StillingerWeber()) for atoms in scan]
    targets = mean_targets(wanted)
    truth = np.array([f.energy / f.n_atoms for f in wanted if f.energy is not None])
    assert (sized.spread(targets) < 0.5 * posterior.spread(targets)).all()
    assert (np.abs(sized.mean(targets) - truth) < 2 * sized.spread(targets)).all()
    held = np.concatenate([f.forces for f in frames if f.forces is not None])
    left = [np.concatenate([p.forces for p in one.predict(frames)]) - held for one in (posterior, sized)]
    assert left[1].std() < 1.05 * left[0].std()  # what the data determine stays


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_few_draws_have_the_foretold_spread(
    n: int, at_one_volume: tuple[list[Frame], DescriptorSet, Posterior]
) -> None:
    _, found, posterior = at_one_volume
    covariance = relative_covariance(posterior, found.values, found.species)
    sized = with_scatter(posterior, covariance)
    draws = balanced_draws(sized, covariance, n, [3, 1])
    np.testing.assert_allclose(draws.mean(axis=0), sized.solution.coefficients, rtol=1e-8, atol=1e-9)
    features = sized.basis.features(found.values, found.species)
    centered = features - features.mean(axis=0)
    foretold = (sized.spread_of_features(centered) ** 2).mean()
    own = ((draws - draws.mean(axis=0)) @ centered.T).var(axis=0).mean()
    assert own == pytest.approx(0.0 if n == 1 else foretold, rel=1e-6, abs=1e-12)
    other = balanced_draws(sized, covariance, n, [4, 1])
    assert n == 1 or not np.allclose(draws, other)
