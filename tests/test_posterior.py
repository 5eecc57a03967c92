"""The posterior of atomic energies: its rows against finite differences, its numbers against scikit-learn."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from ase import Atoms
from ase.build import bulk, fcc100
from ase.calculators.emt import EMT
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from threadpoolctl import threadpool_info, threadpool_limits

from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.errors import AnalysisError, DataError, SettingsError
from nnpcore.mapping.surface import JOULE_PER_M2, surface_energy_by_data
from nnpcore.posterior import (
    Posterior,
    PosteriorSettings,
    Target,
    atom_targets,
    mean_targets,
)
from nnpcore.posterior.basis import MANDEL, SparseBasis, far_apart, make_bases
from nnpcore.posterior.basis import Atoms as BasisAtoms
from nnpcore.posterior.evidence import (
    Hyperparameters,
    Solution,
    best_hyperparameters,
    evidence_and_slopes,
    first_guess,
    log_evidence,
)
from nnpcore.posterior.factors import cho_solve, cholesky, solve_triangular
from nnpcore.posterior.misfit import misfit_of
from nnpcore.posterior.moments import Moments
from nnpcore.posterior.streaming import each_rows
from nnpcore.posterior.tempering import USUAL_COMPONENTS, USUAL_FACTOR, EnergyRows, found_tempering
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.structures.frame import Frame
from nnpcore.tensor_files import parse_tensors, write_tensors
from nnpcore.threads import one_blas_thread

FUNCTIONS = SymmetryFunctions.preset("26", ["Cu", "Au"], cutoff=4.5)
SMALL = PosteriorSettings(n_centers=40, lengths=(1.5,), n_sample=6)


def alloy_frames(n: int, seed: int = 0, elements: tuple[str, ...] = ("Cu", "Au")) -> list[Frame]:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk("Cu", "fcc", a=3.9 * (1 + 0.02 * rng.standard_normal()), cubic=True)
        atoms.symbols[:] = rng.choice(elements, len(atoms))
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * rng.standard_normal((3, 3))), scale_atoms=True)
        atoms.positions += 0.1 * rng.standard_normal((len(atoms), 3))
        frames.append(labelled(atoms))
    return frames


def labelled(atoms: Atoms) -> Frame:
    atoms.calc = EMT()
    atoms.get_potential_energy()
    atoms.get_stress()
    return Frame.from_atoms(atoms)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return alloy_frames(12)


@pytest.fixture(scope="module")
def posterior(frames: list[Frame]) -> Posterior:
    return Posterior.fit(frames, FUNCTIONS, targets=mean_targets(frames[:1]), settings=SMALL)


def basis_of(frames: list[Frame]) -> SparseBasis:
    d = compute_descriptors(frames, FUNCTIONS, derivatives=False)
    atoms = BasisAtoms(d.values, d.species)
    none = BasisAtoms(d.values[:0], d.species[:0])
    return make_bases(FUNCTIONS, atoms, none, n_centers=25, lengths=(1.5,), spectrum=1e-9, seed=0)[0]


def moved(
    frame: Frame, strain: np.ndarray | None = None, atom: int = 0, by: np.ndarray | None = None
) -> Frame:
    positions, cell = frame.positions.copy(), frame.cell
    if by is not None:
        positions[atom] += by
    if strain is not None:
        positions, cell = positions @ (np.eye(3) + strain), cell @ (np.eye(3) + strain)
    return replace(frame, positions=positions, cell=cell)


def total_row(basis: SparseBasis, frame: Frame) -> np.ndarray:
    d = compute_descriptors([frame], FUNCTIONS, derivatives=False)
    return basis.features(d.values, d.species).sum(0)


def test_rows_of_forces_and_stresses_are_the_energys_derivatives(frames: list[Frame]) -> None:
    basis, frame, h = basis_of(frames), frames[0], 1e-4
    d = compute_descriptors([frame], FUNCTIONS, dtype=np.float64)
    rows = basis.rows(d, frame.volume)
    np.testing.assert_allclose(rows.energy * frame.n_atoms, total_row(basis, frame), atol=1e-10)
    scale = np.abs(rows.forces).max()
    for atom, axis in ((0, 0), (2, 1), (3, 2)):
        by = h * np.eye(3)[axis]
        up, down = (total_row(basis, moved(frame, atom=atom, by=sign * by)) for sign in (1, -1))
        np.testing.assert_allclose(rows.forces[3 * atom + axis], (down - up) / (2 * h), atol=1e-5 * scale)
    assert rows.stress is not None
    scale = np.abs(rows.stress).max()
    for k, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        strain = np.zeros((3, 3))
        strain[a, b] += h / 2
        strain[b, a] += h / 2
        up, down = (total_row(basis, moved(frame, strain=sign * strain)) for sign in (1, -1))
        slope = (up - down) / (2 * h * frame.volume)
        np.testing.assert_allclose(rows.stress[k] / MANDEL[k], slope, atol=1e-5 * scale)


def test_prediction_of_the_mean_is_rows_times_coefficients(posterior: Posterior, frames: list[Frame]) -> None:
    frame = frames[3]
    (found,) = posterior.predict([frame])
    d = compute_descriptors([frame], FUNCTIONS)
    rows = posterior.basis.rows(d, frame.volume)
    c = posterior.solution.coefficients
    np.testing.assert_allclose(found.forces.ravel(), rows.forces @ c, atol=1e-6)
    assert found.stress is not None and rows.stress is not None
    six = MANDEL * found.stress.ravel()[[0, 4, 8, 5, 2, 1]]
    np.testing.assert_allclose(six, rows.stress @ c, atol=1e-8)
    np.testing.assert_allclose(found.energy / frame.n_atoms, posterior.mean(mean_targets([frame]))[0])
    np.testing.assert_allclose(found.forces, frame.forces, atol=0.5)


def test_energies_alone_agree_with_scikit_learn() -> None:
    """One atom a frame: then a structure's energy is a plain Gaussian process over its descriptor."""
    functions = SymmetryFunctions.preset("26", ["Cu"], cutoff=4.5)
    frames = []
    for a in np.linspace(3.3, 4.1, 9):
        atoms = bulk("Cu", "fcc", a=a)
        atoms.set_cell(atoms.cell.array * [1.0, 1.02, 1.0], scale_atoms=True)
        frames.append(labelled(atoms))
    training, asked = frames[::2], frames[1::2]
    noise = 0.01
    settings = PosteriorSettings(
        lengths=(1.0,), signal=(1.0, 1.0), energy_noise=(noise, noise), spectrum=1e-14, n_centers=9
    )
    targets = mean_targets(asked)
    found = Posterior.fit(training, functions, targets=targets, kinds=("energy",), settings=settings)
    (basis,) = found.basis.elements
    assert basis is not None and len(basis.centers) == 9

    def inputs(some: list[Frame]) -> np.ndarray:
        return basis.inputs(compute_descriptors(some, functions, derivatives=False).values)

    kernel = ConstantKernel(1.0, "fixed") * RBF(basis.length, "fixed") + ConstantKernel(1.0, "fixed")
    peer = GaussianProcessRegressor(kernel + WhiteKernel(noise**2, "fixed"), optimizer=None)
    zero = float(found.zeros[0])
    peer.fit(inputs(training), [f.energy - zero for f in training if f.energy is not None])
    mean, covariance = peer.predict(inputs(asked), return_cov=True)
    covariance -= noise**2 * np.eye(len(asked))
    np.testing.assert_allclose(found.mean(targets) - zero, mean, atol=1e-5)
    np.testing.assert_allclose(found.covariance(targets), covariance, atol=1e-7)
    expected = peer.log_marginal_likelihood_value_
    assert log_evidence(found.moments, found.hyper) == pytest.approx(expected, abs=1e-3)


