"""Comparing an exported potential with the program that is to run it: LAMMPS computes some structures."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.member_folders import member_names
from nnpcore.exchange.programs import PROGRAMS, program_named

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

AGREEMENT = 1e-6
"""Largest difference, eV/atom and eV/Å, at which two programs count as agreeing."""

_SECONDS = 600.0


@dataclass(frozen=True)
class EngineCheck:
    """Largest differences over all structures and members.

    Attributes
    ----------
    energy : eV/atom. force : eV/Å. n_frames, n_members : how many were compared.
    """

    energy: float
    force: float
    n_frames: int
    n_members: int

    @property
    def agrees(self) -> bool:
        """Whether both are within ``AGREEMENT``."""
        return self.energy <= AGREEMENT and self.force <= AGREEMENT


def check_with_lammps(
    potential: Potential, format: str, folder: Path, frames: Sequence[Frame], command: str
) -> EngineCheck:
    """Let LAMMPS compute the frames with every exported member, and compare with the original.

    Parameters
    ----------
    format : name of a program whose potentials LAMMPS runs, as exported into ``folder``.
    command : how to call LAMMPS, such as ``lmp`` or ``mpirun -np 2 lmp_mpi``.

    Raises
    ------
    PotentialError : LAMMPS cannot be called or stops, with the end of what it said.
    """
    program = program_named(format)
    if not program.pair_style:
        names = " and ".join(other.name for other in PROGRAMS if other.pair_style)
        raise SettingsError(f"only {names} run in LAMMPS", where="format")
    names = member_names(potential.n_members, program.member_file)
    places = [str((folder / name).absolute()) for name in names]
    found = potential.predict(list(frames), stress=False)
    assert found.forces_members is not None
    energy = force = 0.0
    for k, frame in enumerate(frames):
        for m, place in enumerate(places):
            total, forces = run_lammps(
                frame, potential.elements, program.lammps_lines(potential, [place]), command
            )
            energy = np.maximum(energy, abs(total - found.energy_members[m, k]) / frame.n_atoms)
            own = found.forces_members[m, found.atoms_of(k)]
            force = np.maximum(force, np.abs(forces - own).max(initial=0.0))  # NaN stays NaN
    return EngineCheck(float(energy), float(force), len(frames), potential.n_members)


def run_lammps(
    frame: Frame, elements: Sequence[str], pair_lines: Sequence[str], command: str
) -> tuple[float, np.ndarray]:
    """Return LAMMPS' energy, eV, and forces (n, 3), eV/Å, of one structure; PotentialError where it stops."""
    if not np.all(frame.pbc):
        raise SettingsError(
            "only structures periodic in all directions are compared", where=frame.source, fix="Choose others"
        )
    lower, turn = restricted_cell(frame.cell)
    with tempfile.TemporaryDirectory(prefix="eatlas-lammps-") as name:
        folder = Path(name)
        (folder / "structure.data").write_text(structure_data(frame, elements, lower))
        (folder / "in.check").write_text("\n".join([*_HEAD, *pair_lines, *_TAIL]) + "\n")
        _call(command, folder)
        energy = float((folder / "energy.txt").read_text().split()[0])
        rows = np.loadtxt(folder / "forces.txt", skiprows=9, ndmin=2)
    forces = rows[np.argsort(rows[:, 0]), 1:4]
    return energy, forces @ turn.T


_HEAD = ("units metal", "atom_style atomic", "boundary p p p", "box tilt large", "read_data structure.data")
_TAIL = (
    "thermo_style custom step pe",
    "dump forces all custom 1 forces.txt id fx fy fz",
    "dump_modify forces sort id format float %.17g",
    "run 0",
    'print "$(pe:%.17g)" file energy.txt',
)


def restricted_cell(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return LAMMPS' lower triangular cell and the rotation R with ``cell @ R`` equal to it."""
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    q, r = q * signs, r * signs[:, None]
    if np.linalg.det(q) < 0:
        raise SettingsError("the cell vectors are left-handed", fix="Choose other structures")
    return r.T, q


def structure_data(frame: Frame, elements: Sequence[str], lower: np.ndarray) -> str:
    """Return a data file of LAMMPS: ``lower`` of :func:`restricted_cell`, types in the order of elements."""
    from ase.data import atomic_masses, atomic_numbers

    numbers = [atomic_numbers[e] for e in elements]
    scaled = np.linalg.solve(frame.cell.T, frame.positions.T).T
    positions = (scaled - np.floor(scaled)) @ lower
    lines = ["structure", "", f"{frame.n_atoms} atoms", f"{len(elements)} atom types", ""]
    lines += [f"0.0 {lower[k, k]:.17g} {axis}lo {axis}hi" for k, axis in enumerate("xyz")]
    lines.append(f"{lower[1, 0]:.17g} {lower[2, 0]:.17g} {lower[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    lines += [f"{k} {atomic_masses[z]:.6f}" for k, z in enumerate(numbers, start=1)]
    lines += ["", "Atoms", ""]
    for k, (number, place) in enumerate(zip(frame.numbers, positions, strict=True), start=1):
        lines.append(f"{k} {numbers.index(int(number)) + 1} " + " ".join(f"{x:.17g}" for x in place))
    return "\n".join(lines) + "\n"


def _call(command: str, folder: Path) -> None:
    words = [*shlex.split(command), "-in", "in.check", "-log", "log.check"]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise PotentialError(
            f"'{command}' could not be called ({error})", where="--check-with", fix="Name LAMMPS' program"
        ) from None
    if done.returncode != 0 or not (folder / "energy.txt").is_file():
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = next((line for line in said if "ERROR" in line), said[-1] if said else "it said nothing")
        raise PotentialError(
            f"LAMMPS stopped: {reason.strip()}",
            where="--check-with",
            fix="Use a LAMMPS with ML-HDNNP (n2p2) or SIMPLE-NN's pair_nn",
        )
