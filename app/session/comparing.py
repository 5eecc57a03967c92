"""Whether the files that would be trained on fit together, worked out in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QObject, Signal

from app.documents.dataset import training_warnings
from app.workers.tasks import TaskRunner
from nnpcore.structures.frame import Frame

Files = Mapping[str, Sequence[Frame]]


class FittingTogether(QObject):
    """Remembers why some files do not fit together; they are known by their names and their frames."""

    known = Signal()

    def __init__(self, tasks: TaskRunner, parent: QObject) -> None:
        super().__init__(parent)
        self._tasks = tasks
        self._asked: tuple[Files, Files] = {}, {}
        self._found: tuple[tuple[Files, Files], tuple[str, ...]] = ({}, {}), ()

    def now(self, training: Files, validation: Files) -> tuple[str, ...]:
        """Return the reasons; they are worked out here and now where nobody has done so."""
        asked = training, validation
        if not _same(self._found[0], asked):
            self._found = asked, training_warnings(*asked)
        return self._found[1]

    def so_far(self, training: Files, validation: Files) -> tuple[str, ...]:
        """Return the reasons, none while they are worked out; :attr:`known` tells when they are."""
        asked = training, validation
        if len(training) + len(validation) < 2 or _same(self._found[0], asked):
            self._asked = {}, {}
            return self.now(*asked)
        if not (_same(self._asked, asked) and self._tasks.busy("compare files")):
            self._asked = asked

            def done(found: tuple[str, ...]) -> None:
                self._found = asked, found
                self.known.emit()

            def work(_: object) -> tuple[str, ...]:
                return training_warnings(*asked)

            self._tasks.run("Comparing files", work, done, key="compare files", quiet=True)
        return ()


def _same(one: tuple[Files, Files], other: tuple[Files, Files]) -> bool:
    return all(
        list(mine) == list(theirs) and all(mine[name] is theirs[name] for name in mine)
        for mine, theirs in zip(one, other, strict=True)
    )
