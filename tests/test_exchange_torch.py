"""The exported TorchScript module against the potential it came from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.neighborlist import neighbor_list
from exchange_cases import CASES, mixed, potential_of, structures

from nnpcore.errors import PotentialError
from nnpcore.exchange.n2p2 import write_n2p2
from nnpcore.exchange.simple_nn import write_simple_nn
from nnpcore.exchange.torchscript.writing import NAME, write_torch
from nnpcore.potential import ACTIVATIONS, Potential
from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.structures.frame import Frame

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def exported(potential: Potential, folder: Path) -> torch.jit.ScriptModule:
    write_torch(potential, folder)
    return torch.jit.load(str(folder / NAME))


def inputs(potential: Potential, frame: Frame) -> list[torch.Tensor]:
    """As a simulation program would make them: no help of the potential but its cutoff and elements."""
    center, neighbor, vector = neighbor_list("ijD", frame.to_atoms(), potential.cutoff)
    symbols = frame.to_atoms().get_chemical_symbols()
    species = np.array([potential.elements.index(symbol) for symbol in symbols])
    return [torch.tensor(np.asarray(a)) for a in (species, center, neighbor, vector)]


@pytest.mark.parametrize("case", CASES)
def test_members_means_and_spreads(case: str, tmp_path: Path) -> None:
    potential = potential_of(case)
    module = exported(potential, tmp_path)
    with torch.jit.optimized_execution(case == "unary"):  # compiled once, else interpreted
        for frame in structures(case):
            check(potential, module, frame)


def check(potential: Potential, module: torch.jit.ScriptModule, frame: Frame) -> None:
    found = potential.predict([frame], n_threads=1)
    assert found.forces is not None and found.forces_members is not None and found.stress is not None
    energies, forces, virials = module.members(*inputs(potential, frame))
    np.testing.assert_allclose(energies, found.atomic_energies_members, rtol=0, atol=1e-10)
    np.testing.assert_allclose(forces, found.forces_members, rtol=0, atol=1e-10)
    assert virials.shape == (2, 3, 3)
    with torch.no_grad():  # as simulation programs call it
        mean = [a.numpy() for a in module(*inputs(potential, frame))]
    wanted = [found.atomic_energies, found.atomic_energies_std, found.forces, found.forces_std]
    for one, other in zip(mean, wanted, strict=False):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
    if frame.pbc.all():
        np.testing.assert_allclose(mean[4] / frame.volume, found.stress[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation(name: str, tmp_path: Path) -> None:
    potential = mixed(potential_of("unary"), (name, "tanh", "softplus"))
    frame = structures("unary")[1]
    found = potential.predict([frame])
    with torch.jit.optimized_execution(False):  # nothing is compiled for these few calls
        energies, forces, _ = exported(potential, tmp_path).members(*inputs(potential, frame))
    np.testing.assert_allclose(energies, found.atomic_energies_members, rtol=0, atol=1e-10)
    np.testing.assert_allclose(forces, found.forces_members, rtol=0, atol=1e-10)


def nonlinear_baseline(kind: str) -> NonlinearBaseline:
    rng, potential = np.random.default_rng(8), potential_of("binary")
    arrays = {}
    for element in potential.elements:
        matrix = 0.05 * rng.standard_normal((4, 4))
        centers = rng.standard_normal((6, potential.weights.n_inputs))
        weights = 0.3 * rng.standard_normal(6)
        own = {"matrix": matrix + matrix.T, "centers": centers, "weights": weights, "length": np.array(3.0)}
        names = ("matrix",) if kind == "quadratic" else ("centers", "weights", "length")
        arrays[element] = {"offset": np.array(0.25)} | {name: own[name] for name in names}
    return NonlinearBaseline(kind, arrays)


@pytest.mark.parametrize("kind", ["quadratic", "kernel"])
def test_the_nonlinear_baseline_goes_along(kind: str, tmp_path: Path) -> None:
    potential = replace(potential_of("binary"), nonlinear_baseline=nonlinear_baseline(kind))
    frame = structures("binary")[0]
    found = potential.predict([frame])
    without = potential_of("binary").predict([frame])
    energies, forces, _ = exported(potential, tmp_path).members(*inputs(potential, frame))
    np.testing.assert_allclose(energies, found.atomic_energies_members, rtol=0, atol=1e-10)
    np.testing.assert_allclose(forces, found.forces_members, rtol=0, atol=1e-10)
    assert np.abs(found.atomic_energies - without.atomic_energies).max() > 0.1
    for write in (write_n2p2, write_simple_nn):
        with pytest.raises(PotentialError, match=r"under its networks, which the layers of .*as torch"):
            write(potential, tmp_path / "no")


def test_lone_atoms_and_pairs_out_of_order(tmp_path: Path) -> None:
    potential = potential_of("binary")
    module = exported(potential, tmp_path)
    nothing, none = torch.zeros(0, dtype=torch.int64), torch.zeros((0, 3), dtype=torch.float64)
    energies, forces, _ = module.members(torch.tensor([1, 0]), nothing, nothing, none)
    empty = np.zeros((2, potential.functions.n_descriptors))
    wanted = potential.atomic_energies_of(empty, np.array([1, 0]))
    np.testing.assert_allclose(energies, wanted, rtol=0, atol=1e-12)
    assert not forces.any()
    species, center, neighbor, vector = inputs(potential, structures("binary")[0])
    with pytest.raises(torch.jit.Error, match="sorted by their center"):
        module(species, center.flip(0), neighbor.flip(0), vector.flip(0))


def test_the_file_explains_itself(tmp_path: Path) -> None:
    write_torch(potential_of("binary"), tmp_path)
    files = {"eatlas.json": ""}
    torch.jit.load(str(tmp_path / NAME), _extra_files=files)
    said = json.loads(files["eatlas.json"])
    assert said["elements"] == ["C", "Si"] and said["n_members"] == 2
    assert said["units"] == {"length": "angstrom", "energy": "eV"}
