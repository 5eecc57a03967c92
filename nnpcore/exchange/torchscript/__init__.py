"""A potential as a TorchScript module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.exchange.program import Program, readme_text
from nnpcore.exchange.torchscript.writing import read_back_difference, write_torch

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

__all__ = ["TorchScript", "write_torch"]


class TorchScript(Program):
    """One module that runs without Eatlas; it is not read as a potential."""

    name, title = "torch", "TorchScript"
    about = "One TorchScript module: species and pairs of neighbors in, energies, forces and virial out."
    reads = False

    def write(
        self, potential: Potential, folder: Path, values: TrainingValues | None, scaling: str
    ) -> list[Path]:
        """See :func:`write_torch`."""
        return write_torch(potential, folder)

    def difference(self, potential: Potential, files: Sequence[Path], values: TrainingValues | None) -> float:
        """Return by how much the module is off: atomic energies, eV, or forces, eV/Å."""
        return read_back_difference(potential, files[0])

    def readme(self, potential: Potential) -> str:
        """Return how the module is called."""
        return readme_text(potential, _call(potential))


def _call(potential: Potential) -> list[str]:
    return [
        "`potential.pt` is a TorchScript module in float64: no Eatlas is needed to run it.",
        "",
        "```python",
        "import torch",
        'module = torch.jit.load("potential.pt")',
        "energies, energies_std, forces, forces_std, virial = module(species, center, neighbor, vector)",
        "```",
        "",
        "- `species` (n,) int64: 0, 1, ... for " + ", ".join(potential.elements),
        "- `center`, `neighbor` (p,) int64: the atoms of every pair within "
        f"{potential.cutoff:g} Å, both (i, j) and (j, i), periodic images and an atom's own images included; "
        "`center` must not fall",
        "- `vector` (p, 3) float64: from the center to the neighbor, Å (ASE: `neighbor_list('ijD', ...)`)",
        "- `energies` (n,): atomic energies, eV, the ensemble's mean; `energies_std` (n,) their spread",
        "- `forces`, `forces_std` (n, 3): eV/Å",
        "- `virial` (3, 3): dE/d(strain), eV; the stress is `virial / volume`, positive for tension",
        "",
        "`module.members(species, center, neighbor, vector)` gives the same of every member, first axis.",
        "",
    ]