def some_moments(seed: int = 0) -> dict[str, Moments]:
    rng, m = np.random.default_rng(seed), 12
    found = {}
    for kind, n in (("energy", 20), ("forces", 300), ("stress", 60)):
        rows = rng.standard_normal((n, m))
        found[kind] = Moments.of(rows, rows @ rng.standard_normal(m) + 0.3 * rng.standard_normal(n))
    return found


def test_slopes_of_the_evidence_are_its_derivatives() -> None:
    moments, step = some_moments(), 1e-4
    hyper = Hyperparameters(1.0, 0.7, {"energy": 0.2, "forces": 0.4, "stress": 0.1}, {"forces": 0.3})

    def moved(d: np.ndarray) -> float:
        noise = {k: v * np.exp(x) for (k, v), x in zip(hyper.noise.items(), d[1:], strict=True)}
        return log_evidence(moments, replace(hyper, signal=hyper.signal * np.exp(d[0]), noise=noise))

    value, slopes = evidence_and_slopes(moments, hyper)
    assert value == moved(np.zeros(4))
    by_differences = [(moved(step * d) - moved(-step * d)) / (2 * step) for d in np.eye(4)]
    np.testing.assert_allclose(slopes, by_differences, rtol=1e-4)


def test_last_digits_of_sums_do_not_move_hyperparameters(posterior: Posterior) -> None:
    settings, rng = PosteriorSettings(), np.random.default_rng(1)
    start = first_guess(1.5, posterior.moments)
    exact, _ = best_hyperparameters(posterior.moments, start, settings)
    for _ in range(3):
        noisy = {}
        for kind, sums in posterior.moments.items():
            matrix = sums.matrix * (1 + 1e-15 * rng.standard_normal(sums.matrix.shape))
            noisy[kind] = replace(sums, matrix=0.5 * (matrix + matrix.T))
        assert best_hyperparameters(noisy, start, settings)[0] == exact


