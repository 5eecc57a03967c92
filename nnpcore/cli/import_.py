"""``eatlas import``: another program's potential as a read-only run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnpcore.cli.datasets import read_frames
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.result_tables import rmse_table
from nnpcore.cli.terminal import Terminal
from nnpcore.structures import KeyNames


@dataclass(frozen=True)
class ImportRequest:
    """What the command line asks for."""

    sources: tuple[str, ...]
    output: Path
    format: str = "auto"
    data: tuple[str, ...] = ()
    valid: tuple[str, ...] = ()
    units: str | None = None
    epoch: int | None = None
    threads: int | None = None
    overwrite: bool = False
    skip_bad: bool = False
    keys: KeyNames | None = None


def import_command(request: ImportRequest, terminal: Terminal) -> dict[str, Any]:
    """Read the potential, describe the data, write the run folder, show the errors on the data."""
    from nnpcore.exchange import import_run

    refuse_to_replace(request.output, request.overwrite)
    data = read_frames(request.data, request.skip_bad, terminal, request.keys)
    valid = read_frames(request.valid, request.skip_bad, terminal, request.keys)
    with terminal.progress("Importing") as progress:
        found = import_run(
            list(request.sources),
            request.output,
            format=request.format,
            data=data,
            valid=valid,
            units=request.units,
            epoch=request.epoch,
            n_threads=request.threads,
            progress=progress,
        )
    potential = found.potential
    if found.report and not terminal.json_only:
        terminal.out.print(rmse_table(found.report))
    terminal.say(
        f"{found.format}: {potential.n_members} member(s) for {', '.join(potential.elements)}, "
        f"cutoff {potential.cutoff:g} Å, in {request.output}."
    )
    if not data:
        terminal.say(
            "Without --data there is nothing to compare distances, PCA and connectivity with; "
            "eatlas evaluate and the calculator work."
        )
    return {
        "run": str(request.output),
        "format": found.format,
        "elements": list(potential.elements),
        "n_members": potential.n_members,
        "functions": {e: potential.functions.count(e) for e in potential.elements},
        "cutoff": potential.cutoff,
        "data_sets": found.report,
    }
