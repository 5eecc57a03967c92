"""The part of a session that studies what potentials say of a crystal, and keeps what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.documents.frame_refs import frames_of
from app.session.data import Data
from app.session.messages import Messages, Notification
from app.session.runs import Runs
from app.settings import Settings
from app.workers.properties import Studied, StudyWish, study
from app.workers.tasks import Task, TaskRunner
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.properties.comparing import left_out
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.properties import KnownData, Properties, Reference
    from nnpcore.structures.frame import Frame

STUDYING = "properties"
"""Key of the task."""


class PropertyStudies(QObject):
    """Studies the runs shown, and keeps their properties.

    Attributes
    ----------
    parts : names of what is studied. against : name of a reference potential, or empty.
    found : run id -> properties of the crystal, as last studied. reference : what they are compared with.
    """

    changed = Signal()

    def __init__(
        self, settings: Settings, data: Data, runs: Runs, tasks: TaskRunner, messages: Messages
    ) -> None:
        super().__init__()
        self._settings, self._data, self._runs = settings, data, runs
        self._tasks, self._messages = tasks, messages
        self.parts: tuple[str, ...] = ("lattice", "eos", "elastic", "surfaces", "vacancy", "phonons")
        self.against = ""
        self.found: dict[str, Properties] = {}
        self.reference: Reference | None = None
        self._task: Task | None = None
        tasks.finished.connect(self._on_finished)
        runs.removed.connect(self._on_removed)

    @property
    def busy(self) -> bool:
        """Whether something is being studied."""
        return self._task is not None

    def choose(self, *, parts: tuple[str, ...] | None = None, against: str | None = None) -> None:
        """Set what is studied, and what it is compared with."""
        self.parts = self.parts if parts is None else parts
        self.against = self.against if against is None else against
        self.changed.emit()

    def read_reference(self, path: Path) -> None:
        """Compare with the numbers of a file from now on; a message where it is none."""
        from nnpcore.properties import read_reference

        try:
            self.reference = read_reference(path)
        except EatlasError as error:
            self._messages.notify_error("There is nothing to compare with", error)
            return
        self.against = ""
        self.changed.emit()

    def forget_reference(self) -> None:
        """Compare with nothing."""
        self.reference, self.against = None, ""
        self.changed.emit()

    # studying -----------------------------------------------------------------------------------------
    def start(self) -> None:
        """Study the runs shown, in the background."""
        try:
            wish = self._wish()
        except EatlasError as error:
            self._messages.notify_error("No properties can be studied", error)
            return
        names = ", ".join(wish.names.values())
        self._task = self._tasks.run(
            f"Properties of {names}",
            lambda progress: study(wish, progress),
            self._put,
            lambda error: self._messages.notify_error("No properties were found", error),
            key=STUDYING,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Study no further."""
        if self._task is not None:
            self._task.cancel()

    def _wish(self) -> StudyWish:
        from nnpcore.properties import PropertySettings

        models: dict[str, tuple[AtomicEnergyModel, KnownData | None]] = {}
        names: dict[str, str] = {}
        structures: list[Frame] = [f for d in self._data.of_role(Role.EOS) for f in d.frames]
        for run in self._runs.shown():
            if run.potential is None:
                continue
            known = self._known(run)
            models[run.id], names[run.id] = (run.potential, known), run.name
            structures += () if known is None else known.frames
        if not models:
            raise AnalysisError("there is no potential to study", fix="Train one, or open a run")
        if not structures:
            structures = [f for d in self._data.datasets.values() for f in d.frames]
        settings = PropertySettings(parts=self.parts)
        threads = self._settings.threads
        return StudyWish(models, names, tuple(structures), settings, self.against, threads)

    def _known(self, run: RunDocument) -> KnownData | None:
        """Return a run's training data, None where its files are not open."""
        from nnpcore.properties import KnownData

        frames = {document.id: document.frames for document in self._data.datasets.values()}
        if (
            not len(run.train)
            or not all(key in frames for key, _ in run.train.parts)
            or run.functions is None
        ):
            return None
        return KnownData(frames_of(run.train, frames), run.functions)

    def _put(self, found: Studied) -> None:
        self.found |= found.properties
        self.reference = found.reference or self.reference
        lines = left_out([*found.properties.values()])
        lines += [f"{p.name}: {note}" for p in found.properties.values() for note in p.notes]
        if lines:
            self._messages.notify(Notification("info", "Properties", "\n".join(lines), silent=True))
        self.changed.emit()

    # changes ------------------------------------------------------------------------------------------
    def _on_finished(self, task: Task) -> None:
        if task is self._task:
            self._task = None
            self.changed.emit()

    def _on_removed(self, run_id: str) -> None:
        if self.found.pop(run_id, None) is not None:
            self.changed.emit()
