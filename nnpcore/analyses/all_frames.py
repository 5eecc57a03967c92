"""The predictions of all frames of a trajectory that is looked at, for ranges that hold over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.graph import Analysis, Given, Missing
from nnpcore.analyses.inputs import POTENTIAL, SHOWN_FRAMES
from nnpcore.analyses.prediction import unknown_elements

if TYPE_CHECKING:
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame

MOST_FRAMES, MOST_ATOMS = 200, 40_000
"""Frames and atoms predicted at most; of more, frames spread evenly over the trajectory."""


@dataclass(frozen=True, eq=False)
class FramePredictions:
    """Predictions of frames, one for one: those of ``key``, of ``n_available`` there are."""

    key: str
    frames: tuple[Frame, ...]
    predictions: tuple[Prediction, ...]
    n_available: int


def _all_frames(given: Given) -> FramePredictions | Missing:
    shown, model = given[SHOWN_FRAMES], given[POTENTIAL]
    n_all = len(shown.frames)
    if not n_all:
        return Missing("there are no frames")
    unknown = unknown_elements(model, shown.frames)
    if unknown is not None:
        return unknown
    largest = max(frame.n_atoms for frame in shown.frames)
    most = min(MOST_FRAMES, max(MOST_ATOMS // max(largest, 1), 1), n_all)
    chosen = np.linspace(0, n_all - 1, most).round().astype(int).tolist()
    frames, found = tuple(shown.frames[k] for k in chosen), []
    for done, frame in enumerate(frames):
        given.progress.report(done / len(frames), "Predicting all frames")
        found.append(model.predict([frame], stress=False, members=False, n_threads=given.n_threads))
    return FramePredictions(shown.key, frames, tuple(found), n_all)


ALL_FRAMES = Analysis(
    "all_frames", "Predicting all frames", _all_frames, needs=(POTENTIAL, SHOWN_FRAMES), costly=True
)
