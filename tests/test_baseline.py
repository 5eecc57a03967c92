"""The baseline: solved right, evaluated everywhere, kept in files, put under trained networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import build_frame, build_functions, build_potential
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from training_data import silicon_frames

from nnpcore.descriptors import SymmetryFunctions, Whitening, compute_descriptors
from nnpcore.errors import PotentialError
from nnpcore.potential import Potential
from nnpcore.potential.baseline import gaussians
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings, rmse_report
from nnpcore.training.baseline.bases import Gaussians
from nnpcore.training.baseline.fitting import BaselineFit, evidence_ridges, make_bases
from nnpcore.training.baseline.normal_equations import NormalEquations
from nnpcore.training.data import FitSet, Targets
from nnpcore.training.engines.rows import LossWeights

FREE = {"Si": 0.0, "C": 0.0}


def all_weights(**changes: Any) -> TrainSettings:
    """Return settings in which energies, forces and stresses count."""
    return TrainSettings(energy_weight=1.0, force_weight=1.0, stress_weight=1.0, **changes)


def labelled(frames: Sequence[Frame], potential: Potential) -> list[Frame]:
    """Return the frames with the first member's values as reference values."""
    p = potential.predict(frames)
    assert p.forces is not None and p.stress is not None
    starts = p.frame_start
    return [
        replace(f, energy=float(p.energy[i]), forces=p.forces[starts[i] : starts[i + 1]], stress=p.stress[i])
        for i, f in enumerate(frames)
    ]


def exactly_baseline(functions: SymmetryFunctions, frames: Sequence[Frame], kind: str) -> Potential:
    """Return one member whose network is zero and whose baseline is random."""
    baseline = kind if kind == "quadratic" else ""
    potential = build_potential(functions, frames, n_members=1, baseline=baseline)
    weights = potential.weights.with_flat(np.zeros_like(potential.weights.flatten()))
    rng = np.random.default_rng(3)
    skip = {e: rng.normal(0.0, 0.1, (1, functions.n_descriptors)) for e in functions.elements}
    none = dict.fromkeys(functions.elements, 0.0)
    return replace(potential, weights=replace(weights, skip=skip), element_energies=none)


def fit_set(frames: Sequence[Frame], functions: SymmetryFunctions, whitening: Whitening) -> FitSet:
    targets = Targets.of(frames, functions.elements, {e: FREE[e] for e in functions.elements})
    return FitSet.of(compute_descriptors(frames, functions, dtype=np.float32), whitening, targets)


def silicon_set(n_frames: int = 6) -> FitSet:
    """Return frames with the values of a random potential."""
    functions = build_functions(["Si"])
    bare = [build_frame("Si", rattle=0.3, seed=s) for s in range(n_frames)]
    truth = build_potential(functions, bare, n_members=1)
    return fit_set(labelled(bare, truth), functions, truth.whitening)


@pytest.mark.parametrize("kind", ["linear", "quadratic"])
@pytest.mark.parametrize("elements", [["Si"], ["C", "Si"]], ids=["unary", "binary"])
def test_a_baseline_is_found_and_nothing_is_left(elements: list[str], kind: str) -> None:
    functions = build_functions(elements)
    name = "SiC" if len(elements) == 2 else "Si"
    bare = [build_frame(name, repeat=(2, 1, 1), rattle=0.3, scale=1 + 0.01 * s, seed=s) for s in range(12)]
    truth = exactly_baseline(functions, bare, kind)
    data = fit_set(labelled(bare, truth), functions, truth.whitening)
    settings = all_weights(baseline=kind, baseline_ridge=1e-12, baseline_components=4)
    under = BaselineFit.fit(data, settings).baseline(2)
    unseen = [build_frame(name, repeat=(2, 1, 1), rattle=0.3, seed=s) for s in (50, 51)]
    for tested in (data, fit_set(labelled(unseen, truth), functions, truth.whitening)):
        before, after = tested.targets, under.taken_off(tested).targets
        for quantity in ("forces", "stress"):
            left, whole = getattr(after, quantity), getattr(before, quantity)
            assert np.abs(left).max() < 3e-3 * np.abs(whole).max(), quantity
        # a constant energy per element is left to the elements' reference energies
        assert np.ptp(after.energy) < 3e-3 * np.abs(before.energy).max()


