"""The ASE calculator: results and spreads, optimisers, files, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.optimize import BFGS
from builders import build_frame, build_functions, build_potential

from nnpcore.errors import PotentialError
from nnpcore.potential import EatlasCalculator, Potential


@pytest.fixture
def atoms(silicon_potential: Potential):
    atoms = build_frame("Si", rattle=0.1, seed=3).to_atoms()
    atoms.calc = silicon_potential.calculator()
    return atoms


def test_results_are_those_of_the_potential(atoms, silicon_potential: Potential) -> None:
    expected = silicon_potential.predict([build_frame("Si", rattle=0.1, seed=3)])
    assert isinstance(atoms.calc, EatlasCalculator)
    assert atoms.get_potential_energy() == pytest.approx(expected.energy[0], abs=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_array_equal(atoms.get_forces(), expected.forces)
    np.testing.assert_array_equal(atoms.get_potential_energies(), expected.atomic_energies)
    np.testing.assert_allclose(atoms.get_stress(voigt=False), expected.stress[0], atol=1e-15)
    results = atoms.calc.results
    assert results["energy_std"] == pytest.approx(expected.energy_std[0])
    np.testing.assert_array_equal(results["energies_std"], expected.atomic_energies_std)
    np.testing.assert_array_equal(results["forces_std"], expected.forces_std)
    assert results["stress_std"].shape == (6,)


def test_stress_has_the_sign_of_ase(atoms) -> None:
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=2e-5), atol=1e-7)


def test_the_spreads_do_not_disturb_ase(atoms, tmp_path: Path) -> None:
    atoms.get_potential_energy()
    properties = atoms.get_properties(["energy", "forces", "stress", "energies"])
    assert properties["forces"].shape == (8, 3)
    for name in ("a.traj", "a.extxyz"):
        write(tmp_path / name, atoms)
        again = read(tmp_path / name)
        assert again.get_potential_energy() == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(again.get_forces(), atoms.get_forces(), atol=1e-7)


def test_a_second_question_costs_nothing(atoms, monkeypatch: pytest.MonkeyPatch) -> None:
    atoms.get_potential_energy()
    monkeypatch.setattr(Potential, "predict", None)
    atoms.get_forces()
    atoms.get_stress()
    atoms.set_initial_charges(np.ones(8))
    atoms.get_potential_energies()


def test_cell_and_positions_relax_to_zero_force_and_stress() -> None:
    frames = [build_frame("Si", rattle=0.2, seed=seed, scale=0.94 + 0.02 * seed) for seed in range(7)]
    potential = build_potential(build_functions(["Si"]), frames, n_members=2, hidden=(4,), seed=1)
    atoms = build_frame("Si", rattle=0.02, seed=9).to_atoms()
    atoms.calc = potential.calculator()
    before = atoms.get_potential_energy()
    optimizer = BFGS(FrechetCellFilter(atoms), logfile=None)
    assert optimizer.run(fmax=0.01, steps=200)
    assert atoms.get_potential_energy() < before
    assert np.abs(atoms.get_forces()).max() < 0.01
    assert np.abs(atoms.get_stress()).max() < 0.01 / 100


def test_no_stress_without_a_periodic_cell(atoms) -> None:
    atoms.pbc = (True, True, False)
    assert np.isfinite(atoms.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError, match="periodic in all three directions"):
        atoms.get_stress()
    assert "stress" not in atoms.calc.results and "forces" in atoms.get_properties(["energy", "forces"])


def test_unknown_element_is_named(silicon_potential: Potential) -> None:
    atoms = bulk("Ge")
    atoms.calc = silicon_potential.calculator()
    with pytest.raises(PotentialError, match=r"contains Ge.*know only Si"):
        atoms.get_potential_energy()
