"""A training run as the window holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app.documents.counting import from_one
from app.documents.frame_refs import FrameRefs
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.graph import Analysis, Evaluation, Missing, found
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.figures.drawing import OKABE_ITO
from nnpcore.training.history import energy_rmse
from nnpcore.training.notes import NO_NOTE, RunNote

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.mapping import Verdict
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.training import EpochRecord, TrainingValues, TrainSettings
    from nnpcore.training.data_sources import DataSource


T = TypeVar("T")

ENDED_EARLY = "Ended early:"
"""How a run's message begins that says why it ended before its goal."""


class RunState(StrEnum):
    """Where a run stands."""

    WAITING = "waiting"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    IMPORTED = "imported"
    ELSEWHERE = "training elsewhere"

    @property
    def active(self) -> bool:
        """Whether a thread works on it."""
        return self in (RunState.PREPARING, RunState.RUNNING, RunState.PAUSED, RunState.STOPPING)


@dataclass(kw_only=True, eq=False)
class Evaluated:
    """Holds an evaluation (``nnpcore.analyses``) and in which epoch each of its results was computed."""

    evaluation: Evaluation = field(default_factory=Evaluation)
    epochs: dict[Analysis[object], int] = field(default_factory=dict)

    def result(self, analysis: Analysis[T]) -> T | None:
        """Return the latest result of an analysis, current or not; None while there is none."""
        return found(self.evaluation.known(analysis))

    def why(self, analysis: Analysis[object]) -> str:
        """Return why an analysis has no result; empty where it has one, or it only takes some time."""
        value = self.evaluation.known(analysis)
        return from_one(str(value)) if isinstance(value, Missing) and not value.awaited else ""


@dataclass
class RunDocument(Evaluated):
    """One training run.

    Attributes
    ----------
    settings : what it was started with.
    history : a record per epoch.
    potential : the latest snapshot of the best weights (None before the first epoch), or another model.
    potential_epoch : the epoch after which it was taken, 0 for the last.
    train, valid, test : the frames it trains on, validates on, and is tested on at the end.
    values : descriptors of the training and validation atoms, once they are known.
    whitening, functions : the map and the symmetry functions these values belong to.
    no_values : why there will never be such descriptors, or empty.
    sources : where its frames came from, with their fingerprints; empty before they are known.
    unsaved : why what it has reached is not in its folder, or empty.
    sentence : which optimizer is used, and why. used_device : where it runs.
    n_epochs : epochs asked for, 0 while unknown.
    note : what its user says of it. no_note : why that cannot be changed, or empty.
    message : the last thing the training had to say. progress_text : what it is doing while preparing.
    """

    id: str
    name: str
    settings: TrainSettings
    state: RunState = RunState.PREPARING
    folder: Path | None = None
    train: FrameRefs = field(default_factory=FrameRefs)
    valid: FrameRefs = field(default_factory=FrameRefs)
    test: FrameRefs = field(default_factory=FrameRefs)
    n_epochs: int = 0
    history: list[EpochRecord] = field(default_factory=list)
    potential: AtomicEnergyModel | None = None
    potential_epoch: int = 0
    values: TrainingValues | None = None
    whitening: Whitening | None = None
    functions: SymmetryFunctions | None = None
    sources: tuple[DataSource, ...] = ()
    no_values: str = ""
    unsaved: str = ""
    message: str = ""
    progress_text: str = ""
    color_index: int = 0
    used_device: str = ""
    sentence: str = ""
    note: RunNote = NO_NOTE
    no_note: str = ""

    def verdict(self) -> Verdict | None:
        """Return the verdict on the potential, None while there is nothing to judge it by.

        One that could say nothing counts no more once there is something to judge by that it has not seen.
        """
        known = self.result(EOS) is not None or self.result(REGION_ERRORS) is not None
        verdict = self.result(VERDICT) if known else None
        if verdict is not None and verdict.level == "unknown" and not self.evaluation.is_current(VERDICT):
            return None
        return verdict

    @property
    def epoch(self) -> int:
        """The last epoch that ended, from 1; 0 before."""
        return self.history[-1].epoch if self.history else 0

    @property
    def seconds_per_epoch(self) -> float | None:
        """Mean training seconds of the last ten epochs, or None before the first."""
        if not self.history:
            return None
        recent = self.history[-11:]
        if len(recent) == 1:
            return recent[0].seconds / max(recent[0].epoch, 1)
        return (recent[-1].seconds - recent[0].seconds) / max(recent[-1].epoch - recent[0].epoch, 1)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left if all epochs are run, or None when unknown."""
        each = self.seconds_per_epoch
        return None if each is None else each * max(self.n_epochs - self.epoch, 0)

    @property
    def device(self) -> str:
        """The device it works on, or was told to use."""
        return self.used_device or self.settings.device

    def rmse_of_potential(self) -> float | None:
        """Return the energy RMSE of the potential that is judged: while it trains, epochs go on after it."""
        if not self.potential_epoch:
            return energy_rmse(self.history)
        return energy_rmse([record for record in self.history if record.epoch <= self.potential_epoch])

    def test_errors(self) -> dict[str, Any] | None:
        """Return the RMSEs on the test frames that the potential was kept with, None without a test."""
        info = getattr(self.potential, "info", {})
        return None if self.potential_epoch else info.get("test")

    def best(self) -> float | None:
        """Return the energy RMSE of the potential at hand, as the verdict and the report give it, or None."""
        return energy_rmse(self.history)


def run_ink(run: RunDocument, datasets: Mapping[str, DatasetDocument]) -> str:
    """Return the name of a run's colour, which no data set has while one is left."""
    free = _colors_of_runs(datasets)
    return f"series:{free[run.color_index % len(free)]}"


def run_inks(runs: Sequence[RunDocument], datasets: Mapping[str, DatasetDocument]) -> list[str]:
    """Return a colour for each of the runs shown together; the first keeps the one it has alone."""
    inks: list[str] = []
    for run in runs:
        wanted = run_ink(run, datasets)
        free = (f"series:{number}" for number in chain(_colors_of_runs(datasets), count()))
        inks.append(wanted if wanted not in inks else next(color for color in free if color not in inks))
    return inks


def _colors_of_runs(datasets: Mapping[str, DatasetDocument]) -> list[int]:
    """Return the palette's numbers that no data set has, from its end, where data sets come to last."""
    taken = {document.color_index % len(OKABE_ITO) for document in datasets.values()}
    numbers = range(len(OKABE_ITO) - 1, -1, -1)
    return [number for number in numbers if number not in taken] or list(numbers)
