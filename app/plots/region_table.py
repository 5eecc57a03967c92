"""A table of regions: colour and name, number of atoms, reference value, and the error by every run shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QIcon, QPainter, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.look import theme
from app.plots.ink import font, ink

NAME, ATOMS, REFERENCE, FIRST_ERROR = 0, 1, 2, 3
HEADS = ("Region", "Atoms", "Ref. (eV)")


@dataclass(frozen=True)
class TableRow:
    """One row: ``key`` (set id, number of the region; set id "" for the crystal) and the texts of its cells.

    ``errors`` are (text, colour name, tip), one a run; ``color`` of the dot, "" for none.
    """

    key: tuple[str, int]
    name: str
    color: str
    atoms: str
    reference: str
    reference_tip: str
    errors: tuple[tuple[str, str, str], ...]


class RegionTable(QTableWidget):
    """Rows can be clicked (``row_chosen``), renamed by a double click, and have a context menu."""

    row_chosen = Signal(str, int)
    renamed = Signal(str, int, str)
    menu_wanted = Signal(str, int, QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, FIRST_ERROR, parent)
        self.setObjectName("region_table")
        self.rows: tuple[TableRow, ...] = ()
        self.run_names: tuple[str, ...] = ()
        self._filling = False
        self.setFont(font())
        self.horizontalHeader().setFont(font())
        self.setShowGrid(False)
        self.setIconSize(QSize(10, 10))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setWordWrap(False)
        self.setViewportMargins(0, 0, 6, 0)
        height = QFontMetrics(font()).height()
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(height)
        self.verticalHeader().setDefaultSectionSize(height + 5)
        head = self.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setHighlightSections(False)
        head.setMinimumSectionSize(24)
        head.setFixedHeight(height + 6)
        self.cellClicked.connect(lambda row, _column: self.row_chosen.emit(*self.rows[row].key))
        self.itemChanged.connect(self._on_item_changed)
        self.customContextMenuRequested.connect(self._on_menu)
        theme.signals().changed.connect(self._fill)

    def show_rows(self, rows: Sequence[TableRow], run_names: Sequence[str]) -> None:
        """Replace the rows; nothing happens where they are the same. Several runs head their columns."""
        if (tuple(rows), tuple(run_names)) != (self.rows, self.run_names):
            self.rows, self.run_names = tuple(rows), tuple(run_names)
            self._fill()

    def _fill(self) -> None:
        if self.state() == QAbstractItemView.State.EditingState:
            return
        self._filling = True
        many = len(self.run_names) > 1
        names = self.run_names if many else ("Error (meV/atom)",)
        self.setRowCount(len(self.rows))
        self.setColumnCount(FIRST_ERROR + len(names))
        self.setHorizontalHeaderLabels([*HEADS, *names])
        for row, content in enumerate(self.rows):
            self._fill_row(row, content)
        head = self.horizontalHeader()
        for column in range(self.columnCount()):
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._fit()
        self._filling = False

    def _fit(self) -> None:
        """Leave out numbers of atoms, then where references come from, until the names have room."""
        wanted = self.sizeHintForColumn(NAME) + 6
        others = [c for c in range(self.columnCount()) if c != NAME]
        for hidden, brief in ((False, False), (True, False), (True, True)):
            self.setColumnHidden(ATOMS, hidden)
            for row, content in enumerate(self.rows):
                item = self.item(row, REFERENCE)
                if item is not None:
                    item.setText(content.reference.split(" ")[0] if brief else content.reference)
            used = sum(self._needed(c) for c in others if not self.isColumnHidden(c))
            if used + wanted <= self.viewport().width():
                break

    def _needed(self, column: int) -> int:
        return max(self.sizeHintForColumn(column), self.horizontalHeader().sectionSizeHint(column))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._filling = True
            self._fit()
            self._filling = False

    def _fill_row(self, row: int, content: TableRow) -> None:
        name = QTableWidgetItem(content.name)
        if content.color:
            name.setIcon(_dot(content.color))
        if not content.key[0]:
            name.setFlags(name.flags() & ~Qt.ItemFlag.ItemIsEditable)
        name.setToolTip(f"{content.name}, {content.atoms} atoms" if content.key[0] else content.name)
        self.setItem(row, NAME, name)
        self._put(row, ATOMS, content.atoms, "muted")
        self._put(row, REFERENCE, content.reference, "text", content.reference_tip)
        for k, (text, color, tip) in enumerate(content.errors):
            self._put(row, FIRST_ERROR + k, text, color, tip)

    def _put(self, row: int, column: int, text: str, color: str, tip: str = "") -> None:
        item = QTableWidgetItem(text)
        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
        item.setForeground(ink(color))
        item.setToolTip(tip)
        if column >= FIRST_ERROR:
            item.setFont(font(bold=True))
        self.setItem(row, column, item)

    def texts(self) -> list[list[str]]:
        """Return what stands in the cells, row by row."""
        return [
            [item.text() if (item := self.item(r, c)) else "" for c in range(self.columnCount())]
            for r in range(self.rowCount())
        ]

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == NAME and item.row() < len(self.rows):
            row = self.rows[item.row()]
            if item.text().strip() != row.name:
                self.renamed.emit(*row.key, item.text())

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Show what came in the meantime."""
        super().closeEditor(editor, hint)
        QTimer.singleShot(0, self, self._fill)

    def _on_menu(self, position: QPoint) -> None:
        row = self.rowAt(position.y())
        if 0 <= row < len(self.rows):
            self.menu_wanted.emit(*self.rows[row].key, self.viewport().mapToGlobal(position))


def _dot(color: str) -> QIcon:
    image = QPixmap(20, 20)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink(color))
    painter.drawEllipse(2, 2, 16, 16)
    painter.end()
    return QIcon(image)
