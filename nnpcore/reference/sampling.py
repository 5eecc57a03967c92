"""Training sets from molecular dynamics with any ASE calculator, and labels for structures.

Constant temperature: Langevin dynamics by the BAOAB scheme (B. Leimkuhler and C. Matthews, J. Chem. Phys.
138, 174102 (2013)). It heats every mode by itself, which velocity rescaling and Nosé-Hoover chains do not do
in small, nearly harmonic cells. The noise moves no centre of mass. Constant pressure: the volume follows
stochastic cell rescaling (M. Bernetti and G. Bussi, J. Chem. Phys. 153, 114107 (2020)), isotropic, with the
kinetic part of the pressure at its mean.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator

from nnpcore.errors import AnalysisError, SettingsError
from nnpcore.progress import Progress
from nnpcore.reference.calculators import ReferenceCalculator
from nnpcore.reference.labels import foreign_errors, label
from nnpcore.structures.frame import Frame
from nnpcore.units import GPA_PER_EV_PER_ANG3

THERMOSTAT_FS = 100.0
"""Memory of the velocities, fs."""

BAROSTAT_FS = 200.0
"""Time in which the volume follows the pressure, fs."""

_REPORT_SECONDS = 0.05
_LASTING = {"numbers", "positions", "tags", "masses", "initial_magmoms", "initial_charges"}
_STRAIN = 0.002
_SOFTEST_GPA, _HARDEST_GPA = 5.0, 1000.0
_HOTTEST = 8.0
_HOTTEST_OFFSET = 3000.0
_VOLUME_FACTOR = 2.0


@dataclass(frozen=True)
class SamplerSettings:
    """How to draw structures from molecular dynamics; each temperature starts anew from the same structure.

    Attributes
    ----------
    temperatures : K, one series of frames for each.
    ensemble : "nvt" (fixed cell) or "npt" (the cell breathes isotropically).
    pressure_gpa : for npt.
    timestep_fs : 2 suits silicon and heavier atoms; 0.5 to 1 with hydrogen.
    equilibration_fs : time before the first frame.
    spacing_fs : time between frames.
    n_frames : frames for each temperature.
    seed : the same seed gives the same frames; those of a temperature do not depend on the others.

    Raises :class:`SettingsError` for values out of range.
    """

    temperatures: tuple[float, ...]
    ensemble: str = "nvt"
    pressure_gpa: float = 0.0
    timestep_fs: float = 2.0
    equilibration_fs: float = 1000.0
    spacing_fs: float = 50.0
    n_frames: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.temperatures:
            raise SettingsError("no temperature is given", where="temperatures", fix="Give one or more, in K")
        for value in self.temperatures:
            _range("temperatures", value, "above 0 and at most 1e5 K", 0 < value <= 1e5)
        if self.ensemble not in ("nvt", "npt"):
            raise SettingsError(
                f"there is no ensemble {self.ensemble!r}", where="ensemble", fix="Take nvt or npt"
            )
        step, spacing = self.timestep_fs, self.spacing_fs
        _range("pressure_gpa", self.pressure_gpa, "within ±1000 GPa", abs(self.pressure_gpa) <= 1000)
        _range("timestep_fs", step, "above 0 and at most 20 fs", 0 < step <= 20)
        _range("equilibration_fs", self.equilibration_fs, "0 or more", 0 <= self.equilibration_fs <= 1e9)
        _range("spacing_fs", spacing, "at least one time step", step <= spacing <= 1e9)
        _range("n_frames", self.n_frames, "1 or more", self.n_frames >= 1)
        _range("seed", self.seed, "0 or more", self.seed >= 0)

    @property
    def equilibration_steps(self) -> int:
        """Steps before the first frame's spacing begins."""
        return round(self.equilibration_fs / self.timestep_fs)

    @property
    def spacing_steps(self) -> int:
        """Steps between frames, at least one."""
        return max(1, round(self.spacing_fs / self.timestep_fs))

    @property
    def n_steps(self) -> int:
        """Steps of all temperatures together."""
        return len(self.temperatures) * (self.equilibration_steps + self.n_frames * self.spacing_steps)


def _range(name: str, value: float, wanted: str, good: bool) -> None:
    if not good:
        raise SettingsError(f"{value:g} is out of range", where=name, fix=f"It must be {wanted}")


