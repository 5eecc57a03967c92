"""The reference potentials: derivatives, symmetries, shipped labels, published numbers, the list of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

from nnpcore.errors import DataError, PotentialError, SettingsError
from nnpcore.reference import (
    REFERENCES,
    CleriRosato,
    ReferenceCalculator,
    StillingerWeber,
    reference_calculator,
)
from nnpcore.reference.calculators import CLERI_ROSATO, StillingerWeberParameters
from nnpcore.structures.frame import Frame
from nnpcore.units import GPA_PER_EV_PER_ANG3

NAMES = tuple(REFERENCES)
LABELS = Path(__file__).parents[1] / "benchmarks" / "data" / "si_sw_nvt.npz"


def crystal(name: str, *, rattle: float = 0.0, strain: float = 0.0, seed: int = 0) -> Atoms:
    """Cubic cell of a potential's crystal, far smaller than twice the cutoff, with its calculator."""
    atoms = bulk("Si", a=5.431, cubic=True) if name == "stillinger-weber" else bulk("Ni", a=3.524, cubic=True)
    rng = np.random.default_rng(seed)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.rattle(rattle, rng=rng)
    atoms.calc = reference_calculator(name)
    return atoms


def results(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic energies, forces and stress by a fresh calculator of the same kind."""
    copy = atoms.copy()
    assert isinstance(atoms.calc, ReferenceCalculator)
    copy.calc = type(atoms.calc)()
    return copy.get_potential_energies(), copy.get_forces(), copy.get_stress()


def test_stillinger_weber_repeats_the_shipped_labels() -> None:
    data = np.load(LABELS)
    for k in (0, 70, 149):
        atoms = Atoms("Si64", positions=data["valid_positions"][k] * 1e-8, cell=data["cell"], pbc=True)
        atoms.calc = StillingerWeber()
        assert atoms.get_potential_energy() == pytest.approx(data["valid_energy"][k], abs=2e-7)
        np.testing.assert_allclose(atoms.get_forces(), data["valid_forces"][k] * 1e-8, atol=1e-6)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), data["valid_stress"][k], atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_forces_and_stress_are_derivatives(name: str) -> None:
    atoms = crystal(name, rattle=0.15, strain=0.04)
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, 1e-4), atol=2e-6)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, 1e-5), atol=2e-7)
    cluster = crystal(name, rattle=0.15) * (2, 1, 1)
    cluster.pbc, cluster.calc = (False, True, False), reference_calculator(name)
    np.testing.assert_allclose(cluster.get_forces(), calculate_numerical_forces(cluster, 1e-4), atol=2e-6)


def test_energies_of_two_and_three_silicon_atoms() -> None:
    """A dimer halves its energy; in a chain the angle's energy goes to the atom in the middle."""
    p = StillingerWeberParameters()
    distance = 2 ** (1 / 6) * p.sigma
    dimer = Atoms("Si2", positions=[[0, 0, 0], [distance, 0, 0]])
    dimer.calc = StillingerWeber()
    np.testing.assert_allclose(dimer.get_potential_energies(), -0.5 * p.epsilon, rtol=1e-8)
    chain = Atoms("Si3", positions=[[0, 0, 0], [distance, 0, 0], [0, distance, 0]])
    chain.positions[1] *= 1.2
    chain.calc = StillingerWeber()
    r = 1.2 * distance
    pair = p.big_a * p.epsilon * (p.big_b * (p.sigma / r) ** 4 - 1) * np.exp(p.sigma / (r - p.a * p.sigma))
    tails = p.gamma * p.sigma * (1 / (r - p.a * p.sigma) + 1 / (distance - p.a * p.sigma))
    angle = p.epsilon * p.lambda_ * np.exp(tails) / 9
    ends = np.array([pair, -p.epsilon]) / 2  # the two ends are beyond the cutoff from each other
    np.testing.assert_allclose(chain.get_potential_energies(), [ends.sum() + angle, *ends], rtol=1e-8)


def test_energies_of_a_nickel_cluster_follow_the_formula() -> None:
    rng = np.random.default_rng(1)
    atoms = bulk("Ni", a=3.6, cubic=True) * (3, 2, 2)
    atoms.pbc = False
    atoms.rattle(0.1, rng=rng)
    atoms.calc = CleriRosato()
    p = CLERI_ROSATO["Ni"]
    d = atoms.get_all_distances()
    t = np.clip((d - p.taper_start) / (p.cutoff - p.taper_start), 0, 1)
    taper = (1 - t**3 * (10 - 15 * t + 6 * t**2)) * (d > 0)
    assert ((t > 0.1) & (t < 0.9)).any()
    repulsion = p.a * (np.exp(-p.p * (d / p.r0 - 1)) * taper).sum(axis=1)
    band = np.sqrt(p.xi**2 * (np.exp(-2 * p.q * (d / p.r0 - 1)) * taper).sum(axis=1))
    np.testing.assert_allclose(atoms.get_potential_energies(), repulsion - band, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_symmetries(name: str) -> None:
    atoms = crystal(name, rattle=0.1, strain=0.03)
    energies, forces, stress = results(atoms)
    assert atoms.get_potential_energy() == pytest.approx(energies.sum(), abs=1e-12)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-12)
    order = np.random.default_rng(3).permutation(len(atoms))
    swapped = atoms[order]
    swapped.positions += np.random.default_rng(4).integers(-2, 3, (len(atoms), 3)) @ swapped.cell.array
    swapped.calc = atoms.calc
    for a, b in zip(results(swapped), (energies[order], forces[order], stress), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
    large = atoms * (2, 2, 2)
    large.calc = atoms.calc
    for a, b in zip(results(large), (np.tile(energies, 8), np.tile(forces, (8, 1)), stress), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    turned.calc = atoms.calc
    turn = np.linalg.solve(atoms.cell.array, turned.cell.array)
    found = results(turned)
    np.testing.assert_allclose(found[0], energies, atol=1e-11)
    np.testing.assert_allclose(found[1], forces @ turn, atol=1e-11)


def elastic(name: str, lattice: float) -> dict[str, float]:
    """Elastic constants of the cubic crystal, GPa: c44_0 with the atoms held in place."""
    shapes = {"axial": np.diag([1.0, 0, 0]), "shear": np.array([[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0]])}
    stiffness = {}
    for shape, strain in shapes.items():
        for relaxed in (False, True):
            stresses = []
            for sign in (1e-4, -1e-4):
                atoms = crystal(name)
                atoms.set_cell(lattice * (np.eye(3) + sign * strain), scale_atoms=True)
                if relaxed:
                    BFGS(atoms, logfile=None).run(fmax=1e-6, steps=200)
                stresses.append(atoms.get_stress())
            stiffness[shape, relaxed] = (stresses[0] - stresses[1]) / 2e-4 * GPA_PER_EV_PER_ANG3
    axial = stiffness["axial", True]
    shear, held = stiffness["shear", True], stiffness["shear", False]
    return {"c11": axial[0], "c12": axial[1], "c44": shear[3], "c44_0": held[3]}


def test_published_numbers_of_stillinger_weber_silicon() -> None:
    """Lattice, cohesion and elastic constants, e.g. H. Balamane et al., Phys. Rev. B 46, 2250 (1992).

    With springs along bonds and between bonds only, C44 of held atoms is B + (C11 - C12)/9.
    """
    atoms = crystal("stillinger-weber")
    atoms.set_cell(5.43095 * np.eye(3), scale_atoms=True)
    assert atoms.get_potential_energy() / 8 == pytest.approx(-2 * 2.1683, abs=1e-6)
    assert np.abs(atoms.get_stress()).max() * GPA_PER_EV_PER_ANG3 < 1e-3
    found = elastic("stillinger-weber", 5.43095)
    assert found["c11"] == pytest.approx(151.4, abs=0.1)
    assert found["c12"] == pytest.approx(76.4, abs=0.1)
    assert found["c44"] == pytest.approx(56.4, abs=0.1)
    bulk_modulus = (found["c11"] + 2 * found["c12"]) / 3
    assert found["c44_0"] == pytest.approx(bulk_modulus + (found["c11"] - found["c12"]) / 9, rel=1e-3)


def test_published_numbers_of_cleri_rosato_nickel() -> None:
    """What the potential was fitted to: lattice 3.523 Å, 4.435 eV, elastic constants 261, 151, 132 GPa."""
    atoms = crystal("cleri-rosato")
    assert np.abs(atoms.get_stress()).max() * GPA_PER_EV_PER_ANG3 < 0.01  # a = 3.524 Å
    assert atoms.get_potential_energy() / 4 == pytest.approx(-4.435, abs=0.003)
    found = elastic("cleri-rosato", 3.524)
    assert found["c11"] == pytest.approx(261, rel=0.03)
    assert found["c12"] == pytest.approx(151, rel=0.03)
    assert found["c44"] == pytest.approx(132, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_energy_is_conserved(name: str) -> None:
    """Over hundreds of steps of a hot crystal, across many renewals of the list of pairs."""
    atoms = crystal(name) * (2, 2, 2)
    calculator = reference_calculator(name)
    atoms.calc = calculator
    spread = np.sqrt(2000 * units.kB / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    energies = []
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()), interval=20)
    dynamics.run(600)
    assert np.ptp(energies) / len(atoms) < 1.5e-4
    assert 1 < calculator.pairs.n_searches < 60


@pytest.mark.parametrize("name", NAMES)
def test_old_pairs_are_as_good_as_new_ones(name: str) -> None:
    """Atoms and cell wander, sometimes far at once; a fresh calculator sees no difference."""
    rng = np.random.default_rng(2)
    atoms = crystal(name, rattle=0.1)
    calculator = reference_calculator(name)
    atoms.calc = calculator
    for k in range(40):
        step = 0.3 if k % 10 == 9 else 0.01
        atoms.positions += step * rng.normal(size=atoms.positions.shape)
        strain = np.eye(3) + 0.3 * step * rng.normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=bool(k % 2))
        wanted = results(atoms)
        assert np.abs(atoms.get_potential_energies() - wanted[0]).max() < 1e-10
        assert np.abs(atoms.get_forces() - wanted[1]).max() < 1e-9
        assert np.abs(atoms.get_stress() - wanted[2]).max() < 1e-10
    assert calculator.pairs.n_searches < 25


def test_pairs_pushed_into_reach_by_the_cell_alone_are_found() -> None:
    atoms = crystal("stillinger-weber", rattle=0.05) * (2, 2, 2)
    atoms.calc = StillingerWeber()
    atoms.get_forces()
    atoms.set_cell(0.62 * atoms.cell.array, scale_atoms=True)
    wanted = results(atoms)
    np.testing.assert_allclose(atoms.get_potential_energies(), wanted[0], rtol=1e-9)


def test_results_do_not_follow_later_moves() -> None:
    """The list of pairs keeps its own copy of the positions: the same array may be moved in place."""
    atoms = crystal("stillinger-weber") * (2, 2, 2)
    calculator = StillingerWeber()
    frame = Frame(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    calculator.evaluate(frame)
    fixed = Frame(atoms.numbers, np.asfortranarray(atoms.positions), atoms.cell.array, atoms.pbc)
    fixed.positions.flags.writeable = False
    np.testing.assert_array_equal(calculator.evaluate(fixed)[1], calculator.evaluate(frame)[1])
    rng = np.random.default_rng(5)
    for _ in range(3):
        atoms.positions += 0.4 * rng.normal(size=atoms.positions.shape)
    np.testing.assert_allclose(
        calculator.evaluate(frame)[0], StillingerWeber().evaluate(frame)[0], atol=1e-12
    )
    assert calculator.pairs.n_searches == 2


def test_only_changes_of_the_structure_ask_for_new_results() -> None:
    atoms = crystal("stillinger-weber", rattle=0.1)
    calculator = atoms.calc
    assert isinstance(calculator, StillingerWeber)
    atoms.get_forces()
    energies = calculator.results["energies"]
    atoms.set_initial_charges(np.ones(8))
    assert atoms.get_potential_energy() == energies.sum() and calculator.results["energies"] is energies
    for change in (
        lambda: atoms.positions.__setitem__((0, 0), 0.2),
        lambda: atoms.set_cell(1.01 * atoms.cell.array),
        lambda: atoms.set_pbc((True, True, False)),
        lambda: atoms.pop(),
    ):
        before = calculator.results["energies"].sum()
        change()
        assert abs(atoms.get_potential_energy() - before) > 1e-4
    atoms.numbers[0] = 6
    with pytest.raises(PotentialError):
        atoms.get_potential_energy()


def test_errors() -> None:
    mixed = bulk("NaCl", "rocksalt", a=5.6)
    mixed.calc = StillingerWeber()
    with pytest.raises(PotentialError, match=r"knows Si only, not Cl, Na.*structure of Si alone"):
        mixed.get_potential_energy()
    with pytest.raises(SettingsError, match=r"no second-moment parameters for 'Si'.*Take Ni"):
        CleriRosato("Si")
    with pytest.raises(SettingsError, match=r"'tersoff'.*stillinger-weber or cleri-rosato"):
        reference_calculator("tersoff")
    double = Atoms("Ni2", positions=np.zeros((2, 3)))
    double.calc = CleriRosato()
    with pytest.raises(DataError, match="two atoms are on one spot"):
        double.get_forces()
    cluster = Atoms("Si2", positions=[[0, 0, 0], [2.3, 0, 0]])
    cluster.calc = StillingerWeber()
    with pytest.raises(PropertyNotImplementedError, match="all three directions"):
        cluster.get_stress()
    lonely = Atoms("Ni", positions=[[0.0, 0, 0]])
    lonely.calc = CleriRosato()
    assert lonely.get_potential_energy() == 0.0 and not lonely.get_forces().any()
