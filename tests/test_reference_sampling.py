"""Training sets from molecular dynamics: right averages, the same frames for a seed, messages, cancelling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet

from nnpcore.errors import AnalysisError, Cancelled, EatlasError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference import (
    CleriRosato,
    SamplerSettings,
    StillingerWeber,
    label,
    label_all,
    sample,
    sampling,
)
from nnpcore.structures.frame import Frame
from nnpcore.units import GPA_PER_EV_PER_ANG3

SHORT = SamplerSettings((300.0,), n_frames=3, equilibration_fs=20, spacing_fs=10)


TORN = {"ensemble": "npt", "pressure_gpa": -40.0, "spacing_fs": 2000.0}


def silicon(repeat: int = 2) -> Atoms:
    return bulk("Si", a=5.431, cubic=True) * (repeat, repeat, repeat)


class Springs(Calculator):
    """Every atom on a spring to where it first was: energy and forces only, or a failure after some calls."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, fails_after: int = 10**9) -> None:
        super().__init__()
        self.home: np.ndarray | None = None
        self.calls_left = fails_after

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        self.calls_left -= 1
        if self.calls_left < 0:
            raise ValueError("SCF did not converge")
        self.home = self.atoms.positions.copy() if self.home is None else self.home
        away = self.atoms.positions - self.home
        self.results = {"energy": 2.5 * (away**2).sum(), "forces": -5.0 * away}


def test_frames_carry_temperature_and_labels_and_keep_their_centre() -> None:
    start = silicon()
    start.rattle(0.02, seed=1)
    before = start.positions.copy()
    settings = SamplerSettings((300.0, 900.0), n_frames=2, equilibration_fs=40, spacing_fs=20, seed=4)
    frames = sample(start, StillingerWeber(), settings)
    assert [f.info["temperature"] for f in frames] == [300, 300, 900, 900]
    assert [f.index for f in frames] == [0, 1, 2, 3]
    np.testing.assert_array_equal(start.positions, before)
    for frame in frames:
        fresh = label(Frame(frame.numbers, frame.positions, frame.cell, frame.pbc), StillingerWeber())
        assert frame.energy == pytest.approx(fresh.energy, abs=1e-9)
        for a, b in ((frame.forces, fresh.forces), (frame.stress, fresh.stress)):
            assert a is not None and b is not None
            np.testing.assert_allclose(a, b, atol=1e-9)
        assert frame.arrays["reference_energies"].sum() == pytest.approx(frame.energy, abs=1e-9)
        np.testing.assert_allclose(frame.positions.mean(axis=0), before.mean(axis=0), atol=1e-9)
        assert np.abs(frame.positions - before).max() > 0.02
        assert set(frame.arrays) == {"reference_energies"}


def test_a_seed_gives_the_same_frames_whatever_the_other_temperatures() -> None:
    alone = sample(silicon(1), StillingerWeber(), SHORT)
    settings = SamplerSettings((800.0, 300.0), n_frames=3, equilibration_fs=20, spacing_fs=10)
    both = sample(silicon(1), StillingerWeber(), settings)
    for a, b in zip(alone, both[3:], strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
    other = sample(silicon(1), StillingerWeber(), SamplerSettings(**{**vars(SHORT), "seed": 1}))
    assert np.abs(other[0].positions - alone[0].positions).max() > 1e-3


def test_nvt_obeys_equipartition() -> None:
    """A cold crystal is harmonic: its potential energy is half of kT for each of its 3N - 3 modes."""
    settings = SamplerSettings((60.0,), n_frames=150, equilibration_fs=2000, spacing_fs=60)
    frames = sample(silicon(), StillingerWeber(), settings)
    ground = label(silicon(), StillingerWeber()).energy
    assert ground is not None
    energies = np.array([f.energy for f in frames]) - ground
    modes = 3 * 64 - 3
    assert energies.mean() == pytest.approx(0.5 * modes * units.kB * 60, rel=0.05)
    assert energies.std() == pytest.approx(np.sqrt(modes / 2) * units.kB * 60, rel=0.35)


def test_without_heat_the_dynamics_is_ases_velocity_verlet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "THERMOSTAT_FS", np.inf)
    start = silicon()
    start.rattle(0.05, seed=3)
    own = sampling.Dynamics(start, StillingerWeber(), SHORT, 600.0)
    theirs = start.copy()
    theirs.calc = StillingerWeber()
    theirs.set_velocities(own.velocities)
    verlet = VelocityVerlet(theirs, timestep=SHORT.timestep_fs * units.fs)
    for _ in range(10):
        for _ in range(10):
            own.step()
        verlet.run(10)
        np.testing.assert_allclose(own.atoms.positions, theirs.positions, atol=1e-8)
        np.testing.assert_allclose(own.velocities, theirs.get_velocities(), atol=1e-8)
    assert np.abs(theirs.positions - start.positions).max() > 0.1


