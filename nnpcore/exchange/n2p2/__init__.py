"""n2p2's folders, out and in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.exchange.lammps_styles import LammpsStyle
from nnpcore.exchange.n2p2.conventions import INPUT
from nnpcore.exchange.n2p2.reading import read_n2p2
from nnpcore.exchange.n2p2.writing import write_n2p2
from nnpcore.exchange.program import Program

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

__all__ = ["N2p2", "read_n2p2", "write_n2p2"]


class N2p2(Program):
    """Folders with ``input.nn``, as trained by n2p2 or RuNNer; LAMMPS reads them, too."""

    name, title = "n2p2", "n2p2"
    about = "input.nn, scaling.data and weights.*.data, a folder for each member. Read back and compared."
    marker, has_scaling, has_units = INPUT, True, True
    pair_style = "hdnnp"

    def write(
        self, potential: Potential, folder: Path, values: TrainingValues | None, scaling: str
    ) -> list[Path]:
        """See :func:`write_n2p2`."""
        return write_n2p2(potential, folder, values, scaling=scaling)

    def read(self, paths: Sequence[Path], units: str | None = None, epoch: int | None = None) -> Potential:
        """See :func:`read_n2p2`."""
        return read_n2p2(paths, units=units, epoch=epoch)

    def lammps_style(self, potential: Potential, place: str) -> LammpsStyle:
        """Return how LAMMPS runs a folder."""
        options = "showew no showewsum 1000 resetew yes maxew 1000000 cflength 1 cfenergy 1"
        arguments = f'{float(potential.cutoff)!r} dir "{place}" {options}'
        return LammpsStyle(self.pair_style, arguments, "* *", " ".join(potential.elements))
