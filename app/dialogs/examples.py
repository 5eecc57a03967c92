"""File > Examples: the paper's studies, run once and opened as sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QCheckBox, QWidget

from app.dialogs.every import Dialogs
from app.dialogs.fields import choice, muted
from app.dialogs.form import FormDialog, Job
from app.session.closing import close_others
from app.session.messages import Notification
from app.settings import examples_folder
from app.workers.example_sessions import (
    EXAMPLES,
    Example,
    ExampleSession,
    ToldClaim,
    is_bundled,
    read_example,
    run_example,
    session_path,
    unpack,
)
from app.workers.tasks import OPEN
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from app.session.session import Session

Opened = Callable[[str, str, Sequence[ToldClaim], Callable[[], None] | None], None]
"""Told name, title and claims of an example that is being opened, and what runs it again."""

CLOSE = "close"
SIZES = (("Quick: the effect in a few minutes", True), ("Full: as in the paper, much longer", False))


class ExampleDialog(FormDialog):
    """Runs a study, which is kept, and opens it."""

    verb = "Run"

    def __init__(
        self, example: Example, opened: Opened, session: Session, parent: QWidget | None = None
    ) -> None:
        self.example, self._opened = example, opened
        self.name = f"example_{example.name}"
        self.title, self.doing = example.title, f"Example: {example.title}"
        super().__init__(session, parent)

    def build(self) -> None:
        """Make the fields."""
        example = self.example
        self.body.addWidget(muted(self.form, example.about))
        section = self.section()
        section.add("quick", "Size", choice(self, SIZES), wide=True)
        close = QCheckBox("Close what is open before", self)
        close.setChecked(True)
        tip = "Data, runs and regions of other work would be mixed with the example's"
        section.add(CLOSE, "", close, tip, wide=True)
        text = (
            f"The quick study takes about {example.minutes:g} min on two cores and can go on in the "
            f"background. It is kept in {examples_folder()} and opens at once the next time."
        )
        self.body.addWidget(muted(self.form, text))

    def job(self) -> Job:
        """Return the study."""
        name, quick, folder = self.example.name, bool(self.values()["quick"]), examples_folder()
        return partial(run_example, name, folder, quick, self.session.settings.threads)

    def apply(self, value: ExampleSession) -> None:
        """Open it."""
        if self.values()[CLOSE]:
            close_others(self.session, value.data, value.runs)
        open_session(self.session, value)
        self._opened(self.example.name, self.example.title, value.claims, None)


def open_silicon(session: Session) -> None:
    """Open the bundled silicon data in place of what is open."""
    close_others(session, session.data.example_roles())
    session.data.open_example()


def open_session(session: Session, found: ExampleSession) -> None:
    """Open the files, regions and runs of an example; what is open already stays."""
    open_now = {document.path for document in session.data.datasets.values()}
    session.data.open_paths([path for path in found.data if path not in open_now], found.data)
    session.regions.restore(found.regions)
    session.runs.restore_compared(found.compared)
    if found.runs:
        _show_first(session, found.runs)
    for folder in found.runs:
        session.runs.open(folder)


def _show_first(session: Session, folders: Sequence[str]) -> None:
    """Make the first run the current one when all are open: they are read side by side, in any order."""

    def check() -> None:
        known = {str(run.folder): key for key, run in session.runs.documents.items()}
        if all(folder in known for folder in folders):
            session.runs.current_changed.disconnect(check)
            QTimer.singleShot(0, session, lambda: session.runs.set_current(known[folders[0]]))

    session.runs.current_changed.connect(check)


def open_example(session: Session, dialogs: Dialogs, name: str, opened: Opened) -> None:
    """Open a kept or bundled example, or the dialog that runs it; tell ``opened`` what to lead through."""
    example = next(e for e in EXAMPLES if e.name == name)
    folder = examples_folder()

    def ask() -> None:
        dialogs.show(name, partial(ExampleDialog, example, opened))

    if not session_path(folder, name).is_file() and not is_bundled(name):
        ask()
        return

    def done(found: ExampleSession) -> None:
        if session.settings.dialogs.get(f"example_{name}", {}).get(CLOSE, True):
            close_others(session, found.data, found.runs)
        open_session(session, found)
        opened(example.name, example.title, found.claims, ask)
        text = f"As it was kept in {folder / name}."
        session.messages.notify(Notification("info", f"{example.title} opened", text, silent=True))

    def failed(error: BaseException) -> None:
        session.messages.notify_error(f"{example.title} was not opened", error)
        ask()

    def read(_: Progress) -> ExampleSession:
        unpack(folder, name)
        return read_example(folder, name)

    session.tasks.run(f"Opening {example.title}", read, done, failed, lane=OPEN)