def test_the_thermostat_heats_as_ases_langevin_does() -> None:
    """Means over 4 ps of 64 atoms: of kinetic energies the error is some 2 %, of potential ones more."""
    n_heating, n_steps = 500, 2000
    own = sampling.Dynamics(silicon(), StillingerWeber(), SHORT, 300.0)
    theirs = silicon()
    theirs.calc = StillingerWeber()
    theirs.set_velocities(own.velocities)
    langevin = Langevin(
        theirs,
        SHORT.timestep_fs * units.fs,
        temperature_K=300.0,
        friction=1.0 / (sampling.THERMOSTAT_FS * units.fs),
        fixcm=False,
        rng=np.random.default_rng(2),
    )
    found = []
    for step in range(n_heating + n_steps):
        own.step()
        langevin.run(1)
        if step < n_heating or step % 5:
            continue
        kinetic = 0.5 * (own.masses * own.velocities**2).sum()
        potential = own.atoms.get_potential_energy()
        found.append((kinetic, theirs.get_kinetic_energy(), potential, theirs.get_potential_energy()))
    ground = label(silicon(), StillingerWeber()).energy
    assert ground is not None
    kinetic, kinetic_ase, potential, potential_ase = np.mean(found, axis=0)
    modes, modes_ase = 3 * 64 - 3, 3 * 64  # ours keeps the centre of mass at rest
    assert kinetic == pytest.approx(0.5 * modes * units.kB * 300, rel=0.08)
    assert kinetic / modes == pytest.approx(kinetic_ase / modes_ase, rel=0.12)
    assert potential - ground == pytest.approx(potential_ase - ground, rel=0.15)


