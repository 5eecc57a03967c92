"""Rigidity against closed forms and brute force: what training data hold, and what they let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from ase.build import diamond100
from builders import build_frame, build_functions, build_potential
from soft_directions import hidden_change, soft_directions

from nnpcore.descriptors import compute_descriptors
from nnpcore.errors import AnalysisError
from nnpcore.mapping import (
    LOSSES,
    Curvature,
    LocalRigidity,
    RegionSet,
    depth_regions,
    indices_region,
    invariant_points,
    mean_of_members,
    rank_correlation,
    region_errors,
    rigidity_study,
    with_references,
)
from nnpcore.potential import NetworkWeights, Potential
from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame

ONLY_ENERGY: dict[str, Any] = {"parts": (True, False, False), "weights": (1.0, 1.0, 1.0)}


def cells(n: int, name: str = "Si") -> list[Frame]:
    return [build_frame(name, rattle=0.2, scale=1 + 0.02 * np.sin(k), seed=k) for k in range(n)]


def described(potential: Potential, frames: Sequence[Frame]):
    return compute_descriptors(frames, potential.functions, n_threads=1)


def variance(fit: LocalRigidity, values: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Return the posterior variance (M, n) of atomic energies, eV²: noise² / LPR."""
    return fit.noise[:, None] ** 2 / fit.rigidity(values, species)


def with_theta(potential: Potential, theta: np.ndarray) -> Potential:
    """Return the potential with other last-layer weights (M, P), by a way of its own."""
    layers, skip, start = {}, {}, 0
    for element, net in potential.weights.layers.items():
        width = net[-1][0].shape[1]
        output = theta[:, start : start + width, None]
        layers[element] = [*net[:-1], (output, theta[:, start + width, None])]
        start += width + 1
        if potential.weights.skip is not None:
            skip[element] = theta[:, start : start + potential.weights.n_inputs]
            start += potential.weights.n_inputs
    weights = replace(potential.weights, layers=layers, skip=skip or None)
    return replace(potential, weights=weights)


def derivatives(potential: Potential, frames: Sequence[Frame], n_features: int):
    """Return the derivatives by each last-layer weight, from predictions: they are linear in it."""

    def predict(theta: np.ndarray):
        return with_theta(potential, theta).predict(frames, n_threads=1)

    theta = np.zeros((potential.n_members, n_features))
    base, found = predict(theta), []
    for k in range(n_features):
        theta[:] = 0.0
        theta[:, k] = 1.0
        moved = predict(theta)
        assert moved.forces_members is not None and base.forces_members is not None
        assert moved.stress_members is not None and base.stress_members is not None
        found.append(
            (
                moved.atomic_energies_members - base.atomic_energies_members,
                moved.forces_members - base.forces_members,
                moved.stress_members - base.stress_members,
            )
        )
    return [np.stack([f[q] for f in found], axis=-1) for q in range(3)]


@pytest.mark.parametrize("name", ["Si", "SiC"])
def test_curvature_is_that_of_the_predictions(name: str) -> None:
    elements = ("Si",) if name == "Si" else ("C", "Si")
    frames = [*cells(3, name), build_frame("Si", rattle=0.2, repeat=(2, 1, 1))]
    potential = build_potential(build_functions(elements), frames, hidden=(5, 3), n_members=2, skip=True)
    frames = [replace(f, energy=1.0, forces=np.zeros((f.n_atoms, 3))) for f in frames]
    found = Curvature.of(potential, described(potential, frames), frames, force_rows=3000, n_threads=1)
    layer = found.layer
    energies, forces, stress = derivatives(potential, frames, layer.n_features)
    start = np.cumsum([0, *(f.n_atoms for f in frames)])
    rows = np.stack([energies[:, a:b].mean(axis=1) for a, b in pairwise(start)], axis=1)
    expected = rows.swapaxes(1, 2) @ rows / 4
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.means[0], expected, atol=2e-6 * scale)
    flat = stress.reshape(2, -1, layer.n_features)
    expected = flat.swapaxes(1, 2) @ flat / flat.shape[1]
    np.testing.assert_allclose(found.means[2], expected, atol=1e-5 * np.abs(expected).max())
    flat = forces.reshape(2, -1, layer.n_features)
    expected = flat.swapaxes(1, 2) @ flat / flat.shape[1]
    assert np.linalg.norm(found.means[1] - expected) < 0.05 * np.linalg.norm(expected)  # random projections
    table = described(potential, frames)
    np.testing.assert_allclose(layer.features(table.values, table.species), energies, atol=1e-12)
    step = np.random.default_rng(0).normal(size=layer.theta.shape)
    forces, stress, rows = (np.einsum("m...p,mp->m...", a, step) for a in (forces, stress, rows))
    change = 2.0 * (rows**2).mean(axis=1) + 0.3 * (forces**2).sum(axis=2).mean(axis=1)
    change += 5.0 * (stress**2).sum(axis=(2, 3)).mean(axis=1)
    hessian = found.hessian((True, True, True), (2.0, 0.3, 5.0))
    np.testing.assert_allclose(np.einsum("mp,mpq,mq->m", step, hessian, step), 4 * change, rtol=0.05)