def test_the_posterior_is_the_same_to_the_digit_on_any_threads(frames: list[Frame]) -> None:
    """Also while others take and give back the threads of matrix products."""
    targets, done = mean_targets(frames[:3]), threading.Event()

    def others() -> None:
        while not done.is_set():
            with one_blas_thread():
                done.wait(1e-3)

    found = []
    for n_threads in (1, 2):
        thread = threading.Thread(target=others) if n_threads > 1 else None
        if thread is not None:
            thread.start()
        try:
            one = Posterior.fit(frames, FUNCTIONS, targets=targets, settings=SMALL, n_threads=n_threads)
            found.append((one.hyper, *one.mean_and_covariance(targets, n_threads=n_threads)))
        finally:
            if thread is not None:
                done.set()
                thread.join()
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])


def test_threads_of_matrix_products_are_given_back_by_the_last() -> None:
    def threads() -> list[int]:
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    def in_a_thread_of_its_own(work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    def leave(held: AbstractContextManager[None]) -> None:
        held.__exit__(None, None, None)

    with threadpool_limits(2, user_api="blas"):
        before, first, second = threads(), one_blas_thread(), one_blas_thread()
        in_a_thread_of_its_own(first.__enter__)
        second.__enter__()
        in_a_thread_of_its_own(lambda: leave(first))
        assert set(threads()) == {1}
        in_a_thread_of_its_own(lambda: leave(second))
        assert threads() == before
        assert set(before) == {2}


def test_permuted_and_rotated_structures_are_the_same(posterior: Posterior, frames: list[Frame]) -> None:
    frame, rng = frames[5], np.random.default_rng(1)
    order = rng.permutation(frame.n_atoms)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    turned = replace(
        frame,
        numbers=frame.numbers[order],
        positions=frame.positions[order] @ rotation.T,
        cell=frame.cell @ rotation.T,
    )
    np.testing.assert_allclose(
        posterior.atomic_energies([turned]), posterior.atomic_energies([frame])[order], atol=1e-8
    )
    np.testing.assert_allclose(
        posterior.atomic_spreads([turned]), posterior.atomic_spreads([frame])[order], rtol=1e-5
    )
    one, other = posterior.information([frame, turned])
    np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(one).max())


