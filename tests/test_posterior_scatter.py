"""A prior of physical size: what atomic energies may scatter by, and draws that have the foretold spread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from sklearn.linear_model import Ridge

from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, compute_descriptors
from nnpcore.posterior import Posterior, PosteriorSettings, mean_targets
from nnpcore.posterior.basis import Atoms
from nnpcore.posterior.draws import balanced_draws, balanced_numbers
from nnpcore.posterior.scatter import SMALL_CHANGE, plausible_scatter
from nnpcore.reference import StillingerWeber, label, slab
from nnpcore.structures.frame import Frame

FUNCTIONS = SymmetryFunctions.preset("26", ["Si"])
SMALL = PosteriorSettings(n_centers=100, lengths=(3.0,), n_sample=8)
FREE = replace(SMALL, binding_energy=None)
BINDING = PosteriorSettings().binding_energy or 0.0


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
def at_one_volume() -> tuple[list[Frame], DescriptorSet, Posterior, Posterior]:
    """Return frames, their symmetry functions, and what they say without and with the prior."""
    frames = shaken(24, crystal())
    found = compute_descriptors(frames, FUNCTIONS, derivatives=False)
    known = ["energy", "forces"]
    free, sized = (
        Posterior.fit(frames, FUNCTIONS, kinds=known, settings=settings, n_threads=1)
        for settings in (FREE, SMALL)
    )
    return frames, found, free, sized


def test_scatter_follows_the_change_of_the_neighbors_only() -> None:
    crystals = compute_descriptors(shaken(3, crystal()), FUNCTIONS, derivatives=False)
    slabs = compute_descriptors(shaken(2, Frame.from_atoms(slab("100"))), FUNCTIONS, derivatives=False)
    atoms, slab_atoms = (Atoms(d.values, d.species) for d in (crystals, slabs))
    inside, open_ = (float(plausible_scatter(a, FUNCTIONS, BINDING)[0]) for a in (atoms, slab_atoms))
    assert 8 * inside < open_ and 0.01 < inside < 0.08 and 0.2 < open_ < 0.6
    around = crystals.values[:, :8].sum(axis=1)
    change = around.std() / around.mean()
    np.testing.assert_allclose(inside, BINDING * change**2 / (change + SMALL_CHANGE))
    same = Atoms(np.ones_like(crystals.values), crystals.species)
    assert plausible_scatter(same, FUNCTIONS, BINDING)[0] == pytest.approx(1e-3)


def test_neighbors_of_another_element_are_a_change_of_neighbors() -> None:
    """Fourteen neighbors of two kinds: what counts is how many go or come, not how many there are."""
    functions = SymmetryFunctions.preset("26", ["Au", "Cu"])
    radial = {
        element: [k for k, f in enumerate(functions.functions["Au"]) if f.neighbor_elements == (element,)]
        for element in ("Au", "Cu")
    }

    def scatter(gold: list[float], copper: list[float]) -> float:
        values = np.zeros((len(gold), functions.n_descriptors))
        values[:, radial["Au"]] = np.array(gold)[:, None]
        values[:, radial["Cu"]] = np.array(copper)[:, None]
        return float(plausible_scatter(Atoms(values, np.zeros(len(gold), int)), functions, BINDING)[0])

    d = 2 / 14
    wanted = BINDING * d**2 / (d + SMALL_CHANGE)
    assert scatter([5.0, 9.0], [7.0, 7.0]) == pytest.approx(wanted)  # denser
    assert scatter([5.0, 9.0], [9.0, 5.0]) == pytest.approx(wanted)  # as dense, but with others
    assert scatter([6.0, 8.0], [6.0, 8.0]) == pytest.approx(wanted)


def test_it_is_a_ridge_on_the_energies_of_the_training_atoms(
    at_one_volume: tuple[list[Frame], DescriptorSet, Posterior, Posterior],
) -> None:
    """The same by scikit-learn: rows of energies, and rows that want every atom's energy at the mean."""
    frames, found, *_ = at_one_volume
    settings = PosteriorSettings(n_centers=12, lengths=(1.0,), n_sample=8)
    posterior, sized = (
        Posterior.fit(frames, FUNCTIONS, kinds=["energy"], settings=one, n_threads=1)
        for one in (replace(settings, binding_energy=None), settings)
    )
    assert posterior.hyper == sized.hyper and not posterior.scatter.any()
    features = posterior.basis.features(found.values, found.species)
    rows = features.reshape(len(frames), -1, posterior.size).mean(axis=1)
    energies = np.array([f.energy / f.n_atoms for f in frames if f.energy is not None]) - posterior.zeros[0]
    scatter = plausible_scatter(Atoms(found.values, found.species), FUNCTIONS, BINDING)[0]
    wish = (features - features.mean(axis=0)) / (scatter * np.sqrt(len(features)))
    noise = posterior.hyper.noise["energy"]
    ridge = Ridge(alpha=posterior.hyper.signal**-2, fit_intercept=False, solver="svd")
    ridge.fit(np.concatenate([rows / noise, wish]), np.concatenate([energies / noise, np.zeros(len(wish))]))
    np.testing.assert_allclose(features @ sized.solution.coefficients, features @ ridge.coef_, atol=1e-6)
    free = features @ posterior.solution.coefficients
    assert (features @ sized.solution.coefficients).std() < free.std()


