"""``eatlas compare``: several runs in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.datasets import read
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.output import refuse_to_replace_file
from nnpcore.cli.result_tables import plain_table
from nnpcore.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.table import Table

    from nnpcore.report.compared_runs import ComparedRuns
    from nnpcore.structures import KeyNames


@gathers(keys=keys)
def compare_command(
    terminal: Terminal,
    *,
    runs: options.ComparedRunFolders,
    csv: options.ComparisonCsv = None,
    sort: options.SortBy = None,
    descending: options.Descending = False,
    quick: options.FoldersOnly = False,
    eos: options.ReportEos = None,
    regions: options.RegionsFile = None,
    properties: options.ComparedProperties = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Compare the runs, sort them, write and show the table; what is damaged costs its own column only."""
    from nnpcore.figures.tables import write_csv
    from nnpcore.mapping import read_regions
    from nnpcore.properties import read_properties
    from nnpcore.report.compared_runs import compare_runs

    if csv is not None:
        refuse_to_replace_file(csv, overwrite)
    region_sets = read_regions(regions) if regions is not None else []
    frames = None if eos is None else read(eos, skip_bad, terminal, keys).frames
    studied = [one for path in properties or () for one in read_properties(path)[0]]
    with terminal.progress("Comparing runs") as progress:
        found = compare_runs(
            runs, judge=not quick, eos=frames, regions=region_sets, properties=studied, n_threads=threads,
            progress=progress,
        )  # fmt: skip
    if sort is not None:
        found = found.sorted_by(found.head(sort), descending=descending)
    for run in found.runs:
        if run.trouble:
            terminal.warn(f"{run.name}: {run.trouble}")
    names = {run.path.name for run in found.runs}
    for name in sorted({one.name for one in studied} - names):
        terminal.warn(f"the properties of {name} are of none of these runs")
    terminal.show(_table(found))
    files = []
    if csv is not None:
        write_csv(csv, found.table())
        files.append(csv)
        terminal.say(f"The table is in {csv}.")
    failed = all(run.trouble and not run.cells for run in found.runs)
    return {**found.to_dict(), "files": files, "exit_status": 1 if failed else 0}


def _table(found: ComparedRuns) -> Table:
    """Return a column for each run, so that many values have room."""
    names = [("★ " if run.note.star else "") + run.name for run in found.runs]
    table = plain_table("Runs side by side", "", *names)
    if any(run.note.text for run in found.runs):
        table.add_row("Note", *(run.note.text for run in found.runs))
    for head in found.heads:
        name = f"{head.title}, {head.unit}" if head.unit else head.title
        table.add_row(name, *(run.text(head) for run in found.runs))
    if any(run.trouble for run in found.runs):
        table.add_row("Not read in full", *(run.trouble for run in found.runs))
    return table
