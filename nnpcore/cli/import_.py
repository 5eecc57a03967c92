"""``eatlas import``: another program's potential as a read-only run folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.datasets import read_frames
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.result_tables import rmse_table
from nnpcore.cli.terminal import Terminal

if TYPE_CHECKING:
    from nnpcore.exchange import Imported
    from nnpcore.structures import KeyNames


@gathers(keys=partial(keys, "data_units"))
def import_command(
    terminal: Terminal,
    *,
    sources: options.Sources,
    output: options.RunOutput,
    format: options.ImportFormat = "auto",
    data: options.ImportData = None,
    valid: options.ValidFiles = None,
    units: options.Units = None,
    epoch: options.Epoch = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Read the potential, describe the data, write the run folder, show the errors on the data."""
    from nnpcore.exchange import import_run

    refuse_to_replace(output, overwrite)
    training = read_frames(data or (), skip_bad, terminal, keys)
    validation = read_frames(valid or (), skip_bad, terminal, keys)
    with terminal.progress("Importing") as progress:
        found = import_run(
            sources,
            output,
            format=format,
            data=training,
            valid=validation,
            units=units,
            epoch=epoch,
            n_threads=threads,
            progress=progress,
        )
    if found.report:
        terminal.show(rmse_table(found.report))
    facts = _facts(found)
    terminal.say(
        f"{found.format}: {facts['n_members']} member(s) for {', '.join(facts['elements'])}, "
        f"cutoff {facts['cutoff']:g} Å, in {output}."
    )
    if found.left_out:
        terminal.warn(found.left_out)
    if not training:
        terminal.say(
            "Without --data there is nothing to compare distances, PCA and connectivity with; "
            "eatlas evaluate and the calculator work."
        )
    return {"run": output, **facts}


def _facts(found: Imported) -> Result:
    """Return what the command has imported."""
    potential = found.potential
    return {
        "format": found.format,
        "elements": list(potential.elements),
        "n_members": potential.n_members,
        "functions": {e: potential.functions.count(e) for e in potential.elements},
        "cutoff": potential.cutoff,
        "data_sets": found.report,
        "left_out": found.left_out,
    }
