"""Reading data for the commands, with a bar and with notes on what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from nnpcore.cli.keys import advice
from nnpcore.cli.result_tables import problem_lines
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import DataError
from nnpcore.structures import BadFramesError, Dataset, KeyNames, read_dataset
from nnpcore.structures.frame import Frame


def read(path: str, skip_bad: bool, terminal: Terminal, keys: KeyNames | None = None) -> Dataset:
    """Read one file; bad frames are an error that says how to go on, or left out with a note.

    Where its energies may stand under another name, a note says by which options they are taken.
    """
    try:
        with terminal.progress(f"Reading {path}") as progress:
            dataset = read_dataset(path, on_bad="skip" if skip_bad else "raise", keys=keys, progress=progress)
    except BadFramesError as error:
        if error.n_good == 0:
            raise
        fix = f"Mend the file, or go on with the {error.n_good} good frames by --skip-bad"
        raise DataError(error.what, where=error.where, fix=fix) from None
    for line in problem_lines(dataset.problems):
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