def test_a_large_ridge_leaves_everything_to_the_networks() -> None:
    data = silicon_set()
    model = BaselineFit.fit(data, all_weights(baseline="quadratic", baseline_ridge=1e3))
    assert np.abs(model.coefficients).max() < 2e-2
    left = model.baseline(1).taken_off(data).targets.forces
    assert 0.4 * data.targets.forces.std() < left.std() < data.targets.forces.std()


def energies_only(kind: str, ridge: float) -> tuple[FitSet, BaselineFit]:
    data = silicon_set(9)
    settings = all_weights(baseline=kind, baseline_ridge=ridge)
    return data, BaselineFit.fit(data, settings.replace(force_weight=0.0, stress_weight=0.0))


@pytest.mark.parametrize("kind", ["linear", "quadratic", "kernel"])
def test_energies_alone_give_what_scikit_learn_gives(kind: str) -> None:
    data, model = energies_only(kind, 1e-3)
    d = data.descriptors
    wanted = data.targets.energy / data.targets.n_atoms
    rows = np.add.reduceat(model.bases[0].features(data.inputs.astype(float)), d.frame_start[:-1], axis=0) / 8
    other = Ridge(alpha=1e-3 * len(wanted), fit_intercept=False).fit(rows, wanted)
    assert rows @ model.coefficients == pytest.approx(other.predict(rows), abs=1e-8)


def test_a_kernel_over_all_atoms_is_kernel_ridge_regression() -> None:
    data, model = energies_only("kernel", 1e-3)
    x, length = data.inputs.astype(float), 1.5 * np.sqrt(data.n_inputs)
    kernel = gaussians(x, x, length)
    center = np.eye(len(x)) - 1.0 / len(x)
    whole = x @ x.T + center @ kernel @ center
    n = data.n_frames
    frames = whole.reshape(n, 8, n, 8).mean(axis=(1, 3))
    wanted = data.targets.energy / data.targets.n_atoms
    other = KernelRidge(kernel="precomputed").set_params(alpha=1e-3 * n).fit(frames, wanted)
    d = data.descriptors
    found = np.add.reduceat(model.energies(x, d.species), d.frame_start[:-1]) / 8
    assert isinstance(model.bases[0].more, Gaussians) and len(x) <= 100
    assert found == pytest.approx(other.predict(frames), abs=1e-5)


def test_evidence_finds_the_scale_of_coefficients_and_drops_useless_terms() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 20))
    truth = np.concatenate([rng.normal(0.0, 0.3, 10), np.zeros(10)])
    wanted = rows @ truth + rng.normal(0.0, 1.0, 4000)
    parts = (rows.T @ rows / 4000, wanted @ rows / 4000, float(wanted @ wanted) / 4000)
    equations = NormalEquations(*parts, n_frames=4000)
    used, useless = evidence_ridges(equations, np.repeat([0, 1], 10))
    assert used == pytest.approx(1.0 / 100 / np.mean(truth[:10] ** 2), rel=0.3)  # as if from 100 observations
    assert useless > 30 * used


def test_draws_leave_the_mean_alone_and_have_the_spread_the_data_leave_open() -> None:
    data = silicon_set(12)
    model = BaselineFit.fit(data, all_weights(baseline="linear"))
    draws = model.draws(400, 0, 1.0)
    assert draws is not None and model.draws(1, 0, 1.0) is None and model.draws(4, 0, 0.0) is None
    assert np.abs(draws.mean(axis=1)).max() < 1e-12 * np.abs(draws).max()
    expected = np.diag(model.covariance)
    assert draws[0].var(axis=0) == pytest.approx(expected, rel=0.35)


