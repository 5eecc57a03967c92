"""File > Export Report: one page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from app.session.messages import Notification
from app.workers.exporting import ReportOrder, report
from app.workers.priority import all_but_one
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from app.session.session import Session


def export_report(session: Session, run: RunDocument, target: Path) -> None:
    """Write a run's report in the background and offer to open it."""
    folder = run.folder
    if folder is None:
        text = "Only a run with a folder has a report."
        session.messages.notify(Notification("info", f"{run.name} has no folder", text))
        return
    crystals = session.data.of_role(Role.EOS)
    order = ReportOrder(
        folder,
        target,
        crystals[0].frames if crystals else (),
        tuple(document.set for document in session.regions.sets.values()),
        session.settings.n_threads or all_but_one(),
    )
    opened = ("Open", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(target))))
    written = Notification("info", "Report written", str(target), actions=(opened,))
    session.tasks.run(
        f"Writing the report of {run.name}",
        lambda progress: report(order, progress),
        lambda _: session.messages.notify(written),
        lambda error: session.messages.notify_error(f"{target.name} was not written", error),
    )