def test_a_frame_added_is_as_if_it_had_been_there(posterior: Posterior, frames: list[Frame]) -> None:
    targets = [*mean_targets(frames[:2]), *atom_targets(frames[7])]
    more = alloy_frames(2, seed=9)
    grown = posterior.with_frames(more)
    together = replace(posterior, moments={}, n_frames=0).with_frames([*frames, *more])
    assert grown.n_frames == together.n_frames == len(frames) + 2
    np.testing.assert_allclose(grown.mean(targets), together.mean(targets), atol=1e-7)
    np.testing.assert_allclose(grown.spread(targets), together.spread(targets), rtol=1e-6)
    foretold = posterior
    for information in posterior.information([replace(f, energy=None, forces=None) for f in more]):
        foretold = foretold.with_information(information)
    np.testing.assert_allclose(foretold.spread(targets), grown.spread(targets), rtol=1e-6)
    np.testing.assert_allclose(foretold.mean(targets), posterior.mean(targets), atol=1e-7)


def test_a_frame_that_counts_four_times_is_as_if_it_were_there_four_times(
    posterior: Posterior, frames: list[Frame]
) -> None:
    """Its labels have half the noise. One of no weight is left out; one kind may count, another not."""
    targets = mean_targets(frames)
    more = alloy_frames(1, seed=9)[0]
    heavy = posterior.with_frames([replace(more, label_weights=(4.0, 4.0, 4.0))])
    often = posterior.with_frames([more] * 4)
    np.testing.assert_allclose(heavy.mean(targets), often.mean(targets), atol=1e-7)
    np.testing.assert_allclose(heavy.spread(targets), often.spread(targets), rtol=1e-6)
    assert heavy.moments["forces"].n == posterior.moments["forces"].n + 3 * more.n_atoms
    forces_only = posterior.with_frames([replace(more, label_weights=(0.0, 1.0, 0.0))])
    bare = posterior.with_frames([replace(more, energy=None, stress=None)])
    np.testing.assert_array_equal(forces_only.spread(targets), bare.spread(targets))
    (sent,) = frames_from_values(frames_to_values([replace(more, label_weights=(0.5, 2.0, 0.0))]))
    assert sent.label_weights == (0.5, 2.0, 0.0)


def test_the_evidence_finds_the_noise_of_labels_that_count_once(frames: list[Frame]) -> None:
    """Half of the forces are ten times noisier, and weighed so: what is found is the noise of the others."""
    rng, noise = np.random.default_rng(2), 0.05
    known = Posterior.fit(frames, FUNCTIONS, kinds=("forces",), settings=SMALL)
    rows = np.concatenate([row.forces for row in each_rows(known.basis, frames, 1, None)])
    truth = rows @ known.solution.coefficients
    roots = np.where(np.arange(len(rows)) < len(rows) // 2, 0.1, 1.0)
    targets = truth + noise / roots * rng.standard_normal(len(rows))
    start = Hyperparameters(1.5, 1.0, {"forces": 0.1})
    weighed = {"forces": Moments.of(roots[:, None] * rows, roots * targets)}
    alike = {"forces": Moments.of(rows, targets)}
    found, wrong = (best_hyperparameters(m, start, SMALL)[0].noise["forces"] for m in (weighed, alike))
    assert found == pytest.approx(noise, rel=0.25) and wrong > 4 * noise


def test_the_order_and_division_of_frames_do_not_matter(posterior: Posterior, frames: list[Frame]) -> None:
    emptied = replace(posterior, moments={}, n_frames=0)
    one_by_one = emptied
    for frame in reversed(frames):
        one_by_one = one_by_one.with_frames([frame])
    targets = mean_targets(frames)
    np.testing.assert_allclose(one_by_one.mean(targets), posterior.mean(targets), atol=1e-7)
    np.testing.assert_allclose(one_by_one.spread(targets), posterior.spread(targets), rtol=1e-6)


def test_the_spread_falls_with_data_and_covers_the_error(frames: list[Frame]) -> None:
    test = alloy_frames(6, seed=5)
    targets = mean_targets(test)
    few, many = (
        Posterior.fit(chosen, FUNCTIONS, targets=targets, settings=SMALL)
        for chosen in (frames[:3], [*frames, *alloy_frames(20, seed=3)])
    )
    assert (many.spread(targets) < few.spread(targets)).all()
    truth = np.array([f.energy / f.n_atoms for f in test if f.energy is not None])
    errors = np.abs(many.mean(targets) - truth)
    assert np.sqrt(np.mean(errors**2)) < np.sqrt(np.mean((few.mean(targets) - truth) ** 2))


def test_differences_are_known_better_than_their_parts(posterior: Posterior, frames: list[Frame]) -> None:
    one, other = mean_targets(frames[:2])
    covariance = posterior.covariance([one, other])
    (spread,) = posterior.spread([one.minus(other)])
    assert spread**2 == pytest.approx(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], abs=1e-12)


