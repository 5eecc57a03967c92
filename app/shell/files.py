"""What the user points at, in a file dialog or by dropping it: opened, or written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from app.dialogs.every import Dialogs
from app.dialogs.report import export_report
from app.session.closing import is_ours
from nnpcore.structures import Role
from nnpcore.structures.readers.registry import name_patterns

if TYPE_CHECKING:
    from app.session.session import Session

FILTER = f"Trajectories ({' '.join(name_patterns())});;All files (*)"


class Files:
    """Asks for files and folders over a window, and remembers what was opened."""

    def __init__(self, session: Session, dialogs: Dialogs, parent: QWidget) -> None:
        self._session, self._dialogs, self._parent = session, dialogs, parent
        self._to_show: set[str] = set()
        known = session.settings
        known.recent_files = [path for path in known.recent_files if not is_ours(path)]
        session.data.added.connect(self._on_dataset_added)

    def ask_open(self) -> None:
        """Ask for trajectories and open them."""
        paths, _ = QFileDialog.getOpenFileNames(self._parent, "Open trajectories", self._folder(), FILTER)
        self.open_paths(paths)

    def ask_open_slice(self) -> None:
        """Ask for a trajectory and a slice of it."""
        path, _ = QFileDialog.getOpenFileName(self._parent, "Open a slice of a trajectory", "", FILTER)
        if path:
            text = "Frames as start:stop:step (“::10” is every tenth, “-5:” the last five):"
            chosen, fine = QInputDialog.getText(self._parent, "Open a slice", text, text="::10")
            if fine:
                self.open_paths([f"{path}@{chosen.strip()}"])

    def ask_open_scan(self) -> None:
        """Ask for a crystal's volume scan and open it as EOS reference."""
        title = "Open a crystal along its volume"
        paths, _ = QFileDialog.getOpenFileNames(self._parent, title, self._folder(), FILTER)
        self._session.data.open_paths(paths, dict.fromkeys(paths, Role.EOS))

    def _folder(self) -> str:
        recent = self._session.settings.recent_files
        return str(Path(recent[0]).parent) if recent else ""

    def ask_open_run(self) -> None:
        """Ask for a run folder and open it."""
        start = str(self._session.settings.runs_folder)
        folder = QFileDialog.getExistingDirectory(self._parent, "Open the folder of a training", start)
        if folder:
            self._session.runs.open(folder)

    def ask_folder_for(self, name: str) -> Path | None:
        """Ask for a folder to save a training in that cannot be written where it should be."""
        folder = QFileDialog.getExistingDirectory(self._parent, f"Save {name} in", str(Path.home()))
        return Path(folder) if folder else None

    def open_paths(self, paths: list[str]) -> None:
        """Open trajectories, run folders and other programs' potentials alike."""
        from app.dialogs.potentials import ImportDialog, is_potential

        runs = [path for path in paths if Path(path).is_dir() and (Path(path) / "data.json").is_file()]
        for folder in runs:
            self._session.runs.open(folder)
        foreign = [path for path in paths if path not in runs and is_potential(path)]
        if foreign:
            dialog = self._dialogs.open("import_potential")
            assert isinstance(dialog, ImportDialog)
            dialog.sources.add(foreign)
        files = [path for path in paths if path not in runs and path not in foreign]
        self._to_show = set(files)
        self._session.data.open_paths(files)

    def ask_export_report(self) -> None:
        """Ask for a file and write the current run's report there."""
        run = self._session.runs.current
        if run is None or run.folder is None:
            return
        kept = self._session.settings.dialogs.setdefault("report", {})
        start = str(Path(kept.get("folder") or Path.home()) / f"{run.name}.html")
        kinds = "Web page (*.html);;PDF (*.pdf)"
        path, kind = QFileDialog.getSaveFileName(self._parent, f"Report of {run.name}", start, kinds)
        if path:
            target = Path(path) if Path(path).suffix else Path(path + (".pdf" if "pdf" in kind else ".html"))
            kept["folder"] = str(target.parent)
            export_report(self._session, run, target)

    def _on_dataset_added(self, dataset_id: str) -> None:
        """Remember a file; the first one of those just opened is shown."""
        path = self._session.data.datasets[dataset_id].path
        if not is_ours(path):
            self._session.settings.remember_file(path)
        if path in self._to_show:
            self._to_show.clear()
            self._session.data.show(dataset_id)
