"""n2p2's folders, out and in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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

    def lammps_lines(self, potential: Potential, places: list[str]) -> list[str]:
        """Return LAMMPS input that runs folders; several are a committee, whose mean drives the atoms."""
        options = "showew no showewsum 1000 resetew yes maxew 1000000 cflength 1 cfenergy 1"
        names = " ".join(potential.elements)
        cutoff = repr(float(potential.cutoff))
        if len(places) == 1:
            return [f'pair_style hdnnp {cutoff} dir "{places[0]}" {options}', f"pair_coeff * * {names}"]
        share = repr(1 / len(places))
        styles = [f'{share} hdnnp {cutoff} dir "{folder}" {options}' for folder in places]
        lines = ["pair_style hybrid/scaled &", *(f"  {style} &" for style in styles[:-1]), f"  {styles[-1]}"]
        return lines + [f"pair_coeff * * hdnnp {m} {names}" for m in range(1, len(places) + 1)]
