"""Small structures and random but trained-like potentials, for any test: ``from builders import ...``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnpcore.descriptors import G2, G4, G5, SymmetryFunctions, Whitening, compute_descriptors
from nnpcore.potential import NetworkWeights, Potential
from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.potential.crowding import Crowding
from nnpcore.potential.short_range import PairRepulsion, ShortRange
from nnpcore.structures.frame import Frame


def build_functions(elements: Sequence[str], cutoff: float = 4.5) -> SymmetryFunctions:
    """Return a small set with every kind of function: G2 (centred and shifted), G4 and G5."""
    ordered = list(elements)
    pairs = [(a, b) for i, a in enumerate(ordered) for b in ordered[i:]]
    functions: list[G2 | G4 | G5] = []
    for element in ordered:
        functions += [
            G2(element, 0.05, 0.0, cutoff),
            G2(element, 0.5, 0.0, cutoff),
            G2(element, 2.0, 2.4, cutoff),
        ]
    for pair in pairs:
        functions += [G4(pair, 0.03, 1.0, -1.0, cutoff), G4(pair, 0.09, 4.0, 1.0, cutoff)]
        functions += [G5(pair, 0.05, 2.0, -1.0, cutoff), G5(pair, 0.01, 3.0, 1.0, cutoff)]
    return SymmetryFunctions({element: tuple(functions) for element in ordered})


def build_frame(
    name: str = "Si",
    *,
    repeat: Sequence[int] = (1, 1, 1),
    rattle: float = 0.1,
    scale: float = 1.0,
    seed: int = 0,
) -> Frame:
    """Return a rattled crystal: "Si" (8 atoms, diamond), "SiC" (8 atoms, zincblende), "Ni" (fcc, 4 atoms).

    ``rattle`` in Å, ``scale`` of the lattice constant.
    """
    from ase.build import bulk

    kinds = {"Si": ("diamond", 5.43), "SiC": ("zincblende", 4.36), "Ni": ("fcc", 3.52)}
    structure, a = kinds[name]
    atoms = bulk(name, structure, a=a * scale, cubic=True).repeat(tuple(repeat))
    rng = np.random.default_rng(seed)
    atoms.positions += rattle * rng.standard_normal(atoms.positions.shape)
    return Frame.from_atoms(atoms)


def build_potential(
    functions: SymmetryFunctions,
    frames: Sequence[Frame],
    *,
    hidden: Sequence[int] = (8, 8),
    n_members: int = 3,
    activation: str = "tanh",
    skip: bool = False,
    baseline: str = "",
    short_range: Sequence[str] = (),
    crowding: Sequence[Crowding] = (),
    seed: int = 0,
) -> Potential:
    """Return a potential with random weights, whitened on ``frames``; forces are some tenths of eV/Å.

    ``baseline`` may be "quadratic" or "kernel"; ``short_range`` names pairs of elements that repel each other
    at usual distances. A fresh network is nearly flat; here the output layers are
    raised to what training makes of them.
    """
    found = compute_descriptors(frames, functions, derivatives=False, n_threads=1)
    whitening = Whitening.fit(found.values, found.species, functions, floor=0.01)
    weights = NetworkWeights.initial(functions, hidden, n_members, seed, activation, skip=skip)
    rng = np.random.default_rng(seed)
    for element, net in weights.layers.items():
        output, bias = net[-1]
        net[-1] = (2.0 * output, bias + rng.normal(0.0, 0.1, bias.shape))
        if weights.skip is not None:
            weights.skip[element][:] = rng.normal(0.0, 0.05, weights.skip[element].shape)
    energies = {element: -1.5 - k for k, element in enumerate(functions.elements)}
    part = build_baseline(functions, baseline, seed) if baseline else None
    pairs = [PairRepulsion((one.split("-")[0], one.split("-")[1]), 1.5, 2.1) for one in short_range]
    below = ShortRange(tuple(pairs), tuple(crowding)) if pairs else None
    return Potential(functions, whitening, weights, energies, {"name": "random"}, None, part, below)


def build_baseline(functions: SymmetryFunctions, kind: str, seed: int = 0) -> NonlinearBaseline:
    """Return a random nonlinear baseline of some tenths of eV, other numbers for every element."""
    rng = np.random.default_rng([seed, 7])
    n_in, arrays = functions.n_descriptors, {}
    for element in functions.elements:
        offset = np.array(rng.normal())
        if kind == "quadratic":
            square = rng.normal(0.0, 0.05, (4, 4))
            arrays[element] = {"offset": offset, "matrix": square + square.T}
        else:
            centers, weights = rng.normal(size=(6, n_in)), rng.normal(0.0, 0.5, 6)
            length = np.array(2.0 * np.sqrt(n_in))
            arrays[element] = {"offset": offset, "centers": centers, "weights": weights, "length": length}
    return NonlinearBaseline(kind, arrays)
