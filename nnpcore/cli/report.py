"""``eatlas report``: everything known of a run on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from nnpcore.cli import options
from nnpcore.cli.datasets import read
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.output import refuse_to_replace_file
from nnpcore.cli.terminal import Terminal

if TYPE_CHECKING:
    from nnpcore.structures import KeyNames


@gathers(keys=keys)
def report_command(
    terminal: Terminal,
    *,
    run: options.RunFolder,
    output: options.ReportOutput,
    eos: options.ReportEos = None,
    regions: options.RegionsFile = None,
    properties: options.ReportProperties = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Analyse the run, write the page, say what could not be shown."""
    from nnpcore.mapping import read_regions
    from nnpcore.report.run_report import check_target, make_report, save_report

    path = check_target(output)
    refuse_to_replace_file(path, overwrite)
    studied = None
    if properties is not None:
        from nnpcore.properties import read_properties
        from nnpcore.report.property_section import StudiedProperties

        studied = StudiedProperties(*read_properties(properties))
    region_sets = read_regions(regions) if regions is not None else []
    frames = None if eos is None else read(eos, skip_bad, terminal, keys).frames
    with terminal.progress("Report") as progress:
        report = make_report(
            run, eos=frames, regions=region_sets, properties=studied, n_threads=threads, progress=progress
        )
        save_report(report, path, progress=progress)
    terminal.show(escape(report.verdict))
    for text in report.missing:
        terminal.warn(text)
    terminal.say(f"The report is in {path}.")
    return {
        "run": run,
        "file": path,
        "verdict": report.verdict,
        "verdict_level": report.level,
        "sections": [section.title for section in report.sections],
        "missing": report.missing,
    }
