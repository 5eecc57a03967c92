"""All runs in one table: settings that differ, data, errors, verdicts; with notes and stars."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QCloseEvent, QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QPushButton, QVBoxLayout, QWidget
from shiboken6 import isValid

from app.documents.run import RunState
from app.session.notes import why_not
from app.widgets.controls import filled
from app.widgets.labels import NoteLabel
from app.widgets.redraw import Throttle
from app.widgets.tables import RunTable, RunTableRow
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from app.session.session import Session
    from nnpcore.progress import Progress
    from nnpcore.report.compared_runs import ComparedRun, ComparedRuns, Head
    from nnpcore.structures.frame import Frame

KEY = "compare runs"
NO_FOLDER = "It has no folder: nothing is known of its training"
WAITS = "It has not started yet"


def show_comparison(session: Session, parent: QWidget) -> CompareRunsDialog:
    """Show the table of runs, the one that is open already where there is one."""
    known = parent.findChild(CompareRunsDialog)
    dialog = known or CompareRunsDialog(session, parent)
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
    return dialog


class CompareRunsDialog(QDialog):
    """A row a run; what folders say comes first, then verdicts and errors by group, run after run."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._found: dict[str, ComparedRun] = {}
        self._heads: tuple[Head, ...] = ()
        self._order: list[str] = []
        self._queue: deque[str] = deque()
        self._sort: tuple[Head | int, bool] | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Compare runs")
        self.table = RunTable(self)
        self.table.head_clicked.connect(self._on_head)
        self.table.star_clicked.connect(self._on_star)
        self.table.noted.connect(self._on_noted)
        self.text = NoteLabel(self)
        self._build_buttons()
        self.resize(1100, 420)
        self._throttle = Throttle(self.refresh, self)
        runs = session.runs
        for signal in (runs.changed, runs.removed, session.notes.changed, session.properties.changed):
            signal.connect(self._throttle.request)
        runs.opened.connect(self._on_opened)  # methods, not functions: connections end with the dialog
        runs.added.connect(self._throttle.request)
        self._compute()

    def _build_buttons(self) -> None:
        self.again = QPushButton("Compute again", self)
        self.again.setToolTip("Read all folders again, and judge all runs")
        self.again.clicked.connect(lambda _checked=False: self._on_again())
        self.copy = QPushButton("Copy", self)
        self.copy.setToolTip("Put the table on the clipboard, for a spreadsheet")
        self.copy.clicked.connect(lambda _checked=False: self.copy_table())
        self.save = QPushButton("Save CSV…", self)
        self.save.clicked.connect(lambda _checked=False: self._ask_save())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        for button in (self.again, self.copy, self.save):
            button.setAutoDefault(False)
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        filled(QVBoxLayout(self), (self.table, 1), self.text, buttons, margins=(12, 12, 12, 12), spacing=8)

    # computing ----------------------------------------------------------------------------------------
    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._session.tasks.busy(KEY)

    def _on_opened(self, _run_id: str) -> None:
        self._compute(fresh=False)

    def _on_again(self) -> None:
        if self.busy:
            self._stop()
        else:
            self._compute()

    def _stop(self) -> None:
        self._queue.clear()
        self._session.tasks.cancel(KEY)
        self._say(" Stopped.")
        self.again.setText("Compute again")

    def _compute(self, *, fresh: bool = True) -> None:
        """Read the folders of all runs (``fresh``), or of those that are new, and judge them."""
        documents = self._session.runs.documents
        waiting = set() if fresh else set(self._queue)
        wanted = [key for key in documents if fresh or key in waiting or key not in self._found]
        folders = {key: (documents[key].folder, documents[key].name) for key in wanted}
        known = {key: (path, name) for key, (path, name) in folders.items() if path is not None}

        def read(progress: Progress) -> dict[str, ComparedRun]:
            from nnpcore.report.compared_runs import compared_run

            parts = zip(known.items(), progress.split(max(len(known), 1)), strict=False)
            return {key: compared_run(*where, judge=False, progress=part) for (key, where), part in parts}

        def put(found: dict[str, ComparedRun]) -> None:
            self._found |= found
            self._queue = deque(key for key, run in found.items() if run.cells)
            self.refresh()
            self._judge_next()

        self._queue = deque()
        self.again.setText("Stop")
        self._session.tasks.run("Comparing runs", read, put, self._failed, key=KEY)

    def _judge_next(self) -> None:
        """Judge the next run in the background."""
        documents = self._session.runs.documents
        while self._queue and self._queue[0] not in documents:
            self._queue.popleft()
        if not self._queue:
            self.again.setText("Compute again")
            self._say()
            return
        key = self._queue[0]
        run = documents[key]
        path, name, eos, threads = run.folder, run.name, self._eos(), self._session.settings.threads
        regions = [known.set for known in self._session.regions.sets.values()]
        assert path is not None

        def judge(progress: Progress) -> ComparedRun:
            from nnpcore.report.compared_runs import compared_run

            return compared_run(path, name, eos=eos, regions=regions, n_threads=threads, progress=progress)

        def put(found: ComparedRun) -> None:
            self._queue.popleft()
            self._found[key] = found
            self.refresh()
            self._judge_next()

        self._say(f" Judging {name}, {len(self._queue)} to do…")
        self._session.tasks.run(f"Judging {name}", judge, put, self._failed, key=KEY)

    def _failed(self, error: BaseException) -> None:
        self._stop()
        self._session.messages.notify_error("The runs were not compared", error)

    def _eos(self) -> tuple[Frame, ...] | None:
        """Return the crystal that is open, by which all runs are judged alike."""
        documents = self._session.data.of_role(Role.EOS)
        return tuple(documents[0].frames) if documents else None

    def _say(self, more: str = "") -> None:
        documents = self._session.data.of_role(Role.EOS)
        by = f"All judged by {documents[0].name}." if documents else "Each judged by what it monitored."
        lost = sum(bool(run.trouble) for run in self._found.values())
        runs = "1 run was" if lost == 1 else f"{lost} runs were"
        damaged = f" {runs} not read in full: the tip of a marked name says why." if lost else ""
        self.text.set_text(by + damaged + more)

    # what is shown ------------------------------------------------------------------------------------
    def comparison(self) -> ComparedRuns:
        """Return the runs as they are shown: sorted, or as in the list of runs, the newest first."""
        from nnpcore.report.compared_runs import ComparedRuns

        documents = self._session.runs.documents
        rows = {key: self._row(documents[key]) for key in reversed(documents)}
        found = ComparedRuns(tuple(rows.values()))
        if self._sort is not None:
            by, down = self._sort
            if by == RunTable.STAR:
                found = found.sorted_with(lambda run: int(not run.note.star), descending=down)
            elif by == RunTable.NOTE:
                found = found.sorted_with(lambda run: run.note.text or None, descending=down)
            elif not isinstance(by, int):
                found = found.sorted_by(by, descending=down)
        ids = {id(row): key for key, row in rows.items()}
        self._order = [ids[id(row)] for row in found.runs]
        return found

    def _row(self, run: RunDocument) -> ComparedRun:
        from nnpcore.report.compared_runs import ComparedRun, property_cells

        row = self._found.get(run.id)
        if row is None or run.state is RunState.WAITING:
            why = WAITS if run.state is RunState.WAITING else "" if run.folder is not None else NO_FOLDER
            row = ComparedRun(run.folder or Path(), run.name, trouble=why)
        studied = self._session.properties.found.get(run.id)
        cells = row.cells if studied is None else {**row.cells, **property_cells(studied)}
        return replace(row, name=run.name, note=run.note, cells=cells)

    def refresh(self) -> None:
        """Bring the table up to date."""
        found = self.comparison()
        self._heads = found.heads
        documents = self._session.runs.documents
        rows = [
            _table_row(one, documents[key], found.heads)
            for key, one in zip(self._order, found.runs, strict=True)
        ]
        self.table.show_rows([(head.name, "") for head in found.heads], rows, self._arrow(found.heads))
        for button in (self.copy, self.save):
            button.setEnabled(bool(rows))

    def _arrow(self, heads: Sequence[Head]) -> tuple[int, bool] | None:
        if self._sort is None:
            return None
        by, down = self._sort
        if isinstance(by, int):
            return by, down
        return (heads.index(by), down) if by in heads else None

    # by the user --------------------------------------------------------------------------------------
    def _on_head(self, column: int) -> None:
        """Sort up, then down, then as the list of runs is."""
        by = self._heads[column] if column >= 0 else column
        known = self._sort
        self._sort = (by, False) if known is None or known[0] != by else None if known[1] else (by, True)
        self.refresh()

    def _on_star(self, row: int) -> None:
        note = self._session.runs.documents[self._order[row]].note
        self._session.notes.set(self._order[row], replace(note, star=not note.star))

    def _on_noted(self, row: int, text: str) -> None:
        note = self._session.runs.documents[self._order[row]].note
        self._session.notes.set(self._order[row], replace(note, text=text))

    def copy_table(self) -> None:
        """Put the table on the clipboard."""
        from nnpcore.figures.tables import format_csv

        table, data = self.comparison().table(), QMimeData()
        data.setText(format_csv(table, "\t"))
        data.setData("text/csv", format_csv(table).encode("utf-8"))
        QGuiApplication.clipboard().setMimeData(data)
        self._say(" The table is on the clipboard.")

    def _ask_save(self) -> None:
        start = str(Path.home() / "runs.csv")
        path, _ = QFileDialog.getSaveFileName(self, "Save the table of runs", start, "CSV (*.csv)")
        if path:
            self.save_table(Path(path))

    def save_table(self, path: Path) -> None:
        """Write the table as CSV, in the background."""
        from nnpcore.figures.tables import write_csv

        table = self.comparison().table()
        self._session.tasks.run(
            "Saving the table of runs",
            lambda _progress: write_csv(path, table),
            lambda _: isValid(self) and self._say(f" The table is in {path}."),
            lambda error: self._session.messages.notify_error("The table was not saved", error),
        )

    def done(self, result: int) -> None:
        """Compute no more, and close."""
        self._end()
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Compute no more, and close."""
        self._end()
        super().closeEvent(event)

    def _end(self) -> None:
        self._queue.clear()
        self._session.tasks.cancel(KEY)


def _table_row(one: ComparedRun, run: RunDocument, heads: Sequence[Head]) -> RunTableRow:
    tips = {head: cell.tip for head, cell in one.cells.items()}
    cells = tuple((one.text(head), tips.get(head, "") or one.trouble) for head in heads)
    name = f"⚠ {one.name}" if one.trouble else one.name
    return RunTableRow(name, one.trouble or str(one.path), one.note.star, one.note.text, why_not(run), cells)
