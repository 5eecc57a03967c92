"""``eatlas info``, ``evaluate`` and ``map``: looking at files and at trained potentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnpcore.cli.datasets import frames_by_name, read
from nnpcore.cli.foreign import split_run
from nnpcore.cli.keys import flags, notes
from nnpcore.cli.output import output_folder
from nnpcore.cli.result_tables import mapping_table, problem_lines, rmse_table, summary_table
from nnpcore.cli.terminal import Terminal
from nnpcore.structures import KeyNames, propose_keys, read_dataset


def info_command(path: str, keys: KeyNames | None, terminal: Terminal) -> dict[str, Any]:
    """Show what a file contains, bad frames with their indices, and what may be its labels' names."""
    with terminal.progress(f"Reading {path}") as progress:
        dataset = read_dataset(path, on_bad="skip", keys=keys, progress=progress)
    summary = dataset.summary()
    proposal = propose_keys(dataset.frames) if keys is None else None
    if not terminal.json_only:
        terminal.out.print(f"[bold]{dataset.name}[/]")
        terminal.out.print(summary_table(summary))
    for line in problem_lines(dataset.problems):
        terminal.warn(line)
    for line in notes(proposal) if proposal is not None and proposal.needed else ():
        terminal.warn(line)
    result = {"file": dataset.path, **asdict(summary), "problems": [asdict(p) for p in dataset.problems]}
    if proposal is None or not proposal.needed:
        return result
    questions = [{"text": q.text, "choices": [text for text, _ in q.choices]} for q in proposal.questions]
    return result | {"keys": {"options": flags(proposal), "why": proposal.why, "questions": questions}}


def evaluate_command(
    given: Sequence[str] | None,
    device: str,
    threads: int | None,
    skip_bad: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Show the potential's RMSEs on each file and return them."""
    from nnpcore.potential import Potential
    from nnpcore.training import rmse_report

    run, data = split_run(given, (), "compare with")
    assert run is not None  # there is no calculator
    potential = Potential.load(run)
    frames = frames_by_name([read(path, skip_bad, terminal, keys) for path in data])
    with terminal.progress("Evaluating") as progress:
        data_sets = rmse_report(potential, frames, device=device, n_threads=threads, progress=progress)
    if not terminal.json_only:
        terminal.out.print(rmse_table(data_sets))
    return {"run": str(run), "data_sets": data_sets}


def map_command(
    run: Path,
    eos: str,
    output: Path,
    threads: int | None,
    overwrite: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Analyse the mapping of a run, write figures, tables and report.json, show the verdict."""
    from nnpcore.report.mapping_folder import (
        eos_numbers,
        map_run,
        reference_numbers,
        summary,
        write_mapping,
    )

    dataset = read(eos, False, terminal, keys)
    with terminal.progress("Mapping") as progress:
        mapping = map_run(run, dataset.frames, n_threads=threads, progress=progress)
    folder = output_folder(output, overwrite)
    files = write_mapping(mapping, folder)
    if not terminal.json_only:
        terminal.out.print(mapping_table(eos_numbers(mapping), reference_numbers(mapping)))
        terminal.out.print(mapping.verdict.text, soft_wrap=True)
        terminal.say(f"Figures and tables are in {folder}.")
    return {"run": str(run), **summary(mapping), "files": [str(file) for file in files]}
