"""Pools of candidates made here: crystals strained and rattled, dynamics, slabs, clusters.

Everything starts from *seeds*: the crystals among the structures at hand, and the structures themselves.
Small cells come first, since what they cost is so much less; see :mod:`nnpcore.cure.choosing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.cure.candidates import KINDS, Candidate
from nnpcore.cure.seeds import Seeds
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import BaseCalculator


@dataclass(frozen=True)
class PoolSettings:
    """What is generated, and how much.

    Attributes
    ----------
    kinds : of ``KINDS``.
    volume_strain : largest change of the volume to either side, as a share.
    strain : largest shear and uniaxial strain.
    displacements : Å, standard deviations with which atoms are displaced.
    temperatures : K, of the dynamics.
    n_volumes, n_shears, n_rattled, n_md : how many for each seed (and displacement, and temperature).
    small, large : atoms of a rattled cell at least, and of any candidate at most.
    seed : of the random numbers.

    Raises :class:`SettingsError` for what cannot be generated.
    """

    kinds: tuple[str, ...] = ("volumes", "shears", "rattled")
    volume_strain: float = 0.08
    strain: float = 0.04
    displacements: tuple[float, ...] = (0.05, 0.15, 0.3)
    temperatures: tuple[float, ...] = (300.0, 1000.0)
    n_volumes: int = 9
    n_shears: int = 8
    n_rattled: int = 4
    n_md: int = 8
    small: int = 8
    large: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown:
            what = f"{', '.join(unknown)} cannot be generated"
            raise SettingsError(what, where="generate", fix=f"Choose of {', '.join(KINDS)}")


def kinds_of(text: str) -> tuple[str, ...]:
    """Return "volumes,md" as kinds; SettingsError for an unknown one."""
    words = tuple(word for word in text.replace(",", " ").split() if word)
    return PoolSettings(kinds=words).kinds


def generate(
    seeds: Seeds,
    settings: PoolSettings,
    calculator: BaseCalculator | None = None,
    progress: Progress | None = None,
) -> tuple[list[Candidate], list[str]]:
    """Return a pool, and in words what could not be made and why.

    Parameters
    ----------
    calculator : moves the atoms of the dynamics; without one there is none.
    """
    made: list[Candidate] = []
    notes: list[str] = []
    parts = (progress or Progress()).split(max(1, len(settings.kinds)))
    for kind, part in zip(settings.kinds, parts, strict=False):
        part.report(0.0, KINDS[kind])
        try:
            if kind == "md":
                found = _dynamics(seeds, settings, calculator, part)
            else:
                found = _MAKERS[kind](seeds, settings)
        except EatlasError as error:
            notes.append(f"{kind}: {error}")
            continue
        kept = [c for c in found if c.n_atoms <= settings.large]
        if len(kept) < len(found):
            notes.append(f"{kind}: {len(found) - len(kept)} have more than {settings.large} atoms")
        if not found:
            notes.append(f"{kind}: none could be made, since there is no crystal to start from")
        made += kept
    return made, notes


# strained cells ---------------------------------------------------------------------------------------
def _deformed(frame: Frame, deformation: np.ndarray) -> Frame:
    """Frame (without labels) whose cell and atoms a (3, 3) deformation has moved, rows as ASE's."""
    return _bare(replace(frame, cell=frame.cell @ deformation, positions=frame.positions @ deformation))


def _bare(frame: Frame) -> Frame:
    return Frame(frame.numbers, frame.positions, frame.cell, frame.pbc)


def _text(frame: Frame) -> str:
    from ase.data import chemical_symbols

    numbers, counts = np.unique(frame.numbers, return_counts=True)
    return "".join(f"{chemical_symbols[n]}{c}" for n, c in zip(numbers, counts, strict=True))


def _volumes(seeds: Seeds, settings: PoolSettings) -> list[Candidate]:
    strains = np.linspace(-settings.volume_strain, settings.volume_strain, settings.n_volumes)
    found = []
    for frame in seeds.cells:
        for strain in strains:
            moved = _deformed(frame, np.eye(3) * (1.0 + strain) ** (1.0 / 3.0))
            name = f"crystal {_text(frame)} at {moved.volume / moved.n_atoms:.2f} Å³/atom"
            found.append(Candidate(moved, "volumes", name))
    return found


def _shears(seeds: Seeds, settings: PoolSettings) -> list[Candidate]:
    found = []
    rng = np.random.default_rng(settings.seed)
    for frame in seeds.cells:
        for k in range(settings.n_shears):
            strain = rng.uniform(-settings.strain, settings.strain, (3, 3))
            moved = _deformed(frame, np.eye(3) + 0.5 * (strain + strain.T))
            found.append(Candidate(moved, "shears", f"strained {_text(frame)}, {k + 1}"))
    return found


def _rattled(seeds: Seeds, settings: PoolSettings) -> list[Candidate]:
    found = []
    rng = np.random.default_rng(settings.seed + 1)
    for frame in seeds.cells:
        cell = repeated(frame, settings.small)
        for step in settings.displacements:
            for k in range(settings.n_rattled):
                strain = 1.0 + rng.uniform(-0.3, 0.3) * settings.volume_strain
                moved = _deformed(cell, np.eye(3) * strain ** (1.0 / 3.0))
                positions = moved.positions + step * rng.standard_normal(moved.positions.shape)
                name = f"rattled {_text(cell)} by {step:g} Å, {k + 1}"
                found.append(Candidate(replace(moved, positions=positions), "rattled", name))
    return found