def sample(
    atoms: Atoms | Frame,
    calculator: BaseCalculator,
    settings: SamplerSettings,
    progress: Progress | None = None,
) -> list[Frame]:
    """Run molecular dynamics at each temperature and return labelled frames, temperature by temperature.

    Parameters
    ----------
    atoms : where every series starts; not changed. Atoms held by ``FixAtoms`` stay where they are.
    calculator : any ASE calculator with energy and forces, and stress for npt; used by this call alone.
    progress : told at least every 50 ms of work between two calls of the calculator.

    Returns frames as :func:`label` makes them, with ``info["temperature"]``, the target in K.

    Raises :class:`AnalysisError` when the structure cannot be moved, the calculator fails or the dynamics
    explodes, :class:`SettingsError` for npt of a structure that is not periodic in all directions.
    """
    start = atoms.to_atoms() if isinstance(atoms, Frame) else atoms.copy()
    check_structure(start, calculator, settings)
    tick = _Ticker(progress, settings)
    frames: list[Frame] = []
    for temperature in settings.temperatures:
        dynamics = Dynamics(start, calculator, settings, temperature)
        tick.what = f"{temperature:g} K: heating up"
        for _ in range(settings.equilibration_steps):
            dynamics.step()
            tick()
        for k in range(settings.n_frames):
            tick.what = f"{temperature:g} K: frame {k + 1} of {settings.n_frames}"
            for _ in range(settings.spacing_steps):
                dynamics.step()
                tick()
            frames.append(dynamics.frame(len(frames)))
    return frames


def check_structure(atoms: Atoms, calculator: BaseCalculator, settings: SamplerSettings) -> None:
    """Raise AnalysisError or SettingsError where a structure cannot be moved as the settings want it."""
    from ase.constraints import FixAtoms  # brings much of scipy

    if settings.ensemble == "npt" and not (atoms.pbc.all() and abs(atoms.cell.volume) > 1e-6):
        raise SettingsError(
            "npt needs a structure that is periodic in all three directions",
            where="ensemble",
            fix="Take nvt for slabs with open sides, clusters and molecules",
        )
    if "forces" not in calculator.implemented_properties:
        raise AnalysisError("the calculator gives no forces", fix="Take another calculator")
    if settings.ensemble == "npt" and "stress" not in calculator.implemented_properties:
        raise AnalysisError("the calculator gives no stress, which npt needs", fix="Take nvt")
    if any(not isinstance(c, FixAtoms) for c in atoms.constraints):
        raise AnalysisError(
            "the structure carries a constraint that the sampler cannot keep",
            fix="Remove it, or hold whole atoms (ASE's FixAtoms)",
        )
    held = _held(atoms)
    if settings.ensemble == "npt" and held.any():
        raise SettingsError("npt cannot hold atoms in place", where="ensemble", fix="Take nvt")
    if len(atoms) - (held.sum() if held.any() else 1) < 1:
        raise AnalysisError(
            "there is nothing that could move: one atom alone, or all atoms held",
            fix="Repeat the cell so that atoms can move against each other",
        )


def _held(atoms: Atoms) -> np.ndarray:
    """Which atoms are held in place, (n,) bool."""
    held = np.zeros(len(atoms), dtype=bool)
    for constraint in atoms.constraints:
        held[constraint.get_indices()] = True
    return held


def _stripped(atoms: Atoms) -> Atoms:
    """Copy without constraints and without what was known of the start and no longer holds."""
    copy = atoms.copy()
    copy.set_constraint()
    copy.info = {}
    for name in set(copy.arrays) - _LASTING:
        del copy.arrays[name]
    return copy


class _Ticker:
    """Checks for cancellation at every step and reports often enough."""

    def __init__(self, progress: Progress | None, settings: SamplerSettings) -> None:
        self.progress = progress
        self.total = settings.n_steps
        self.done = 0
        self.what = ""
        self.last = -math.inf

    def __call__(self) -> None:
        self.done += 1
        if self.progress is None:
            return
        self.progress.check()
        now = time.monotonic()
        if now - self.last > _REPORT_SECONDS or self.done == self.total:
            self.last = now
            self.progress.report(self.done / self.total, self.what)


