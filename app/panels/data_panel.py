"""One list of what is open: the files, what each is used for, and the runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, QTimer
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.look import theme
from app.look.style_sheet import styled
from app.panels.base import Panel
from app.panels.run_rows import RunRow, run_menu
from app.widgets.controls import filled, tool_button
from app.widgets.eye import EyeButton
from app.widgets.labels import ElidedLabel
from app.widgets.painted import PaintedWidget, draw_dot
from app.widgets.quiet import Choice
from app.widgets.row_list import RowList
from app.workers.tasks import READ, Task
from nnpcore.structures import DatasetSummary, Role

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from app.session.session import Session

ROLE_TEXTS = {
    Role.TRAINING: "Training",
    Role.VALIDATION: "Validation",
    Role.TEST: "Test",
    Role.EOS: "EOS reference",
    Role.INSPECT: "Inspect only",
}


class DataPanel(Panel):
    """One list: a row per open file with colour, role and eye, and below them a row per run."""

    title = "Data and Runs"
    name = "data"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._revealed: tuple[str | None, str | None] = (None, None)
        self._file_last = self._keeps_in_sight = False
        self.rows = RowList[DatasetRow]("data_files", _EmptyPage(self), self._on_chosen, self.menu_of, self)
        no_run = styled(QLabel("A training is listed here.", self), "muted", "small")
        no_run.setContentsMargins(12, 4, 8, 8)
        self.runs = RowList[RunRow]("runs_list", no_run, session.runs.set_current, self.menu_of_run, self)
        self._build()
        self._connect_data()
        self._connect_runs()

    def _build(self) -> None:
        content = QWidget(self)
        content.setProperty("panel", True)
        self.runs_head = QWidget(content)
        self.runs_head.setObjectName("list_head")
        self.runs_head.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        compare = tool_button(
            self.runs_head, "Compare runs in a table", self.compare_runs, icon="table", size=14, muted=True
        )
        tip = "Open the folder of a training"
        button = tool_button(self.runs_head, tip, self.ask_open_run, icon="folder", size=14, muted=True)
        caption = styled(QLabel("Runs", self.runs_head), "muted", "caption")
        filled(QHBoxLayout(self.runs_head), (caption, 1), compare, button, margins=(10, 2, 4, 2))
        column = filled(QVBoxLayout(content), self.rows, self.runs_head, self.runs)
        column.addStretch(1)
        self.scroll_area = QScrollArea(self)
        self.scroll_area.setWidget(content)
        self.scroll_area.setWidgetResizable(True)
        self.scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        bar = self.scroll_area.verticalScrollBar()
        bar.rangeChanged.connect(self._scroll)
        bar.actionTriggered.connect(self._on_scrolled)
        self.set_body(self.scroll_area)

    def _connect_data(self) -> None:
        data = self.session.data
        data.added.connect(self._add)
        data.removed.connect(self.rows.remove)
        data.changed.connect(self._on_changed)
        data.found.connect(self._on_changed)
        data.current_changed.connect(self._on_current_changed)
        self.session.visibility.changed.connect(self._refresh_rows)
        self.session.tasks.progressed.connect(self._on_progress)
        for dataset_id in data.datasets:
            self._add(dataset_id)

    def _connect_runs(self) -> None:
        runs = self.session.runs
        runs.added.connect(self._add_run)
        runs.removed.connect(self.runs.remove)
        runs.changed.connect(self._on_run_changed)
        runs.current_changed.connect(self._on_current_run_changed)
        for signal in (runs.comparison_changed, runs.added, runs.removed, theme.signals().changed):
            signal.connect(self._refresh_runs)
        for run_id in reversed(runs.documents):
            self._add_run(run_id)
        self._on_current_run_changed()

    # data ---------------------------------------------------------------------------------------------
    def _add(self, dataset_id: str) -> None:
        self.rows.add(dataset_id, DatasetRow(self.session, self.session.data.datasets[dataset_id], self))
        self._on_current_changed()

    def _on_changed(self, dataset_id: str) -> None:
        row = self.rows.row(dataset_id)
        if row is not None:
            row.refresh()

    def _on_progress(self, task: Task) -> None:
        if task.lane == READ:
            for document in self.session.data.datasets.values():
                if document.reading:
                    self._on_changed(document.id)

    def _refresh_rows(self) -> None:
        for dataset_id in self.session.data.datasets:
            self._on_changed(dataset_id)

    def _on_current_changed(self) -> None:
        self.rows.choose(self.session.data.current_id)
        self._reveal()

    def _reveal(self) -> None:
        """Scroll to the current file or run where it is another one; the other stays in sight if it can."""
        now = self.session.data.current_id, self.session.runs.current_id
        if now == self._revealed:
            return
        file_last, self._revealed = now[0] != self._revealed[0], now

        self._file_last, self._keeps_in_sight = file_last, True
        QTimer.singleShot(0, self, self._scroll)

    def _scroll(self, *_range: int) -> None:
        """Have the current file and run in sight, also as the list grows, until somebody scrolls."""
        if not self._keeps_in_sight:
            return
        rows = [self.runs.row(self._revealed[1] or ""), self.rows.row(self._revealed[0] or "")]
        for row in rows if self._file_last else reversed(rows):
            if row is not None:
                self.scroll_area.ensureWidgetVisible(row, 0, 8)

    def _on_scrolled(self, _action: int) -> None:
        self._keeps_in_sight = False

    @property
    def room_below(self) -> int:
        """Pixels below the last row that hold nothing."""
        lists = (self.rows, self.runs_head, *((self.runs,) if self.session.runs.documents else ()))
        return self.scroll_area.height() - sum(part.height() for part in lists)

    def _on_chosen(self, dataset_id: str) -> None:
        if dataset_id in self.session.data.datasets:
            self.session.data.show(dataset_id)

    def menu_of(self, dataset_id: str) -> QMenu:
        """Return the context menu of a file."""
        menu = QMenu(self)
        document = self.session.data.datasets[dataset_id]
        roles = menu.addMenu("Use for")
        for role, text in ROLE_TEXTS.items():
            action = roles.addAction(text, lambda role=role: self.session.data.set_role(dataset_id, role))
            action.setCheckable(True)
            action.setChecked(role == document.role)
        menu.addAction("Read again", lambda: self.session.data.reload(dataset_id))
        menu.addSeparator()
        menu.addAction("Close", lambda: self.session.data.remove(dataset_id))
        return menu

    # runs ---------------------------------------------------------------------------------------------
    def ask_open_run(self) -> None:
        """Ask for a run folder and open it."""
        start = str(self.session.settings.runs_folder)
        folder = QFileDialog.getExistingDirectory(self, "Open the folder of a training", start)
        if folder:
            self.session.runs.open(folder)

    def compare_runs(self) -> None:
        """Show all runs in a table."""
        from app.dialogs.compare_runs import show_comparison

        show_comparison(self.session, self.window())

    def _add_run(self, run_id: str) -> None:
        newer = list(reversed(self.session.runs.documents)).index(run_id)
        self.runs.add(run_id, RunRow(self.session, run_id, self), at=newer)

    def _on_run_changed(self, run_id: str) -> None:
        row = self.runs.row(run_id)
        if row is not None:
            row.refresh()

    def _refresh_runs(self, *_: object) -> None:
        for run_id in self.session.runs.documents:
            self._on_run_changed(run_id)

    def _on_current_run_changed(self) -> None:
        self.runs.choose(self.session.runs.current_id)
        self._refresh_runs()
        self._reveal()

    def menu_of_run(self, run_id: str) -> QMenu:
        """Return the context menu of a run."""
        return run_menu(self.session, run_id, self)


class _EmptyPage(QWidget):
    """What the list shows before any file is open."""

    def __init__(self, panel: DataPanel) -> None:
        super().__init__(panel)
        column = filled(QVBoxLayout(self), margins=(12, 12, 12, 12), spacing=8)
        text = styled(QLabel("Drop a trajectory here: extended XYZ, or any format ASE reads", self), "muted")
        text.setWordWrap(True)
        column.addWidget(text)
        button = QPushButton("Silicon example", self)
        button.clicked.connect(panel.session.data.open_example)
        column.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)


class Swatch(PaintedWidget):
    """A small disc in a data set's colour."""

    def __init__(self, color_index: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._color_index = color_index
        self.setFixedSize(10, 10)

    def draw(self, painter: QPainter) -> None:
        """Draw the disc."""
        draw_dot(painter, QPointF(5, 5), f"series:{self._color_index}", 5.0)


class DatasetRow(QWidget):
    """Colour, name and eye of one file; below them its role and contents. The name has the width."""

    def __init__(self, session: Session, document: DatasetDocument, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._document = session, document
        self.setObjectName("data_row")
        swatch = Swatch(document.color_index, self)
        self.label = styled(ElidedLabel(self), "heading")
        self.label.elide = Qt.TextElideMode.ElideMiddle  # names often differ at their ends
        self.label.set_text(document.name, tip=document.path)
        self.role = Choice(self)
        self.role.setObjectName("role")
        for role, text in ROLE_TEXTS.items():
            self.role.addItem(text, role)
        self.role.setToolTip("What this file is used for")
        self.role.activated.connect(
            lambda index: session.data.set_role(document.id, Role(self.role.itemData(index)))
        )
        self.eye = EyeButton(self, "Show its atoms in the map", partial(session.visibility.show, document.id))
        close = partial(session.data.remove, document.id)
        self.close_button = tool_button(self, "Close this file", close, icon="close", size=12, muted=True)
        self.line = styled(ElidedLabel(self), "muted", "small")
        buttons = filled(QHBoxLayout(), self.eye, self.close_button)
        top = filled(QHBoxLayout(), swatch, (self.label, 1), buttons, spacing=6)
        below = filled(QHBoxLayout(), self.role, (self.line, 1), spacing=4)
        below.setContentsMargins(12, 0, 4, 0)
        filled(QVBoxLayout(self), top, below, margins=(10, 4, 6, 3), spacing=0)
        self.refresh()

    def refresh(self) -> None:
        """Show the role the data set has, and whether its atoms are drawn."""
        document = self._document
        self.role.setCurrentIndex(self.role.findData(document.role))
        self.role.setVisible(not document.reading)
        if document.reading:
            self.line.set_text(self._so_far(), tip="Its close button ends the reading")
        else:
            warned = document.changed_since
            parts = ["⚠ changed"] if warned else []
            tip = f"{document.summary.text}\n{warned}".strip()
            self.line.set_text(" · ".join([*parts, *contents(document.summary)]), tip=tip)
        self.eye.show_state(self._document.id not in self._session.visibility.hidden)

    def _so_far(self) -> str:
        """Return how much has been read: the status line's share, of how many frames once that is known."""
        document, share = self._document, self._session.data.share_read(self._document.id)
        known = document.index is not None and document.index.complete
        if share is None:
            return f"Reading… {_frames(document.n_frames)} so far"
        return f"Reading… {100 * share:.0f} %{f' of {_frames(document.n_found)}' if known else ''}"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count:,} frames"


def contents(summary: DatasetSummary) -> tuple[str, str]:
    """Return two short lines on what a file contains."""
    counts = {"energies": summary.n_energies, "forces": summary.n_forces, "stress": summary.n_stresses}
    parts = [
        name if count == summary.n_frames else f"{name} of {count}" for name, count in counts.items() if count
    ]
    labels = ", ".join(parts) if summary.n_energies else ", ".join(["no energies", *parts])
    frames = _frames(summary.n_frames)
    volume = ""
    if summary.volume_per_atom is not None:
        low, high = (f"{value:.2f}" for value in summary.volume_per_atom)
        volume = f" · {low} Å³/atom" if low == high else f" · {low}–{high} Å³/atom"
    skipped = f" · {summary.n_problems} skipped" if summary.n_problems else ""
    return f"{frames} of {summary.formula}{volume}", f"{labels}{skipped}"
