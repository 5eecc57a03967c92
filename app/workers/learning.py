"""A learning curve as a task: a snapshot in, points as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.workers.monitoring import Monitored
    from nnpcore.analyses.learning import LearningCurve
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings
    from nnpcore.training.learning_curve import LearningPoint


@dataclass(frozen=True, eq=False)
class LearningWish:
    """What is trained.

    Attributes
    ----------
    frames : labelled ones. valid, test : given for these; without them parts of ``frames``.
    settings : how to train. sizes : numbers of training frames, the usual ones where empty.
    n_seeds : trainings of each size.
    monitored : crystals and regions whose mapping errors are followed.
    folder : gets the trainings. resume : go on with what is there. scheduler : where, see the settings.
    """

    frames: Sequence[Frame]
    valid: Sequence[Frame]
    test: Sequence[Frame]
    settings: TrainSettings
    sizes: tuple[int, ...]
    n_seeds: int
    monitored: Monitored
    folder: Path
    resume: bool = False
    scheduler: str = ""


class Stopping:
    """Asks for an end with what there is, before or after it is known whom to ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self.wanted = False

    def by(self, stop: Callable[[], None]) -> None:
        """Say how: called at once where an end is wanted already."""
        with self._lock:
            self._stop = stop
            if self.wanted:
                stop()

    def ask(self) -> None:
        """Ask for the end."""
        with self._lock:
            self.wanted = True
            if self._stop is not None:
                self._stop()


def train_curve(
    wish: LearningWish,
    stopping: Stopping,
    on_planned: Callable[[int], object],
    on_point: Callable[[LearningPoint], object],
    progress: Progress,
) -> LearningCurve:
    """Plan, train, measure; both callbacks are called in this thread.

    Raises
    ------
    EatlasError : too few frames, sizes that are none, a folder that cannot be written.
    """
    from app.workers.monitoring import make_monitor
    from nnpcore.analyses.learning import decided, learn
    from nnpcore.cluster import open_executor
    from nnpcore.training.learning_curve import plan_learning

    plan = plan_learning(
        wish.frames, wish.settings, valid=wish.valid, test=wish.test, sizes=wish.sizes, n_seeds=wish.n_seeds
    )
    on_planned(len(plan.trainings))
    progress.report(0.0, "Choosing symmetry functions")
    plan = decided(plan, progress.part(0.0, 0.05))
    monitor = make_monitor(wish.monitored, plan.pool)
    threads = wish.settings.n_threads
    with open_executor(wish.scheduler, threads) as executor:
        stopping.by(executor.stop)
        return learn(
            plan, wish.folder, executor,
            monitor=monitor, resume=wish.resume, on_point=on_point, progress=progress.part(0.05, 1.0),
        )  # fmt: skip
