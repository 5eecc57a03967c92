"""The prediction of one frame that is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import POTENTIAL, SHOWN_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnpcore.potential import AtomicEnergyModel, Prediction
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """Energies and forces of one frame, and which it is."""

    frame: Frame
    prediction: Prediction


def unknown_elements(model: AtomicEnergyModel, frames: Sequence[Frame]) -> Missing | None:
    """Return that a model does not know elements of frames; None where it knows them all."""
    from ase.data import chemical_symbols

    numbers = np.unique(np.concatenate([frame.numbers for frame in frames]))
    unknown = [symbol for symbol in (chemical_symbols[n] for n in numbers) if symbol not in model.elements]
    if not unknown:
        return None
    reason = f"the model knows {', '.join(model.elements)}, not {' and '.join(unknown)}"
    return Missing(reason, "Choose a run that was trained on it")


def _prediction(given: Given) -> FramePrediction | Missing:
    shown = given[SHOWN_FRAME]
    unknown = unknown_elements(given[POTENTIAL], [shown.frame])
    if unknown is not None:
        return unknown
    prediction = given[POTENTIAL].predict(
        [shown.frame], stress=False, members=False, n_threads=given.n_threads, progress=given.progress
    )
    return FramePrediction(shown.frame, prediction)


PREDICTION = Analysis("prediction", "Predicting this frame", _prediction, needs=(POTENTIAL, SHOWN_FRAME))
