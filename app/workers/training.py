"""A training in its own thread: what it has to tell is collected here and fetched by the window at 10 Hz."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.workers.monitoring import Monitored, make_monitor, old_monitor
from app.workers.tasks import TRAINING, step_back
from nnpcore.errors import Cancelled
from nnpcore.progress import Progress
from nnpcore.training.compiling import compile_kernels, parts_of_training
from nnpcore.training.control import TrainControl
from nnpcore.training.data_sources import DataSource, sources_of

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame
    from nnpcore.training import EpochRecord, Trainer, TrainingValues, TrainResult, TrainSettings

SNAPSHOT_SECONDS = 0.8


@dataclass(frozen=True, eq=False)
class Start:
    """What is known once a training is prepared; ``history`` holds the epochs before a resume."""

    values: TrainingValues
    whitening: Whitening
    functions: SymmetryFunctions
    history: list[EpochRecord]
    n_epochs: int
    device: str
    sentence: str
    sources: tuple[DataSource, ...]
    settings: TrainSettings


@dataclass
class News:
    """What happened in a training since the last look.

    ``trouble`` is why its last state is not on disk, empty where it is; ``folder`` is where it is written;
    ``unsaved``: it has ended, and what it has reached is in memory only. ``epoch``: that after which the
    potential was taken, 0 for the last.
    """

    records: list[EpochRecord] = field(default_factory=list)
    potential: Potential | None = None
    epoch: int = 0
    text: str = ""
    start: Start | None = None
    ended: bool = False
    error: BaseException | None = None
    result: TrainResult | None = None
    trouble: str = ""
    notes: list[str] = field(default_factory=list)
    folder: Path | None = None
    unsaved: bool = False


@dataclass(frozen=True)
class TrainingOrder:
    """Everything a training needs, a snapshot taken on the main thread.

    With ``resume`` the frames are those of the run before, in the same order; without frames the folder is
    asked for them. ``monitored`` is what mapping errors are followed for; ``parent`` is the run whose
    data these frames add to; ``counts`` says how many times each training frame counts, once each where there
    are none; ``drawn`` whether the validation frames were drawn by the settings, None where that is unknown.
    """

    settings: TrainSettings
    train: Sequence[Frame]
    valid: Sequence[Frame]
    test: Sequence[Frame]
    folder: Path
    resume: bool = False
    monitored: Monitored = field(default_factory=Monitored)
    parent: Path | None = None
    counts: Sequence[float] = ()
    drawn: bool | None = None


class TrainingJob:
    """One training in one thread. Everything but the thread's own work is for the main thread."""

    def __init__(self, order: TrainingOrder) -> None:
        self.order = order
        self.control = TrainControl()
        self._progress = Progress(self._on_progress)
        self._lock = threading.Lock()
        self._news = News()
        self._prepared = threading.Event()
        self._last_snapshot = 0.0
        self._trainer: Trainer | None = None
        self._thread = threading.Thread(target=self._work, name="eatlas-training")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end soon: while preparing at once, while training after the block at hand."""
        self.control.stop()
        if not self._prepared.is_set():
            self._progress.cancel()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def take_news(self) -> News:
        """Return what happened since the last call."""
        with self._lock:
            news = self._news
            self._news = News(text=news.text, trouble=news.trouble)
        return news

    def save_to(self, folder: Path) -> None:
        """Let it write into another folder, from its next epoch on; once it has ended, at once.

        Raises RunFolderError where an ended one cannot be written there.
        """
        if self._trainer is not None:
            self._trainer.save_to(folder)

    def save(self) -> None:
        """Try again to write one that has ended; RunFolderError where that is still impossible."""
        if self._trainer is not None:
            self._trainer.save()

    # in the thread ------------------------------------------------------------------------------------
    def _work(self) -> None:
        step_back(TRAINING)
        try:
            compile_kernels(self._progress, parts_of_training(self.order.settings.optimizer))
            trainer = self._make_trainer()
            trainer.prepare(self._progress)
            self._trainer = trainer
            self._tell_prepared(trainer)
            result = trainer.run(self._on_epoch, self.control, self._progress)
            self._tell(potential=trainer.potential(), result=result, ended=True)
        except Cancelled:
            self._tell(ended=True)
        except BaseException as error:
            reached = self._trainer if self._trainer is not None and self._trainer.history else None
            potential = None if reached is None else reached.potential()
            unsaved = reached is not None and reached.keeper.trouble is not None
            self._tell(potential=potential, error=error, ended=True, unsaved=unsaved)

    def _tell_prepared(self, trainer: Trainer) -> None:
        start = Start(
            values=trainer.training_values(),
            whitening=trainer.data.scales.whitening,
            functions=trainer.functions,
            history=list(trainer.history),
            n_epochs=trainer.n_epochs,
            device=trainer.device,
            sentence=trainer.choice.sentence,
            sources=sources_of(trainer.frames(), trainer.counts),
            settings=trainer.settings,
        )
        with self._lock:
            self._news.start = start
        self._prepared.set()
        self._tell()

    def _make_trainer(self) -> Trainer:
        from nnpcore.training import Trainer

        order = self.order
        monitor = make_monitor(order.monitored, order.train)
        if order.resume:
            names = ("train", "valid", "test")
            frames = {name: getattr(order, name) for name in names} if order.train else {}
            monitor = monitor or old_monitor(order.folder)
            return Trainer.resume(order.folder, order.settings, monitor=monitor, **frames)
        return Trainer(
            self._fitting_settings(), order.train, order.valid,
            run_folder=order.folder, monitor=monitor, parent=order.parent, counts=order.counts,
            test=order.test, drawn=order.drawn,
        )  # fmt: skip

    def _fitting_settings(self) -> TrainSettings:
        """Return the settings; where all frames to leave out are of other data without these, and say so."""
        from nnpcore.training.leaving_out import Leaving

        order, named = self.order, self.order.settings.left_out
        if order.parent is not None or not named:
            return order.settings
        leaving = Leaving.of(named, order.train, order.valid, order.test)
        if leaving.means_some:
            return order.settings
        text = f"no frame is left out: of those chosen ({len(named)}) none is among these data"
        with self._lock:
            self._news.notes.append(text)
        return order.settings.replace(left_out=())

    def _on_epoch(self, record: EpochRecord, trainer: Trainer) -> None:
        now = time.perf_counter()
        potential = None
        if now - self._last_snapshot >= SNAPSHOT_SECONDS:
            potential = trainer.potential()
            self._last_snapshot = now
        self._tell(records=[record], potential=potential)

    def _on_progress(self, _fraction: float | None, text: str) -> None:
        with self._lock:
            self._news.text = text

    def _tell(
        self,
        records: Sequence[EpochRecord] = (),
        potential: Potential | None = None,
        result: TrainResult | None = None,
        error: BaseException | None = None,
        ended: bool = False,
        unsaved: bool = False,
    ) -> None:
        keeper = None if self._trainer is None else self._trainer.keeper
        with self._lock:
            news = self._news
            if keeper is not None:
                news.trouble = "" if keeper.trouble is None else str(keeper.trouble)
                news.notes += keeper.take_notes()
                news.folder = keeper.path
            news.unsaved = unsaved or news.unsaved
            news.records.extend(records)
            if potential is not None:
                news.potential, news.epoch = potential, 0 if ended else records[-1].epoch
            news.result, news.error = result or news.result, error or news.error
            news.ended = ended or news.ended