class _Engine:
    """Forces, stress and pressure of positions that change all the time."""

    def __init__(self, atoms: Atoms, calculator: BaseCalculator, *, with_stress: bool) -> None:
        self.atoms = atoms
        self.calculator = calculator
        self.with_stress = with_stress
        self.atoms.calc = calculator

    def __call__(self) -> tuple[np.ndarray, float]:
        """Forces (n, 3) eV/Å and the potential's pressure, eV/Å³ (0 where it is not asked for)."""
        if isinstance(self.calculator, ReferenceCalculator):  # past ASE's copies and comparisons
            atoms = self.atoms
            frame = Frame(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
            _, forces, virial = self.calculator.evaluate(frame)
            return forces, -float(np.trace(virial)) / (3.0 * frame.volume) if self.with_stress else 0.0
        with foreign_errors():
            forces = self.atoms.get_forces()
            if not self.with_stress:
                return forces, 0.0
            stress = getattr(self.calculator, "results", {}).get("stress")  # there already, as a rule
            stress = self.atoms.get_stress() if stress is None else np.asarray(stress)
        diagonal = stress[:3] if stress.ndim == 1 else np.diag(stress)
        return forces, -float(diagonal.mean())


class Dynamics:
    """Langevin dynamics of one structure at one temperature, at constant volume or pressure.

    ``atoms`` is where it is now, ``velocities`` (n, 3) in ASE's units.
    """

    def __init__(
        self, start: Atoms, calculator: BaseCalculator, settings: SamplerSettings, temperature: float
    ) -> None:
        self.atoms = _stripped(start)
        self.held = _held(start)
        self.temperature = temperature
        self.kt = units.kB * temperature
        self.dt = settings.timestep_fs * units.fs
        self.target = settings.pressure_gpa / GPA_PER_EV_PER_ANG3
        self.breathes = settings.ensemble == "npt"
        self.engine = _Engine(self.atoms, calculator, with_stress=self.breathes)
        self.rng = np.random.default_rng([settings.seed, round(1000 * temperature)])
        self.masses = self.atoms.get_masses()[:, None]
        self.share = self.masses.T / self.masses.sum()
        self.thermal_speed = np.sqrt(self.kt / self.masses)
        self.keep = math.exp(-settings.timestep_fs / THERMOSTAT_FS)
        self.kick = math.sqrt(1.0 - self.keep**2)
        self.volume = self.atoms.cell.volume
        self.softness = self._softness() if self.breathes else 0.0
        self.velocities = self._without_drift(self._thermal())
        self.forces, self.pressure = self.engine()

    def step(self) -> None:
        """Advance by one time step; raise :class:`AnalysisError` when the structure flies apart."""
        half = 0.5 * self.dt
        before = self._without_drift(self.velocities + half * self.forces / self.masses)
        if self.breathes:
            self._breathe()
        after = self._without_drift(self.keep * before + self.kick * self._thermal())
        self.atoms.positions += half * (before + after)
        self.forces, self.pressure = self.engine()
        self.velocities = self._without_drift(after + half * self.forces / self.masses)
        self.check()

    @property
    def kinetic_temperature(self) -> float:
        """Temperature of the velocities as they are, K."""
        moving = max(1, 3 * (len(self.masses) - max(1, int(self.held.sum()))))
        return float((self.masses * self.velocities**2).sum()) / (moving * units.kB)

    def frame(self, index: int) -> Frame:
        """Label where the structure is now."""
        frame = label(self.atoms, self.engine.calculator)
        return replace(frame, info={**frame.info, "temperature": self.temperature}, index=index)

    def _thermal(self) -> np.ndarray:
        """Velocities drawn from Maxwell's distribution, (n, 3)."""
        return self.thermal_speed * self.rng.standard_normal((len(self.masses), 3))

    def _without_drift(self, velocities: np.ndarray) -> np.ndarray:
        """Velocities without the motion of the centre of mass, or of the atoms held."""
        if self.held.any():
            velocities[self.held] = 0.0
            return velocities
        return velocities - self.share @ velocities

    def _breathe(self) -> None:
        """Let the volume follow the pressure: one step of the equation for ln V."""
        volume = self.atoms.cell.volume
        rate = self.softness * self.dt / (BAROSTAT_FS * units.fs)
        excess = self.pressure + len(self.masses) * self.kt / volume - self.target
        noise = math.sqrt(2.0 * self.kt * rate / volume) * self.rng.standard_normal()
        self._rescale(math.exp(min(max(rate * excess + noise, -0.05), 0.05) / 3.0))

    def _rescale(self, factor: float) -> None:
        self.atoms.set_cell(self.atoms.cell.array * factor, scale_atoms=True)

    def _softness(self) -> float:
        """1 / bulk modulus of the structure as it stands, Å³/eV, within the limits of solids."""
        pressures = []
        for factor in (1.0 - _STRAIN, 1.0 + _STRAIN):
            self._rescale(factor)
            pressures.append(self.engine()[1])
            self._rescale(1.0 / factor)
        modulus = (pressures[0] - pressures[1]) / (6.0 * _STRAIN) * GPA_PER_EV_PER_ANG3
        return GPA_PER_EV_PER_ANG3 / min(max(modulus, _SOFTEST_GPA), _HARDEST_GPA)

    def check(self) -> None:
        """Raise AnalysisError for velocities or volumes out of any sense."""
        heat = self.kinetic_temperature
        limit = _HOTTEST * self.temperature + _HOTTEST_OFFSET
        if not heat <= limit:
            raise AnalysisError(
                f"the dynamics at {self.temperature:g} K has exploded"
                + (f": it has reached {heat:.3g} K" if math.isfinite(heat) else ": forces are not finite"),
                fix="Relax the structure first, take a shorter time step, or check that the calculator knows "
                "such structures",
            )
        if not self.breathes:
            return
        grown = self.atoms.cell.volume / self.volume
        if not 1.0 / _VOLUME_FACTOR < grown < _VOLUME_FACTOR:
            raise AnalysisError(
                f"the cell at {self.temperature:g} K has changed its volume by a factor of {grown:.2g}",
                fix="Take nvt, a lower temperature, or a pressure at which the structure is stable",
            )
