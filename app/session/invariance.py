"""Checks that the frames of an EOS reference are invariant points, as soon as a data set gets that role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.session.data import Data
from app.workers.tasks import TaskRunner
from nnpcore.progress import Progress
from nnpcore.structures import Role

if TYPE_CHECKING:
    from nnpcore.mapping import InvariantCheck
    from nnpcore.structures.frame import Frame


class InvarianceChecks(QObject):
    """Keeps a list of checks for every data set with the role EOS; ``changed`` tells its id."""

    changed = Signal(str)

    def __init__(self, data: Data, tasks: TaskRunner) -> None:
        super().__init__()
        self._data, self._tasks = data, tasks
        self._frames: dict[str, object] = {}
        self.found: dict[str, tuple[InvariantCheck, ...]] = {}
        for signal in (data.added, data.changed):
            signal.connect(self._on_changed)
        data.removed.connect(self._on_removed)

    def of(self, dataset_id: str) -> tuple[InvariantCheck, ...]:
        """Return the checks of a data set, one a frame; () while there are none."""
        return self.found.get(dataset_id, ())

    def _on_removed(self, dataset_id: str) -> None:
        self.found.pop(dataset_id, None)
        self._frames.pop(dataset_id, None)

    def _on_changed(self, dataset_id: str) -> None:
        document = self._data.datasets[dataset_id]
        if document.role != Role.EOS or self._frames.get(dataset_id) is document.frames:
            return
        frames = document.frames
        self._frames[dataset_id] = frames

        def put(found: tuple[InvariantCheck, ...]) -> None:
            if self._frames.get(dataset_id) is frames:
                self.found[dataset_id] = found
                self.changed.emit(dataset_id)

        self._tasks.run(
            f"Checking the crystals of {document.name}",
            lambda progress: _check(frames, progress),
            put,
            key=f"invariance {dataset_id}",
            quiet=True,
        )


def _check(frames: Sequence[Frame], progress: Progress) -> tuple[InvariantCheck, ...]:
    from nnpcore.mapping import check_invariant

    return tuple(check_invariant(frames, n_threads=1, progress=progress))
