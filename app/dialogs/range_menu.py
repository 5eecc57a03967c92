"""The colour bar's menu: how the range is found, what energies are relative to, the direction of the map."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QActionGroup, QDoubleValidator
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QMenu, QWidget

if TYPE_CHECKING:
    from app.session.coloring import SharedColoring

MODES = (
    ("auto", "Kept over frames"),
    ("frame", "This frame, smallest to largest"),
    ("percentile", "This frame, 2nd to 98th percentile"),
)


def fill_range_menu(menu: QMenu, shared: SharedColoring, limits: tuple[float, float]) -> None:
    """Add the entries; ``limits`` is the range shown now."""
    coloring = shared.current
    group = QActionGroup(menu)
    for mode, text in MODES:
        action = menu.addAction(text, lambda mode=mode: shared.set(range_mode=mode))
        _check(action, coloring.range_mode == mode, group)
    low, high = limits
    lock = menu.addAction("Lock this range", lambda: shared.set(range_mode="locked", low=low, high=high))
    _check(lock, coloring.range_mode == "locked", group)
    menu.addAction("Set the range…", lambda: ask_range(menu.parentWidget(), shared, limits))
    menu.addSeparator()
    reverse = menu.addAction("Reverse the colours", lambda: shared.set(reverse=not coloring.reverse))
    _check(reverse, coloring.reverse)
    if coloring.kind == "atomic_energy":
        menu.addSeparator()
        bases = QActionGroup(menu)
        for text, wanted in (
            ("Relative to the ensemble's crystal", replace(coloring, relative=True, baseline="ensemble")),
            ("Relative to the reference crystal", replace(coloring, relative=True, baseline="reference")),
            ("Absolute", replace(coloring, relative=False)),
        ):
            action = menu.addAction(text, lambda wanted=wanted: shared.set(wanted))
            _check(action, wanted == coloring, bases)


def _check(action: QAction, on: bool, group: QActionGroup | None = None) -> None:
    action.setCheckable(True)
    action.setChecked(on)
    if group is not None:
        group.addAction(action)


def ask_range(parent: QWidget | None, shared: SharedColoring, limits: tuple[float, float]) -> None:
    """Ask for the two ends of the range and lock it."""
    dialog = RangeDialog(limits, parent)
    if dialog.exec() == QDialog.DialogCode.Accepted:
        low, high = dialog.limits()
        shared.set(range_mode="locked", low=low, high=high)


class RangeDialog(QDialog):
    """Asks for the two ends of the colour map."""

    def __init__(self, limits: tuple[float, float], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Colour range")
        rows = QFormLayout(self)
        self.low, self.high = (QLineEdit(f"{value:.6g}", self) for value in limits)
        for name, field in (("From", self.low), ("To", self.high)):
            field.setValidator(QDoubleValidator(field))
            rows.addRow(name, field)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        rows.addRow(self.buttons)
        for field in (self.low, self.high):
            field.textChanged.connect(self._check_fields)

    def limits(self) -> tuple[float, float]:
        """Return what was entered, the smaller number first."""
        low, high = float(self.low.text()), float(self.high.text())
        return min(low, high), max(low, high)

    def _check_fields(self) -> None:
        fine = self.low.hasAcceptableInput() and self.high.hasAcceptableInput()
        fine = fine and float(self.low.text()) != float(self.high.text())
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(fine)