def test_baseline_is_taken_off_as_the_potential_predicts_it(tmp_path: Path) -> None:
    frames = [build_frame("SiC", rattle=0.3, seed=s) for s in range(4)]
    functions = build_functions(["C", "Si"])
    truth = build_potential(functions, frames, n_members=2)
    data = fit_set(labelled(frames, truth), functions, truth.whitening)
    for kind in ("linear", "quadratic", "kernel"):
        model = BaselineFit.fit(data, all_weights(baseline=kind, baseline_ridge=1e-4))
        under = model.baseline(2, model.draws(2, 0, 1.0))
        empty = truth.weights.with_flat(np.zeros_like(truth.weights.flatten()))
        alone = replace(
            truth,
            weights=replace(empty, skip=under.skip),
            nonlinear_baseline=under.nonlinear,
            element_energies=FREE,
        )
        p, left = alone.predict(frames), under.taken_off(data)
        assert left.added is not None and left.whole is data.targets
        energy = data.targets.energy - left.targets.energy
        assert p.energy == pytest.approx(energy, abs=2e-4)
        assert p.energy_members == pytest.approx((energy[:, None] + left.added.energies).T, abs=2e-4)
        forces = (data.targets.forces - left.targets.forces)[None] + left.added.forces.swapaxes(0, 1)
        assert p.forces_members == pytest.approx(forces, abs=1e-3)
        assert p.stress == pytest.approx(data.targets.stress - left.targets.stress, abs=2e-5)
        again = Potential.load(alone.save(tmp_path / kind))
        q = again.predict(frames)
        assert (q.energy_members == p.energy_members).all() and (q.forces_members == p.forces_members).all()


def test_files_with_a_nonlinear_part_are_refused_by_older_programs(tmp_path: Path) -> None:
    functions = build_functions(["Si"])
    frames = [build_frame("Si", rattle=0.2, seed=s) for s in range(4)]
    for baseline, version in (("", 1), ("quadratic", 2), ("kernel", 2)):
        build_potential(functions, frames, baseline=baseline).save(tmp_path / baseline)
        assert json.loads((tmp_path / baseline / "potential.json").read_text())["format_version"] == version
    text = (tmp_path / "kernel" / "potential.json").read_text()
    (tmp_path / "kernel" / "potential.json").write_text(text.replace('"kind": "kernel"', '"kind": "splines"'))
    with pytest.raises(PotentialError, match="unknown kind 'splines'"):
        Potential.load(tmp_path / "kernel")


def short(**changes: Any) -> TrainSettings:
    """Return settings of a small training of five epochs."""
    values = {
        "descriptors": {"functions": build_functions(["Si"]).to_dict()}, "hidden": (4,), "n_members": 2,
        "n_threads": 1, "device": "cpu", "batch_frames": 3, "epochs": 5,
    }  # fmt: skip
    return TrainSettings(**values | changes)


@pytest.mark.parametrize(
    ("optimizer", "baseline", "after"),
    [("kalman", "linear", 2), ("kalman", "quadratic", 0), ("adam", "kernel", 2), ("lbfgs", "linear", 2)],
)
def test_training_counts_the_baseline_and_resumes_exactly(
    optimizer: str, baseline: str, after: int, tmp_path: Path
) -> None:
    frames = silicon_frames(9)
    settings = short(optimizer=optimizer, baseline=baseline, baseline_epochs=after, stress_weight=1.0)
    whole = Trainer(settings, frames[:6], frames[6:])
    whole.run()
    Trainer(settings.replace(epochs=3), frames[:6], frames[6:], run_folder=tmp_path).run()
    again = Trainer.resume(tmp_path, settings, train=frames[:6], valid=frames[6:])
    again.run()
    assert (again.potential().weights.flatten() == whole.potential().weights.flatten()).all()
    assert any("Baseline" in m.text for m in whole.history[after].messages)
    potential = Potential.load(tmp_path)
    assert (potential.nonlinear_baseline is None) == (
        baseline == "linear"
    ) and potential.weights.skip is not None
    report = rmse_report(potential, {"valid": frames[6:]})["valid"]
    recorded = [r.valid["energy"]["members"] for r in whole.history]
    assert report["rmse_energy_mev_per_atom"]["members"] == pytest.approx(
        [recorded[epoch - 1][m] for m, epoch in enumerate(whole._best.epoch)], rel=1e-3
    )


