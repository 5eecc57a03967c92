"""File > Export Report: one page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from app.session.messages import Notification
from nnpcore.progress import Progress
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
    eos = crystals[0].frames if crystals else None
    regions = tuple(document.set for document in session.regions.sets.values())
    n_threads = session.settings.threads
    known, reference = session.properties.found.get(run.id), session.properties.reference

    def write(progress: Progress) -> Path:
        from nnpcore.report import write_report
        from nnpcore.report.property_section import StudiedProperties

        studied = None if known is None else StudiedProperties([known.named(run.name)], reference)
        return write_report(
            folder,
            target,
            eos=eos,
            regions=regions,
            properties=studied,
            n_threads=n_threads,
            progress=progress,
        )

    opened = ("Open", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(target))))
    written = Notification("info", "Report written", str(target), actions=(opened,))
    session.tasks.run(
        f"Writing the report of {run.name}",
        write,
        lambda _: session.messages.notify(written),
        lambda error: session.messages.notify_error(f"{target.name} was not written", error),
    )
