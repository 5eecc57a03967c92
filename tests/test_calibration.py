"""Calibration: factors that make spreads right, against independent computations, and where they are used."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats
from training_data import TINY, silicon_frames

from nnpcore.analyses.calibrating import calibrate_run, keep_factors
from nnpcore.analyses.calibration import Calibration, sentence, short_sentences
from nnpcore.cli import main
from nnpcore.cli.result_tables import calibration_rows
from nnpcore.errors import AnalysisError, RunFolderError, SettingsError
from nnpcore.mapping.calibration import SpreadErrors, calibrate
from nnpcore.posterior import Posterior, Target
from nnpcore.potential import Potential
from nnpcore.potential.spread_factors import SpreadFactors, with_factors
from nnpcore.structures import read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer


def drawn(factor: float, n: int = 600, k: int = 3, seed: int = 0) -> SpreadErrors:
    """Return errors that are ``factor`` times as large as their spreads say, in ten blocks."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(-2.0, 0.7, n))
    errors = factor * spread[:, None] * rng.normal(size=(n, k))
    return SpreadErrors("force", spread, errors, np.arange(n) * 10 // n)


# numbers ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_a_known_factor_is_found_within_its_uncertainty(factor: float) -> None:
    found = calibrate(drawn(factor), "members")
    assert abs(np.log(found.factor / factor)) < 4.0 / np.sqrt(2 * 1800)
    assert found.is_right == (factor == 1.0)
    np.testing.assert_allclose(found.after.coverage, [0.683, 0.954], atol=0.03)
    assert found.after.nll <= found.before.nll
    assert found.rank > 0.5
    assert found.n_blocks == 10 and found.n == 600


def test_the_factor_is_that_of_the_largest_likelihood() -> None:
    """An independent search with SciPy's normal distribution ends at the same factor and likelihood."""
    data = drawn(2.3, n=50)

    def nll(log_factor: float) -> float:
        scale = np.exp(log_factor) * np.repeat(data.spread[:, None], 3, axis=1)
        return float(-stats.norm(0.0, scale).logpdf(data.errors).mean())

    best = optimize.minimize_scalar(nll, bracket=(-1.0, 2.0))
    found = calibrate(data, "members")
    assert found.factor == pytest.approx(np.exp(best.x), rel=1e-5)
    assert found.after.nll == pytest.approx(best.fun, rel=1e-8)
    assert found.before.nll == pytest.approx(nll(0.0), rel=1e-12)


def test_the_uncertainty_is_that_of_blocks() -> None:
    """Independent values: that of so many values. Blocks that err together: much more."""
    logs = [calibrate(drawn(1.5, seed=k), "members") for k in range(60)]
    assert np.mean([one.log_std for one in logs]) == pytest.approx(1 / np.sqrt(2 * 1800), rel=0.2)
    alone = drawn(1.0)
    sizes = np.exp(np.random.default_rng(1).normal(0.0, 0.5, 10))[alone.block]
    together = replace(alone, errors=alone.errors * sizes[:, None])
    assert calibrate(together, "members").log_std > 3 * calibrate(alone, "members").log_std
    one_block = replace(alone, block=np.zeros_like(alone.block))
    assert np.isnan(calibrate(one_block, "members").log_std)


def test_few_words_say_which_spreads_are_right() -> None:
    large, wrong = (calibrate(drawn(k, n=n), "members") for k, n in ((0.4, 600), (1.02, 600)))
    wrong = replace(wrong, quantity="energy", factor=1.034, log_std=0.001)
    right = replace(calibrate(drawn(1.0), "data"), quantity="pressure")
    assert short_sentences([large, wrong, right]) == (
        f"Spread of the members: force {1 / large.factor:.2g} times too large, "
        "energy 1.03 times too small. Foretold spread: pressure right as far as can be told."
    )


def test_what_all_frames_err_together_counts_once() -> None:
    """One draw for all frames: the logarithm of its size scatters as it is said to."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(400):
        data = drawn(1.0, k=1, seed=seed)
        ratios = rng.normal() + 0.01 * rng.normal(size=(600, 1))
        found.append(calibrate(replace(data, errors=data.spread[:, None] * ratios), "members"))
    logs = np.log([one.factor for one in found])
    assert np.median([one.log_std for one in found]) == pytest.approx(np.std(logs), rel=0.15)
    assert 0.86 < np.mean([one.is_right for one in found]) < 0.97


def test_a_common_shear_stress_is_five_draws() -> None:
    """Nine components are compared, of which five are free."""
    rng, logs, told = np.random.default_rng(0), [], []
    for seed in range(300):
        tensor = rng.normal(size=(3, 3))
        tensor = tensor + tensor.T
        tensor -= np.trace(tensor) / 3 * np.eye(3)
        data = drawn(1.0, k=9, seed=seed)
        errors = data.spread[:, None] * tensor.ravel()
        found = calibrate(replace(data, quantity="shear stress", errors=errors), "members")
        logs.append(np.log(found.factor))
        told.append(found.log_std)
    assert np.median(told) == pytest.approx(np.std(logs), rel=0.15)


def test_frames_without_errors_are_no_finding() -> None:
    data = drawn(1.0, n=40)
    found = calibrate(replace(data, errors=0.0 * data.errors), "members")
    assert (
        sentence(found) == "Force: the spread of the members cannot be compared: these frames have no errors."
    )
    factors = Calibration((found,), ("data",), 40).factors
    assert 0 < factors.force < 1e-5
    one = calibrate(replace(drawn(1.0, n=1), block=np.zeros(1, dtype=int)), "members")
    assert np.isnan(one.log_std) and "one block of frames cannot tell" in sentence(one)


def test_factors_with_wide_bounds_are_said_not_to_be_told() -> None:
    few = calibrate(replace(drawn(1.0, n=4, k=1), block=np.arange(4)), "members")
    hardly = replace(few, factor=577.0, log_std=3.6, rank=math.nan)
    assert hardly.is_right and not hardly.is_told
    text = sentence(hardly)
    assert "these frames do not tell whether the spread of the members is right in size" in text
    assert "is right in size as far" not in text and "0.43 to 7.7e+05" in text
    off = replace(few, factor=50.0, log_std=0.9)
    assert "is too small, by how much these frames do not tell (factor 50, 8.3 to 3e+02)" in sentence(off)
    assert short_sentences([hardly, off]) == (
        "Spread of the members: force not told by these frames, force too small."
    )
    told = calibrate(drawn(3.0), "members")
    assert told.is_told and "3 times too small" in sentence(told)
    found = Calibration((hardly, told), ("data",), 4)
    assert list(found.untold) == ["force"] and found.known_factors["force"] == 577.0
    assert found.told_factors == {}
    table = calibration_rows(found)
    assert "–" in list(table.columns[4].cells) and "nan" not in str([list(c.cells) for c in table.columns])


def test_pressure_and_shear_have_factors_of_their_own(run: Path) -> None:
    """Each is compared by itself, whatever the axes, and drawn apart by itself."""
    found, _ = calibrate_run(run, foretold=False, n_threads=1)
    potential, frames = Potential.load(run), RunFolder.open(run).find_frames()["validation"]
    plain = potential.predict(frames, n_threads=1)
    assert plain.stress_members is not None and plain.stress is not None
    own = np.trace(plain.stress_members, axis1=2, axis2=3) / 3
    true = [np.trace(frame.stress) / 3 for frame in frames if frame.stress is not None]
    wanted = np.sqrt(np.mean(((own.mean(axis=0) - true) / own.std(axis=0)) ** 2))
    pressure = found.of("pressure")
    assert pressure is not None and pressure.factor == pytest.approx(wanted, rel=1e-6)
    assert found.of("shear stress") is not None and found.factors.pressure == pressure.factor
    spread = with_factors(plain, SpreadFactors(pressure=3.0, shear=0.0001)).stress_members
    assert spread is not None
    np.testing.assert_allclose(spread.mean(axis=0), plain.stress, atol=1e-12)
    np.testing.assert_allclose((np.trace(spread, axis1=2, axis2=3) / 3).std(axis=0), 3 * own.std(axis=0))
    shear = np.abs(plain.stress_members - plain.stress)[..., 0, 1].max()
    assert np.abs(spread - plain.stress)[..., 0, 1].max() == pytest.approx(1e-4 * shear, rel=1e-3)


def test_bins_hold_all_values_and_follow_the_factor() -> None:
    data = drawn(2.0)
    found = calibrate(data, "members")
    np.testing.assert_allclose(found.bin_error / found.bin_spread, 2.0, rtol=0.25)
    assert (np.diff(found.bin_spread) > 0).all()
    assert np.mean(found.bin_error**2) == pytest.approx(np.mean(data.errors**2))


def test_spreads_that_are_rounding_do_not_count() -> None:
    data = drawn(1.0, n=40)
    spread = np.where(np.arange(40) < 5, 1e-9, data.spread)
    found = calibrate(replace(data, spread=spread), "members")
    assert found.n == 35 and found.n_left_out == 5 and 0.5 < found.factor < 2.0
    with pytest.raises(AnalysisError, match="no force has a spread"):
        calibrate(replace(data, spread=np.zeros(40)), "members")


# a run --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data() -> list[Frame]:
    return silicon_frames(24)


@pytest.fixture
def run(data: list[Frame], tmp_path: Path) -> Path:
    write_frames(tmp_path / "data.extxyz", data)
    frames = read_dataset(tmp_path / "data.extxyz").frames
    settings = TINY.replace(n_members=4, **{"descriptors.preset": "26"})
    Trainer(settings, frames[:16], frames[16:], run_folder=tmp_path / "run").run()
    return tmp_path / "run"


def test_factors_of_a_run_are_those_counted_by_hand(run: Path, data: list[Frame]) -> None:
    found, notes = calibrate_run(run, n_threads=1)
    assert not notes and found.n_frames == 8 and found.names == ("validation",)
    potential = Potential.load(run)
    squares: dict[str, list[float]] = {"energy": [], "force": []}
    for frame in RunFolder.open(run).find_frames()["validation"]:
        members = [_one(potential, frame, m) for m in range(4)]
        energies = np.array([energy for energy, _ in members]) / frame.n_atoms
        forces = np.array([force for _, force in members])
        assert frame.energy is not None and frame.forces is not None
        z = (energies.mean() - frame.energy / frame.n_atoms) / energies.std()
        squares["energy"].append(z**2)
        spread = np.sqrt((forces.std(axis=0) ** 2).mean(axis=1))
        squares["force"] += (((forces.mean(axis=0) - frame.forces) / spread[:, None]) ** 2).ravel().tolist()
    for quantity, z2 in squares.items():
        own = found.of(quantity)
        assert own is not None and own.factor == pytest.approx(np.sqrt(np.mean(z2)), rel=1e-6)
        assert getattr(found.factors, quantity) == own.factor
    assert found.of("energy", "data") is not None and found.of("force", "data") is not None


def _one(potential: Potential, frame: Frame, member: int) -> tuple[float, np.ndarray]:
    found = potential.predict([frame], n_threads=1)
    assert found.forces_members is not None
    return float(found.energy_members[member, 0]), found.forces_members[member]


def test_frames_that_were_trained_on_are_left_out(run: Path) -> None:
    frames = read_dataset(run.parent / "data.extxyz").frames
    found, notes = calibrate_run(run, {"all": frames}, foretold=False, n_threads=1)
    assert found.n_frames == 8 and "16 frames were trained on" in notes[0]
    with pytest.raises(AnalysisError, match="not trained on"):
        calibrate_run(run, {"old": frames[:16]}, foretold=False, n_threads=1)


def test_factors_are_kept_with_the_run_and_used_when_asked_for(
    run: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "data.extxyz")
    predict = ["predict", str(run), file, "--threads", "1", "--json", "-o"]
    assert main([*predict, str(tmp_path / "a.extxyz"), "--calibrated"]) == 1
    assert "eatlas calibrate RUN --store" in capfd.readouterr().out
    command = ["calibrate", str(run), "--threads", "1", "--json", "--store", "-o", str(tmp_path / "out")]
    assert main(command) == 0
    told = json.loads(capfd.readouterr().out)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"calibration.png", "calibration.json"}
    factors = RunFolder.open(run).spread_factors()
    assert factors is not None and "force" in told["stored"]
    kept = {name: told["factors"][name] if name in told["stored"] else 1.0 for name in told["factors"]}
    assert vars(factors) == pytest.approx(kept)
    assert main([*predict, str(tmp_path / "plain.extxyz")]) == 0
    assert main([*predict, str(tmp_path / "right.extxyz"), "--calibrated"]) == 0
    plain, right = (read_dataset(tmp_path / f"{n}.extxyz").frames[3] for n in ("plain", "right"))
    np.testing.assert_allclose(
        right.arrays["atomic_energies_std"], factors.energy * plain.arrays["atomic_energies_std"], rtol=1e-5
    )
    np.testing.assert_allclose(
        right.arrays["predicted_forces_std"], factors.force * plain.arrays["predicted_forces_std"], rtol=1e-5
    )
    np.testing.assert_allclose(right.info["spread_factors"][:2], [factors.energy, factors.force], rtol=1e-6)
    np.testing.assert_array_equal(right.arrays["predicted_forces"], plain.arrays["predicted_forces"])


def test_what_was_kept_before_and_is_not_computed_now_stays(
    run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["calibrate", str(run), "--threads", "1", "--store", "--json"]
    assert main(command) == 0
    before = RunFolder.open(run).spread_factors()
    assert before is not None and before.foretold_energy != 1.0
    capfd.readouterr()
    assert main([*command, "--members-only"]) == 0
    assert RunFolder.open(run).spread_factors() == before
    (said,) = [note for note in json.loads(capfd.readouterr().out)["notes"] if "Kept as before" in note]
    assert f"energy, foretold {before.foretold_energy:.3g}" in said


def test_nothing_is_kept_with_a_run_that_trains(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    holder = RunFolder.open(run)
    holder.lock()
    found, _ = calibrate_run(run, foretold=False, n_threads=1)
    assert main(["calibrate", str(run), "--threads", "1", "--store", "--members-only"]) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert "a training writes into this folder" in said and f"process {os.getpid()}" in said
    with pytest.raises(RunFolderError, match="a training writes"):
        keep_factors(RunFolder.open(run), found)
    assert main(["calibrate", str(run), "--threads", "1", "--members-only"]) == 0, "only reads"
    holder.release()
    assert not (run / "calibration.json").exists()
    keep_factors(RunFolder.open(run), found)
    assert RunFolder.open(run).spread_factors() == SpreadFactors(**found.told_factors)
    few = replace(found, spreads=tuple(replace(one, log_std=1.0) for one in found.spreads))
    (note,) = keep_factors(RunFolder.open(run), few)[1:]
    assert note.startswith("Not kept: energy, members ") and " between " in note
    assert RunFolder.open(run).spread_factors() == SpreadFactors(**found.told_factors)


def test_factors_of_older_weights_are_refused(run: Path, data: list[Frame]) -> None:
    folder = RunFolder.open(run)
    assert folder.spread_factors() is None
    folder.write_spread_factors(SpreadFactors(energy=2.0), ["validation"])
    found = RunFolder.open(run).spread_factors()
    assert found == SpreadFactors(energy=2.0)
    assert RunFolder.open(run).has_only_its_own()
    document = json.loads((run / "calibration.json").read_text())
    for factors, what in (
        ({}, "the factor 'energy' is missing"),
        ({"energy": 2.0}, "the factor 'force' is missing"),
        ({**document["factors"], "force": -1.0}, "-1.0 is no factor of a spread"),
    ):
        (run / "calibration.json").write_text(json.dumps(document | {"factors": factors}))
        with pytest.raises(RunFolderError, match=f"{what}.*Calibrate"):
            RunFolder.open(run).spread_factors()
    (run / "calibration.json").write_text(json.dumps(document))
    Trainer.resume(run, RunFolder.open(run).settings.replace(epochs=6)).run()
    with pytest.raises(RunFolderError, match="other weights") as caught:
        RunFolder.open(run).spread_factors()
    assert "calibration.json" in caught.value.where


def test_the_calculator_multiplies_spreads_and_nothing_else(run: Path, data: list[Frame]) -> None:
    potential, atoms = Potential.load(run), data[0].to_atoms()
    atoms.calc = None
    factors = SpreadFactors(energy=3.0, force=0.5, pressure=2.0, shear=2.0)
    plain, right = potential.calculator(n_threads=1), potential.calculator(n_threads=1, factors=factors)
    for calculator in (plain, right):
        calculator.calculate(atoms, ("energy", "forces", "stress"))
    wanted = {"energy_std": 3.0, "energies_std": 3.0, "forces_std": 0.5, "stress_std": 2.0}
    for name, value in plain.results.items():
        np.testing.assert_allclose(right.results[name], wanted.get(name, 1.0) * value, rtol=1e-9, atol=1e-12)
    with pytest.raises(SettingsError):
        SpreadFactors(energy=0.0)
    for odd in (10**400, True):
        with pytest.raises(SettingsError, match="no factor"):
            SpreadFactors(foretold_energy=odd)


def test_foretold_spreads_of_forces_are_those_of_moved_energies(data: list[Frame]) -> None:
    """A force is minus the slope of the energy: the spread of its finite difference, by energies alone."""
    from builders import build_functions

    functions = build_functions(("Si",))
    posterior = Posterior.fit(data[:12], functions, n_threads=1)
    frame, h = data[20], 1e-3
    energies, forces = posterior.label_spreads([frame], n_threads=1)
    np.testing.assert_allclose(energies, posterior.spread([Target.mean(frame)], n_threads=1))
    squares = []
    for axis in range(3):
        step = np.zeros_like(frame.positions)
        step[2, axis] = h
        there, back = (replace(frame, positions=frame.positions + s * step) for s in (1.0, -1.0))
        slope = Target.mean(there).minus(Target.mean(back)).times(frame.n_atoms / (2 * h))
        squares.append(posterior.spread_of_features(posterior.features([slope], n_threads=1))[0] ** 2)
    assert forces[2] == pytest.approx(np.sqrt(squares), rel=1e-4)
