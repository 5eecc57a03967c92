"""``eatlas paper``: the paper's claims, one study or all: figures, tables and claims.json in a folder."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from nnpcore.cli import options
from nnpcore.cli.gathered import Result
from nnpcore.cli.terminal import Terminal
from nnpcore.cluster import open_executor
from nnpcore.paper import PaperResult, names_of, titles
from nnpcore.paper.elsewhere import run_studies_by
from nnpcore.paper.page import REPORT, measured, write_docs


def paper_command(
    terminal: Terminal,
    *,
    name: options.StudyName,
    output: options.Output,
    quick: options.Quick = False,
    seed: options.Seed = None,
    threads: options.Threads = None,
    networks: options.Networks = "default",
    resume: options.ResumeStudies = False,
    docs: options.Docs = None,
    scheduler: options.SchedulerOption = None,
) -> Result:
    """Run the studies, show their claims and return them; exit status 1 where a study has failed."""
    names = names_of(name)
    kept = "the studies that have ended are kept"
    with (
        open_executor(scheduler, threads, terminal.warn) as executor,
        terminal.progress("Paper") as progress,
        terminal.stop_on_interrupt(progress.cancel, kept),
    ):
        result = run_studies_by(
            executor,
            names,
            output,
            quick=quick,
            seed=seed or 0,
            n_threads=threads,
            networks=networks,
            resume=resume,
            progress=progress,
            on_text=terminal.say,
        )
    if docs is not None:
        write_docs(docs, result.folder, result.records, titles())
    done = [record for record in result.records if record.study in result.outcomes]
    tables = [claims_table(record.study, [claim.to_dict() for claim in record.claims]) for record in done]
    terminal.show(*tables, then=f"Figures, tables, claims.json and {REPORT} are in {result.folder}.")
    if result.failures:
        names_failed = " and ".join(result.failures)
        verb = "has" if len(result.failures) == 1 else "have"
        terminal.warn(f"{names_failed} {verb} failed (why stands above); the other studies are kept.")
    return _summary(result)


def claims_table(title: str, claims: list[dict[str, Any]]) -> Table:
    """Return the claims of a study: what the paper says, what was measured, whether it holds."""
    table = Table(title=title, title_justify="left", show_lines=True)
    for head, ratio in (("Claim", 4), ("Paper", 3), ("Ours", 4)):
        table.add_column(head, ratio=ratio)
    table.add_column("Holds", justify="center")
    for claim in claims:
        holds = "[green]yes[/]" if claim["holds"] else "[red]no[/]"
        table.add_row(claim["claim"], claim["paper"], "\n".join(measured(claim["ours"])), holds)
    return table


def _summary(result: PaperResult) -> Result:
    studies = {
        record.study: {
            "quick": record.quick,
            "seconds": record.seconds,
            "claims": len(record.claims),
            "hold": sum(claim.holds for claim in record.claims),
        }
        for record in result.records
    }
    return {
        "folder": result.folder,
        "studies": studies,
        "failed": result.failures,
        "claims": [claim.to_dict() for record in result.records for claim in record.claims],
        "exit_status": 1 if result.failures else 0,
    }
