"""Molecular dynamics: does energy stay, how do atoms stand, and when does it leave what is known or break."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.data import covalent_radii

from nnpcore.errors import AnalysisError
from nnpcore.progress import Progress
from nnpcore.properties.asking import Asked, ModelCalculator, frame_of
from nnpcore.properties.crystal import Crystal, supercell
from nnpcore.properties.values import Found, Line, Value
from nnpcore.reference.sampling import Dynamics, SamplerSettings
from nnpcore.structures.frame import Frame
from nnpcore.units import MEV_PER_EV

Reach = Callable[[Frame], np.ndarray]
"""Distance (n_atoms,) of a frame's atoms to the surroundings a model was trained on."""

MOST_FORCE = 100.0
"""eV/Å: a solid whose atoms feel more has broken."""

LEAST_DISTANCE = 0.6
"""Share of the sum of covalent radii below which two atoms have fallen into each other."""

LARGEST_FALL = 0.5
"""eV/atom below the crystal: the potential has a hole."""

_EVERY = 10  # steps between two looks
_BIN = 0.05  # Å, of the radial distribution
_FARTHEST = 8.0


def dynamics(asked: Asked, crystal: Crystal, progress: Progress, reach: Reach | None = None) -> Found:
    """Energy drift at constant energy, radial distribution there, and heating until it breaks.

    ``reach`` tells how far atoms are from the training data; without it nothing is said of that.

    Raises
    ------
    AnalysisError : the crystal cannot be moved, or breaks before it is equilibrated.
    """
    settings = asked.settings
    atoms = crystal.atoms.repeat(supercell(crystal.atoms, settings.cell_length))
    if len(atoms) < 2:
        raise AnalysisError("one atom alone cannot move", fix="Give a longer cell length")
    step = settings.timestep_fs or suitable_timestep(atoms)
    shares = (settings.equilibration_ps, settings.constant_energy_ps, settings.heating_ps)
    parts = progress.split([max(share, 1e-6) for share in shares])
    sampler = SamplerSettings((settings.temperature,), timestep_fs=step, spacing_fs=step, seed=settings.seed)
    calculator = ModelCalculator(asked.model, asked.n_threads, progress)
    moving = Dynamics(atoms, calculator, sampler, settings.temperature)
    for k in range(n := _steps(settings.equilibration_ps, step)):
        moving.step()
        if k % _EVERY == 0:
            parts[0].report(k / n, f"heating up to {settings.temperature:g} K")
    kept, energies = _constant_energy(moving, _steps(settings.constant_energy_ps, step), step, parts[1])
    values, lines = _quiet_values(energies, step), {"drift": _drift_line(energies, step)}
    if kept:
        lines["rdf"] = radial_distribution(kept)
    if settings.heating_ps > 0:
        rest = float(asked.energies([atoms], Progress(within=progress)).mean()) / len(atoms)
        values += _heat(moving, asked, step, rest, reach, parts[2])
    lines = {name: line for name, line in lines.items() if len(line.x) > 1}
    notes = [f"it breaks at {v.value:.0f} K: {v.why}" for v in values if v.key == "breaks_at" and v.value]
    return Found(tuple(values), lines, notes=tuple(notes))


def suitable_timestep(atoms: Atoms) -> float:
    """Return a time step, fs, that resolves the vibrations of the lightest atoms."""
    lightest = float(atoms.get_masses().min())
    return 0.5 if lightest < 5.0 else 1.0 if lightest < 20.0 else 2.0


def _steps(picoseconds: float, step: float) -> int:
    return round(1000.0 * picoseconds / step)


# constant energy --------------------------------------------------------------------------------------
def _constant_energy(
    moving: Dynamics, n: int, step: float, progress: Progress
) -> tuple[list[Frame], np.ndarray]:
    """Go on by velocity Verlet; return some frames and the total energy per atom at every step, eV."""
    atoms, masses, dt = moving.atoms, moving.masses, step * units.fs
    frames, energies = [], np.zeros(n)
    for k in range(n):
        moving.velocities = moving.velocities + 0.5 * dt * moving.forces / masses
        atoms.positions += dt * moving.velocities
        moving.forces, _ = moving.engine()
        moving.velocities = moving.velocities + 0.5 * dt * moving.forces / masses
        kinetic = 0.5 * float((masses * moving.velocities**2).sum())
        energies[k] = (atoms.get_potential_energy() + kinetic) / len(atoms)
        if k % _EVERY == 0:
            progress.report(k / n, f"constant energy, {k * step / 1000.0:.2f} ps")
            frames.append(frame_of(atoms))
            moving.check()
    return frames, energies


