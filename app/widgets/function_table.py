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

from app.look.style_sheet import repolish
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.training.settings import DescriptorSettings

COLUMNS = ("Centre", "Type", "Neighbors", "η (1/Å²)", "r_s (Å)", "ζ", "λ", "Cutoff (Å)")
HINT = (
    "G2: radial, one neighbor element, η and r_s.   G4, G5: angular (with and without r_jk), two neighbor "
    "elements, η, ζ and λ = ±1."
)


class FunctionTable(QDialog):
    """Edits the functions of all central elements, one row each."""

    def __init__(
        self, settings: DescriptorSettings, elements: Sequence[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Symmetry functions")
        self.resize(720, 560)
        self._settings = settings
        self._elements = tuple(elements) or ("Si",)
        column = QVBoxLayout(self)
        hint = QLabel(HINT, self)
        hint.setWordWrap(True)
        hint.setProperty("muted", True)
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
        self.show_functions(settings.functions or self._preset())

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
        from nnpcore.descriptors import SymmetryFunctions

        return SymmetryFunctions.preset("26", self._elements, self._settings.cutoff).to_dict()

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
            self._append((element, "G2", element, "0.1", "0", "", "", f"{self._settings.cutoff:g}"))
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
        from nnpcore.descriptors import SymmetryFunctions

        result: dict[str, list[dict[str, Any]]] = {}
        for row in range(self.table.rowCount()):
            texts = [self._text(row, column) for column in range(len(COLUMNS))]
            result.setdefault(texts[0], []).append(_entry(row, texts))
        return SymmetryFunctions.from_dict(result).to_dict()

    def descriptors(self) -> DescriptorSettings:
        """Return the settings with this table; the preset itself where nothing was changed."""
        functions = self.functions()
        if functions == self._preset():
            return self._settings.replace(functions=None)
        return self._settings.replace(functions=functions)

    def _check(self, _item: object = None) -> None:
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
    if entry["type"] == "G2":
        eta, r_s = f"{entry['eta']:.10g}", f"{entry['r_s']:.10g}"
        return (center, "G2", entry["element"], eta, r_s, "", "", f"{entry['cutoff']:.10g}")
    return (
        center,
        entry["type"],
        " ".join(entry["elements"]),
        f"{entry['eta']:.10g}",
        "",
        f"{entry['zeta']:.10g}",
        f"{entry['lambda_']:.10g}",
        f"{entry['cutoff']:.10g}",
    )


def _entry(row: int, texts: Sequence[str]) -> dict[str, Any]:
    """Return one row as plain data; SettingsError naming the row."""
    where = f"row {row + 1}"
    _, kind, neighbors, eta, r_s, zeta, lambda_, cutoff = texts
    elements = neighbors.replace(",", " ").replace("-", " ").split()
    try:
        if kind == "G2":
            if len(elements) != 1:
                raise SettingsError("a G2 has one neighbor element", where=where)
            numbers = {"eta": float(eta), "r_s": float(r_s or 0), "cutoff": float(cutoff)}
            return {"type": "G2", "element": elements[0], **numbers}
        if kind in ("G4", "G5"):
            if len(elements) != 2:
                raise SettingsError(f"a {kind} has two neighbor elements, e.g. Si Si", where=where)
            numbers = {
                "eta": float(eta),
                "zeta": float(zeta),
                "lambda_": float(lambda_),
                "cutoff": float(cutoff),
            }
            return {"type": kind, "elements": elements, **numbers}
    except ValueError as error:
        raise SettingsError("a number is missing or no number", where=where) from error
    raise SettingsError(f"{kind!r} is no type of function", where=where, fix="Use G2, G4 or G5")
