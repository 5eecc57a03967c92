"""Complete inputs for LAMMPS beside an exported potential: a relaxation, dynamics, an equation of state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import SettingsError
from nnpcore.exchange.lammps import restricted_cell, structure_data
from nnpcore.exchange.member_folders import member_names
from nnpcore.exchange.program import Program
from nnpcore.exchange.programs import PROGRAMS, program_named
from nnpcore.files import all_or_nothing
from nnpcore.installation import filled

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

INPUTS = ("in.relax", "in.nvt", "in.eos")
"""The inputs; all read ``structure.data`` and ``potential.lmp``."""

_NVT_EDGE = 10.0  # Å, shortest one of the cell that moves


def check_runs_in_lammps(format: str | None) -> Program:
    """Return the program of a format; SettingsError for none, or one that LAMMPS does not read."""
    program = None if format is None else program_named(format)
    if program is None or not program.pair_style:
        names = " or ".join(other.name for other in PROGRAMS if other.pair_style)
        raise SettingsError(
            "--lammps-input needs a format that LAMMPS reads", where="format", fix=f"Add --format {names}"
        )
    return program


def write_lammps_input(potential: Potential, format: str, folder: Path, frame: Frame) -> list[Path]:
    """Write ``structure.data``, ``potential.lmp`` and ``INPUTS`` into the folder of an exported potential.

    Parameters
    ----------
    format : name of a program whose potentials LAMMPS runs, as exported into ``folder``.
    frame : the structure to start with, periodic in all directions.

    Raises
    ------
    SettingsError : the format does not run in LAMMPS; the structure is not periodic or left-handed.
    PotentialError : it has an element that the potential does not know.
    RunFolderError : the files cannot be written.
    """
    program = check_runs_in_lammps(format)
    potential.check_elements([frame])
    if not np.all(frame.pbc):
        raise SettingsError(
            "LAMMPS' inputs are for structures periodic in all directions",
            where=frame.source,
            fix="Give a crystal by --structure",
        )
    lower, _ = restricted_cell(frame.cell)
    places = member_names(potential.n_members, program.member_file)
    heights = frame.volume / np.linalg.norm(np.cross(frame.cell[[1, 2, 0]], frame.cell[[2, 0, 1]]), axis=1)
    repeat = max(1, int(np.ceil(_NVT_EDGE / float(heights.min()) - 1e-6)))
    texts = {
        "structure.data": structure_data(frame, potential.elements, lower),
        "potential.lmp": "\n".join(
            [f"# {potential.name}: {program.title}", *program.lammps_lines(potential, places)]
        )
        + "\n",
    }
    for name in INPUTS:
        texts[name] = filled(
            f"lammps/{name}", potential=potential, repeat=repeat, timestep=_timestep(potential.elements)
        )
    with all_or_nothing(folder) as beside:
        for name, text in texts.items():
            (beside / name).write_text(text, encoding="ascii", errors="replace")  # LAMMPS wants no others
    return [folder / name for name in texts]


def _timestep(elements: tuple[str, ...]) -> float:
    """Return a time step, ps, for the lightest element that a potential knows."""
    from ase import Atoms

    from nnpcore.properties.dynamics import suitable_timestep

    return suitable_timestep(Atoms(list(elements))) / 1000.0
