"""``eatlas export``: a run's potential, as it is or in another program's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.datasets import read
from nnpcore.cli.gathered import Result
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import EatlasError, PotentialError, SettingsError

if TYPE_CHECKING:
    from nnpcore.structures import Frame

_CHECKED_FRAMES = 5


def export_command(
    terminal: Terminal,
    *,
    run: options.RunFolder,
    output: options.Output,
    format: options.ExportFormat = None,
    scaling: options.Scaling = "center",
    check_with: options.CheckWith = None,
    check_data: options.CheckData = None,
    lammps_input: options.LammpsInput = False,
    structure: options.ExportStructure = None,
    overwrite: options.Overwrite = False,
) -> Result:
    """Write the potential, tell how it was checked; without a format with README, history and curves."""
    from nnpcore.exchange import export_as, export_run

    if format is None and (check_with or check_data):
        raise SettingsError("--check-with needs a format that LAMMPS reads", fix="Add --format n2p2")
    if (check_with is None) != (check_data is None):
        raise SettingsError(
            "--check-with and --check-data belong together",
            fix="Give both: how to call LAMMPS, and structures to compute",
        )
    if lammps_input:
        from nnpcore.exchange.lammps_input import check_runs_in_lammps

        check_runs_in_lammps(format)
    refuse_to_replace(output, overwrite)
    start = _start_of(run, structure, terminal) if lammps_input else None
    done = None if format is None else export_as(run, output, format, scaling=scaling)
    files = export_run(run, output) if done is None else done.files
    terminal.say(f"The potential is in {output}; README.md there says how to use it.")
    result = {"run": run, "folder": output, "files": files}
    if format is None or done is None:
        return result
    terminal.say(f"Read back, atomic energies agree to {done.difference:.1e} eV.")
    result |= {"format": format, "read_back_difference_ev": done.difference}
    if done.left_out:
        terminal.warn(f"{done.left_out}.")
        result["left_out"] = done.left_out
    if start is not None:
        result["files"] = [*files, *_lammps_input(run, output, format, start, terminal)]
    if check_with is None or check_data is None:
        return result
    frames = read(check_data, None, terminal).frames
    return result | _engine(run, output, format, check_with, frames, terminal)


def _start_of(run: Path, structure: str | None, terminal: Terminal) -> Frame:
    """Return the structure that LAMMPS starts with: the one given, or a crystal of the training data."""
    from nnpcore.properties import bulk_frame
    from nnpcore.training import RunFolder

    if structure is not None:
        return read(structure, None, terminal).frames[0]
    try:
        return bulk_frame(RunFolder.open(run).find_frames()["training"])
    except EatlasError as error:
        raise SettingsError(
            f"the run has no structure to start with ({error.what})",
            where="--lammps-input",
            fix="Give one by --structure",
        ) from error


def _lammps_input(run: Path, output: Path, format: str, start: Frame, terminal: Terminal) -> list[Path]:
    from nnpcore.exchange.lammps_input import INPUTS, write_lammps_input
    from nnpcore.potential import Potential

    files = write_lammps_input(Potential.load(run), format, output, start)
    terminal.say(f"Run LAMMPS in {output}: lmp -in {INPUTS[0]} (or {', '.join(INPUTS[1:])}).")
    return files


def _engine(
    run: Path, output: Path, format: str, check_with: str, frames: Sequence[Frame], terminal: Terminal
) -> Result:
    """Compare with LAMMPS; PotentialError where it disagrees."""
    from nnpcore.exchange.lammps import check_with_lammps
    from nnpcore.potential import Potential

    chosen = frames[:: max(1, len(frames) // _CHECKED_FRAMES)][:_CHECKED_FRAMES]
    potential = Potential.load(run)
    potential.check_elements(chosen)
    found = check_with_lammps(potential, format, output, chosen, check_with)
    text = (
        f"LAMMPS and Eatlas differ by at most {found.energy:.1e} eV/atom and {found.force:.1e} eV/Å "
        f"({found.n_frames} structures, {found.n_members} members)"
    )
    if not found.agrees:
        raise PotentialError(text, where=check_with, fix="Do not use the exported potential")
    terminal.say(text + ".")
    return {"engine": {"energy_ev_per_atom": found.energy, "force_ev_per_ang": found.force}}
