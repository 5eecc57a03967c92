"""The calibration of a run folder in one call, for command line and notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.calibration import CALIBRATION, FACTOR_NAMES, Calibration
from nnpcore.analyses.foretold import DATA_POSTERIOR, LEARNED_FROM, learned_from
from nnpcore.analyses.graph import required
from nnpcore.analyses.inputs import TRAINING, TRAINING_FRAMES, RunPart
from nnpcore.analyses.parity import COMPARED_FRAMES, ComparedFrames
from nnpcore.analyses.study import evaluation_of
from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.mapping.calibration import WIDE, CalibratedSpread
from nnpcore.potential.spread_factors import SpreadFactors
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


def keep_factors(folder: RunFolder, found: Calibration) -> list[str]:
    """Keep those factors of a calibration with its run that its frames tell (``CalibratedSpread.is_told``),
    over those that were kept for the same weights before.

    Returns what the user should know, in sentences: which of the earlier ones are kept, as nothing new is
    known of them, and which new ones are not, as these frames hardly tell them.

    Raises
    ------
    RunFolderError : they cannot be written, or something else writes into the run's folder.
    """
    from nnpcore.training.folder_lock import Writer

    known, notes = found.told_factors, []
    with folder.writing(Writer.CALIBRATION):
        try:
            before = folder.spread_factors()
        except RunFolderError:  # of other weights, or damaged
            before = None
        kept = {} if before is None else vars(before)
        older = {name: value for name, value in kept.items() if name not in known and value != 1.0}
        if known:
            folder.write_spread_factors(SpreadFactors(**older | known), found.names)
    if older:
        listed = ", ".join(f"{FACTOR_NAMES[name]} {value:.3g}" for name, value in older.items())
        notes.append(f"Kept as before, as nothing better is known now: {listed}.")
    if found.untold:
        listed = ", ".join(f"{FACTOR_NAMES[name]} {_bounds(one)}" for name, one in found.untold.items())
        asked = f"to a factor of {WIDE:g} at least"
        notes.append(f"Not kept: {listed}. A factor is kept that frames tell {asked}; give more frames.")
    return notes


def _bounds(one: CalibratedSpread) -> str:
    low, high = one.bounds
    if math.isnan(low):
        return f"{one.factor:.2g}, how surely one block of frames cannot tell"
    return f"{one.factor:.2g}, between {low:.2g} and {high:.2g}"


def _held_out(
    folder: RunFolder, data: Mapping[str, Sequence[Frame]] | None
) -> tuple[list[Frame], Mapping[str, Sequence[Frame]], list[str]]:
    """Return a run's training frames with their labels as they counted, those to compare with by name, and
    what the user should know.
    """
    from nnpcore.training.group_weights import counted_labels
    from nnpcore.training.stress_order import stresses_in_order

    own: dict[str, list[Frame]] = {}
    notes: list[str] = []
    try:
        own = folder.find_frames() if folder.sources else {}
    except EatlasError as error:
        if data is None:
            raise
        notes.append(f"whether these frames were trained on cannot be told: {error}")
    training = list(counted_labels(own.pop(TRAINING, []), folder.settings))
    if data is None:
        held_out = {
            role: stresses_in_order(frames, folder.settings) for role, frames in own.items() if frames
        }
        return training, held_out, notes
    parts, n_both = without_frames(data, training)
    if n_both:
        notes.append(f"{n_both} frames were trained on: they are left out")
    return training, parts, notes


def _compared(name: str, frames: Sequence[Frame]) -> ComparedFrames:
    part = RunPart(name, name, "held out", np.arange(len(frames)))
    return ComparedFrames(part, tuple(frames), len(frames))
