"""A run's potential in a format of our own or of another program, read back and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.errors import PotentialError
from nnpcore.exchange.eam_file import write_crowding
from nnpcore.exchange.programs import program_named
from nnpcore.files import all_or_nothing, write_atomically
from nnpcore.training import RunFolder

if TYPE_CHECKING:
    from nnpcore.exchange.program import Program
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues

MOST_DIFFERENT = 1e-7
"""Largest difference, eV an atom, that a written potential may have from the original when read back."""


@dataclass(frozen=True)
class Exported:
    """Written files, and by how much atomic energies, eV, are off when read back; for torch also forces.

    ``left_out`` says what of the potential the files themselves do not hold; empty where they hold all.
    """

    files: list[Path]
    difference: float
    left_out: str = ""


def export_as(run: str | Path, folder: str | Path, format: str, *, scaling: str = "center") -> Exported:
    """Write a run's potential for another program, and read it back to check it.

    Parameters
    ----------
    run : run folder, or a potential's folder (then no minima and maxima of the training atoms are known).
    format : name of one of ``PROGRAMS``.
    scaling : of n2p2's inputs, see ``write_n2p2``.

    Raises
    ------
    PotentialError : the format cannot hold it, with the reason; or what was written is not the same.
    RunFolderError : the run is missing or damaged, or the folder cannot be written.
    """
    from nnpcore.potential import Potential

    program = program_named(format)
    potential, target = Potential.load(run), Path(folder)
    values = _values_of(run)
    with all_or_nothing(target) as beside:
        files = program.write(potential, beside, values, scaling)
        worst = program.difference(potential, files, values)
        if not worst <= MOST_DIFFERENT:
            raise PotentialError(
                f"read back, what was written differs by {worst:.2g} eV",
                where=potential.name,
                fix="Do not use it; please report this",
            )
        if program.pair_style:
            for place in dict.fromkeys(file.parent for file in files):
                files = [*files, *write_crowding(potential, place)]
        write_atomically(beside / "README.md", program.readme(potential).encode())
    written = [*(target / file.relative_to(beside) for file in files), target / "README.md"]
    return Exported(written, worst, _left_out(potential, program))


def _left_out(potential: Potential, program: Program) -> str:
    """Return what of a potential a program's files do not hold; "" where they hold all."""
    if potential.short_range is None or not program.pair_style:
        return ""
    return (
        f"{program.title}'s files do not hold the {potential.short_range.text}; LAMMPS adds it by the lines "
        "in README.md"
    )


def _values_of(run: str | Path) -> TrainingValues | None:
    """Return a run's training atoms, None where it has none."""
    if not (Path(run) / "data.json").is_file():
        return None
    folder = RunFolder.open(run)
    return folder.training_values() if folder.training_set_path.is_file() else None