def test_what_one_volume_leaves_open_is_of_physical_size_and_still_covers_the_truth(
    at_one_volume: tuple[list[Frame], DescriptorSet, Posterior, Posterior],
) -> None:
    frames, _, posterior, sized = at_one_volume
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
    n: int, at_one_volume: tuple[list[Frame], DescriptorSet, Posterior, Posterior]
) -> None:
    _, found, _, sized = at_one_volume
    draws = balanced_draws(sized, n, [3, 1])
    np.testing.assert_allclose(draws.mean(axis=0), sized.solution.coefficients, rtol=1e-8, atol=1e-9)
    features = sized.basis.features(found.values, found.species)
    centered = features - features.mean(axis=0)
    foretold = (sized.spread_of_features(centered) ** 2).mean()
    own = ((draws - draws.mean(axis=0)) @ centered.T).var(axis=0).mean()
    assert own == pytest.approx(0.0 if n == 1 else foretold, rel=1e-6, abs=1e-12)
    numbers = balanced_numbers(n, 7, [3, 1])[:, : max(1, n - 1)]  # as many as n draws have room for
    np.testing.assert_allclose(numbers.T @ numbers / n, 0.0 if n == 1 else np.eye(n - 1), atol=1e-12)
    other = balanced_draws(sized, n, [4, 1])
    assert n == 1 or not np.allclose(draws, other)


def test_what_is_added_later_keeps_the_prior(
    at_one_volume: tuple[list[Frame], DescriptorSet, Posterior, Posterior],
) -> None:
    frames, _, free, sized = at_one_volume
    more = shaken(2, crystal(), 0.2)
    targets = mean_targets(more)
    grown = sized.with_frames(more)
    np.testing.assert_allclose(
        grown.solution.precision - free.with_frames(more).solution.precision, sized.scatter, atol=1e-6
    )
    together = replace(sized, moments={}, n_frames=0).with_frames([*frames, *more])
    np.testing.assert_allclose(grown.spread(targets), together.spread(targets), rtol=1e-6)
    labels = [replace(f, energy=None, forces=None) for f in more]
    foretold = sized.with_information(np.sum(sized.information(labels), axis=0))
    np.testing.assert_allclose(foretold.spread(targets), grown.spread(targets), rtol=1e-6)


def test_an_alloy_s_atoms_scatter_within_their_element() -> None:
    """Two elements that differ by electronvolts, each at one energy: the prior has nothing against it."""
    rng, frames = np.random.default_rng(1), []
    for _ in range(12):
        atoms = bulk("Cu", "fcc", a=3.9, cubic=True)
        atoms.symbols[:] = rng.choice(["Cu", "Au"], len(atoms))
        atoms.positions += 0.08 * rng.standard_normal((len(atoms), 3))
        atoms.calc = EMT()
        atoms.get_potential_energy()
        frames.append(Frame.from_atoms(atoms))
    functions = SymmetryFunctions.preset("26", ["Cu", "Au"], cutoff=4.5)
    settings = PosteriorSettings(n_centers=30, lengths=(1.5,), n_sample=6)
    posterior = Posterior.fit(frames, functions, settings=settings, n_threads=1)
    first = int(posterior.basis.starts[1])
    assert not posterior.scatter[:first, first:].any()
    constants = posterior.basis.starts[1:] - 1
    np.testing.assert_allclose(posterior.scatter[constants], 0.0, atol=1e-9)
    assert np.linalg.eigvalsh(posterior.scatter)[0] > -1e-9
