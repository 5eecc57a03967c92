"""A potential as a TorchScript module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.exchange.program import Program
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
