"""Predictions for many structures as jobs: a model is sent once, the structures in portions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nnpcore.cluster import Executor, Hand, Job, Shared, in_order, portions
from nnpcore.exchange.structures_out import CHUNK, predict_frames
from nnpcore.potential import Potential
from nnpcore.potential.as_values import model_from_values, model_to_values
from nnpcore.potential.external.model import CalculatorSpec
from nnpcore.potential.external.worker import INPUT_ARRAYS, INPUT_VALUES
from nnpcore.potential.spread_factors import SpreadFactors
from nnpcore.progress import Progress
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class Predicted:
    """Frames with what a model says, its name, and what it has to say besides: notes, and lines it wrote."""

    frames: list[Frame]
    name: str
    notes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


def predict(
    model: Potential | CalculatorSpec,
    frames: Sequence[Frame],
    executor: Executor,
    progress: Progress | None = None,
    factors: SpreadFactors | None = None,
) -> Predicted:
    """Return frames with what a model says about them, see :func:`predict_frames`.

    Raises
    ------
    PotentialError : an element the model does not know, or a calculator that fails.
    """
    asked = Shared(model_to_values(model))
    name = model.title if isinstance(model, CalculatorSpec) else model.name

    def job(part: range) -> Job:
        def given() -> dict[str, Any]:
            own = frames[part.start : part.stop]
            values = frames_to_values(own, INPUT_ARRAYS, INPUT_VALUES)
            return {"name": name, "frames": values, "factors": None if factors is None else vars(factors)}

        title = f"frames {part.start + 1} to {part.stop}"
        return Job(title, predict_job, given, {"model": asked}, cost=len(part))

    jobs = [job(part) for part in portions(len(frames), executor, CHUNK)]
    found: list[Frame] = []
    notes: dict[str, None] = {}
    messages: list[str] = []
    for values in in_order(executor, jobs, progress):
        for more in values["frames"]:
            old = frames[len(found)]
            found.append(replace(old, arrays=old.arrays | more["arrays"], info=old.info | more["info"]))
        notes |= dict.fromkeys(values["notes"])
        messages += values["messages"]
    return Predicted(found, name, tuple(notes), tuple(messages))


def predict_job(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Predict frames as a job; what the model says of each comes back, by the names it is written under."""
    frames = frames_from_values(given["frames"])
    with model_from_values(given["model"], given["name"]) as model:
        factors = None if given["factors"] is None else SpreadFactors(**given["factors"])
        found = predict_frames(
            model, frames, factors=factors, n_threads=hand.n_threads, progress=hand.progress
        )
        notes = [note for note in [str(getattr(model, "note", ""))] if note]
        messages = list(getattr(model, "messages", ()))
    more = [
        {
            "arrays": {name: values for name, values in new.arrays.items() if name not in old.arrays},
            "info": {name: value for name, value in new.info.items() if name not in old.info},
        }
        for old, new in zip(frames, found, strict=True)
    ]
    return {"frames": more, "notes": notes, "messages": messages}
