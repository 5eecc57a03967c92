"""Reading a run folder in the background."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from app.workers.monitoring import old_monitor
from nnpcore.errors import RunFolderError
from nnpcore.progress import Progress
from nnpcore.training.notes import NO_NOTE, RunNote, read_note

if TYPE_CHECKING:
    from nnpcore.mapping import RegionSet
    from nnpcore.potential import Potential
    from nnpcore.training import EpochRecord, RunFolder, TrainingValues


@dataclass(frozen=True, eq=False)
class OpenedRun:
    """What a run folder holds; ``regions`` are those whose mapping errors were followed.

    ``no_note`` : why the note on it cannot be read, or empty.
    """

    folder: RunFolder
    history: list[EpochRecord]
    potential: Potential
    values: TrainingValues | None
    n_epochs: int
    regions: tuple[RegionSet, ...]
    note: RunNote = NO_NOTE
    no_note: str = ""


def open_run(path: Path, progress: Progress) -> OpenedRun:
    """Read a run folder; RunFolderError or PotentialError where it is missing, damaged or foreign."""
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder

    progress.report(0.1, "Checking the folder")
    folder = RunFolder.open(path)
    history = folder.read_history()
    progress.report(0.3, "Reading the potential")
    potential = Potential.load(folder.path)
    progress.report(0.6, "Reading the training atoms")
    values = folder.training_values() if folder.training_set_path.is_file() else None
    monitor = old_monitor(folder.path)
    regions = monitor.region_sets if monitor is not None else ()
    note, no_note = NO_NOTE, ""
    try:
        note = read_note(folder)
    except RunFolderError as error:
        no_note = str(error)
    return OpenedRun(folder, history, potential, values, _goal(folder, history), regions, note, no_note)


def _goal(folder: RunFolder, history: list[EpochRecord]) -> int:
    """Return how many epochs the run is to have."""
    from nnpcore.training.optimizers.choice import usual_epochs

    if folder.settings.epochs is not None or not history:
        return folder.settings.epochs or 0
    n_train = sum(len(source.indices) for source in folder.sources if source.role == "training")
    return usual_epochs(history[-1].optimizer, n_train)


def free_folder(parent: Path, name: str, taken: Collection[Path | None] = ()) -> Path:
    """Return a folder in ``parent``, named after ``name``, that neither exists nor is ``taken``."""
    base = re.sub(r"[^A-Za-z0-9_.+=-]+", "-", name).strip("-.") or "run"
    names = (parent / f"{base}-{number:02d}" for number in count(1))
    return next(folder for folder in names if not folder.exists() and folder not in taken)
