"""Tables of panels and dialogs: regions with their errors, invariant points, frames, properties, runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QSize, Qt, QTimer, Signal
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
from app.look.ink import font, ink
from app.look.names import in_lines
from app.widgets.painted import draw_dot

NAME, ATOMS, REFERENCE, FIRST_ERROR = 0, 1, 2, 3
REGION_HEADS = ("Region", "Atoms", "Ref. (eV)")
POINT_HEADS = ("Frame", "V (Å³/atom)", "Spread (%)", "Distance", "Check")


class _Table(QTableWidget):
    """A dense table in the plots' font: whole rows are selected, and it is filled anew with the theme."""

    def __init__(self, name: str, n_columns: int, row_padding: int, parent: QWidget | None) -> None:
        super().__init__(0, n_columns, parent)
        self.setObjectName(name)
        self._row_padding = row_padding
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().hide()
        head = self.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setHighlightSections(False)
        self._take_font()
        theme.signals().changed.connect(self._on_theme)

    def _take_font(self) -> None:
        """Use the plots' font, and rows and a head of its height."""
        self.line_height = QFontMetrics(font()).height()
        self.setFont(font())
        self.horizontalHeader().setFont(font())
        self.verticalHeader().setFont(font())
        self.horizontalHeader().setFixedHeight(self.line_height + 6)
        self.verticalHeader().setMinimumSectionSize(self.line_height)
        self.verticalHeader().setDefaultSectionSize(self.line_height + self._row_padding)

    def _on_theme(self) -> None:
        self._take_font()
        self._fill()

    def _fill(self) -> None:
        raise NotImplementedError


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