def nonlinear_baseline(kind: str, n_inputs: int) -> NonlinearBaseline:
    """Return a random baseline for silicon."""
    rng = np.random.default_rng(4)
    if kind == "quadratic":
        matrix = rng.normal(0.0, 0.02, (4, 4))
        return NonlinearBaseline(kind, {"Si": {"offset": np.array(0.3), "matrix": matrix + matrix.T}})
    centers, weights = rng.normal(size=(6, n_inputs)), rng.normal(0.0, 0.5, 6)
    arrays = {"offset": np.array(0.3), "centers": centers, "weights": weights, "length": np.array(4.0)}
    return NonlinearBaseline(kind, {"Si": arrays})


@pytest.mark.parametrize("kind", ["quadratic", "kernel"])
def test_a_nonlinear_baseline_adds_its_functions(kind: str) -> None:
    frames = cells(6)
    base = build_potential(build_functions(["Si"]), frames, hidden=(5,), n_members=2, skip=True)
    part = nonlinear_baseline(kind, base.weights.n_inputs)
    potential = replace(base, nonlinear_baseline=part)
    predicted = potential.predict(frames, n_threads=1)
    assert predicted.forces_members is not None and predicted.stress_members is not None
    energies, forces = predicted.energy_members[0], predicted.forces_members[0].reshape(6, 8, 3)
    labelled = [
        replace(f, energy=float(energies[k]), forces=forces[k], stress=predicted.stress_members[0, k])
        for k, f in enumerate(frames)
    ]
    found = Curvature.of(potential, described(potential, frames), labelled, n_threads=1)
    layer = found.layer
    assert layer.n_features == 5 + 1 + base.weights.n_inputs + (10 if kind == "quadratic" else 6)
    table = described(potential, frames)
    energies = np.einsum("mnp,mp->mn", layer.features(table.values, table.species), layer.theta)
    np.testing.assert_allclose(
        energies + potential.element_energies["Si"], predicted.atomic_energies_members, atol=1e-9
    )
    np.testing.assert_allclose(found.squares[:, 0], 0.0, atol=1e-9)  # rows · θ are the predictions
    assert (found.squares[:, 1] > 1e-8).all()
    plain = Curvature.of(base, described(base, frames), labelled, n_threads=1)
    freer, stiffer = (LocalRigidity(c).rigidity(table.values, table.species) for c in (found, plain))
    assert (freer < 1.0001 * stiffer).all()


def test_posterior_of_a_linear_model() -> None:
    frames = cells(60)
    functions = build_functions(["Si"])
    potential = build_potential(functions, frames, hidden=(4,), n_members=1)
    layer = Curvature.of(potential, described(potential, frames[:1]), frames[:1], n_threads=1).layer
    table = described(potential, frames)
    phi = layer.features(table.values, table.species)[0]
    design = phi.reshape(60, 8, -1).mean(axis=1)
    rng = np.random.default_rng(3)
    theta_true = rng.normal(size=design.shape[1])
    wanted = design @ theta_true + 0.003 * rng.standard_normal(60)
    best, rss, *_ = np.linalg.lstsq(design, wanted, rcond=None)
    fitted = with_theta(potential, best[None])
    base = potential.element_energies["Si"]
    labelled = [replace(f, energy=8 * (float(e) + base)) for f, e in zip(frames, wanted, strict=True)]
    found = LocalRigidity(Curvature.of(fitted, table, labelled, n_threads=1), ridge=1e-14, **ONLY_ENERGY)
    covariance = np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(found.hessian[0], design.T @ design, rtol=1e-5)
    expected = np.einsum("ip,pq,iq->i", phi[:40], covariance, phi[:40])
    got = found.rigidity(table.values[:40], table.species[:40])
    np.testing.assert_allclose(1.0 / got[0], expected, rtol=1e-3)
    sigma2 = float(rss[0]) / (60 - design.shape[1])
    assert np.sqrt(sigma2) == pytest.approx(0.003, rel=0.2)
    np.testing.assert_allclose(
        variance(found, table.values[:40], table.species[:40])[0], sigma2 * expected, rtol=2e-3
    )
    # the spread of refits on fresh noise is what the variance says
    draws = design @ theta_true + 0.003 * rng.standard_normal((2000, 60))
    refits = draws @ np.linalg.pinv(design).T @ phi[:5].T
    np.testing.assert_allclose(refits.var(axis=0), 0.003**2 * expected[:5], rtol=0.15)


