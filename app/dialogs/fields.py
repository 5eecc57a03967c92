"""Fields of a dialog by name: laid out in two columns, read, filled, remembered, marked where wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QLocale, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import repolish, styled
from app.widgets.controls import filled
from app.widgets.quiet import Choice, Number, Whole

COLUMNS = 2
LABEL_WIDTH = 100
FIELD_WIDTH = 130


class Section(QWidget):
    """A heading with fields under it, two beside each other; ``wide`` ones take the whole row."""

    changed = Signal()

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        column = filled(QVBoxLayout(self), spacing=8)
        if title:
            column.addWidget(styled(QLabel(title, self), "heading"))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(3, 1)
        column.addLayout(self._grid)
        self.widgets: dict[str, QWidget] = {}
        self.labels: dict[str, QLabel] = {}
        self._cells: dict[str, _Cell] = {}

    def add(
        self, name: str, label: str, widget: QWidget, tip: str = "", *, wide: bool = False, beside: Any = None
    ) -> None:
        """Add a field; ``beside`` is a button that belongs to it."""
        caption = QLabel(label, self)
        caption.setMinimumWidth(LABEL_WIDTH)
        caption.setBuddy(widget)
        caption.setToolTip(tip)
        widget.setToolTip(tip)
        widget.setObjectName(f"field_{name}")
        widget.setAccessibleName(label)
        shown: QWidget = widget
        if beside is not None:
            shown = QWidget(self)
            filled(QHBoxLayout(shown), (widget, 1), beside, spacing=6)
        shown.setSizePolicy(QSizePolicy.Policy.Ignored, shown.sizePolicy().verticalPolicy())
        shown.setMinimumWidth(FIELD_WIDTH)
        self.widgets[name], self.labels[name] = widget, caption
        self._cells[name] = _Cell(caption, shown, wide)
        self._arrange()
        changed = bytes(widget.metaObject().userProperty().notifySignal().name().data()).decode()
        getattr(widget, changed).connect(lambda _: self.changed.emit())

    def set_shown(self, names: Iterable[str], shown: bool) -> None:
        """Show or hide fields with their labels; the others close the gap."""
        for name in names:
            self._cells[name].shown = shown
        self._arrange()

    def _arrange(self) -> None:
        place = 0
        for cell in self._cells.values():
            for widget in (cell.caption, cell.field):
                self._grid.removeWidget(widget)
                widget.setVisible(cell.shown)
            if not cell.shown:
                continue
            if cell.wide and place % COLUMNS:
                place += 1
            row, column = divmod(place, COLUMNS)
            self._grid.addWidget(cell.caption, row, 2 * column)
            self._grid.addWidget(cell.field, row, 2 * column + 1, 1, 3 if cell.wide else 1)
            place += COLUMNS if cell.wide else 1


@dataclass
class _Cell:
    """A field's place in the grid."""

    caption: QLabel
    field: QWidget
    wide: bool
    shown: bool = True


# values -----------------------------------------------------------------------------------------------
def value_of(widget: QWidget) -> Any:
    """Return what a field holds, as JSON can keep it; a choice gives its data, else its text."""
    if isinstance(widget, QComboBox):
        data = widget.currentData()
        return widget.currentText() if data is None or widget.isEditable() else data
    value = widget.metaObject().userProperty().read(widget)
    return value.strip() if isinstance(value, str) else value


def set_value(widget: QWidget, value: Any) -> None:
    """Fill a field; a value that does not fit leaves it as it is (another version has kept it)."""
    if isinstance(widget, QComboBox):
        _choose(widget, value)
    elif value is not None:
        with contextlib.suppress(OverflowError):
            widget.metaObject().userProperty().write(widget, value)


def _choose(box: QComboBox, value: Any) -> None:
    index = box.findData(value)
    if index >= 0:
        box.setCurrentIndex(index)
    elif box.isEditable():
        box.setEditText(str(value))


def mark(widget: QWidget, wrong: bool) -> None:
    """Show a field as wrong, or right again."""
    repolish(widget, "wrong", wrong)


# making -----------------------------------------------------------------------------------------------
def choice(parent: QWidget, items: Iterable[tuple[str, Any]], *, editable: bool = False) -> QComboBox:
    """Return a choice of (text, value)."""
    box = Choice(parent)
    box.setEditable(editable)
    for text, value in items:
        box.addItem(text, value)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def whole(parent: QWidget, value: int, low: int, high: int) -> QSpinBox:
    """Return a field for a whole number."""
    box = Whole(parent)
    box.setRange(low, high)
    box.setValue(value)
    _prepare(box)
    return box


def number(
    parent: QWidget, value: float, low: float, high: float, suffix: str = "", decimals: int = 2
) -> QDoubleSpinBox:
    """Return a field for a number; ``decimals`` are the most that are shown."""
    box = Number(parent)
    box.setDecimals(decimals)
    box.setRange(low, high)
    box.setValue(value)
    box.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
    _prepare(box)
    box.setSuffix(f" {suffix}" if suffix else "")
    return box


def _prepare(box: QSpinBox | QDoubleSpinBox) -> None:
    box.setLocale(QLocale.c())
    edit = box.lineEdit()
    if edit is not None:
        edit.setTextMargins(4, 0, 0, 0)


def line(parent: QWidget, text: str = "", placeholder: str = "") -> QLineEdit:
    """Return a field for text."""
    return QLineEdit(text, parent, placeholderText=placeholder)


def muted(parent: QWidget, text: str = "") -> QLabel:
    """Return a note that wraps."""
    return styled(QLabel(text, parent, wordWrap=True), "muted")
