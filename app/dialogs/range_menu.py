"""The colour bar's menu: how the range is found, what energies are relative to, the direction of the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QAction, QActionGroup, QDoubleValidator, QIcon, QImage, QPixmap
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QWidget,
)

from app.look import colormaps
from app.widgets.controls import plain_action

if TYPE_CHECKING:
    from app.session.coloring import SharedColoring
    from app.viewer3d.color_bar import ColorBarSpec

MODES = (
    ("auto", "Kept over frames"),
    ("all", "All frames, smallest to largest"),
    ("all_percentile", "All frames, 2nd to 98th percentile"),
    ("frame", "This frame, smallest to largest"),
    ("percentile", "This frame, 2nd to 98th percentile"),
)
SAMPLE = 84, 12
"""Size of a map's sample in the menu, pixels."""


def fill_range_menu(
    menu: QMenu, shared: SharedColoring, bar: ColorBarSpec, others: Sequence[str] = ()
) -> None:
    """Add the entries; ``bar`` is what is shown now, ``others`` are runs that may be taken off."""
    limits = bar.limits
    coloring = shared.current
    group = QActionGroup(menu)
    for mode, text in MODES:
        action = menu.addAction(text, lambda mode=mode: shared.set(range_mode=mode))
        _check(action, coloring.range_mode == mode, group)
    low, high = limits
    lock = menu.addAction("Lock this range", lambda: shared.set(range_mode="locked", low=low, high=high))
    _check(lock, coloring.range_mode == "locked", group)
    menu.addAction("Set the range…", lambda: ask_range(menu.parentWidget(), shared, bar))
    menu.addSeparator()
    _add_maps(menu.addMenu("Colour map"), shared)
    reverse = menu.addAction("Reverse the colours", lambda: shared.set(reverse=not coloring.reverse))
    _check(reverse, coloring.reverse)
    if coloring.kind == "run_difference" and others:
        minus = menu.addMenu("Take off the run")
        runs = QActionGroup(minus)
        for name in others:
            action = minus.addAction(plain_action(name), lambda name=name: shared.set(other=name))
            _check(action, name == (coloring.other or others[0]), runs)
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


def _add_maps(menu: QMenu, shared: SharedColoring) -> None:
    """The maps that suit what is shown, each with a sample."""
    coloring = shared.current
    known = colormaps.DIVERGING_MAPS if coloring.diverging else colormaps.SEQUENTIAL_MAPS
    usual = colormaps.usual(coloring.diverging)
    group = QActionGroup(menu)
    for name, key in known.items():
        changed = replace(coloring, centered=key) if coloring.diverging else replace(coloring, sequential=key)
        action = menu.addAction(name, lambda changed=changed: shared.set(changed))
        action.setIcon(_sample(key, coloring.diverging, coloring.reverse))
        _check(action, key == (coloring.map_name or usual), group)


def _sample(key: str, diverging: bool, reverse: bool) -> QIcon:
    colors = np.full((1, colormaps.N_COLORS, 4), 255, np.uint8)
    colors[0, :, :3] = colormaps.map_colors(diverging, reverse, name=key)[:, ::-1]
    image = QImage(colors.tobytes(), colormaps.N_COLORS, 1, QImage.Format.Format_RGB32)
    return QIcon(QPixmap.fromImage(image.scaled(*SAMPLE)))


def _check(action: QAction, on: bool, group: QActionGroup | None = None) -> None:
    action.setCheckable(True)
    action.setChecked(on)
    if group is not None:
        group.addAction(action)


def ask_range(parent: QWidget | None, shared: SharedColoring, bar: ColorBarSpec) -> None:
    """Ask for the two ends of the range and lock it."""
    dialog = RangeDialog(bar.limits, parent, quantity=bar.label, unit=bar.unit)
    if dialog.exec() == QDialog.DialogCode.Accepted:
        low, high = dialog.limits()
        shared.set(range_mode="locked", low=low, high=high)
    dialog.deleteLater()


class RangeDialog(QDialog):
    """Asks for the two ends of the colour map."""

    def __init__(
        self,
        limits: tuple[float, float],
        parent: QWidget | None = None,
        *,
        quantity: str = "",
        unit: str = "",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Colour range")
        rows = QFormLayout(self)
        if quantity:
            title = QLabel(f"{quantity} in {unit}" if unit else quantity, self)
            title.setTextFormat(Qt.TextFormat.PlainText)
            rows.addRow(title)
        self.low, self.high = (QLineEdit(f"{value:.6g}", self) for value in limits)
        for name, field in (("From", self.low), ("To", self.high)):
            validator = QDoubleValidator(field)
            validator.setLocale(QLocale.c())
            field.setValidator(validator)
            beside = QHBoxLayout()
            beside.addWidget(field)
            beside.addWidget(QLabel(unit, self))
            rows.addRow(name, beside)
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