def slabs(n_layers: Sequence[int]) -> list[Frame]:
    """Return rattled cut slabs of silicon."""
    frames = []
    for k, layers in enumerate(n_layers):
        atoms = diamond100("Si", (1, 1, layers), a=5.43, vacuum=5.0)
        atoms.pbc = True
        atoms.positions += 0.03 * np.random.default_rng(k).standard_normal(atoms.positions.shape)
        atoms.calc = None
        atoms.info.clear()
        frames.append(Frame.from_atoms(atoms))
    return [replace(f, energy=-4.0 * f.n_atoms, forces=np.zeros((f.n_atoms, 3))) for f in frames]


def step_potential(frames: Sequence[Frame]) -> tuple[Potential, np.ndarray]:
    """Return a potential whose one hidden neuron tells bulk atoms from surface atoms, and who is bulk."""
    functions = build_functions(["Si"], cutoff=4.0)
    base = build_potential(functions, frames, n_members=1)
    table = compute_descriptors(frames, functions, derivatives=False, n_threads=1)
    x = base.whitening.transform(table.values, table.species)
    inside = [depth_regions(f, surface_depth=0.7).region("bulk").atoms for f in frames]
    is_bulk = np.zeros(len(x), dtype=bool)
    for start, atoms in zip(table.frame_start, inside, strict=False):
        is_bulk[start + atoms] = True
    normal, *_ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], np.where(is_bulk, 1.0, -1.0), rcond=None)
    projected = x @ normal[:-1] + normal[-1]
    gap = projected[is_bulk].min() - projected[~is_bulk].max()
    assert gap > 0.2
    middle = 0.5 * (projected[is_bulk].min() + projected[~is_bulk].max())
    steep = 60.0 / gap
    hidden = (steep * normal[None, :-1, None], steep * np.array([[normal[-1] - middle]]))
    output = (np.ones((1, 1, 1)), np.zeros((1, 1)))
    return replace(base, weights=NetworkWeights("tanh", {"Si": [hidden, output]})), is_bulk


def test_an_offset_between_separate_groups_is_not_held() -> None:
    same, mixed = slabs([12] * 8), slabs([12] * 7 + [16])
    potential, is_bulk = step_potential([*same, *mixed])

    def fit(frames: Sequence[Frame]) -> LocalRigidity:
        return LocalRigidity(Curvature.of(potential, described(potential, frames), frames, n_threads=1))

    table = compute_descriptors(same[:1], potential.functions, derivatives=False, n_threads=1)
    alike, different = fit(same), fit(mixed)
    groups = [np.flatnonzero(is_bulk[:12]), np.flatnonzero(~is_bulk[:12]), np.arange(12)]
    soft = alike.of_features(alike.layer.group_features(table.values, table.species, groups))[0]
    m = 8 / 12  # mean of the step over a frame: ten atoms of +1 and two of -1
    assert soft[2] == pytest.approx(8.0, rel=1e-3)  # the mean of the frame: as many energies as frames
    assert soft[0] == pytest.approx(1e-6 * (1 + m * m) / (1 - m) ** 2, rel=1e-3)  # only the ridge holds these
    assert soft[1] == pytest.approx(1e-6 * (1 + m * m) / (1 + m) ** 2, rel=1e-3)
    held = different.of_features(different.layer.group_features(table.values, table.species, groups))[0]
    assert (held[:2] > 1e3 * soft[:2]).all() and held[2] > 5.0
    softest = soft_directions(alike, 1)
    assert softest.curvature[0, 0] < 1e-9
    change = softest.energies(table.values, table.species)[0, 0]
    assert abs(change.sum()) < 1e-6 and np.ptp(change[groups[0]]) < 1e-6
    assert change[groups[0]][0] * change[groups[1]][0] < 0  # an offset that cancels
    np.testing.assert_allclose(softest.share_of(softest.vectors[:, :, 0]), 1.0)
    offset = np.array([0.1, -0.5])  # ten atoms of bulk, two of surface: the total stays
    unseen, seen = (
        hidden_change(fit, table.values, table.species, offset, groups[:2]) for fit in (alike, different)
    )
    np.testing.assert_allclose(unseen.reached[0], offset, atol=1e-6)
    assert unseen.energy_mev[0] < 0.01 and unseen.force[0] < 1e-3
    assert seen.energy_mev[0] > 5.0  # one frame in eight has another ratio