def test_members_differ_by_what_the_data_leave_open_and_fit_as_well() -> None:
    frames, base = silicon_frames(24), short(baseline="linear", epochs=8)
    spread, errors = {}, {}
    for scale in (0.0, 1.0):
        trainer = Trainer(base.replace(baseline_spread=scale), frames[:18], frames[18:])
        potential = trainer.run().potential
        assert potential.weights.skip is not None
        spread[scale] = np.ptp(potential.weights.skip["Si"], axis=0).max()
        errors[scale] = trainer.history[-1].valid["force"]["members"].max()
    assert spread[0.0] < 1e-12 and spread[1.0] > 0.01
    assert errors[1.0] < 1.3 * errors[0.0]


def test_the_shift_puts_atomic_energies_where_the_baseline_has_them() -> None:
    data = silicon_set(12)
    x, species = data.inputs.astype(float), data.descriptors.species
    model = BaselineFit.fit(data, all_weights(baseline="quadratic"))
    networks = np.stack([x[:, 0] - 0.3 * x[:, 1] + 2.0, x[:, 0] + x[:, 0] * x[:, 1]])
    under = model.onto(x, species, networks)
    assert under.nonlinear is not None
    moved = networks.mean(axis=0) + x @ under.mean_skip["Si"] + under.nonlinear.energies(x, species)
    difference = moved - model.energies(x, species)
    assert difference.std() < 1e-3 * networks.std()


@pytest.mark.parametrize("optimizer", ["kalman", "adam", "lbfgs"])
def test_nothing_left_to_learn_is_no_divergence(optimizer: str) -> None:
    functions = build_functions(["Si"])
    bare = [build_frame("Si", rattle=0.3, scale=1 + 0.01 * s, seed=s) for s in range(12)]
    frames = labelled(bare, exactly_baseline(functions, bare, "linear"))
    settings = short(optimizer=optimizer, baseline="linear", baseline_epochs=0, baseline_ridge=1e-12)
    trainer = Trainer(settings, frames[:9], frames[9:])
    trainer.run()
    assert trainer.history[-1].alive.all()
    assert trainer.history[-1].valid["force"]["members"].max() < 0.1


def test_settings_of_the_first_version_are_read() -> None:
    old = TrainSettings.model_validate({"linear_ridge": 0.001})
    expected = ("linear", 0.001, 0, 0.0)
    assert (old.baseline, old.baseline_ridge, old.baseline_epochs, old.baseline_spread) == expected
    assert TrainSettings.model_validate({"linear_ridge": None}).baseline == "none"


def test_every_kind_has_slopes_that_are_its_derivatives() -> None:
    data = silicon_set(4)
    x, step = data.inputs[:3].astype(float), 1e-5
    for kind in ("quadratic", "kernel"):
        basis = make_bases(data, kind, 5)[0]
        slopes = basis.slopes(x)
        assert slopes is not None
        for k in range(data.n_inputs):
            move = step * np.eye(data.n_inputs)[k]
            numerical = (basis.features(x + move) - basis.features(x - move)) / (2 * step)
            assert slopes[:, k] == pytest.approx(numerical, abs=1e-7)
    weights = LossWeights(1.0, 1.0, 1.0)
    assert NormalEquations.of(data, weights, make_bases(data, "linear", 1)).n_frames == 4


def test_old_names_of_the_baseline_are_read() -> None:
    new = TrainSettings(baseline="kernel", baseline_ridge=1e-3, baseline_epochs=4, baseline_spread=0.5)
    old = {"smooth": "kernel", "smooth_ridge": 1e-3, "smooth_epochs": 4, "smooth_spread": 0.5}
    assert TrainSettings.model_validate(old | {"smooth_components": 8}) == new
    assert TrainSettings().replace(smooth="none").baseline == "none"
