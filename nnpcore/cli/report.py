"""``eatlas report``: everything known of a run on one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnpcore.cli.datasets import read
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import RunFolderError
from nnpcore.structures import KeyNames


@dataclass(frozen=True)
class ReportRequest:
    """What the command line asks for."""

    run: Path
    output: Path
    eos: str | None = None
    regions: Path | None = None
    threads: int | None = None
    overwrite: bool = False
    keys: KeyNames | None = None


def report_command(request: ReportRequest, terminal: Terminal) -> dict[str, Any]:
    """Analyse the run, write the page, say what could not be shown."""
    from nnpcore.mapping import read_regions
    from nnpcore.report.run_report import check_target, make_report, save_report

    path = check_target(request.output)
    if path.exists() and not request.overwrite:
        fix = "Choose another, or --overwrite"
        raise RunFolderError("there is such a file already", where=str(path), fix=fix)
    regions = read_regions(request.regions) if request.regions is not None else []
    eos = None if request.eos is None else read(request.eos, False, terminal, request.keys).frames
    with terminal.progress("Report") as progress:
        report = make_report(
            request.run, eos=eos, regions=regions, n_threads=request.threads, progress=progress
        )
        save_report(report, path, progress=progress)
    if not terminal.json_only:
        terminal.out.print(report.verdict, soft_wrap=True, markup=False)
    for text in report.missing:
        terminal.warn(text)
    terminal.say(f"The report is in {path}.")
    return {
        "run": str(request.run),
        "file": str(path),
        "verdict": report.verdict,
        "verdict_level": report.level,
        "sections": [section.title for section in report.sections],
        "missing": report.missing,
    }
