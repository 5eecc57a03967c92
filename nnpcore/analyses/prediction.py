"""The prediction of one frame that is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnpcore.analyses.graph import Analysis, Given
from nnpcore.analyses.inputs import POTENTIAL, SHOWN_FRAME

if TYPE_CHECKING:
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """Energies and forces of one frame, and which it is."""

    frame: Frame
    prediction: Prediction


def _prediction(given: Given) -> FramePrediction:
    shown = given[SHOWN_FRAME]
    prediction = given[POTENTIAL].predict(
        [shown.frame], stress=False, members=False, n_threads=given.n_threads, progress=given.progress
    )
    return FramePrediction(shown.frame, prediction)


PREDICTION = Analysis("prediction", "Predicting this frame", _prediction, needs=(POTENTIAL, SHOWN_FRAME))
