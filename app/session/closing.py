"""Closing what is open to make room for an example or for the last session, and saying so."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.messages import Notification
from app.settings import examples_folder
from nnpcore.installation import RESOURCES

if TYPE_CHECKING:
    from app.session.session import Session


def close_others(session: Session, data: Collection[str] = (), runs: Collection[str] = ()) -> None:
    """Close files, regions and runs but these paths and folders; data and regions come back by undo.

    A run that trains stays. The user is told what was closed, unless all of it came with an example.
    """
    files = [d for d in session.data.datasets.values() if d.path not in data]
    others = [
        run for run in session.runs.documents.values() if not run.state.active and str(run.folder) not in runs
    ]
    named = [d.name for d in files if not is_ours(d.path)]
    named += [run.name for run in others if run.folder is None or not is_ours(str(run.folder))]
    if files or session.regions.sets:
        session.undo_stack.beginMacro("Close what was open")
        for set_id in list(session.regions.sets):
            session.regions.delete_all(set_id)
        for document in files:
            session.data.remove(document.id)
        session.undo_stack.endMacro()
    for run in others:
        session.runs.remove(run.id)
    if not session.trainings.unsaved:  # that is asked about whatever else is open
        session.messages.outdated.emit("")
    if named:
        text = f"{', '.join(named)}. Undo opens files and regions again, Open Run a training."
        session.messages.notify(Notification("info", "What was open is closed", text))


def is_ours(path: str) -> bool:
    """Whether a file or folder came with the program, or belongs to an example that was opened."""
    file = Path(path.partition("@")[0]).absolute()
    return any(file.is_relative_to(folder) for folder in (RESOURCES, examples_folder()))
