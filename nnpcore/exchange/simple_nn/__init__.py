"""SIMPLE-NN's ``potential_saved``, out and in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.exchange.lammps_styles import LammpsStyle
from nnpcore.exchange.program import Program
from nnpcore.exchange.simple_nn.potential_saved import NAME, read_simple_nn, write_simple_nn

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

__all__ = ["SimpleNN", "read_simple_nn", "write_simple_nn"]


class SimpleNN(Program):
    """Files called ``potential_saved``; LAMMPS with SIMPLE-NN's pair style reads them."""

    name, title = "simple-nn", "SIMPLE-NN"
    about = "potential_saved, a file for each member. Read back and compared."
    marker, member_file = NAME, NAME
    pair_style = "nn"

    def write(
        self, potential: Potential, folder: Path, values: TrainingValues | None, scaling: str
    ) -> list[Path]:
        """See :func:`write_simple_nn`."""
        return write_simple_nn(potential, folder)

    def read(self, paths: Sequence[Path], units: str | None = None, epoch: int | None = None) -> Potential:
        """See :func:`read_simple_nn`."""
        return read_simple_nn(paths)

    def holds(self, path: Path) -> bool:
        """Whether this is a file of SIMPLE-NN, or a folder with one of the usual name."""
        if not path.is_file():
            return super().holds(path)
        with path.open("rb") as file:
            return file.read(4096).lstrip().startswith(b"ELEM_LIST")

    def lammps_style(self, potential: Potential, place: str) -> LammpsStyle:
        """Return how LAMMPS runs a file."""
        return LammpsStyle(self.pair_style, "", "* *", f'"{place}" {" ".join(potential.elements)}')
