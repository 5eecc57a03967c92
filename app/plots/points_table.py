"""The list of invariant points: volume, spread of the symmetry functions, and whether it may be used."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from app.look import theme
from app.plots.ink import font, ink

HEADS = ("Frame", "V (Å³/atom)", "Spread (%)", "Distance", "Check")


class PointsTable(QTableWidget):
    """One row a frame; a click emits its number. Refused ones stand in the error colour, with the reason."""

    frame_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADS), parent)
        self.setObjectName("points_table")
        self._rows: tuple[tuple[tuple[str, ...], bool, str], ...] = ()
        self.setFont(font())
        self.horizontalHeader().setFont(font())
        self.setHorizontalHeaderLabels(HEADS)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        height = QFontMetrics(font()).height()
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(height)
        self.verticalHeader().setDefaultSectionSize(height + 4)
        head = self.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setHighlightSections(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setStretchLastSection(True)
        self.cellClicked.connect(lambda row, _column: self.frame_chosen.emit(row))
        theme.signals().changed.connect(self._fill)

    def show_points(self, rows: Sequence[tuple[tuple[str, ...], bool, str]]) -> None:
        """Show (texts of the cells, ok, reason) for every frame."""
        if tuple(rows) != self._rows:
            self._rows = tuple(rows)
            self._fill()

    def _fill(self) -> None:
        self.setRowCount(len(self._rows))
        for number, (texts, ok, reason) in enumerate(self._rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                last = column == len(texts) - 1
                item.setForeground(ink(("good" if last else "text") if ok else "error"))
                item.setToolTip(reason)
                self.setItem(number, column, item)