class Balloon(Calculator):
    """No forces, and an energy that depends on the volume alone: B/2 (V - V0)²/V0."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012
    stiffness, rest = 20.0 / GPA_PER_EV_PER_ANG3, 60.0

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        strain = self.atoms.cell.volume / self.rest - 1
        self.results = {"energy": 0.5 * self.stiffness * self.rest * strain**2, "forces": np.zeros((12, 3))}
        self.results["stress"] = self.stiffness * strain * np.array([1, 1, 1, 0, 0, 0])


def test_npt_draws_volumes_from_their_exact_distribution() -> None:
    """Density V^N exp(-(E(V) + P V)/kT) of an ideal gas of N atoms in an elastic box."""
    gas = Atoms("Si12", positions=np.zeros((12, 3)), cell=[60 ** (1 / 3)] * 3, pbc=True)
    settings = SamplerSettings(
        (800.0,), "npt", pressure_gpa=1.0, timestep_fs=10.0, n_frames=250, spacing_fs=100.0
    )
    volumes = np.array([f.volume for f in sample(gas, Balloon(), settings)])
    v = np.linspace(30.0, 100.0, 2001)
    energy = 0.5 * Balloon.stiffness * (v - 60) ** 2 / 60 + v / GPA_PER_EV_PER_ANG3
    density = v**12 * np.exp(-energy / (units.kB * 800))
    mean = (v * density).sum() / density.sum()
    spread = np.sqrt(((v - mean) ** 2 * density).sum() / density.sum())
    assert volumes.mean() == pytest.approx(mean, abs=0.25 * spread)
    assert volumes.std() == pytest.approx(spread, rel=0.15)
    assert mean > 57 + spread  # the gas pushes: without it the volume would be 57


def test_npt_reaches_its_pressure() -> None:
    settings = SamplerSettings(
        (500.0,), "npt", pressure_gpa=8.0, n_frames=100, equilibration_fs=1000, spacing_fs=40
    )
    frames = sample(silicon(), StillingerWeber(), settings)
    stress = np.array([f.stress for f in frames])
    volume = np.array([f.volume for f in frames])
    pressure = -np.trace(stress, axis1=1, axis2=2) / 3 + 64 * units.kB * 500 / volume
    assert pressure.mean() * GPA_PER_EV_PER_ANG3 == pytest.approx(8.0, abs=0.5)
    assert 0.915 < volume.mean() / silicon().cell.volume < 0.95  # B = 101 GPa, rising with pressure
    shape = frames[-1].cell / np.cbrt(volume[-1])
    np.testing.assert_allclose(shape, np.eye(3), atol=1e-9)


def test_any_calculator_will_do() -> None:
    frame = sample(bulk("Cu", cubic=True), EMT(), SHORT)[0]
    assert frame.stress is not None and "reference_energies" in frame.arrays
    molecule = Atoms("H2O", positions=[[0, 0, 0], [1, 0, 0], [0, 1, 0]], info={"energy": 7.0})
    molecule.set_array("reference_energies", np.ones(3))  # of the start: not to be handed on
    frame = sample(molecule, Springs(), SamplerSettings(**{**vars(SHORT), "timestep_fs": 0.5}))[0]
    assert frame.stress is None and frame.arrays == {} and frame.info == {"temperature": 300.0}
    with pytest.raises(AnalysisError, match=r"calculator failed \(ValueError: SCF did not converge\)"):
        sample(molecule, Springs(fails_after=5), SHORT)
    nickel = sample(bulk("Ni", cubic=True), CleriRosato(), SHORT)[0]
    assert nickel.forces is not None and nickel.arrays.keys() == {"reference_energies"}


def test_held_atoms_stay() -> None:
    slab = silicon(1)
    slab.set_constraint(FixAtoms([0, 3]))
    frame = sample(slab, StillingerWeber(), SHORT)[-1]
    moved = np.abs(frame.positions - slab.positions).max(axis=1)
    assert (moved[[0, 3]] == 0).all() and (np.delete(moved, [0, 3]) > 1e-3).all()
    assert frame.forces is not None and np.abs(frame.forces[0]).max() > 1e-3  # labels hide nothing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperatures": ()}, "temperatures: no temperature is given"),
        ({"temperatures": (300.0, 0.0)}, "temperatures: 0 is out of range. It must be above 0"),
        ({"temperatures": (float("nan"),)}, "temperatures: nan is out of range"),
        ({"ensemble": "nve"}, "ensemble: there is no ensemble 'nve'. Take nvt or npt"),
        ({"timestep_fs": 50.0}, "timestep_fs: 50 is out of range"),
        ({"spacing_fs": 1.0}, "spacing_fs: 1 is out of range. It must be at least one time step"),
        ({"equilibration_fs": -1.0}, "equilibration_fs: -1 is out of range"),
        ({"n_frames": 0}, "n_frames: 0 is out of range"),
        ({"pressure_gpa": float("inf")}, "pressure_gpa: inf is out of range"),
        ({"seed": -1}, "seed: -1 is out of range"),
    ],
)
def test_settings_out_of_range(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SamplerSettings(**{"temperatures": (300.0,), **change})
    assert message in str(caught.value)


def bonded() -> Atoms:
    atoms = silicon(1)
    atoms.set_constraint(FixBondLength(0, 1))
    return atoms


def crowded() -> Atoms:
    atoms = silicon(1)
    atoms.positions[1] = atoms.positions[0] + 0.3
    return atoms


def cluster() -> Atoms:
    atoms = silicon(1)
    atoms.pbc = False
    return atoms


@pytest.mark.parametrize(
    ("start", "calculator", "change", "message"),
    [
        (lambda: silicon(1), StillingerWeber, TORN, "changed its volume by a factor of"),
        (cluster, StillingerWeber, {"ensemble": "npt"}, "npt needs a structure that is periodic.*Take nvt"),
        (lambda: silicon(1), Springs, {"ensemble": "npt"}, "gives no stress, which npt needs"),
        (lambda: Atoms("Si", cell=[2.3] * 3, pbc=True), StillingerWeber, {}, "one atom alone.*Repeat"),
        (bonded, StillingerWeber, {}, "a constraint that the sampler cannot keep"),
        (crowded, StillingerWeber, {}, "at 300 K has exploded.*Relax the structure first"),
        (lambda: silicon(1), StillingerWeber, {"timestep_fs": 20.0, "spacing_fs": 2000.0}, "has exploded"),
        (lambda: bulk("Ge", cubic=True), StillingerWeber, {}, "knows Si only, not Ge"),
    ],
)  # fmt: skip
def test_structures_that_cannot_be_sampled(start: Any, calculator: Any, change: Any, message: str) -> None:
    with pytest.raises(EatlasError, match=message):
        sample(start(), calculator(), SamplerSettings(**{**vars(SHORT), **change}))


def test_progress_rises_to_one_and_cancels() -> None:
    told: list[tuple[float | None, str]] = []
    sample(silicon(1), StillingerWeber(), SHORT, Progress(lambda f, t: told.append((f, t))))
    fractions = [f for f, _ in told if f is not None]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert told[-1][1] == "300 K: frame 3 of 3"
    progress = Progress(lambda fraction, _: progress.cancel())
    long = SamplerSettings((300.0,), n_frames=100_000)
    with pytest.raises(Cancelled):
        sample(silicon(1), StillingerWeber(), long, progress)


def test_label_keeps_what_the_frame_knows() -> None:
    rng = np.random.default_rng(0)
    atoms = silicon(1)
    atoms.rattle(0.1, rng=rng)
    frame = Frame(
        atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, arrays={"tags": np.arange(8)},
        info={"temperature": 5.0}, source="here.xyz", index=7,
    )  # fmt: skip
    both = label_all([frame, atoms], StillingerWeber())
    assert (both[0].source, both[0].index, both[0].info) == ("here.xyz", 7, {"temperature": 5.0})
    assert both[0].arrays.keys() == {"tags", "reference_energies"}
    assert both[0].energy == both[1].energy == label(atoms, StillingerWeber()).energy
    assert frame.energy is None
    atoms.positions[0, 0] = np.nan
    with pytest.raises(EatlasError, match="position of atom 0 is not finite"):
        label(atoms, StillingerWeber())
