"""Reading a file in the background, and words for the frames that cannot be used."""

from __future__ import annotations

from nnpcore.progress import Progress
from nnpcore.structures import Dataset, read_dataset


def read(path: str, progress: Progress) -> Dataset:
    """Read a trajectory, keeping good frames and listing bad ones in ``problems``; raises DataError."""
    return read_dataset(path, on_bad="skip", progress=progress)


def describe_problems(dataset: Dataset) -> tuple[str, str, str]:
    """Return (title, text, details) for a data set some frames of which are bad."""
    n_bad, n_good = len(dataset.problems), len(dataset.frames)
    frames = "frame" if n_bad == 1 else "frames"
    title = f"{dataset.name}: {n_bad} of {n_bad + n_good} frames cannot be used"
    first = dataset.problems[0]
    text = f"Frame {first.index}: {first.what}. {first.fix}".rstrip(". ") + "."
    if n_bad > 1:
        text += f" {n_bad - 1} more {'frame has' if n_bad == 2 else 'frames have'} problems, too."
    text += f" Skip the bad {frames} to open the other {n_good}, or mend the file."
    details = "\n".join(f"{dataset.path}, frame {p.index}: {p.what}. {p.fix}" for p in dataset.problems)
    return title, text, details
