"""A training as a job: whole ensembles, since members depend on each other.

With guidance or a baseline under the networks members share a posterior, from which they take balanced
draws: a member of two is not that member of four. Without either they are the same, bit for bit.

Elsewhere a training writes into a temporary folder there, and the files of its run come back as bytes.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.cluster import Hand, Job, Shared
from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import read_regular, write_atomically, writing_failed
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.structures.frame import Frame
from nnpcore.training.control import ControlState, TrainControl
from nnpcore.training.folder_lock import Writer, one_writer
from nnpcore.training.history import EpochRecord
from nnpcore.training.leaving_out import as_kept
from nnpcore.training.monitoring import epochs_without_gain
from nnpcore.training.optimizers.choice import usual_epochs
from nnpcore.training.run_folder import FILES_OF_A_RUN, RunFolder, refuse_foreign
from nnpcore.training.settings import TrainSettings

if TYPE_CHECKING:
    from nnpcore.training.monitoring import MonitorLike
    from nnpcore.training.trainer import Trainer

MakeMonitor = Callable[[Mapping[str, Any]], "MonitorLike | None"]
_FIRST = ("data.json", "settings.toml")
"""With these a folder is known as a run's."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Frames of trainings that differ in their settings, sent once."""

    train: Shared
    valid: Shared
    test: Shared

    @classmethod
    def of(cls, train: Sequence[Frame], valid: Sequence[Frame], test: Sequence[Frame] = ()) -> TrainingData:
        """Take frames: their structures, labels and origins."""
        return cls(*(Shared(frames_to_values(part)) for part in (train, valid, test)))


def training_job(
    settings: TrainSettings,
    data: TrainingData,
    folder: Path,
    *,
    function: Callable[[Mapping[str, Any], Hand], dict[str, Any]] | None = None,
    more: Mapping[str, Shared] | None = None,
    parent: str = "",
    counts: Sequence[float] = (),
) -> Job:
    """Return the job of a training.

    Parameters
    ----------
    settings, data : what is trained.
    folder : of the run; where the job runs elsewhere, :func:`write_run` is to write what comes back.
    function : another one than :func:`train`, such as one with a monitor; ``more`` is for it.
    parent : the run whose data these frames add to.
    counts : how many times each training frame counts; once each where there are none.
    """
    given = {
        "settings": settings.model_dump(mode="json", exclude_none=True),
        "folder": str(Path(folder).absolute()),
        "parent": parent,
        "counts": [float(count) for count in counts],
    }
    shared = {"train": data.train, "valid": data.valid, "test": data.test, **(more or {})}
    return Job(Path(folder).name, function or train, given, shared)


def train(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Train as a job. It tells the number of epochs once, then every epoch's record.

    Returns
    -------
    values : ``reason`` it ended for, ``files`` of the run by name where it ran elsewhere.
    """
    return train_with(given, hand, lambda _: None)


def train_with(given: Mapping[str, Any], hand: Hand, monitor_of: MakeMonitor) -> dict[str, Any]:
    """Train with the monitor that is made of the given values; see :func:`train`.

    ``given["describer"]``, which is no plain value, may be there where the job runs in this process.
    """
    from nnpcore.training.trainer import Trainer

    settings = TrainSettings.model_validate(given["settings"])
    train, valid, test = (frames_from_values(given[name]) for name in ("train", "valid", "test"))
    with _place(Path(given["folder"]), apart=hand.apart) as folder:
        trainer = Trainer(
            settings,
            train,
            valid,
            run_folder=folder,
            monitor=monitor_of(given),
            parent=given["parent"] or None,
            counts=given["counts"],
            describer=given.get("describer"),
            test=test,
        )
        trainer.prepare(hand.progress.part(0.0, 0.05))
        hand.tell({"n_epochs": trainer.n_epochs})

        def after(record: EpochRecord, source: Trainer) -> None:
            hand.tell({"record": record.to_dict()})
            part = 0.05 + 0.95 * record.epoch / source.n_epochs
            hand.progress.report(part, f"epoch {record.epoch} of {source.n_epochs}")

        result = trainer.run(after, _Stopped(hand.stopping))
        return {"reason": result.reason, "files": _files(folder) if hand.apart else {}}


class _Stopped(TrainControl):
    """Stops a training as soon as an event is set."""

    def __init__(self, stopping: threading.Event) -> None:
        super().__init__()
        self._stopping = stopping

    @property
    def state(self) -> ControlState:
        """What was last asked for."""
        return ControlState.STOPPING if self._stopping.is_set() else super().state


@contextmanager
def _place(folder: Path, *, apart: bool) -> Iterator[Path]:
    """Give the folder, or elsewhere a temporary one of its name."""
    if not apart:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="eatlas-") as place:
        yield Path(place) / folder.name


def _files(folder: Path) -> dict[str, bytes]:
    return {name: read_regular(folder / name) for name in FILES_OF_A_RUN if (folder / name).is_file()}


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keep a folder for a run that is trained elsewhere: nobody else trains in it meanwhile.

    Raises RunFolderError where somebody does, or the folder holds something else.
    """
    path = Path(folder).absolute()
    refuse_foreign(path)
    with one_writer(path, Writer.TRAINING):
        yield


def write_run(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a run that was trained elsewhere, those of an older run are given up.

    Raises RunFolderError where they are no such files or cannot be written.
    """
    unknown = sorted(set(files) - set(FILES_OF_A_RUN))
    if unknown:
        raise RunFolderError(f"{unknown[0]!r} is no file of a run", where=str(folder))
    try:
        for name in set(FILES_OF_A_RUN) - set(files):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise writing_failed(error, folder) from error
    for name in sorted(files, key=lambda name: name not in _FIRST):
        write_atomically(folder / name, files[name])


def ended_run(
    folder: Path,
    settings: TrainSettings,
    train: Sequence[Frame],
    valid: Sequence[Frame],
    test: Sequence[Frame] = (),
) -> list[EpochRecord] | None:
    """Return the history of the run in a folder if it is just the one that is wanted, and has ended.

    It has where it has done its epochs, or nothing has become better for those of its patience. One that
    converged earlier is not known to have ended.
    """
    try:
        run = RunFolder.open(folder)
        kept = as_kept({"training": train, "validation": valid, "test": test}, settings, run)
        history = run.read_history()
    except EatlasError:
        return None
    threads = {"n_threads": None}  # they do not change what comes out
    wish = settings.filled_from(run.settings)
    if not history or run.settings.replace(**threads) != wish.replace(**threads):
        return None
    wanted = settings.epochs or usual_epochs(history[-1].optimizer, len(kept["training"]))
    impatient = settings.patience is not None and epochs_without_gain(history) >= settings.patience
    return history if history[-1].epoch >= wanted or impatient else None