def _quiet_values(energies: np.ndarray, step: float) -> list[Value]:
    title = "Energy drift"
    if len(energies) < 10:
        return [Value("drift", title, "meV/atom/ps", None, why="the run at constant energy is too short")]
    times = step * np.arange(len(energies)) / 1000.0
    slope = float(np.polyfit(times, energies, 1)[0])
    return [Value("drift", title, "meV/atom/ps", MEV_PER_EV * slope)]


def _drift_line(energies: np.ndarray, step: float) -> Line:
    times = step * np.arange(len(energies)) / 1000.0
    return Line(times, MEV_PER_EV * (energies - energies[0] if len(energies) else energies))


def radial_distribution(frames: list[Frame]) -> Line:
    """Return g(r) of all pairs, a line over r in Å; 1 without any order."""
    from nnpcore.descriptors.neighbors import neighbor_pairs

    edges = np.arange(0.0, _FARTHEST + 0.5 * _BIN, _BIN)
    counts, ideal = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    shells = 4.0 / 3.0 * math.pi * np.diff(edges**3)
    for frame in frames:
        lengths = np.linalg.norm(neighbor_pairs(frame, _FARTHEST).vector, axis=1)
        counts += np.histogram(lengths, edges)[0]
        ideal += frame.n_atoms * frame.n_atoms / frame.volume * shells
    return Line(0.5 * (edges[1:] + edges[:-1]), counts / ideal)


# heating ----------------------------------------------------------------------------------------------
@dataclass
class _Heating:
    """What the heating has met: temperatures, K, of the first atom out of reach and of the break."""

    out_of_reach: float | None = None
    broken: float | None = None
    why: str = ""


def _heat(
    moving: Dynamics, asked: Asked, step: float, rest: float, reach: Reach | None, progress: Progress
) -> list[Value]:
    settings, met = asked.settings, _Heating()
    n = _steps(settings.heating_ps, step)
    low, high = settings.temperature, settings.max_temperature
    for k in range(n):
        temperature = low + (high - low) * k / n
        _set_temperature(moving, temperature)
        try:
            moving.step()
        except AnalysisError as error:
            met.broken, met.why = temperature, error.what
            break
        if k % _EVERY:
            continue
        progress.report(k / n, f"heating, {temperature:.0f} K")
        if (
            reach is not None
            and met.out_of_reach is None
            and float(reach(frame_of(moving.atoms)).max()) > settings.reach
        ):
            met.out_of_reach = temperature
        if why := _broken(moving, rest):
            met.broken, met.why = temperature, why
            break
    return _heating_values(met, high, reach)


def _set_temperature(moving: Dynamics, temperature: float) -> None:
    moving.temperature, moving.kt = temperature, units.kB * temperature
    moving.thermal_speed = np.sqrt(moving.kt / moving.masses)


def _heating_values(met: _Heating, high: float, reach: Reach | None) -> list[Value]:
    end = met.broken if met.broken is not None else high
    none = f"none up to {end:.0f} K"
    nobody = "nothing is known of what it was trained on"
    first = Value(
        "first_out_of_reach", "First atom out of reach", "K", met.out_of_reach,
        why="" if met.out_of_reach is not None else (none if reach is not None else nobody),
    )  # fmt: skip
    broken = Value(
        "breaks_at", "Breaks at", "K", met.broken, why=met.why if met.broken else f"not up to {high:.0f} K"
    )
    return [first, broken]


def _broken(moving: Dynamics, rest: float) -> str:
    """Return how the structure has broken, or empty. ``rest``: eV/atom of the crystal."""
    from nnpcore.descriptors.neighbors import neighbor_pairs

    force = float(np.linalg.norm(moving.forces, axis=1).max())
    if not force < MOST_FORCE:
        return f"a force of {force:.0f} eV/Å"
    fall = rest - moving.atoms.get_potential_energy() / len(moving.atoms)
    if fall > LARGEST_FALL:
        return f"the energy is {fall:.1f} eV/atom below the crystal's"
    frame = frame_of(moving.atoms)
    radii = covalent_radii[frame.numbers]
    pairs = neighbor_pairs(frame, 2.0 * LEAST_DISTANCE * float(radii.max()))
    if len(pairs.vector):
        center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
        lengths = np.linalg.norm(pairs.vector, axis=1)
        if (lengths < LEAST_DISTANCE * (radii[center] + radii[pairs.neighbor])).any():
            return f"two atoms are {lengths.min():.2f} Å apart"
    return ""