def test_a_surface_energy_by_the_data_is_slab_less_crystal() -> None:
    functions = SymmetryFunctions.preset("26", ["Cu"], cutoff=4.5)
    slab = Frame.from_atoms(fcc100("Cu", (1, 1, 5), a=3.6, vacuum=5.0, periodic=True))
    crystal = Frame.from_atoms(bulk("Cu", a=3.6))
    frames = alloy_frames(10, elements=("Cu",))
    targets = [Target.mean(slab), Target.mean(crystal)]
    posterior = Posterior.fit(frames, functions, targets=targets, settings=SMALL)
    found = surface_energy_by_data(posterior, slab, crystal)
    share = 5 / (2 * 3.6**2 / 2)
    mean, covariance = posterior.mean_and_covariance(targets)
    assert found.ev_per_ang2 == pytest.approx(share * (mean[0] - mean[1]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert found.std_j_per_m2 == pytest.approx(JOULE_PER_M2 * share * np.sqrt(variance))
    known = posterior.with_frames([labelled(slab.to_atoms())])
    assert surface_energy_by_data(known, slab, crystal).std_j_per_m2 < 0.5 * found.std_j_per_m2
    with pytest.raises(AnalysisError, match="shares of the elements"):
        surface_energy_by_data(posterior, slab, Frame.from_atoms(bulk("Au", a=3.6)))


def test_what_cannot_be_done_is_said(posterior: Posterior, frames: list[Frame]) -> None:
    with pytest.raises(DataError, match="no frame has a label"):
        Posterior.fit([replace(frames[0], energy=None, forces=None, stress=None)], FUNCTIONS)
    with pytest.raises(AnalysisError, match="no targets"):
        posterior.spread([])
    with pytest.raises(AnalysisError, match="atoms that the structure does not have"):
        Target.mean(frames[0], [99])
    copper = [f for f in alloy_frames(3, elements=("Cu",))]
    alone = Posterior.fit(copper, FUNCTIONS, settings=SMALL)
    with pytest.raises(AnalysisError, match="neither training nor targets have atoms of Au"):
        alone.spread(mean_targets(alloy_frames(1, elements=("Au",))))
    with pytest.raises(SettingsError, match="tempering"):
        PosteriorSettings(tempering=2.0)


def test_centers_lie_far_apart() -> None:
    points = np.array([[0.0], [0.1], [5.0], [5.0], [2.4]])
    assert far_apart(points, 3).tolist() == [0, 2, 4]
    assert sorted(far_apart(points, 9).tolist()) == [0, 1, 2, 4]


def powers_of(
    repeats: Mapping[str, int], systems: np.ndarray | None = None, shift: np.ndarray | float = 0.0
) -> dict[str, float]:
    """Return the powers found where each label comes so many times, with ``shift`` of the energies.

    Forces tell half of the coefficients, where stresses are there, too, which tell the others.
    """
    rng, m, n = np.random.default_rng(4), 30, 60
    truth, moments = rng.standard_normal(m), {}
    for kind, some in repeats.items():
        rows = rng.standard_normal((6 * n, m))
        if len(repeats) > 1:
            rows[:, slice(m // 2, None) if kind == "forces" else slice(m // 2)] = 0.0
        labels = rows @ truth + 0.5 * rng.standard_normal(len(rows))
        moments[kind] = Moments.of(np.repeat(rows, some, axis=0), np.repeat(labels, some))
    rows = rng.standard_normal((n, m))
    systems = np.zeros(n, dtype=np.int64) if systems is None else systems
    energies = EnergyRows(rows, rows @ truth + shift, systems, np.ones(n))
    return found_tempering(moments, Hyperparameters(1.0, 1.0, dict.fromkeys(repeats, 0.5)), energies)


def test_labels_that_say_the_same_again_count_once() -> None:
    once = powers_of({"forces": 1})
    assert once["forces"] > 0.5
    assert powers_of({"forces": 20})["forces"] == pytest.approx(once["forces"] / 20, rel=0.5)


def test_forces_and_stresses_count_each_by_what_it_is_worth() -> None:
    """One kind that says the same again and again does not make the other count less."""
    forces = powers_of({"forces": 20, "stress": 1})
    stresses = powers_of({"forces": 1, "stress": 20})
    assert forces["forces"] < 0.15 and forces["stress"] > 0.4
    assert stresses["forces"] > 0.4 and stresses["stress"] < 0.15


def test_where_few_axes_tell_forces_count_as_they_usually_do() -> None:
    """Energies along one axis: their size is chance, and must not choose the power by itself."""
    m, rng = 30, np.random.default_rng(5)
    rows = rng.standard_normal((360, m))
    powers = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        truth, axis = rng.standard_normal(m), rng.standard_normal(m)
        forces = rows @ truth + 0.5 * rng.standard_normal(len(rows))
        moments = {"forces": Moments.of(np.repeat(rows, 20, axis=0), np.repeat(forces, 20))}
        energies = rng.standard_normal((8, 1)) * axis + 0.1 * rng.standard_normal((8, m))
        systems = np.zeros(8, dtype=np.int64)
        told = EnergyRows(energies, energies @ truth, systems, np.ones(8))
        found = found_tempering(moments, Hyperparameters(1.0, 1.0, {"forces": 0.5}), told)
        powers.append(found["forces"])
    usual = USUAL_COMPONENTS / (20 * 360)
    off = np.abs(np.log(np.array(powers) / usual))
    assert off.max() < 1.5 * np.log(USUAL_FACTOR)
    assert len(set(powers)) > 6, "the energies have their say"


@pytest.mark.parametrize("misfit", [0.0, 0.3])
def test_energies_left_out_tell_what_no_function_can(misfit: float) -> None:
    rng, m, n = np.random.default_rng(3), 20, 150
    truth, rows = rng.standard_normal(m), rng.standard_normal((n, m))
    targets = rows @ truth + misfit * rng.standard_normal(n)
    hyper = Hyperparameters(1.0, 1.0, {"energy": 0.1})
    solution = Solution.of({"energy": Moments.of(rows, targets)}, hyper)
    energies = EnergyRows(rows, targets, np.zeros(n, dtype=np.int64), np.ones(n))
    assert misfit_of(energies, hyper, solution) == pytest.approx(misfit, rel=0.15, abs=1e-3)
    twice = EnergyRows(rows, targets, energies.systems, np.full(n, 2.0))
    doubled = Solution.of({"energy": Moments.of(2**0.5 * rows, 2**0.5 * targets)}, hyper)
    without = Solution.of({"energy": Moments.of(2**0.5 * rows[1:], 2**0.5 * targets[1:])}, hyper)
    first = EnergyRows(*(np.repeat(v[:1], 4, axis=0) for v in vars(twice).values()))
    missed = abs(targets[0] - rows[0] @ without.coefficients)  # of one energy it is the whole miss, or none
    spread = float(np.linalg.norm(np.linalg.solve(without.factor.T, rows[0])))
    alone = np.sqrt(max(missed**2 - spread**2, 0.0))
    assert misfit_of(first, hyper, doubled) == pytest.approx(alone, rel=0.03, abs=1e-3)


def test_levels_of_different_systems_do_not_temper_forces() -> None:
    systems = np.repeat([0, 1, 2], 20)
    shifted, as_they_are = (powers_of({"forces": 20}, systems, shift) for shift in (5.0 * systems, 0.0))
    assert shifted == pytest.approx(as_they_are)


def test_an_atom_far_from_everything_has_the_priors_spread(posterior: Posterior, frames: list[Frame]) -> None:
    lone = replace(frames[0], cell=3 * frames[0].cell, positions=3 * frames[0].positions)
    (known,) = posterior.spread(mean_targets(frames[:1]))
    far = posterior.atomic_spreads([lone])
    assert (far > 10 * known).all() and (far > 0.3 * posterior.hyper.signal).all()
    targets = [Target.mean(lone, name="far"), *atom_targets(lone)]
    np.testing.assert_allclose(posterior.spread(targets)[1:], far, rtol=1e-6)


def test_a_file_of_it_says_the_same(posterior: Posterior, frames: list[Frame], tmp_path: Path) -> None:
    path, targets = tmp_path / "posterior.safetensors", mean_targets(frames)
    posterior.save(path)
    again = Posterior.load(path)
    assert again.hyper == posterior.hyper and again.kinds == posterior.kinds
    np.testing.assert_allclose(
        again.covariance(targets), posterior.covariance(targets), rtol=1e-6, atol=1e-12
    )
    more = alloy_frames(1, seed=8)
    one, other = (p.with_frames(more) for p in (again, posterior))
    assert one.n_frames == other.n_frames
    np.testing.assert_allclose(one.mean(targets), other.mean(targets), atol=1e-9)
    (before,), (after,) = posterior.predict(frames[:1]), again.predict(frames[:1])
    np.testing.assert_allclose(after.forces, before.forces, atol=1e-9)


def test_files_that_are_no_posterior_are_refused(posterior: Posterior, tmp_path: Path) -> None:
    path = tmp_path / "posterior.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        Posterior.load(path)
    posterior.save(path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-8] + bytes(8), pickle.dumps(posterior.hyper)):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="the file is"):
            Posterior.load(path)
    arrays, texts = parse_tensors(whole)
    for changed, said in (
        ({"coefficients": arrays["coefficients"][:-1]}, "coefficients"),
        ({"precision": np.full_like(arrays["precision"], np.nan)}, "precision"),
        ({"basis.Cu.turn": arrays["basis.Cu.turn"][:-1]}, "turn"),
    ):
        write_tensors(path, {**arrays, **changed}, {"description": texts["description"]})
        with pytest.raises(DataError, match=said):
            Posterior.load(path)
    newer = texts["description"].replace('"format_version": 1', '"format_version": 9')
    for description, said in ((newer, "newer"), ("{}", "posterior"), ("7", "does not hold")):
        write_tensors(path, arrays, {"description": description})
        with pytest.raises(DataError, match=said):
            Posterior.load(path)


def test_an_element_may_have_a_single_atom() -> None:
    frames = alloy_frames(4, elements=("Cu",))
    atoms = bulk("Cu", "fcc", a=3.9, cubic=True)
    atoms.symbols[0] = "Au"
    posterior = Posterior.fit([*frames, labelled(atoms)], FUNCTIONS, settings=SMALL)
    found = posterior.spread(atom_targets(Frame.from_atoms(atoms)))
    assert np.isfinite(found).all() and (found > 0).all()


@pytest.mark.parametrize("n", [1, 7])
def test_factors_are_those_of_scipy(n: int) -> None:
    random = np.random.default_rng(n)
    half = random.normal(size=(n, n))
    matrix, right = half @ half.T + np.eye(n), random.normal(size=(3, n)).T
    factor = cholesky(matrix)
    np.testing.assert_allclose(factor, scipy.linalg.cholesky(matrix), rtol=1e-12)
    np.testing.assert_allclose(matrix @ cho_solve(factor, right), right, atol=1e-10)
    for trans in (0, 1):
        for b in (right, right[:, 0]):
            expected = scipy.linalg.solve_triangular(factor, b, trans=trans)
            np.testing.assert_allclose(solve_triangular(factor, b, trans=trans), expected, rtol=1e-10)
    for bad in (lambda: cholesky(-matrix), lambda: solve_triangular(0.0 * factor, right)):
        with pytest.raises(np.linalg.LinAlgError):
            bad()