class RegionTable(_Table):
    """Rows can be clicked (``row_chosen``), renamed by a double click, and have a context menu."""

    row_chosen = Signal(str, int)
    renamed = Signal(str, int, str)
    menu_wanted = Signal(str, int, QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("region_table", FIRST_ERROR, 5, parent)
        self.rows: tuple[TableRow, ...] = ()
        self.run_names: tuple[str, ...] = ()
        self._filling = False
        self.setIconSize(QSize(10, 10))
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setViewportMargins(0, 0, 6, 0)
        self.horizontalHeader().setMinimumSectionSize(24)
        self.cellClicked.connect(lambda row, _column: self.row_chosen.emit(*self.rows[row].key))
        self.itemChanged.connect(self._on_item_changed)
        self.customContextMenuRequested.connect(self._on_menu)

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
        self.setHorizontalHeaderLabels([*REGION_HEADS, *names])
        for row, content in enumerate(self.rows):
            self._fill_row(row, content)
        head = self.horizontalHeader()
        for column in range(self.columnCount()):
            head.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._fit()
        self._filling = False

    @property
    def full_height(self) -> int:
        """Pixels that show every row."""
        return self.horizontalHeader().height() + self.verticalHeader().length() + 2 * self.frameWidth() + 2

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


class PointsTable(_Table):
    """One row a frame; a click emits its number. Refused ones stand in the error colour, with the reason."""

    frame_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("points_table", len(POINT_HEADS), 4, parent)
        self._rows: tuple[tuple[tuple[str, ...], bool, str], ...] = ()
        self.setHorizontalHeaderLabels(POINT_HEADS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setStretchLastSection(True)
        self.cellClicked.connect(lambda row, _column: self.frame_chosen.emit(row))

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


def _dot(color: str) -> QIcon:
    image = QPixmap(20, 20)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw_dot(painter, QPointF(10, 10), color, 8.0)
    painter.end()
    return QIcon(image)


CURE_HEADS = ("Frame to add", "Atoms", "Cost", "Left (meV/atom)", "Error")


class CureTable(_Table):
    """One row a frame to add, best first; a click emits its number from 0."""

    frame_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("cure_table", len(CURE_HEADS), 4, parent)
        self._rows: tuple[tuple[str, ...], ...] = ()
        self.setHorizontalHeaderLabels(CURE_HEADS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        head = self.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.currentCellChanged.connect(self._on_current)
        self._filling = False

    def show_frames(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show the texts of the cells of every frame; a column without any text is hidden."""
        if tuple(rows) != self._rows:
            self._rows = tuple(rows)
            self._fill()

    def _fill(self) -> None:
        self._filling = True
        self.setRowCount(len(self._rows))
        for number, texts in enumerate(self._rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setForeground(ink("text"))
                item.setToolTip(text)
                if column:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(number, column, item)
        for column in range(len(CURE_HEADS)):
            self.setColumnHidden(column, not any(row[column] for row in self._rows))
        self._filling = False

    def _on_current(self, row: int, _column: int, before: int, _before_column: int) -> None:
        if not self._filling and row >= 0 and row != before:
            self.frame_chosen.emit(row)


SEVERAL_LINES = "A note of several lines is changed by the menu of its run"


@dataclass(frozen=True)
class RunTableRow:
    """A run: ``tip`` of its name, ``locked`` why star and note cannot be changed, ``cells`` (text, tip)."""

    name: str
    tip: str
    star: bool
    note: str
    locked: str
    cells: tuple[tuple[str, str], ...]


class RunTable(_Table):
    """One row a run, named at the left whatever is scrolled; star and note can be changed, heads sort.

    ``head_clicked`` has the number of a column of ``cells``, STAR or NOTE.
    """

    STAR, NOTE = -2, -1
    MOST_WIDTH = 300

    head_clicked = Signal(int)
    star_clicked = Signal(int)
    noted = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("run_table", 2, 6, parent)
        self.heads: tuple[tuple[str, str], ...] = ()
        self.rows: tuple[RunTableRow, ...] = ()
        self.arrow: tuple[int, bool] | None = None
        self._filling = False
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().show()
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setSectionsClickable(True)
        self.horizontalHeader().sectionClicked.connect(lambda column: self.head_clicked.emit(column - 2))
        self.cellClicked.connect(self._on_click)
        self.itemChanged.connect(self._on_changed)

    def show_rows(
        self,
        heads: Sequence[tuple[str, str]],
        rows: Sequence[RunTableRow],
        arrow: tuple[int, bool] | None = None,
    ) -> None:
        """Replace heads (text, tip) and rows; ``arrow``: the column they are sorted by, and whether down."""
        if (tuple(heads), tuple(rows), arrow) != (self.heads, self.rows, self.arrow):
            self.heads, self.rows, self.arrow = tuple(heads), tuple(rows), arrow
            self._fill()

    def _fill(self) -> None:
        if self.state() == QAbstractItemView.State.EditingState:
            return
        self._filling = True
        self.setRowCount(len(self.rows))
        self.setColumnCount(2 + len(self.heads))
        for column, (text, tip) in enumerate((("★", "Click to give a star"), ("Note", ""), *self.heads)):
            item = QTableWidgetItem(text)
            item.setToolTip(tip or text)
            self.setHorizontalHeaderItem(column, item)
        for number, row in enumerate(self.rows):
            self._fill_row(number, row)
        head = self.horizontalHeader()
        head.setSortIndicatorShown(self.arrow is not None)
        if self.arrow is not None:
            down = Qt.SortOrder.DescendingOrder if self.arrow[1] else Qt.SortOrder.AscendingOrder
            head.setSortIndicator(self.arrow[0] + 2, down)
        head.setMaximumSectionSize(self.MOST_WIDTH)
        self.resizeColumnsToContents()
        self._filling = False

    def _fill_row(self, number: int, row: RunTableRow) -> None:
        name = QTableWidgetItem(row.name)
        name.setToolTip(row.tip)
        self.setVerticalHeaderItem(number, name)
        star = self._put(number, 0, "★" if row.star else "☆", row.locked or "Click to change")
        star.setForeground(ink("warning" if row.star else "muted"))
        line, several = " ".join(row.note.split()), "\n" in row.note
        tip = f"{row.note}\n\n{SEVERAL_LINES}" if several else row.note or "Double-click to write a note"
        note = self._put(number, 1, line, row.locked or tip)
        if not row.locked and not several:
            note.setFlags(note.flags() | Qt.ItemFlag.ItemIsEditable)
        for column, (text, tip) in enumerate(row.cells, start=2):
            self._put(number, column, text, tip or text)

    def _put(self, row: int, column: int, text: str, tip: str) -> QTableWidgetItem:
        item = QTableWidgetItem(text)
        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
        item.setForeground(ink("muted" if text == "–" else "text"))
        item.setToolTip(tip)
        self.setItem(row, column, item)
        return item

    def _on_click(self, row: int, column: int) -> None:
        if column == 0:
            self.star_clicked.emit(row)

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == 1:
            self.noted.emit(item.row(), item.text().strip())

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Show what came in the meantime."""
        super().closeEditor(editor, hint)
        QTimer.singleShot(0, self, self._fill)


@dataclass(frozen=True)
class PropertyRow:
    """A property and its cells: (text, tip) of every column behind its name."""

    name: str
    cells: tuple[tuple[str, str], ...]
    tip: str = ""


NAME_MARGIN, NAME_LINES, LEAST_NAME = 10, 3, 80
"""Pixels of a cell beside its text, lines that a long name may take, and pixels in which it may do so."""


class PropertyTable(_Table):
    """One row a property, one column a model; what a cell has to explain is its tip.

    Where names have no room, units go below the heads' words, then names take further lines.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("property_table", 1, 4, parent)
        self.heads: tuple[str, ...] = ("Property",)
        self.rows: tuple[PropertyRow, ...] = ()
        self._gives_way = 0
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)

    def show_rows(self, heads: Sequence[str], rows: Sequence[PropertyRow], *, gives_way: int = 0) -> None:
        """Replace heads and rows; nothing happens where they are the same.

        Where there is little room the column ``gives_way`` takes further lines, the others are whole.
        """
        if (tuple(heads), tuple(rows)) != (self.heads, self.rows):
            self.heads, self.rows, self._gives_way = tuple(heads), tuple(rows), gives_way
            self._fill()

    def _fill(self) -> None:
        self.setRowCount(len(self.rows))
        self.setColumnCount(len(self.heads))
        for number, row in enumerate(self.rows):
            self._put(number, 0, row.name, row.tip)
            for column, (text, tip) in enumerate(row.cells, start=1):
                self._put(number, column, text, tip)
        head = self.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(self._gives_way, QHeaderView.ResizeMode.Stretch)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show names in as many lines as the new width needs."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._fit()

    def _fit(self) -> None:
        metrics, column = QFontMetrics(font()), self._gives_way
        names = [row.name if column == 0 else row.cells[column - 1][0] for row in self.rows]
        wanted = max(map(metrics.horizontalAdvance, names), default=0) + NAME_MARGIN
        self._show_heads(two_lines=False)
        room = self.viewport().width() - self._used_beside(column)
        if room < wanted:
            self._show_heads(two_lines=True)
            room = self.viewport().width() - self._used_beside(column)
        most = NAME_LINES if room >= LEAST_NAME else 1
        broken = {name: in_lines(name, metrics, room - NAME_MARGIN, most) for name in dict.fromkeys(names)}
        for number, name in enumerate(names):
            lines = broken[name]
            item = self.item(number, column)
            if item is not None:
                item.setText("\n".join(lines))
                item.setToolTip(item.toolTip() or ("" if "".join(lines) == name else name))
            self.setRowHeight(number, len(lines) * self.line_height + self._row_padding)

    def _used_beside(self, column: int) -> int:
        return sum(
            max(self.sizeHintForColumn(c), self.horizontalHeader().sectionSizeHint(c))
            for c in range(self.columnCount())
            if c != column
        )

    def _show_heads(self, two_lines: bool) -> None:
        heads = [head.replace(" (", "\n(", 1) if two_lines else head for head in self.heads]
        self.setHorizontalHeaderLabels(heads)
        n_lines = max((head.count("\n") for head in heads), default=0) + 1
        self.horizontalHeader().setFixedHeight(n_lines * self.line_height + 6)
        for column in range(len(heads)):
            if (item := self.horizontalHeaderItem(column)) is not None:
                item.setTextAlignment(self._side(column) | Qt.AlignmentFlag.AlignBottom)

    def _put(self, row: int, column: int, text: str, tip: str) -> None:
        item = QTableWidgetItem(text)
        item.setForeground(ink("muted" if tip and text == "–" else "text"))
        item.setToolTip(tip)
        item.setTextAlignment(self._side(column) | Qt.AlignmentFlag.AlignVCenter)
        self.setItem(row, column, item)

    def _side(self, column: int) -> Qt.AlignmentFlag:
        """Return where the texts of a column stand: names at the left, numbers at the right."""
        named = column in (0, self._gives_way)
        return Qt.AlignmentFlag.AlignLeft if named else Qt.AlignmentFlag.AlignRight
