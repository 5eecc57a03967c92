"""Keeps the session on disk while the window lives, and brings it back, also after a crash."""

from __future__ import annotations

import contextlib
import os
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from app.documents import session_file
from app.documents.session_file import SavedDataset, SavedSession
from app.session.closing import close_others
from app.session.messages import Notification
from app.settings import Settings, home
from app.workers.foreign import specs_of
from nnpcore.errors import EatlasError

if TYPE_CHECKING:
    from app.session.session import Session


class SessionKeeper(QObject):
    """Writes what is open a moment after it changed; only names and choices, never data."""

    def __init__(self, session: Session, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._settings = session, settings
        self._folder = home()
        self._path = session_file.path_of(self._folder, os.getpid())
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._save_in_background)
        for signal in (
            session.data.added, session.data.removed, session.data.changed, session.runs.added,
            session.runs.removed, session.coloring.changed, session.runs.comparison_changed,
            session.runs.current_changed,
            session.regions.changed, session.sweeps.changed, session.visibility.changed,
            session.trainings.settings_changed, session.groups.changed,
        ):  # fmt: skip
            signal.connect(self._save_soon)
        session.runs.values_changed.connect(self._remember_run)
        self._opened = False
        for signal in (session.data.added, session.runs.added):
            signal.connect(self._note_opened)
        self._coming: SavedSession | None = None
        """A session whose files and runs are not all open yet."""
        session.tasks.finished.connect(self._on_task_finished)

    def _on_task_finished(self, _task: object) -> None:
        if not self._session.tasks.opening():
            self._coming = None

    def _save_soon(self, *_changed: object) -> None:
        if self._settings.autosave_seconds:
            self._timer.start(1000 * self._settings.autosave_seconds)

    def _note_opened(self, *_opened: object) -> None:
        self._opened = True

    def _remember_run(self, run_id: str) -> None:
        folder = self._session.runs.documents[run_id].folder
        if folder is not None:
            self._settings.remember_run(str(folder))

    # saving -------------------------------------------------------------------------------------------
    def snapshot(self) -> SavedSession:
        """Return what is open now."""
        session = self._session
        datasets = [
            SavedDataset(
                d.path,
                d.role.value,
                d.color_index,
                d.frame_index,
                d.id in session.visibility.hidden,
                None if d.dataset.keys is None else asdict(d.dataset.keys),
                0 if d.reading else d.n_frames,
                "" if d.reading else d.summary.formula,
            )
            for d in session.data.datasets.values()
        ]
        runs = [str(run.folder) for run in session.runs.documents.values() if run.folder is not None]
        current = session.data.current.path if session.data.current else ""
        compared = [
            str(run.folder) for key, run in session.runs.documents.items() if key in session.runs.compared
        ]
        regions = list(session.regions.sets.values())
        models = [run.potential for run in session.runs.documents.values()]
        coloring, specs = asdict(session.coloring.current), specs_of(models)
        sweep = session.sweeps.to_dict()
        shown = session.runs.current
        looked_at = "" if shown is None or shown.folder is None else str(shown.folder)
        return SavedSession(
            datasets,
            runs,
            current,
            coloring,
            compared,
            regions,
            specs,
            sweep,
            current_run=looked_at,
            training=session.trainings.of_data(),
            hidden_groups=sorted(session.groups.hidden),
        )

    def _save_in_background(self) -> None:
        """Write what is open, and the settings: a crash leaves those of the next training as well."""
        self._session.trainings.remember_settings()
        saved, path, settings = self.snapshot(), self._path, deepcopy(self._settings)

        def write(_: object) -> None:
            session_file.write(path, saved)
            settings.save()

        self._session.tasks.run(
            "Saving the session",
            write,
            lambda _: None,
            lambda error: self._session.messages.notify(
                Notification("warning", "The session is not being saved", str(error))
            ),
            key="save session",
            quiet=True,
        )

    def close(self) -> None:
        """Keep the session as the last one that ended well.

        One that is still being restored is kept as it was; one in which nothing was open replaces none.
        """
        self._timer.stop()
        try:
            if self._opened or self._coming is not None:
                saved = self._coming or self.snapshot()
                session_file.write(session_file.last_path(self._folder), saved)
            self._path.unlink(missing_ok=True)
        except (EatlasError, OSError) as error:
            self._session.messages.notify_error("The session was not saved", error)

    # restoring ----------------------------------------------------------------------------------------
    def can_restore(self) -> bool:
        """Whether there is a last session with something in it, or one that is to be told of."""
        path = session_file.last_path(self._folder)
        try:
            return path.is_file() and not session_file.read(path).empty
        except EatlasError:
            return True

    def restore_last(self) -> None:
        """Open what was open at the end of the last session, in place of what is open."""
        saved = self._read(session_file.last_path(self._folder))
        if not saved.empty:
            close_others(self._session)
        self.restore(saved)

    def _read(self, path: Path) -> SavedSession:
        """Read a session; one that cannot be read is told of, set aside and empty."""
        try:
            return session_file.read(path)
        except EatlasError as error:
            aside = path.with_name(f"{path.name}.old")
            with contextlib.suppress(OSError):
                path.replace(aside)
            text = f"{error} It is kept as {aside.name}."
            self._session.messages.notify(Notification("warning", "A session was not opened", text))
            return SavedSession()

    def offer_crashed(self) -> bool:
        """Offer sessions that ended in a crash; True if there is one."""
        paths = session_file.crashed(self._folder)
        sessions = [self._read(path) for path in paths]
        for path in paths:
            path.unlink(missing_ok=True)
        saved = next((session for session in sessions if not session.empty), None)
        if saved is None:
            return False
        with contextlib.suppress(EatlasError, OSError):  # where nobody answers it can be reopened later
            session_file.write(session_file.last_path(self._folder), saved)
        names = ", ".join(Path(d.path).name for d in saved.datasets) or "its runs"
        action = ("Restore", lambda: self.restore(saved))
        text = f"Open again what was open then ({names})? {_cut_off(saved)}".strip()
        self._session.messages.notify(
            Notification("warning", "Eatlas did not end properly last time", text, actions=(action,))
        )
        return True

    def restore(self, saved: SavedSession) -> None:
        """Open the files and runs of a saved session with their roles and colours."""
        if saved.lost:
            text = f"Left out, for they cannot be understood: {'; '.join(saved.lost)}"
            self._session.messages.notify(Notification("warning", "Parts of the session are damaged", text))
        self._coming = saved
        self._session.coloring.restore(saved.coloring)
        self._session.trainings.restore_of_data(saved.training)
        self._session.groups.restore(saved.hidden_groups)
        for d in saved.datasets:
            show = d.path == saved.current
            hide = self._session.visibility.hide if d.hidden else _nothing
            self._session.data.restore(d, show, hide)
        self._session.regions.restore([r for r in saved.regions if isinstance(r, dict)])
        self._session.runs.restore_compared(saved.compared)
        self._session.sweeps.restore(saved.sweep)
        gone = [folder for folder in saved.runs if not Path(folder).is_dir()]
        there = [folder for folder in saved.runs if folder not in gone]
        self._session.runs.restore(there, saved.current_run if saved.current_run in there else "")
        if gone:
            title = "A run is gone" if len(gone) == 1 else f"{len(gone)} runs are gone"
            text = f"{', '.join(gone)}: removed or moved since. Open it where it is now."
            self._session.messages.notify(Notification("warning", title, text))
        if saved.calculators:
            from app.dialogs.potentials import offer_calculators

            offer_calculators(self._session, saved.calculators)
        self._on_task_finished(None)


def _nothing(_dataset_id: str) -> None:
    """Leave a file's eye open."""


def _cut_off(saved: SavedSession) -> str:
    """Return what has become of the trainings of a session whose process has died."""
    if not saved.runs:
        return ""
    return "A training that had not ended is stopped: Resume lets it go on from its last checkpoint."
