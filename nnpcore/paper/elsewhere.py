"""The studies on a cluster: each writes into the same folder, which all its computers must see."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnpcore.cluster import Executor, Hand, Job
from nnpcore.errors import RunFolderError
from nnpcore.files import write_atomically
from nnpcore.paper.claims import merge_claims, read_record
from nnpcore.paper.context import StudyOutcome
from nnpcore.paper.running import (
    STUDIES,
    PaperResult,
    column_folder,
    names_of,
    paper_folder,
    run_studies,
    write_columns,
)
from nnpcore.progress import Progress

TOGETHER = (("fig2", "connectivity"),)
"""Studies that use each other's trainings: one worker runs them, in this order."""


def run_studies_by(
    executor: Executor,
    names: Sequence[str],
    folder: str | Path,
    *,
    progress: Progress | None = None,
    on_text: Callable[[str], None] | None = None,
    **options: Any,
) -> PaperResult:
    """Run studies by an executor; those that fail do not take the others with them.

    Parameters and errors as for :func:`~nnpcore.paper.running.run_studies`, which does the work where the
    executor's jobs run in this process.
    """
    if executor.here:
        return run_studies(names, folder, progress=progress, on_text=on_text, **options)
    chosen = [single for name in names for single in names_of(name)]
    top = paper_folder(folder)
    token = top / f".seen-{secrets.token_hex(8)}"
    write_atomically(token, b"")
    try:
        jobs = [_job(group, top, token, options) for group in groups_of(chosen)]
        failures = _gathered(executor, jobs, progress, on_text)
    finally:
        token.unlink(missing_ok=True)
    own = column_folder(top, options.get("networks", "default"))
    records = merge_claims(own, list(STUDIES))
    write_columns(top)
    outcomes = {
        name: StudyOutcome(list(record.claims), [own / name / figure for figure in record.figures])
        for name in chosen
        if name not in failures and (record := read_record(own / name)) is not None
    }
    return PaperResult(own, outcomes, failures, records)


def groups_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what is run by one worker each, the longest first."""
    groups = [tuple(name for name in group if name in names) for group in TOGETHER]
    groups = [group for group in groups if group]
    taken = {name for group in groups for name in group}
    groups += [(name,) for name in dict.fromkeys(names) if name not in taken]
    return sorted(groups, key=_effort, reverse=True)


def _effort(group: Sequence[str]) -> float:
    return sum(STUDIES[name].effort for name in group)


def _job(group: tuple[str, ...], folder: Path, token: Path, options: Mapping[str, Any]) -> Job:
    given = {"names": list(group), "folder": str(folder), "token": str(token), "options": dict(options)}
    return Job(" and ".join(group), study_job, given, cost=_effort(group))


def study_job(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Run studies as a job, in the folder they all share; ``failures`` by name come back."""
    if not Path(given["token"]).is_file():
        raise RunFolderError(
            "a worker does not see this folder",
            where=given["folder"],
            fix="Choose one on a file system that all computers of the cluster share",
        )
    options = dict(given["options"])
    options["n_threads"] = options.get("n_threads") or hand.n_threads
    result = run_studies(
        given["names"],
        given["folder"],
        progress=hand.progress,
        on_text=lambda text: hand.tell({"text": text}),
        **options,
    )
    return {"failures": result.failures}


def _gathered(
    executor: Executor,
    jobs: Sequence[Job],
    progress: Progress | None,
    on_text: Callable[[str], None] | None,
) -> dict[str, str]:
    """Run the jobs; return failures by study."""

    def heard(_: int, news: Mapping[str, Any]) -> None:
        if on_text is not None:
            on_text(str(news["text"]))

    failures: dict[str, str] = {}
    for outcome in executor.run(jobs, progress, heard):
        if outcome.error is not None:
            names = jobs[outcome.index].own()["names"]
            failures |= {name: str(outcome.error) for name in names}
            if on_text is not None:
                on_text(f"{' and '.join(names)} failed: {outcome.error}")
        else:
            failures |= dict(outcome.taken()["failures"])
    return failures
