"""``eatlas export``: a run's potential, as it is or in another program's format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnpcore.cli.datasets import read
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import PotentialError, SettingsError

_CHECKED_FRAMES = 5


@dataclass(frozen=True)
class ExportRequest:
    """What the command line asks for; ``format`` None is the potential with README, history and curves."""

    run: Path
    output: Path
    format: str | None = None
    scaling: str = "center"
    check_with: str | None = None
    check_data: str | None = None
    overwrite: bool = False


def export_command(request: ExportRequest, terminal: Terminal) -> dict[str, Any]:
    """Write the potential, tell how it was checked."""
    if request.format is None:
        return _plain(request, terminal)
    if (request.check_with is None) != (request.check_data is None):
        raise SettingsError(
            "--check-with and --check-data belong together",
            fix="Give both: how to call LAMMPS, and structures to compute",
        )
    from nnpcore.exchange import export_as

    refuse_to_replace(request.output, request.overwrite)
    done = export_as(request.run, request.output, request.format, scaling=request.scaling)
    terminal.say(f"The potential is in {request.output}; README.md there says how to use it.")
    terminal.say(f"Read back, atomic energies agree to {done.difference:.1e} eV.")
    result = {
        "run": str(request.run),
        "folder": str(request.output),
        "format": request.format,
        "files": [str(file) for file in done.files],
        "read_back_difference_ev": done.difference,
    }
    return result | _engine(request, terminal)


def _plain(request: ExportRequest, terminal: Terminal) -> dict[str, Any]:
    from nnpcore.exchange import export_run

    if request.check_with or request.check_data:
        raise SettingsError("--check-with needs a format that LAMMPS reads", fix="Add --format n2p2")
    refuse_to_replace(request.output, request.overwrite)
    files = export_run(request.run, request.output)
    terminal.say(f"The potential is in {request.output}; README.md there says how to use it.")
    return {"run": str(request.run), "folder": str(request.output), "files": [str(file) for file in files]}


def _engine(request: ExportRequest, terminal: Terminal) -> dict[str, Any]:
    """Compare with LAMMPS where asked for; PotentialError where it disagrees."""
    if request.check_with is None or request.check_data is None or request.format is None:
        return {}
    from nnpcore.exchange.lammps import check_with_lammps
    from nnpcore.potential import Potential

    frames = read(request.check_data, False, terminal).frames
    chosen = frames[:: max(1, len(frames) // _CHECKED_FRAMES)][:_CHECKED_FRAMES]
    potential = Potential.load(request.run)
    potential.check_elements(chosen)
    found = check_with_lammps(potential, request.format, request.output, chosen, request.check_with)
    text = (
        f"LAMMPS and Eatlas differ by at most {found.energy:.1e} eV/atom and {found.force:.1e} eV/Å "
        f"({found.n_frames} structures, {found.n_members} members)"
    )
    if not found.agrees:
        raise PotentialError(text, where=request.check_with, fix="Do not use the exported potential")
    terminal.say(text + ".")
    return {"engine": {"energy_ev_per_atom": found.energy, "force_ev_per_ang": found.force}}