@pytest.fixture(scope="module")
def at_one_volume() -> tuple[Potential, Curvature, np.ndarray, np.ndarray, np.ndarray]:
    """Return the curvature of NVT data, and the crystal along its volume: values, species, volumes."""
    frames = read_dataset(example_path("nvt")).frames[:24]
    potential = build_potential(build_functions(["Si"], 5.0), frames, hidden=(6,), n_members=2, skip=True)
    curvature = Curvature.of(potential, described(potential, frames), frames, n_threads=1)
    points = invariant_points(read_dataset(example_path("eos")).frames, potential.functions, n_threads=1)
    values = points.mean_of(points.values.T).T
    return potential, curvature, values, np.zeros(len(values), dtype=np.int32), points.volumes


def test_stress_holds_the_slope_that_energies_at_one_volume_let_go(at_one_volume) -> None:
    _, curvature, values, species, volumes = at_one_volume
    weights = (1.0, 0.005, 3.0)
    fits = [LocalRigidity(curvature, weights=weights, parts=parts) for parts in LOSSES.values()]
    along = [mean_of_members(r.rigidity(values, species)) for r in fits]
    assert (along[1] > along[0]).all() and (along[2] > along[1]).all()
    strain = volumes / 20.581 - 1  # of the training frames
    assert (along[2] / along[1])[np.abs(strain) > 0.02].min() > 2.0
    near = np.abs(strain) < 0.1
    wanted = 0.03 * 20.581 * strain[near]
    without, with_ = (hidden_change(r, values[near], species[near], wanted) for r in fits[1:])
    np.testing.assert_allclose(without.reached, np.tile(wanted, (2, 1)), atol=1e-5)
    size = 1000 * np.sqrt(np.mean(wanted**2))
    assert (without.energy_mev < 0.01 * size).all() and (without.force < 0.01).all()
    assert (without.stress_gpa > 2.0).all() and (with_.stress_gpa < without.stress_gpa).all()
    assert (with_.energy_mev > without.energy_mev).all()
    assert f"a change of {size:.0f} meV/atom here shows" in without.text
    share = soft_directions(fits[1], 6).share_of(without.weights)
    assert share.shape == (2, 6)


def test_scales(at_one_volume) -> None:
    potential, curvature, values, species, _ = at_one_volume
    plain = LocalRigidity(curvature, parts=(True, True, True), weights=(1.0, 0.01, 2.0), ridge=1e-6)
    tenfold = LocalRigidity(curvature, parts=(True, True, True), weights=(10.0, 0.1, 20.0), ridge=1e-5)
    np.testing.assert_allclose(
        tenfold.rigidity(values, species), 10 * plain.rigidity(values, species), rtol=1e-6
    )
    np.testing.assert_allclose(
        variance(tenfold, values, species), variance(plain, values, species), rtol=1e-6
    )
    frames = read_dataset(example_path("nvt")).frames[:4]
    once = Curvature.of(potential, described(potential, frames), frames, n_threads=1)
    twice = Curvature.of(potential, described(potential, frames * 2), frames * 2, n_threads=2)
    for parts in ((True, False, False), (False, False, True)):
        expected = 2 * once.hessian(parts)
        np.testing.assert_allclose(twice.hessian(parts), expected, atol=0.5e-6 * np.abs(expected).max())
    shifted = replace(potential, element_energies={"Si": -100.0})
    moved = [replace(f, energy=(f.energy or 0.0) + 3.0) for f in frames]
    again = Curvature.of(shifted, described(potential, moved), moved, n_threads=1)
    np.testing.assert_array_equal(again.hessian(), once.hessian())
    assert np.isnan(again.squares).any() == np.isnan(once.squares).any()


