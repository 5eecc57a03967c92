"""Energies, forces and stress of 1,000 and 100,000 silicon atoms by the ASE calculator: time and memory."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.md.verlet import VelocityVerlet
from row import Row

from nnpcore.descriptors import NeighborFinder, SymmetryFunctions, Whitening, compute_descriptors
from nnpcore.descriptors.kernel_tables import build_tables
from nnpcore.descriptors.kernels import fill_descriptors
from nnpcore.potential import NetworkWeights, Potential
from nnpcore.structures.frame import Frame

SMALL, LARGE = (5, 5, 5), (25, 25, 20)


def silicon(repeat: tuple[int, int, int]) -> Atoms:
    """Return rattled diamond silicon, 8 atoms times ``repeat``."""
    atoms = bulk("Si", cubic=True).repeat(repeat)
    atoms.rattle(0.08, rng=np.random.default_rng(0))
    return atoms


def potential() -> Potential:
    """Return five members 26-30-30-1 with random weights: time does not depend on their values."""
    functions = SymmetryFunctions.preset("26", ["Si"], 6.0)
    found = compute_descriptors([Frame.from_atoms(silicon((2, 2, 2)))], functions, derivatives=False)
    whitening = Whitening.fit(found.values, found.species, functions)
    weights = NetworkWeights.initial(functions, (30, 30), n_members=5, seed=0)
    return Potential(functions, whitening, weights, {"Si": -4.6})


def peak_memory() -> float:
    """Return the most memory this process has held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True)
class Cost:
    """Fastest wall time and least CPU time in seconds, memory added to the process in MB."""

    wall: float
    cpu: float
    memory: float


def measure(model: Potential, atoms: Atoms, threads: int, repeats: int) -> Cost:
    """Return what the calculator takes for one structure."""
    before, walls, cpus = peak_memory(), [], []
    for _ in range(repeats):
        atoms.calc = model.calculator(n_threads=threads)
        started, used = time.perf_counter(), time.process_time()
        atoms.get_forces()
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - used)
    return Cost(min(walls), min(cpus), peak_memory() - before)


class Still(Calculator):
    """A calculator that costs nothing: what ASE itself takes for a step."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE's)

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = ()) -> None:
        """Fill ``results`` with zeros."""
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(self.atoms), 3))}


def step_seconds(calculator: Calculator, steps: int = 60) -> float:
    """Return the CPU time of a step of molecular dynamics of 64 atoms, the best of three tries."""
    atoms = silicon((2, 2, 2))
    atoms.calc = calculator
    dynamics = VelocityVerlet(atoms, units.fs)
    dynamics.run(5)

    def once() -> float:
        used = time.process_time()
        dynamics.run(steps)
        return (time.process_time() - used) / steps

    return min(once() for _ in range(3))


def description_seconds(model: Potential, atoms: Atoms, repeats: int) -> float:
    """Return the CPU time of the symmetry functions and their derivatives, part by part, one thread.

    As for steps it is the best of three tries, each the mean over ``repeats``; memory for the derivatives is
    kept, as a prediction keeps it.
    """
    frame = Frame.from_atoms(atoms)
    finder = NeighborFinder(frame, model.cutoff)
    tables, species = build_tables(model.functions), model.functions.species_index(frame.numbers)
    size = min(64, frame.n_atoms)
    kept: np.ndarray = np.empty(0)

    def once() -> float:
        nonlocal kept
        used = time.process_time()
        for first in range(0, frame.n_atoms, size):
            stop = min(first + size, frame.n_atoms)
            found = finder.pairs(first, stop)
            values = np.empty((stop - first, model.functions.n_descriptors))
            shape = len(found.neighbor), 3, values.shape[1]
            if len(kept) < np.prod(shape):
                kept = np.empty(int(1.1 * np.prod(shape)))
            slopes = kept[: np.prod(shape)].reshape(shape)
            near = species[found.neighbor]
            fill_descriptors(tables, species[first:stop], found.start, near, found.vector, values, slopes)
        return time.process_time() - used

    return min(sum(once() for _ in range(repeats)) / repeats for _ in range(3))


def rows(threads: int = 2) -> list[Row]:
    """Measure both structures with 5 members, stress and spreads included, and molecular dynamics."""
    model = potential()
    measure(model, silicon((1, 1, 1)), threads, 2)
    small = measure(model, silicon(SMALL), threads, 5)
    large = measure(model, silicon(LARGE), threads, 1)
    alone = description_seconds(model, silicon(LARGE), 1)
    step, still = step_seconds(model.calculator(n_threads=1)), step_seconds(Still())
    described = description_seconds(model, silicon((2, 2, 2)), 60)
    note = "5 members, preset 26, rc 6 Å; energy, forces, stress and their spreads"

    def row(
        name: str,
        value: float,
        unit: str,
        aim: float | None = None,
        note: str = "",
        before: float | None = None,
    ) -> Row:
        return Row(name, value, unit, aim=aim, note=note, threads=threads, before=before)

    return [
        row("energy + forces, 1,000 atoms", small.wall, "s", note=note),
        row("energy + forces, 100,000 atoms", large.wall, "s", note=note),
        row("CPU time of it, 100,000 atoms", large.cpu, "s"),
        row("CPU time per atom, 100,000 against 1,000", large.cpu / small.cpu / 100, "ratio", aim=1.3),
        row("CPU time of it against G and dG/dr alone", large.cpu / alone, "ratio", aim=1.2),
        Row("a step of dynamics, 64 atoms", 1e3 * step, "ms"),
        Row(
            "that against G, dG/dr and an empty step",
            step / (described + still),
            "ratio",
            aim=1.3,
            before=2.7,
            note=f"G and dG/dr {1e3 * described:.2f} ms, an empty step {1e3 * still:.2f} ms",
        ),
        row("memory added, 1,000 atoms", small.memory, "MB"),
        row("memory added, 100,000 atoms", large.memory, "MB", aim=200),
        row("peak memory, 100,000 atoms", peak_memory(), "MB", aim=600),
    ]
