"""Nothing about a crystal hangs on the volumes of the scan it was given by: V0, B0, slope, spreads, level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import FORETOLD
from nnpcore.analyses.graph import required
from nnpcore.analyses.study import MappingStudy, study
from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.mapping import analyse_eos, eos_curve, invariant_points
from nnpcore.mapping.eos_spread import slope_row, slope_spread_gpa
from nnpcore.mapping.fine_scan import fine_points
from nnpcore.posterior import Posterior, PosteriorSettings, mean_targets
from nnpcore.potential import CalculatorModel
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings
from nnpcore.units import GPA_PER_EV_PER_ANG3

V0, B0 = 11.565, 134.5
"""Of copper by ASE's EMT, by finite differences, Å³ and GPa."""

SCANS = [(0.95, 1.05, 21), (0.8, 1.5, 24), (0.9, 1.3, 11), (0.97, 1.02, 7), (0.84, 1.1, 30)]


def copper(low: float, high: float, n: int, tilt: float = 0.0) -> list[Frame]:
    """Crystals at multiples of 3.6 Å with energies; ``tilt`` changes c/a along the scan."""
    frames = []
    for factor in np.linspace(low, high, n):
        atoms = bulk("Cu", a=3.6 * factor)
        atoms.set_cell(atoms.cell.array * [1.0, 1.0, 1.0 + tilt * (factor - 1.0)], scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_potential_energy()
        frames.append(replace(Frame.from_atoms(atoms), forces=None, stress=None))
    return frames


def rattled(n: int, seed: int = 1) -> list[Frame]:
    rng, frames = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = bulk("Cu", a=3.6 * (1.0 + 0.03 * rng.uniform(-1, 1)), cubic=True)
        atoms.positions += 0.1 * rng.standard_normal((4, 3))
        atoms.calc = EMT()
        atoms.get_potential_energy()
        frames.append(Frame.from_atoms(atoms))
    return frames


@pytest.mark.parametrize(("low", "high", "n"), SCANS)
def test_a_models_own_equation_of_state_is_right_whatever_the_scan(low: float, high: float, n: int) -> None:
    points, model = invariant_points(copper(low, high, n)), CalculatorModel(EMT())
    fine = fine_points(points, 11.6)
    assert fine is not None
    np.testing.assert_allclose(fine.volumes / 11.6, 1.0 + 0.01 * np.arange(-15, 16))
    report = analyse_eos(eos_curve(model, points), fine=eos_curve(model, fine))
    assert report.mean_fit is not None
    assert report.mean_fit.v0 == pytest.approx(V0, abs=0.005)
    assert report.mean_fit.b0_gpa == pytest.approx(B0, abs=1.5)


def test_crystals_of_another_shape_have_no_fine_scan() -> None:
    assert fine_points(invariant_points(copper(0.95, 1.05, 9, tilt=0.5)), 11.6) is None


def test_the_slopes_row_is_that_of_the_stress() -> None:
    """The slope by five crystals against the exact derivative of the functions, and its spread."""
    functions = SymmetryFunctions.preset("26", ["Cu"], cutoff=4.5)
    fine = fine_points(invariant_points(copper(0.95, 1.05, 9)), V0)
    assert fine is not None
    targets = mean_targets(fine.frames)
    settings = PosteriorSettings(n_centers=60, lengths=(1.5,), n_sample=6)
    posterior = Posterior.fit(rattled(12), functions, targets=targets, settings=settings)
    five = slice(13, 18)
    (crystal,) = fine.frames[15:16]
    rows = posterior.basis.rows(compute_descriptors([crystal], functions, dtype=np.float64), crystal.volume)
    assert rows.stress is not None
    exact = rows.stress[:3].sum(0) / 3.0
    features = posterior.features(targets)
    by_crystals = slope_row(fine.volumes[five], V0) @ features[five]
    np.testing.assert_allclose(by_crystals, exact, atol=2e-3 * np.abs(exact).max())
    (spread,) = GPA_PER_EV_PER_ANG3 * posterior.spread_of_features(exact[None])
    found = slope_spread_gpa(fine.volumes, posterior.covariance(targets), V0)
    assert found == pytest.approx(spread, rel=0.05)


@pytest.fixture(scope="module")
def trained() -> Trainer:
    frames = rattled(24)
    settings = TrainSettings(epochs=4, n_members=2, hidden=(8,), n_threads=1)
    trainer = Trainer(settings, frames[:20], frames[20:])
    trainer.run()
    return trainer


def studied(trained: Trainer, scan: tuple[float, float, int]) -> MappingStudy:
    return study(
        trained.potential(),
        trained.training_values(),
        copper(*scan),
        training_frames=trained.train_frames,
        kinds=("energy", "forces"),
        n_threads=1,
    )


def test_the_verdict_is_the_same_for_any_scan_of_a_crystal(trained: Trainer) -> None:
    found = [studied(trained, scan) for scan in SCANS[:3]]
    assert len({one.verdict.level for one in found}) == 1
    fits = [required(one.evaluation.value(EOS)).report.mean_fit for one in found]
    assert np.ptp([fit.v0 for fit in fits if fit]) < 0.015
    assert np.ptp([fit.b0_gpa for fit in fits if fit]) < 3.0
    foretold = [required(one.evaluation.value(FORETOLD)) for one in found]
    slopes = [one.slope_gpa for one in foretold]
    assert all(slope == pytest.approx(slopes[0], rel=0.4) for slope in slopes)
    errors = [one.report.rmse_in_bracket_mev for one in found]
    assert all(error == pytest.approx(errors[0], rel=0.2, abs=0.3) for error in errors)
