"""What every potential must obey, whatever its elements, functions, activation and device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list
from builders import build_frame, build_functions, build_potential

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.potential import Potential, Prediction
from nnpcore.structures.frame import Frame

CASES = {
    "unary": ("Si", {}),
    "binary": ("SiC", {"activation": "softplus"}),
    "binary-skip": ("SiC", {"activation": "sigmoid", "skip": True, "hidden": (6,)}),
    "unary-quadratic": ("Si", {"baseline": "quadratic", "n_members": 2}),
    "binary-kernel": ("SiC", {"baseline": "kernel", "skip": True, "n_members": 2}),
    "unary-short-range": ("Si", {"short_range": ("Si-Si",)}),
    "binary-short-range": ("SiC", {"short_range": ("C-Si", "Si-Si"), "n_members": 2}),
    "gaussian-one-member": ("Si", {"activation": "gaussian", "n_members": 1}),
}


@cache
def potential_for(case: str) -> Potential:
    name, options = CASES[case]
    frames = [build_frame(name, rattle=0.2, seed=seed, scale=0.94 + 0.02 * seed) for seed in range(7)]
    elements = ["C", "Si"] if name == "SiC" else ["Si"]
    return build_potential(build_functions(elements), frames, **options)


class Model:
    """A potential on one backend with a structure it knows."""

    def __init__(self, case: str, backend: str) -> None:
        self.potential = potential_for(case)
        self.backend = backend
        self.frame = build_frame(CASES[case][0], rattle=0.15, seed=42)

    def __call__(self, *frames: Frame) -> Prediction:
        return self.potential.predict(frames, device=self.backend)


@pytest.fixture(params=list(CASES))
def model(request: pytest.FixtureRequest, backend: str) -> Model:
    return Model(request.param, backend)


def moved(frame: Frame, positions: np.ndarray, cell: np.ndarray | None = None) -> Frame:
    return replace(frame, positions=positions, cell=frame.cell if cell is None else cell)


def close(a: np.ndarray | None, b: np.ndarray | None, tolerance: float = 1e-10) -> None:
    assert a is not None and b is not None
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_rotation_and_reflection(model: Model) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    for q in (turn, -turn):
        before, after = (
            model(model.frame),
            model(moved(model.frame, model.frame.positions @ q, model.frame.cell @ q)),
        )
        close(after.atomic_energies_members, before.atomic_energies_members)
        close(after.forces_members, before.forces_members @ q)
        close(after.stress_members, q.T @ before.stress_members @ q)


def test_translation_and_lattice_vectors(model: Model) -> None:
    shift = np.random.default_rng(2).integers(-2, 3, (model.frame.n_atoms, 3)) @ model.frame.cell
    before, after = (
        model(model.frame),
        model(moved(model.frame, model.frame.positions + shift + [0.3, -1.7, 9.1])),
    )
    close(after.atomic_energies_members, before.atomic_energies_members)
    close(after.forces_members, before.forces_members)
    close(after.stress_members, before.stress_members)
    close(before.forces_members.sum(axis=1), np.zeros((model.potential.n_members, 3)))


def test_permutation(model: Model) -> None:
    order = np.random.default_rng(3).permutation(model.frame.n_atoms)
    frame = replace(model.frame, positions=model.frame.positions[order], numbers=model.frame.numbers[order])
    before, after = model(model.frame), model(frame)
    close(after.atomic_energies_members, before.atomic_energies_members[:, order])
    close(after.forces, before.forces[order])
    close(after.forces_std, before.forces_std[order])
    close(after.stress, before.stress)


def test_forces_are_minus_the_energy_gradient(model: Model) -> None:
    h = 1e-4
    frames = []
    for atom in range(model.frame.n_atoms):
        for axis in range(3):
            for sign in (1, -1):
                positions = model.frame.positions.copy()
                positions[atom, axis] += sign * h
                frames.append(moved(model.frame, positions))
    energies = model(*frames).energy_members.reshape(-1, model.frame.n_atoms, 3, 2)
    numerical = -(energies[..., 0] - energies[..., 1]) / (2 * h)
    assert np.abs(numerical).max() > 0.1
    close(model(model.frame).forces_members, numerical, 2e-6)


def test_stress_is_the_strain_derivative_over_volume(model: Model) -> None:
    h = 2e-5
    voigt = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    frames = []
    for a, b in voigt:
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += 0.5 * sign * h
            strain[b, a] += 0.5 * sign * h
            f = np.eye(3) + strain
            frames.append(moved(model.frame, model.frame.positions @ f, model.frame.cell @ f))
    energies = model(*frames).energy_members.reshape(-1, 6, 2)
    numerical = (energies[..., 0] - energies[..., 1]) / (2 * h) / model.frame.volume
    stress = model(model.frame).stress_members[:, 0]
    assert np.abs(numerical).max() > 1e-3
    close(np.stack([stress[:, a, b] for a, b in voigt], axis=1), numerical, 2e-7)


def test_supercell_of_a_cell_smaller_than_the_cutoff(model: Model) -> None:
    small = Frame.from_atoms(
        bulk("Si", a=5.2) if "C" not in model.potential.elements else bulk("SiC", "zincblende", a=4.4)
    )
    small = moved(small, small.positions + np.array([[0, 0, 0], [0.1, -0.05, 0.12]]))
    assert np.linalg.norm(small.cell, axis=1).max() < model.potential.cutoff
    large = Frame.from_atoms(small.to_atoms().repeat(2))
    one, eight = model(small), model(large)
    close(eight.energy_members, 8 * one.energy_members, 1e-9)
    close(eight.forces_members, np.tile(one.forces_members, (1, 8, 1)))
    close(eight.stress_members, one.stress_members)


def test_isolated_atoms(model: Model) -> None:
    numbers = model.frame.numbers[:1]
    alone = Frame.from_atoms(Atoms(numbers=numbers, positions=[[0, 0, 0]]))
    far = Frame.from_atoms(Atoms(numbers=[*numbers, *numbers], positions=[[0, 0, 0], [50, 0, 0]]))
    boxed = Frame.from_atoms(Atoms(numbers=numbers, positions=[[0, 0, 0]], cell=[30, 30, 30], pbc=True))
    result = model(alone, far, boxed)
    potential = model.potential
    nothing = np.zeros((1, potential.functions.n_descriptors))
    expected = potential.atomic_energies_of(nothing, potential.functions.species_index(numbers))
    close(result.energy_members, np.concatenate([expected, 2 * expected, expected], axis=1))
    close(result.forces_members, np.zeros_like(result.forces_members))
    assert np.isnan(result.stress[:2]).all()
    close(result.stress[2], np.zeros((3, 3)))


@pytest.mark.parametrize("pbc", [(True, True, False), (False, False, True), (False, False, False)])
def test_open_directions_equal_vacuum(model: Model, pbc: Sequence[bool]) -> None:
    cell = model.frame.cell.copy()
    cell[~np.array(pbc)] *= 10
    open_, vacuum = replace(model.frame, pbc=np.array(pbc)), replace(model.frame, cell=cell)
    result = model(open_, vacuum)
    n = model.frame.n_atoms
    close(result.energy_members[:, 0], result.energy_members[:, 1])
    close(result.forces_members[:, :n], result.forces_members[:, n:])
    assert np.isnan(result.stress[0]).all() and np.isfinite(result.stress[1]).all()


def test_smooth_where_an_atom_crosses_the_cutoff(model: Model) -> None:
    cutoff, frame = model.potential.cutoff, model.frame
    centers, neighbors, vectors = neighbor_list("ijD", frame.to_atoms(), cutoff + 0.5)
    candidates = np.flatnonzero((centers == 0) & (neighbors != 0))
    distances = np.linalg.norm(vectors[candidates], axis=1)
    nearest = np.abs(distances - cutoff).argmin()
    neighbor, direction = neighbors[candidates[nearest]], vectors[candidates[nearest]] / distances[nearest]

    def at(distance: float) -> Frame:
        positions = frame.positions.copy()
        positions[neighbor] += (distance - distances[nearest]) * direction
        return moved(frame, positions)

    result = model(at(cutoff - 3e-8), at(cutoff + 3e-8))
    inside, outside = result.atoms_of(0), result.atoms_of(1)
    close(result.energy_members[:, 0], result.energy_members[:, 1], 1e-6)
    close(result.forces_members[:, inside], result.forces_members[:, outside], 1e-5)
    close(result.stress_members[:, 0], result.stress_members[:, 1], 1e-6)


def _energy_error(potential: Potential, device: str, time_step: float, steps: int) -> tuple[float, float]:
    """Root mean square deviation and drift of the total energy in eV of a run of some 200 fs."""
    atoms = bulk("Si", cubic=True)
    velocities = 0.06 * np.random.default_rng(5).standard_normal((8, 3))
    atoms.set_velocities(velocities - velocities.mean(axis=0))
    atoms.calc = potential.calculator(device=device, n_threads=1)
    dynamics = VelocityVerlet(atoms, timestep=time_step * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(steps)
    series = np.array(energies)
    half = len(series) // 2
    return float(series.std()), float(abs(series[half:].mean() - series[:half].mean()))


def test_dynamics_conserve_the_energy(device: str) -> None:
    potential = potential_for("unary")
    coarse, coarse_drift = _energy_error(potential, device, 2.0, 100)
    fine, fine_drift = _energy_error(potential, device, 0.5, 400)
    assert 10 < coarse / fine < 24  # the error of velocity Verlet goes with the square of the time step: 16
    assert fine < 1e-4 and fine_drift < 5e-5 and coarse_drift < 1e-3


def test_sums_and_spreads_are_those_of_the_members(model: Model) -> None:
    result = model(model.frame, build_frame("Si", rattle=0.1, seed=7))
    n = model.frame.n_atoms
    sums = np.stack(
        [result.atomic_energies_members[:, :n].sum(1), result.atomic_energies_members[:, n:].sum(1)], 1
    )
    close(result.energy_members, sums)
    close(result.energy, sums.mean(0))
    close(result.energy_std, sums.std(0))
    close(result.atomic_energies_std, result.atomic_energies_members.std(0))
    close(result.forces, result.forces_members.mean(0))
    close(result.forces_std, result.forces_members.std(0))
    close(result.stress_std, result.stress_members.std(0))
    single = model.potential.member(model.potential.n_members - 1).predict(
        [model.frame], device=model.backend
    )
    close(single.forces, result.forces_members[-1, :n])
    close(single.atomic_energies, result.atomic_energies_members[-1, :n])


def test_backends_agree(model: Model) -> None:
    frames = [model.frame, replace(model.frame, pbc=np.array([True, False, True]))]
    kernels, other = model.potential.predict(frames), model(*frames)
    close(other.atomic_energies_members, kernels.atomic_energies_members, 1e-9)
    close(other.forces_members, kernels.forces_members, 1e-9)
    close(other.stress_members, kernels.stress_members, 1e-9)


def test_functions_with_different_cutoffs_and_counts_per_element(backend: str) -> None:
    base = build_functions(["C", "Si"]).functions
    short = [replace(f, cutoff=3.5) for f in base["C"]]
    functions = SymmetryFunctions({"C": tuple(short[:5]), "Si": base["Si"]})
    frames = [build_frame("SiC", rattle=0.2, seed=seed) for seed in range(6)]
    potential = build_potential(functions, frames)
    result = potential.predict(frames[:1], device=backend)
    check_one_force(potential, frames[0], result, lambda f: potential.predict([f], device=backend))


def check_one_force(
    potential: Potential, frame: Frame, result: Prediction, predict: Callable[[Frame], Prediction]
) -> None:
    """Compare the force on the last atom along a skew direction with a central difference."""
    direction, h = np.array([0.6, -0.64, 0.48]), 1e-4
    energies = []
    for sign in (1, -1):
        positions = frame.positions.copy()
        positions[-1] += sign * h * direction
        energies.append(predict(moved(frame, positions)).energy_members[:, 0])
    close(result.forces_members[:, -1] @ direction, -(energies[0] - energies[1]) / (2 * h), 2e-6)
