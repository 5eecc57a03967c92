"""The crystal at rest, and its equation of state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase import Atoms

from nnpcore.errors import AnalysisError
from nnpcore.mapping.eos_fit import fit_near_minimum
from nnpcore.progress import Progress
from nnpcore.properties.asking import Asked, spread_of
from nnpcore.properties.crystal import Crystal
from nnpcore.properties.values import Found, Line, Value
from nnpcore.units import MEV_PER_EV

_STRAIN = 0.002  # of lengths, for the bulk modulus that turns the members' pressures into lengths


def relaxed_crystal(asked: Asked, crystal: Crystal, progress: Progress) -> Crystal:
    """Return the crystal with cell and ions at rest under the model's mean; AnalysisError where it is not."""
    return replace(crystal, atoms=asked.relaxed(crystal.atoms, progress, cell=True))


def lattice(asked: Asked, crystal: Crystal, progress: Progress) -> Found:
    """Lattice constants, volume and energy of a relaxed crystal.

    The spread of the volume is that of the members' pressures p over the bulk modulus B: they would be at
    rest at V (1 + p / B). That of lengths follows where all are alike by symmetry.
    """
    atoms, n = crystal.atoms, len(crystal.atoms)
    volumes = _member_volumes(asked, atoms, progress) / n
    energies = asked.energies([atoms], Progress(within=progress))[:, 0] / n
    lengths, angles = atoms.cell.lengths(), atoms.cell.angles()
    volume = float(abs(atoms.cell.volume) / n)
    share = spread_of(volumes)
    values = []
    cubic = crystal.family == "cubic"
    for name, length in zip("abc", lengths, strict=True):
        same = name != "a" and abs(length - lengths[0]) < 1e-3
        if not same:
            spread = length * share / volume / 3.0 if cubic and share is not None else None
            values.append(Value(name, name, "Å", float(length), spread))
    for name, angle in zip(("alpha", "beta", "gamma"), angles, strict=True):
        if min(abs(angle - 90.0), abs(angle - 120.0)) > 0.01:
            values.append(Value(name, {"alpha": "α", "beta": "β", "gamma": "γ"}[name], "°", float(angle)))
    values.append(Value("volume", "Volume", "Å³/atom", volume, share))
    values.append(Value("energy", "Energy", "eV/atom", float(energies.mean()), spread_of(energies)))
    return Found(tuple(values))


def _member_volumes(asked: Asked, atoms: Atoms, progress: Progress) -> np.ndarray:
    """Volumes (n_members,), Å³, at which the members would be at rest."""

    def pressures(factor: float) -> np.ndarray:
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array * factor, scale_atoms=True)
        return -asked.stress(strained, progress)[:, :3].mean(axis=1)

    low, high = pressures(1.0 - _STRAIN).mean(), pressures(1.0 + _STRAIN).mean()
    modulus = (low - high) / (6.0 * _STRAIN)
    if not modulus > 0:
        raise AnalysisError(
            "the crystal is not stable: its pressure grows with its volume", fix="Give another crystal"
        )
    return abs(atoms.cell.volume) * (1.0 + pressures(1.0) / modulus)


def equation_of_state(asked: Asked, crystal: Crystal, progress: Progress) -> Found:
    """Birch-Murnaghan's V0, B0 and B0' along the volume; ions at rest, the shape of the cell as relaxed.

    Members are fitted each by itself, to their energies of the mean's structures.

    Raises
    ------
    AnalysisError : the energy has no minimum in the range.
    """
    settings = asked.settings
    factors = np.linspace(1.0 - settings.volume_range, 1.0 + settings.volume_range, settings.n_volumes)
    structures = []
    for factor, part in zip(factors, progress.split(len(factors)), strict=True):
        scaled = crystal.atoms.copy()
        scaled.set_cell(scaled.cell.array * factor ** (1.0 / 3.0), scale_atoms=True)
        structures.append(asked.relaxed(scaled, part))
    n = len(crystal.atoms)
    volumes = factors * abs(crystal.atoms.cell.volume) / n
    energies = asked.energies(structures, Progress(within=progress)) / n
    mean = energies.mean(axis=0)
    fit = fit_near_minimum(volumes, mean)
    members = _member_fits(volumes, energies)
    values = (
        Value("v0", "V0", "Å³/atom", fit.v0, members.get("v0")),
        Value("b0", "B0", "GPa", fit.b0_gpa, members.get("b0")),
        Value("b0_prime", "B0'", "", fit.b0_prime, members.get("b0_prime")),
    )
    moved = energies - energies.min(axis=1, keepdims=True)
    line = Line(
        volumes,
        MEV_PER_EV * (mean - fit.e0),
        MEV_PER_EV * moved.std(axis=0) if len(energies) > 1 else None,
    )
    return Found(values, {"eos": line}, notes=(fit.doubt,) if fit.doubt else ())


def _member_fits(volumes: np.ndarray, energies: np.ndarray) -> dict[str, float]:
    """Spreads of V0, B0 and B0' over the members; none where one of them has no minimum."""
    if len(energies) < 2:
        return {}
    try:
        fits = [fit_near_minimum(volumes, row) for row in energies]
    except AnalysisError:
        return {}
    found = {"v0": [f.v0 for f in fits], "b0": [f.b0_gpa for f in fits]}
    found["b0_prime"] = [f.b0_prime for f in fits]
    return {name: float(np.std(values)) for name, values in found.items()}
