"""The table of symmetry functions: look at a preset, change it, or write one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import repolish, styled
from nnpcore.descriptors.functions import (
    CUTOFF,
    G2,
    G4,
    KIND_NAMES,
    KINDS,
    KINDS_TEXT,
    USUAL_CUTOFF,
    SymmetryFunctions,
    all_parameters,
)
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.training.settings import DescriptorSettings

PARAMETERS = all_parameters()
_BEHIND_CUTOFF = ("cutoff_function", "inner_cutoff")
COLUMNS = ("Centre", "Type", "Neighbors", *(parameter.title for parameter in PARAMETERS))


class FunctionTable(QDialog):
    """Edits the functions of all central elements, one row each.

    ``made`` : those that the preset auto makes of the data, as ``SymmetryFunctions.to_dict()``.
    """

    def __init__(
        self,
        settings: DescriptorSettings,
        elements: Sequence[str],
        parent: QWidget | None = None,
        made: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Symmetry functions")
        self.resize(720, 560)
        self._settings = settings
        self._elements = tuple(elements) or ("Si",)
        self._made = made
        column = QVBoxLayout(self)
        hint = styled(QLabel(KINDS_TEXT, self), "muted")
        hint.setWordWrap(True)
        column.addWidget(hint)
        self.table = QTableWidget(0, len(COLUMNS), self)
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setAlternatingRowColors(True)
        self.table.itemChanged.connect(self._check)
        column.addWidget(self.table, 1)
        column.addLayout(self._buttons())
        self.message = QLabel(self)
        self.message.setWordWrap(True)
        column.addWidget(self.message)
        self.box = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        self.box.accepted.connect(self.accept)
        self.box.rejected.connect(self.reject)
        column.addWidget(self.box)
        self.show_functions(settings.functions or made or self._preset())

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for text, run in (
            ("Add row", self.add_row),
            ("Remove rows", self.remove_rows),
            ("Start from preset 26", lambda: self.show_functions(self._preset())),
        ):
            button = QPushButton(text, self)
            button.clicked.connect(run)
            row.addWidget(button)
        row.addStretch(1)
        return row

    def _preset(self) -> dict[str, Any]:
        return SymmetryFunctions.preset("26", self._elements, self._cutoff).to_dict()

    @property
    def _cutoff(self) -> float:
        return self._settings.cutoff or USUAL_CUTOFF

    # rows ---------------------------------------------------------------------------------------------
    def show_functions(self, functions: dict[str, Any]) -> None:
        """Fill the table from ``SymmetryFunctions.to_dict()``."""
        self.table.blockSignals(True)
        self.table.setRowCount(0)
        for center, entries in functions.items():
            for entry in entries:
                self._append(_texts(center, entry))
        self.table.blockSignals(False)
        self._check()

    def _show_columns(self) -> None:
        """Hide the columns of numbers that none of the usual kinds, and no row, has."""
        kinds = [KINDS.get(self._text(row, 1)) for row in range(self.table.rowCount())]
        used = {parameter for kind in (G2, G4, *kinds) if kind for parameter in kind.parameters}
        for column, parameter in enumerate(PARAMETERS[:-1], start=3):
            self.table.setColumnHidden(column, parameter not in used)

    def _append(self, texts: Sequence[str]) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if column >= 3:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)

    def add_row(self) -> None:
        """Append a copy of the current row (or a plain G2)."""
        row = self.table.currentRow()
        if row >= 0:
            self._append([self._text(row, column) for column in range(len(COLUMNS))])
        else:
            element = self._elements[0]
            plain = G2(element, 0.1, 0.0, self._cutoff)
            self._append(_texts(element, {"type": "G2", **plain.values}))
        self.table.setCurrentCell(self.table.rowCount() - 1, 3)
        self._check()

    def remove_rows(self) -> None:
        """Remove the rows that have selected cells."""
        for row in sorted({index.row() for index in self.table.selectedIndexes()}, reverse=True):
            self.table.removeRow(row)
        self._check()

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return item.text().strip() if item else ""

    # result -------------------------------------------------------------------------------------------
    def functions(self) -> dict[str, list[dict[str, Any]]]:
        """Return the table as ``SymmetryFunctions.to_dict()`` does; SettingsError naming a bad row."""
        result: dict[str, list[dict[str, Any]]] = {}
        for row in range(self.table.rowCount()):
            texts = [self._text(row, column) for column in range(len(COLUMNS))]
            result.setdefault(texts[0], []).append(_entry(row, texts))
        return SymmetryFunctions.from_dict(result).to_dict()

    def descriptors(self) -> DescriptorSettings:
        """Return the settings with this table; a preset itself where nothing was changed."""
        functions = self.functions()
        if self._made is not None and functions == SymmetryFunctions.from_dict(self._made).to_dict():
            return self._settings.replace(preset="auto", functions=None)
        if functions == self._preset():
            return self._settings.replace(preset="26", functions=None)
        return self._settings.replace(preset="table", functions=functions)

    def _check(self, _item: object = None) -> None:
        self._show_columns()
        try:
            self.functions()
            self.message.setText(f"{self.table.rowCount()} functions")
            fine = True
        except EatlasError as error:
            self.message.setText(str(error))
            fine = False
        repolish(self.message, "error", not fine)
        self.box.button(QDialogButtonBox.StandardButton.Ok).setEnabled(fine)


def _texts(center: str, entry: dict[str, Any]) -> tuple[str, ...]:
    kind = KINDS[entry["type"]]
    neighbors = entry[kind.neighbors_field] if kind.neighbors_field else ""
    numbers = [f"{entry[p.name]:.10g}" if p.name in entry else "" for p in PARAMETERS]
    how = [entry[name] for name in _BEHIND_CUTOFF if name in entry]
    if len(how) == 1 and "inner_cutoff" in entry:
        how.insert(0, "cosine")
    numbers[-1] = " ".join((numbers[-1], *map(str, how)))
    return (center, entry["type"], " ".join(neighbors) if kind.n_neighbors == 2 else neighbors, *numbers)


def _cutoff_of(text: str, entry: dict[str, Any]) -> None:
    """Take the cutoff and, where they stand behind it, its function and inner part into an entry."""
    number, *how = text.split() or [""]
    if len(how) > len(_BEHIND_CUTOFF):
        raise ValueError(text)
    entry["cutoff"] = float(number)
    if how:
        entry["cutoff_function"] = how[0]
    if len(how) > 1:
        entry["inner_cutoff"] = float(how[1])


def _entry(row: int, texts: Sequence[str]) -> dict[str, Any]:
    """Return one row as plain data; SettingsError naming the row."""
    where = f"row {row + 1}"
    name, given = texts[1], dict(zip((p.name for p in PARAMETERS), texts[3:], strict=True))
    kind = KINDS.get(name)
    if kind is None:
        raise SettingsError(f"{name!r} is no type of function", where=where, fix=f"Use {KIND_NAMES}")
    elements = texts[2].replace(",", " ").replace("-", " ").split()
    if len(elements) != kind.n_neighbors:
        wanted = ("no neighbor elements", "one neighbor element", "two neighbor elements, e.g. Si Si")
        raise SettingsError(f"a {name} has {wanted[kind.n_neighbors]}", where=where)
    entry: dict[str, Any] = {"type": name}
    if kind.neighbors_field:
        entry[kind.neighbors_field] = elements[0] if kind.n_neighbors == 1 else elements
    try:
        _cutoff_of(given[CUTOFF.name], entry)
        for parameter in kind.parameters:
            text = given[parameter.name]
            missing = not text and parameter.default is not None
            entry[parameter.name] = parameter.default if missing else float(text)
    except ValueError as error:
        raise SettingsError("a number is missing or no number", where=where) from error
    return entry