def repeated(frame: Frame, n_atoms: int) -> Frame:
    """Return the cell repeated along its shortest vector until it has ``n_atoms`` or more."""
    from ase import Atoms

    atoms = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    while len(atoms) < n_atoms and atoms.pbc.any():
        lengths = np.where(atoms.pbc, atoms.cell.lengths(), np.inf)
        times = [1, 1, 1]
        times[int(lengths.argmin())] = 2
        atoms = atoms.repeat(times)
    return Frame.from_atoms(atoms)


# dynamics ---------------------------------------------------------------------------------------------
def _dynamics(
    seeds: Seeds, settings: PoolSettings, calculator: BaseCalculator | None, progress: Progress
) -> list[Candidate]:
    """Frames of short dynamics from every kind of structure; one that explodes gives none."""
    from nnpcore.reference.sampling import SamplerSettings, sample

    if calculator is None:
        raise SettingsError(
            "there is nothing that could move the atoms", fix="Give a run, or a calculator for the dynamics"
        )
    starts = [f for f in (*(repeated(c, 32) for c in seeds.cells), *seeds.structures)]
    starts = [f for f in starts if f.n_atoms <= settings.large]
    found: list[Candidate] = []
    orders = [(start, t) for start in starts for t in settings.temperatures]
    for (start, temperature), part in zip(orders, progress.split(max(1, len(orders))), strict=False):
        sampler = SamplerSettings(
            (temperature,), equilibration_fs=200.0, n_frames=settings.n_md, seed=settings.seed
        )
        try:
            frames = sample(_bare(start), calculator, sampler, part)
        except EatlasError:
            continue
        names = (f"{_text(start)} at {temperature:g} K, {k + 1}" for k in range(len(frames)))
        found += [Candidate(_bare(frame), "md", name) for frame, name in zip(frames, names, strict=True)]
    if starts and not found:
        raise SettingsError(
            "the dynamics explodes at once", fix="Train longer, or take a calculator that is stable"
        )
    return found


# cut from crystals ------------------------------------------------------------------------------------
def _slabs(seeds: Seeds, settings: PoolSettings) -> list[Candidate]:
    from nnpcore.reference.slabs import DIAMOND_LATTICES, SURFACES, slab

    found = []
    for crystal in seeds.crystals:
        if crystal.lattice == "diamond" and crystal.element in DIAMOND_LATTICES:
            for surface, geometry in SURFACES.items():
                for layers in (geometry.min_layers, geometry.min_layers + 4):
                    atoms = slab(surface, element=crystal.element, lattice=crystal.constant, n_layers=layers)
                    name = f"slab ({surface}), {layers} layers, {len(atoms)} atoms"
                    found.append(Candidate(Frame.from_atoms(atoms), "slabs", name))
        else:
            found += _plain_slabs(crystal.frame)
    return found


def _plain_slabs(frame: Frame) -> list[Candidate]:
    """Unreconstructed slabs along low indices of any crystal."""
    from ase.build import surface

    found = []
    for indices in ((1, 0, 0), (1, 1, 0), (1, 1, 1)):
        atoms: Atoms = surface(frame.to_atoms(), indices, 4, vacuum=6.0)
        atoms.calc = None
        name = f"slab ({''.join(map(str, indices))}), {len(atoms)} atoms"
        found.append(Candidate(_bare(Frame.from_atoms(atoms)), "slabs", name))
    return found


def _clusters(seeds: Seeds, settings: PoolSettings) -> list[Candidate]:
    from nnpcore.reference.clusters import wulff_cluster

    found = []
    for crystal in seeds.crystals:
        for n_atoms in (29, 71, 120):
            if crystal.lattice in ("diamond", "fcc") and crystal.element:
                atoms = wulff_cluster(crystal.element, n_atoms, lattice=crystal.constant)
                frame = Frame.from_atoms(atoms)
            else:
                frame = _ball(crystal.frame, n_atoms)
            name = f"cluster of {frame.n_atoms} atoms"
            found.append(Candidate(_bare(frame), "clusters", name))
    return found


def _ball(frame: Frame, n_atoms: int) -> Frame:
    """The atoms nearest to one of a crystal's, in a box of their own."""
    block = repeated(frame, 30 * n_atoms)
    center = block.positions[np.linalg.norm(block.positions - block.positions.mean(axis=0), axis=1).argmin()]
    nearest = np.linalg.norm(block.positions - center, axis=1).argsort(kind="stable")[:n_atoms]
    positions = block.positions[nearest]
    low = positions.min(axis=0) - 10.0
    cell = np.diag(np.ptp(positions, axis=0) + 20.0)
    return Frame(block.numbers[nearest], positions - low, cell, np.zeros(3, dtype=bool))


_MAKERS: dict[str, Callable[[Seeds, PoolSettings], list[Candidate]]] = {
    "volumes": _volumes,
    "shears": _shears,
    "rattled": _rattled,
    "slabs": _slabs,
    "clusters": _clusters,
}
