"""``eatlas report``: everything known of a run on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnpcore.cli.datasets import read
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import RunFolderError
from nnpcore.structures import KeyNames


def report_command(
    run: Path,
    output: Path,
    eos: str | None,
    regions: Path | None,
    threads: int | None,
    overwrite: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Analyse the run, write the page, say what could not be shown."""
    from nnpcore.mapping import read_regions
    from nnpcore.report.run_report import check_target, make_report, save_report

    path = check_target(output)
    if path.exists() and not overwrite:
        fix = "Choose another, or --overwrite"
        raise RunFolderError("there is such a file already", where=str(path), fix=fix)
    region_sets = read_regions(regions) if regions is not None else []
    frames = None if eos is None else read(eos, False, terminal, keys).frames
    with terminal.progress("Report") as progress:
        report = make_report(run, eos=frames, regions=region_sets, n_threads=threads, progress=progress)
        save_report(report, path, progress=progress)
    if not terminal.json_only:
        terminal.out.print(report.verdict, soft_wrap=True, markup=False)
    for text in report.missing:
        terminal.warn(text)
    terminal.say(f"The report is in {path}.")
    return {
        "run": str(run),
        "file": str(path),
        "verdict": report.verdict,
        "verdict_level": report.level,
        "sections": [section.title for section in report.sections],
        "missing": report.missing,
    }
