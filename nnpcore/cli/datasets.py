"""Data for the commands, read with a bar and with notes on what was left out; ``eatlas info``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.keys import advice, flags, notes
from nnpcore.cli.result_tables import facts_table, heading, problem_lines, summary_table
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import DataError

if TYPE_CHECKING:
    from nnpcore.structures import Dataset, Frame, KeyNames


@gathers(keys=keys)
def info_command(terminal: Terminal, *, data: options.FileOrRun, keys: KeyNames | None = None) -> Result:
    """Show what a file contains, bad frames with their indices, and what may be its labels' names.

    Of the folder of a training: what it is.
    """
    from nnpcore.structures import propose_keys, read_dataset
    from nnpcore.structures.readers.registry import folder_reader

    folder = Path(data)
    if folder.is_dir() and folder_reader(folder) is None:
        return _run_info(terminal, folder)
    with terminal.progress(f"Reading {data}") as progress:
        dataset = read_dataset(data, on_bad="skip", keys=keys, progress=progress)
    summary = dataset.summary()
    proposal = propose_keys(dataset.frames) if keys is None else None
    elsewhere = {} if proposal is None else _elsewhere(dataset.frames, proposal.names)
    terminal.show(heading(dataset.name), summary_table(summary, elsewhere))
    for line in (*problem_lines(dataset.problems), *dataset.notes):
        terminal.warn(line)
    result = {"file": dataset.path, **asdict(summary), "problems": [asdict(p) for p in dataset.problems]}
    result["notes"] = list(dataset.notes)
    if proposal is None or not proposal.needed:
        return result
    for line in notes(proposal):
        terminal.warn(line)
    questions = [{"text": q.text, "choices": [text for text, _ in q.choices]} for q in proposal.questions]
    return result | {"keys": {"options": flags(proposal), "why": proposal.why, "questions": questions}}


def _elsewhere(frames: Sequence[Frame], names: KeyNames) -> dict[str, str]:
    """Return how many frames have a quantity under the name that is proposed for it, in words."""
    found = {}
    for quantity, name in {"energy": names.energy, "forces": names.forces, "stress": names.stress}.items():
        count = sum(name in frame.info or name in frame.arrays for frame in frames)
        if name and count:
            found[quantity] = f"{count} as {name}"
    return found


def _run_info(terminal: Terminal, run: Path) -> Result:
    """Show what the folder of a training says of it."""
    from nnpcore.report.run_info import info_of_run

    found = info_of_run(run)
    terminal.show(heading(run.absolute().name), facts_table(found.rows))
    return {"run": run, **found.numbers}


def read(path: str, skip_bad: bool | None, terminal: Terminal, keys: KeyNames | None = None) -> Dataset:
    """Read one file; bad frames are an error that says how to go on, or left out with a note.

    ``skip_bad`` None: of a command that cannot leave frames out.

    Where its energies may stand under another name, a note says by which options they are taken.
    """
    from nnpcore.structures import BadFramesError, read_dataset

    try:
        with terminal.progress(f"Reading {path}") as progress:
            dataset = read_dataset(path, on_bad="skip" if skip_bad else "raise", keys=keys, progress=progress)
    except BadFramesError as error:
        if error.n_good == 0 or skip_bad is None:
            raise
        fix = f"Mend the file, or go on with the {error.n_good} good frames by --skip-bad"
        raise DataError(error.what, where=error.where, fix=fix) from None
    for line in (*problem_lines(dataset.problems), *dataset.notes):
        terminal.warn(f"{path}, {line}")
    options = advice(dataset.frames) if keys is None else ""
    if options:
        terminal.warn(f"{path} has values under other names; take them by {options}")
    return dataset


def read_frames(
    paths: Sequence[str], skip_bad: bool, terminal: Terminal, keys: KeyNames | None = None
) -> list[Frame]:
    """Read the frames of several files, one after the other."""
    return [frame for path in paths for frame in read(path, skip_bad, terminal, keys).frames]


def frames_by_name(datasets: Sequence[Dataset]) -> dict[str, tuple[Frame, ...]]:
    """Return the frames by a name each: the file's, or the whole path where two files are called the same."""
    for dataset in datasets:
        if not any(
            f.energy is not None or f.forces is not None or f.stress is not None for f in dataset.frames
        ):
            raise DataError(
                "the file has no energies, forces or stresses to compare with",
                where=dataset.path,
                fix="Choose a file with reference values",
            )
    names = [dataset.name for dataset in datasets]
    return {d.name if names.count(d.name) == 1 else d.path: d.frames for d in datasets}