def test_residuals_are_those_of_the_predictions(at_one_volume) -> None:
    potential, *_ = at_one_volume
    frames = list(read_dataset(example_path("nvt")).frames[:5])
    frames[0] = replace(frames[0], energy=None)
    frames[1] = replace(frames[1], stress=None)
    found = Curvature.of(potential, described(potential, frames), frames, force_rows=2000, n_threads=1)
    predicted = potential.predict(frames, n_threads=1)
    energy = np.array([(predicted.energy_members[:, k] - frames[k].energy) / 64 for k in range(1, 5)])
    np.testing.assert_allclose(found.squares[0], (energy**2).mean(axis=0), rtol=1e-4)
    assert predicted.stress_members is not None and predicted.forces_members is not None
    stress = np.array([predicted.stress_members[:, k] - frames[k].stress for k in (0, 2, 3, 4)])
    np.testing.assert_allclose(found.squares[2], (stress**2).mean(axis=(0, 2, 3)), rtol=1e-3)
    forces = predicted.forces_members - np.concatenate([np.asarray(f.forces) for f in frames])
    np.testing.assert_allclose(found.squares[1], (forces**2).mean(axis=(1, 2)), rtol=0.15)
    assert found.counts == (4, 3 * 64 * 5, 6 * 5)
    bare = [replace(f, energy=None, forces=None, stress=None) for f in frames]
    blind = Curvature.of(potential, described(potential, bare), bare, n_threads=1)
    nothing = LocalRigidity(blind, parts=(True, True, True))
    assert np.isnan(nothing.noise).all() and (nothing.hessian[:, :6, :6] == 0).sum() == 0


def test_study_of_points_and_regions(at_one_volume) -> None:
    potential, curvature, *_ = at_one_volume
    frames = read_dataset(example_path("nvt")).frames[:24]
    points = invariant_points(read_dataset(example_path("eos")).frames, potential.functions, n_threads=1)
    cell = build_frame("Si", rattle=0.1)
    chosen = (indices_region(cell, "one", [3]), indices_region(cell, "rest", [0, 1, 2]))
    parts = with_references(RegionSet(cell, chosen, "cell"), exact=np.full(8, -5.0))
    table = described(potential, frames)
    found = rigidity_study(potential, table, frames, points=points, region_sets=[parts], n_threads=1)
    assert found.names[0].startswith("Si at ") and found.names[-2:] == ("cell one", "cell rest")
    assert list(found.rigidity) == list(found.std_mev) == list(found.fits) == list(LOSSES)
    assert found.trained_on == "energy + forces" and found.n_points == points.n_points == len(found.names) - 2
    direct = LocalRigidity(curvature)
    expected = mean_of_members(direct.rigidity(points.values[::8], points.species[::8]))
    np.testing.assert_allclose(found.rigidity[found.trained_on][:-2], expected, rtol=1e-5)
    one = compute_descriptors([cell], potential.functions, derivatives=False, n_threads=1)
    groups = direct.of_features(
        direct.layer.group_features(one.values, one.species, [np.array([3]), np.array([0, 1, 2])])
    )
    np.testing.assert_allclose(found.rigidity[found.trained_on][-2:], mean_of_members(groups), rtol=1e-9)
    spread = variance(direct, one.values[3:4], one.species[3:4])
    assert found.std_mev[found.trained_on][-2] == pytest.approx(1000 * np.sqrt(spread.mean()))
    errors = {e.name: e.error_mev for e in region_errors(potential, parts, n_threads=1)}
    assert found.error_mev[-1] == pytest.approx(errors["cell rest"]) and np.isfinite(found.error_mev).all()
    again = rank_correlation(1 / found.rigidity[found.trained_on], np.abs(found.error_mev))
    assert found.correlation == again and again.text in found.text
    bare = rigidity_study(potential, table, frames, region_sets=[parts], n_threads=1)
    assert "cannot be told: 2 points are too few" in bare.text


def test_what_rigidity_refuses(at_one_volume) -> None:
    potential, curvature, values, species, _ = at_one_volume
    frames = cells(2)
    table = described(potential, frames)
    with pytest.raises(AnalysisError, match="one for one"):
        Curvature.of(potential, table, frames[:1])
    with pytest.raises(AnalysisError, match="derivatives"):
        Curvature.of(potential, replace(table, derivatives=None), frames)
    with pytest.raises(AnalysisError, match="Choose a positive number"):
        LocalRigidity(curvature, ridge=0.0)
    with pytest.raises(AnalysisError, match="2 energies are given for"):
        hidden_change(LocalRigidity(curvature), values, species, np.zeros(2))
    bent = replace(potential.weights, activations={"Si": ("tanh", "tanh")})
    with pytest.raises(AnalysisError, match="linear output layer"):
        Curvature.of(replace(potential, weights=bent), table, frames)
