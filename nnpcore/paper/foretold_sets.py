"""The training sets of the study of foretold spreads, and where the truth is known for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import BaseCalculator

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.mapping import RegionSet
from nnpcore.paper.context import StudyContext
from nnpcore.paper.silicon_slab import HOTTER, PAPER_TEMPERATURES, relaxed_slab, slab_frames, slab_regions
from nnpcore.posterior import Target
from nnpcore.posterior.moments import ENERGY, FORCES, STRESS
from nnpcore.reference import (
    CleriRosato,
    SamplerSettings,
    crystal,
    equilibrium_lattice,
    label,
    relax,
    sample,
)
from nnpcore.reference.clusters import wulff_cluster
from nnpcore.reference.crystals import LATTICES
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame

CUTOFF, PRESET = 6.0, "26"
STRAINED = (-0.04, -0.02, 0.0, 0.02, 0.04)
"""Crystals that are asked about: volume against that of the equilibrium, minus one."""

DFT_VOLUMES = (19.4, 21.9)
"""Å³/atom: about 4 % around the minimum."""

_SLAB, _DFT, _CLUSTER, _ALLOY = "slab", "DFT silicon", "nickel cluster", "copper and gold"
GROUPS = (_SLAB, _DFT, _CLUSTER, _ALLOY)
_SIZES = (20, 40, 67)
_CLUSTER_ATOMS = 140
_CLUSTER_TEMPERATURES = (600.0, 1200.0, 1800.0, 2400.0)
_CUBES = {"Cu": 3.62, "Au": 4.07}
"""Lattice constants by effective medium theory about their minima, Å."""


@dataclass(frozen=True)
class Plan:
    """How much is sampled: temperatures and seeds of the slab, frames of each kind of set."""

    temperatures: tuple[float, ...] = (*PAPER_TEMPERATURES, *HOTTER)
    seeds: int = 2
    n_slab: int = 100
    n_cluster: int = 120
    n_alloy: int = 60
    dft_sizes: tuple[int, ...] = _SIZES


QUICK = Plan(
    temperatures=(100.0, 1000.0, 1700.0), seeds=1, n_slab=40, n_cluster=24, n_alloy=18, dft_sizes=(40,)
)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Labelled frames, and targets with their true values.

    Attributes
    ----------
    name, group : what it is called, and which of ``GROUPS`` it is of.
    frames : the training frames. functions : that describe them. kinds : labels that are learned from.
    targets : mean atomic energies that are known. truth : (n_targets,) eV.
    """

    name: str
    group: str
    frames: Sequence[Frame]
    functions: SymmetryFunctions
    kinds: tuple[str, ...]
    targets: tuple[Target, ...]
    truth: np.ndarray


def training_sets(context: StudyContext, plan: Plan) -> Iterator[TrainingSet]:
    """Yield the sets one after the other; what has to be sampled is kept in the folder of the studies."""
    yield from _slab_sets(context, plan)
    yield from _dft_sets(plan)
    yield _cluster_set(context, plan)
    yield _alloy_set(context, plan)


def count_sets(plan: Plan) -> int:
    """Return how many sets there are."""
    return len(plan.temperatures) * plan.seeds + 3 * len(plan.dft_sizes) + 2


@dataclass(frozen=True, eq=False)
class _Known:
    """Targets and their true values."""

    targets: tuple[Target, ...]
    truth: tuple[float, ...]

    def __add__(self, other: _Known) -> _Known:
        return _Known(self.targets + other.targets, self.truth + other.truth)

    def in_set(
        self, name: str, group: str, frames: Sequence[Frame], elements: Sequence[str], kinds: tuple[str, ...]
    ) -> TrainingSet:
        """Return the training set in which they are asked about."""
        functions = SymmetryFunctions.preset(PRESET, elements, CUTOFF)
        return TrainingSet(name, group, frames, functions, kinds, self.targets, np.array(self.truth))


def _crystals(atoms: Atoms, calculator: BaseCalculator, name: str) -> _Known:
    """Return a crystal at its volume and around it."""
    targets, truth = [], []
    for strain in STRAINED:
        scaled = atoms.copy()
        scaled.set_cell(atoms.cell.array * (1.0 + strain) ** (1.0 / 3.0), scale_atoms=True)
        frame = label(scaled, calculator)
        assert frame.energy is not None
        targets.append(Target.mean(frame, name=f"{name} at {100 * strain:+.0f} %"))
        truth.append(frame.energy / frame.n_atoms)
    return _Known(tuple(targets), tuple(truth))


def _regions(regions: RegionSet) -> _Known:
    targets, truth = [], []
    for region in regions.regions:
        assert region.reference is not None
        targets.append(Target.mean(regions.frame, region.atoms, region.name))
        truth.append(region.reference)
    return _Known(tuple(targets), tuple(truth))


# silicon ------------------------------------------------------------------------------------------------
def _slab_sets(context: StudyContext, plan: Plan) -> Iterator[TrainingSet]:
    known = _regions(slab_regions(relaxed_slab(context)))
    for temperature in plan.temperatures:
        for seed in range(plan.seeds):
            frames = slab_frames(context, temperature, seed)[: plan.n_slab]
            name = f"slab {temperature:g} K, seed {seed}"
            yield known.in_set(name, _SLAB, frames, ["Si"], (ENERGY, FORCES))


