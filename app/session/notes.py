"""The part of a session that keeps what users say of runs: a note and a star, in the runs' folders."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.documents.run import RunDocument, RunState
from app.session.messages import Messages
from app.session.runs import Runs
from app.session.undo import UndoStack
from app.workers.tasks import TaskRunner
from nnpcore.errors import RunFolderError
from nnpcore.training.notes import RunNote, write_note

if TYPE_CHECKING:
    from nnpcore.progress import Progress

ELSEWHERE = "Another process trains it, and its folder is only read until that has ended"
NOT_YET = "Its folder is there once it trains"
NO_FOLDER = "It has no folder of its own to keep a note in"


def why_not(run: RunDocument) -> str:
    """Return why nothing can be noted of a run now; empty where it can."""
    if run.state is RunState.ELSEWHERE:
        return ELSEWHERE
    if run.state in (RunState.WAITING, RunState.PREPARING):
        return NOT_YET
    return run.no_note if run.folder is not None else NO_FOLDER


class RunNotes(QObject):
    """Changes notes, which can be undone; they are written in the background."""

    changed = Signal(str)

    def __init__(self, runs: Runs, tasks: TaskRunner, messages: Messages, undo: UndoStack) -> None:
        super().__init__()
        self._runs, self._tasks, self._messages, self._undo = runs, tasks, messages, undo
        self._wanted: dict[Path, RunNote] = {}
        self._written: dict[Path, RunNote] = {}
        self._writing = Lock()

    def set(self, run_id: str, note: RunNote) -> None:
        """Note something of a run, or say why that is not possible."""
        run = self._runs.documents[run_id]
        if note == run.note:
            return
        if why := why_not(run):
            error = RunFolderError(why[:1].lower() + why[1:], where=run.name)
            self._messages.notify_error("Nothing was noted", error)
            self.changed.emit(run_id)  # what was typed goes
            return
        stars = note.star != run.note.star
        text = f"star of {run.name}" if stars else f"note on {run.name}"
        self._undo.change(text, partial(self._apply, run_id), run.note, note)

    def _apply(self, run_id: str, note: RunNote) -> None:
        run = self._runs.documents.get(run_id)
        if run is None or run.folder is None or why_not(run):
            return
        folder, here = run.folder, run.state.active
        self._written.setdefault(folder, run.note)
        self._wanted[folder] = run.note = note

        def write(_progress: Progress) -> RunNote:
            with self._writing:  # the one that writes last writes what was wanted last
                wanted = self._wanted[folder]
                write_note(folder, wanted, trained_here=here)
                return wanted

        def put(written: RunNote) -> None:
            self._written[folder] = written

        self._tasks.run(
            f"Note on {run.name}", write, put, lambda error: self._refused(run_id, folder, error), quiet=True
        )
        self.changed.emit(run_id)
        self._runs.changed.emit(run_id)

    def _refused(self, run_id: str, folder: Path, error: BaseException) -> None:
        """Show again what is in the folder."""
        self._messages.notify_error("The note was not written", error)
        run = self._runs.documents.get(run_id)
        if run is not None and run.folder == folder:
            run.note = self._wanted[folder] = self._written[folder]
            self.changed.emit(run_id)
            self._runs.changed.emit(run_id)
