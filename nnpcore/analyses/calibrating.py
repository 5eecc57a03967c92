"""The calibration of a run folder in one call, for command line and notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.calibration import CALIBRATION, Calibration
from nnpcore.analyses.foretold import DATA_POSTERIOR, LEARNED_FROM, learned_from
from nnpcore.analyses.graph import required
from nnpcore.analyses.inputs import TRAINING, TRAINING_FRAMES, RunPart
from nnpcore.analyses.parity import COMPARED_FRAMES, ComparedFrames
from nnpcore.analyses.study import evaluation_of
from nnpcore.errors import EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.fitting_together import without_frames

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training import RunFolder


def calibrate_run(
    run: str | Path,
    data: Mapping[str, Sequence[Frame]] | None = None,
    *,
    foretold: bool = True,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Calibration, list[str]]:
    """Compare a run's spreads with its errors on frames that it was not trained on.

    Parameters
    ----------
    run : folder of a training or an imported potential.
    data : frames with reference values by a name each; None takes those the run has kept from its training.
    foretold : whether to compare what the training data are foretold to leave open, too.

    Returns
    -------
    calibration, and what the user should know, in sentences.

    Raises
    ------
    RunFolderError, PotentialError : no run, or its frames cannot be found again.
    AnalysisError : nothing to compare.
    """
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder

    progress = progress or Progress()
    folder = RunFolder.open(run)
    potential = Potential.load(folder.path)
    training, parts, notes = _held_out(folder, data)
    evaluation = evaluation_of(potential, None)
    evaluation.set(COMPARED_FRAMES, tuple(_compared(name, frames) for name, frames in parts.items()) or None)
    if foretold and training:
        evaluation.set(LEARNED_FROM, learned_from(folder.settings))
        evaluation.set(TRAINING_FRAMES, tuple(training))
        evaluation.value(DATA_POSTERIOR, n_threads=n_threads, progress=progress.part(0.0, 0.6))
    found = evaluation.value(CALIBRATION, n_threads=n_threads, progress=progress.part(0.6, 1.0))
    return required(found), notes


def _held_out(
    folder: RunFolder, data: Mapping[str, Sequence[Frame]] | None
) -> tuple[list[Frame], Mapping[str, Sequence[Frame]], list[str]]:
    """Return a run's training frames, those to compare with by name, and what the user should know."""
    own: dict[str, list[Frame]] = {}
    notes: list[str] = []
    try:
        own = folder.find_frames() if folder.sources else {}
    except EatlasError as error:
        if data is None:
            raise
        notes.append(f"whether these frames were trained on cannot be told: {error}")
    training = own.pop(TRAINING, [])
    if data is None:
        return training, {role: frames for role, frames in own.items() if frames}, notes
    parts, n_both = without_frames(data, training)
    if n_both:
        notes.append(f"{n_both} frames were trained on: they are left out")
    return training, parts, notes


def _compared(name: str, frames: Sequence[Frame]) -> ComparedFrames:
    part = RunPart(name, name, "held out", np.arange(len(frames)))
    return ComparedFrames(part, tuple(frames), len(frames))