def _dft_sets(plan: Plan) -> Iterator[TrainingSet]:
    data = {name: read_dataset(example_path(name)).frames for name in ("nvt", "npt", "eos")}
    low, high = DFT_VOLUMES
    scan = [f for f in data["eos"] if low < f.volume / f.n_atoms < high and f.energy is not None]
    scan.sort(key=lambda frame: frame.volume / frame.n_atoms)
    names = (f"crystal at {f.volume / f.n_atoms:.2f} Å³" for f in scan)
    targets = tuple(Target.mean(f, name=name) for f, name in zip(scan, names, strict=True))
    known = _Known(targets, tuple(f.energy / f.n_atoms for f in scan if f.energy is not None))
    both, all_kinds = (ENERGY, FORCES), (ENERGY, FORCES, STRESS)
    cases = (("NVT", "nvt", both), ("NPT", "npt", both), ("NVT with stress", "nvt", all_kinds))
    for title, source, kinds in cases:
        for size in plan.dft_sizes:
            places = np.linspace(0, len(data[source]) - 1, size).round().astype(int)
            frames = [data[source][k] for k in places]
            yield known.in_set(f"{title}, {size} frames", _DFT, frames, ["Si"], kinds)


# metals -------------------------------------------------------------------------------------------------
def _cluster_set(context: StudyContext, plan: Plan) -> TrainingSet:
    calculator = CleriRosato("Ni")
    relaxed = relax(wulff_cluster("Ni", _CLUSTER_ATOMS), calculator, progress=context.quiet())
    settings = SamplerSettings(
        temperatures=_CLUSTER_TEMPERATURES,
        equilibration_fs=1000.0,
        spacing_fs=60.0,
        n_frames=plan.n_cluster // len(_CLUSTER_TEMPERATURES),
        seed=context.seed,
    )
    key = {"atoms": _CLUSTER_ATOMS, "sampler": settings}
    frames = context.dynamics("foretold-ni", relaxed.copy, calculator, settings, key=key)
    constant = equilibrium_lattice("Ni", "fcc", calculator)
    known = _crystals(crystal("Ni", "fcc", constant), calculator, "crystal")
    known += _core_and_shell(label(relaxed, calculator), constant)
    return known.in_set("nickel cluster", _CLUSTER, frames, ["Ni"], (ENERGY, FORCES))


def _core_and_shell(frame: Frame, constant: float) -> _Known:
    """Return the atoms with all their nearest neighbors, and the others, by the exact atomic energies."""
    distances = np.linalg.norm(frame.positions[:, None] - frame.positions, axis=2)
    nearest = LATTICES["fcc"][1] * constant
    inside = (distances < 1.2 * nearest).sum(1) - 1 >= 12
    exact = frame.exact_energies
    assert exact is not None
    parts = {"core": np.flatnonzero(inside), "shell": np.flatnonzero(~inside)}
    targets = tuple(Target.mean(frame, atoms, name) for name, atoms in parts.items())
    return _Known(targets, tuple(float(exact[atoms].mean()) for atoms in parts.values()))


def _alloy_set(context: StudyContext, plan: Plan) -> TrainingSet:
    from ase.calculators.emt import EMT

    calculator = EMT()
    settings = {"cells": 6, "frames": plan.n_alloy, "seed": context.seed, "temperature": 800.0}
    frames = context.samples("foretold-cuau", settings, lambda: _alloy_frames(context, plan, calculator))
    known = _Known((), ())
    for name, symbols in (
        ("Cu", "CCCC"),
        ("Cu3Au", "ACCC"),
        ("CuAu", "AACC"),
        ("CuAu3", "AAAC"),
        ("Au", "AAAA"),
    ):
        known += _one(_ordered(symbols), calculator, name)
    return known.in_set("copper and gold", _ALLOY, frames, ["Cu", "Au"], (ENERGY, FORCES))


def _one(atoms: Atoms, calculator: BaseCalculator, name: str) -> _Known:
    frame = label(atoms, calculator)
    assert frame.energy is not None
    return _Known((Target.mean(frame, name=name),), (frame.energy / frame.n_atoms,))


def _ordered(symbols: str) -> Atoms:
    """Return the cubic cell of four atoms: "A" for gold, "C" for copper; Vegard's lattice constant."""
    gold = symbols.count("A") / len(symbols)
    atoms = bulk("Cu", "fcc", a=_vegard(gold), cubic=True)
    atoms.symbols[:] = ["Au" if letter == "A" else "Cu" for letter in symbols]
    return atoms


def _vegard(gold: float) -> float:
    return (1.0 - gold) * _CUBES["Cu"] + gold * _CUBES["Au"]


def _alloy_frames(context: StudyContext, plan: Plan, calculator: BaseCalculator) -> list[Frame]:
    """Return frames at 800 K of six random solutions of 32 atoms: a quarter, a half, three quarters gold."""
    found: list[Frame] = []
    random = np.random.default_rng(context.seed)
    for cell in range(6):
        n_gold = (8, 16, 24)[cell % 3]
        atoms = bulk("Cu", "fcc", a=_vegard(n_gold / 32), cubic=True).repeat((2, 2, 2))
        gold: Callable[[int], bool] = set(random.permutation(32)[:n_gold].tolist()).__contains__
        atoms.symbols[:] = ["Au" if gold(k) else "Cu" for k in range(32)]
        settings = SamplerSettings(
            temperatures=(800.0,),
            equilibration_fs=500.0,
            spacing_fs=60.0,
            n_frames=plan.n_alloy // 6,
            seed=context.seed + cell,
        )
        found += sample(atoms, calculator, settings, context.quiet())
    return found
