"""A potential as a TorchScript module, which runs without Eatlas from Python and C++."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import PotentialError
from nnpcore.exchange.plain_networks import check_kinds
from nnpcore.files import write_atomically
from nnpcore.installation import VERSION
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from nnpcore.potential import Potential

NAME = "potential.pt"


def write_torch(potential: Potential, folder: str | Path) -> list[Path]:
    """Write ``potential.pt``; return the files. Inputs and outputs stand in the README beside it.

    Raises
    ------
    PotentialError : an element without symmetry functions.
    RunFolderError : the folder cannot be written.
    """
    import torch

    from nnpcore.exchange.torchscript.code import KINDS, module_of

    check_kinds(potential, "the module for torch", KINDS)
    if any(not potential.functions.count(e) for e in potential.elements):
        raise PotentialError("an element has no symmetry functions", where=potential.name)
    target, buffer = Path(folder) / NAME, io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is to be replaced one day; C++ reads nothing else yet
        module = torch.jit.script(module_of(potential))
        torch.jit.save(module, buffer, _extra_files={"eatlas.json": _description(potential)})
    write_atomically(target, buffer.getvalue())
    return [target]


def read_back_difference(potential: Potential, path: Path) -> float:
    """Return by how much the written module is off for a small cluster: energies, eV, or forces, eV/Å."""
    import torch

    from nnpcore.descriptors import NeighborFinder

    frame = _cluster(potential)
    pairs = NeighborFinder(frame, potential.cutoff).pairs(0, frame.n_atoms)
    center = np.repeat(np.arange(frame.n_atoms), np.diff(pairs.start))
    species = potential.functions.species_index(frame.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(str(path))
        indices = [torch.tensor(a.astype(np.int64)) for a in (species, center, pairs.neighbor)]
        energies, forces, _ = module.members(*indices, torch.tensor(pairs.vector))
    found = potential.predict([frame], stress=False, n_threads=1)
    assert found.forces_members is not None
    energy = np.abs(energies.numpy() - found.atomic_energies_members).max()
    return float(np.maximum(energy, np.abs(forces.numpy() - found.forces_members).max()))


def _cluster(potential: Potential) -> Frame:
    """Twelve atoms of all elements on a shaken lattice, open in all directions, so close that they repel."""
    from ase import Atoms

    spacing = 2.4 if potential.short_range is None else min(2.4, 0.9 * potential.short_range.reach)
    places = spacing * np.array([[x, y, z] for x in range(2) for y in range(2) for z in range(3)])
    symbols = [potential.elements[k % len(potential.elements)] for k in range(len(places))]
    shaken = places + 0.125 * spacing * np.random.default_rng(0).standard_normal(places.shape)
    return Frame.from_atoms(Atoms(symbols, positions=shaken))


def _description(potential: Potential) -> str:
    return json.dumps(
        {
            "written_by": f"Eatlas {VERSION}",
            "elements": list(potential.elements),
            "cutoff": potential.cutoff,
            "n_members": potential.n_members,
            "units": {"length": "angstrom", "energy": "eV"},
            "inputs": ["species (n,)", "center (p,)", "neighbor (p,)", "vector (p, 3)"],
            "outputs": ["energies", "energies_std", "forces", "forces_std", "virial"],
        }
    )
