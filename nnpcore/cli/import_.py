"""``eatlas import``: another program's potential as a read-only run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnpcore.cli.datasets import read_frames
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.result_tables import rmse_table
from nnpcore.cli.terminal import Terminal
from nnpcore.structures import KeyNames


def import_command(
    sources: Sequence[str],
    output: Path,
    format: str,
    data: Sequence[str],
    valid: Sequence[str],
    units: str | None,
    epoch: int | None,
    threads: int | None,
    overwrite: bool,
    skip_bad: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Read the potential, describe the data, write the run folder, show the errors on the data."""
    from nnpcore.exchange import import_run

    refuse_to_replace(output, overwrite)
    training = read_frames(data, skip_bad, terminal, keys)
    validation = read_frames(valid, skip_bad, terminal, keys)
    with terminal.progress("Importing") as progress:
        found = import_run(
            list(sources),
            output,
            format=format,
            data=training,
            valid=validation,
            units=units,
            epoch=epoch,
            n_threads=threads,
            progress=progress,
        )
    potential = found.potential
    if found.report and not terminal.json_only:
        terminal.out.print(rmse_table(found.report))
    terminal.say(
        f"{found.format}: {potential.n_members} member(s) for {', '.join(potential.elements)}, "
        f"cutoff {potential.cutoff:g} Å, in {output}."
    )
    if not training:
        terminal.say(
            "Without --data there is nothing to compare distances, PCA and connectivity with; "
            "eatlas evaluate and the calculator work."
        )
    return {
        "run": str(output),
        "format": found.format,
        "elements": list(potential.elements),
        "n_members": potential.n_members,
        "functions": {e: potential.functions.count(e) for e in potential.elements},
        "cutoff": potential.cutoff,
        "data_sets": found.report,
    }
