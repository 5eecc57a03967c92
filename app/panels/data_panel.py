"""The open files: what each contains and what it is used for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import styled
from app.panels.base import Panel
from app.widgets.controls import filled, tool_button
from app.widgets.labels import ElidedLabel
from app.widgets.painted import PaintedWidget, draw_dot
from app.widgets.quiet import Choice
from app.widgets.row_list import RowList
from nnpcore.structures import DatasetSummary, Role

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from app.session.session import Session

ROLE_TEXTS = {
    Role.TRAINING: "Training",
    Role.VALIDATION: "Validation",
    Role.EOS: "EOS reference",
    Role.INSPECT: "Inspect only",
}


class DataPanel(Panel):
    """One row per open file, with its role."""

    title = "Data"
    name = "data"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.rows = RowList[DatasetRow]("data_files", _EmptyPage(self), self._on_chosen, self.menu_of, self)
        self.set_body(self.rows)
        session.data.added.connect(self._add)
        session.data.removed.connect(self.rows.remove)
        session.data.changed.connect(self._on_changed)
        session.data.current_changed.connect(self._on_current_changed)
        for dataset_id in session.data.datasets:
            self._add(dataset_id)

    def _add(self, dataset_id: str) -> None:
        self.rows.add(dataset_id, DatasetRow(self.session, self.session.data.datasets[dataset_id], self))
        self._on_current_changed()

    def _on_changed(self, dataset_id: str) -> None:
        row = self.rows.row(dataset_id)
        if row is not None:
            row.refresh()

    def _on_current_changed(self) -> None:
        self.rows.choose(self.session.data.current_id)

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


class _EmptyPage(QWidget):
    """What the panel shows before anything is open."""

    def __init__(self, panel: DataPanel) -> None:
        super().__init__(panel)
        column = filled(QVBoxLayout(self), margins=(16, 16, 16, 16), spacing=8)
        column.addStretch(1)
        text = styled(QLabel("Drop a trajectory here: extended XYZ,\nor any format ASE reads", self), "muted")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text.setWordWrap(True)
        column.addWidget(text)
        button = QPushButton("Silicon example", self)
        button.clicked.connect(panel.session.data.open_example)
        column.addWidget(button, 0, Qt.AlignmentFlag.AlignCenter)
        column.addStretch(2)


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
    """Name, role and contents of one file."""

    def __init__(self, session: Session, document: DatasetDocument, parent: QWidget) -> None:
        super().__init__(parent)
        self._document = document
        self.setObjectName("data_row")
        swatch = Swatch(document.color_index, self)
        self.label = styled(ElidedLabel(self), "heading")
        self.label.set_text(document.name, tip=document.path)
        self.role = Choice(self)
        for role, text in ROLE_TEXTS.items():
            self.role.addItem(text, role)
        self.role.setToolTip("What this file is used for")
        self.role.setFixedWidth(126)
        self.role.activated.connect(
            lambda index: session.data.set_role(document.id, Role(self.role.itemData(index)))
        )
        close = partial(session.data.remove, document.id)
        self.close_button = tool_button(self, "Close this file", close, icon="close", size=12, muted=True)
        frames, labels = (self._line(text) for text in contents(document.summary))
        top = filled(QHBoxLayout(), swatch, (self.label, 1), self.close_button, spacing=6)
        below = filled(QHBoxLayout(), (labels, 1), self.role, spacing=6)
        filled(QVBoxLayout(self), top, frames, below, margins=(10, 6, 6, 6), spacing=2)
        self.refresh()

    def _line(self, text: str) -> ElidedLabel:
        line = styled(ElidedLabel(self), "muted", "small")
        line.set_text(text, tip=self._document.summary.text)
        return line

    def refresh(self) -> None:
        """Show the role the data set has."""
        self.role.setCurrentIndex(self.role.findData(self._document.role))


def contents(summary: DatasetSummary) -> tuple[str, str]:
    """Return two short lines on what a file contains."""
    counts = {"energies": summary.n_energies, "forces": summary.n_forces, "stress": summary.n_stresses}
    parts = [
        name if count == summary.n_frames else f"{name} of {count}" for name, count in counts.items() if count
    ]
    labels = ", ".join(parts) if summary.n_energies else ", ".join(["no energies", *parts])
    frames = "1 frame" if summary.n_frames == 1 else f"{summary.n_frames} frames"
    volume = ""
    if summary.volume_per_atom is not None:
        low, high = (f"{value:.2f}" for value in summary.volume_per_atom)
        volume = f" · {low} Å³/atom" if low == high else f" · {low}–{high} Å³/atom"
    skipped = f" · {summary.n_problems} skipped" if summary.n_problems else ""
    return f"{frames} of {summary.formula}{volume}", f"{labels}{skipped} · eV, Å"
